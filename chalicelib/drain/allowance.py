"""What a tick may forward now: the capacity as somebody has set it, and the room in the destination queue.

Whoever lowers the capacity does it because the downstream suffers. So a capacity that cannot be read is never
taken for the deployed one: the last one known holds, or the tick fails and the next minute asks again
(docs/decisions/0012-capacity-at-run-time.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.capacity import capacity_of, share
from chalicelib.queues.depths import DEPTHS

if TYPE_CHECKING:
    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.aws.lean.ssm import AsyncSsm
    from chalicelib.config import Config


_last_known: dict[str, int] = {}  # by parameter; lives as long as the process


class AllowanceUnknown(Exception):
    """How much may be forwarded is not known: nothing is."""


class Allowance(NamedTuple):
    """How many events a tick of one shard may forward, and what sets that limit."""

    events: int
    limit: str = "capacity"  # or back_pressure
    problem: str = ""  # why the capacity is the last known one


async def allowed(sqs: AsyncSqs, ssm: AsyncSsm, config: Config, shard: int) -> Allowance:
    """The allowance of this tick. Raises AllowanceUnknown with one line."""
    capacity, problem = await _capacity(ssm, config.capacity_parameter, config.capacity)
    mine = share(capacity, config.drain_shards, shard)
    if not config.max_in_destination:
        return Allowance(mine, problem=problem)
    room = max(0, config.max_in_destination - await _in_destination(sqs, config.destination_queue_url))
    my_room = share(room, config.drain_shards, shard)
    return (
        Allowance(my_room, "back_pressure", problem) if my_room < mine else Allowance(mine, problem=problem)
    )


async def _capacity(ssm: AsyncSsm, parameter: str, deployed: int) -> tuple[int, str]:
    """The capacity, and where it is only the last known one why."""
    try:
        answer = await ssm.get_parameter(Name=parameter)
        found = capacity_of(answer["Parameter"].get("Value", ""))
    except CallFailed as e:
        if e.code == "ParameterNotFound":
            found = deployed
        elif parameter in _last_known:
            held = _last_known[parameter]
            return held, f"the capacity {parameter} cannot be read, the last one known holds: {held}; {e}"
        else:
            raise AllowanceUnknown(f"the capacity {parameter} cannot be read: {e}") from e
    except ValueError as e:
        raise AllowanceUnknown(f"the capacity {parameter} is {e}") from e
    _last_known[parameter] = found
    return found, ""


async def _in_destination(sqs: AsyncSqs, queue_url: str) -> int:
    """Messages there, waiting or in flight; approximate, as SQS counts them."""
    try:
        answer = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(DEPTHS.values()))
    except CallFailed as e:
        raise AllowanceUnknown(f"the destination's backlog cannot be read: {e}") from e
    attributes: Mapping[Any, str] = answer["Attributes"]
    return sum(int(attributes[name]) for name in DEPTHS.values())
