"""What a tick may forward now: what people set, the deployed capacity, and the room in the destination queue.

Whoever lowers the capacity, or pauses, does it because the downstream suffers. So what cannot be read is
never taken for the deployed value: the last one known holds, or the tick fails and the next minute asks again
(docs/decisions/0012-capacity-at-run-time.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.capacity import share
from chalicelib.config import override as overrides
from chalicelib.config.override import Override
from chalicelib.queues.depths import DEPTHS

if TYPE_CHECKING:
    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.aws.lean.ssm import AsyncSsm
    from chalicelib.config import Config


_last_known: dict[str, Override] = {}  # by parameter; lives as long as the process


class AllowanceUnknown(Exception):
    """How much may be forwarded is not known: nothing is."""


class Allowance(NamedTuple):
    """How many events a tick of one shard may forward, and what sets that limit."""

    events: int
    limit: str = "capacity"  # or back_pressure
    problem: str = ""  # why what people set is the last known
    paused: bool = False
    of_stage: int = 0  # the capacity of all shards now
    capacity_at: Callable[[float], int] = lambda at: 0  # of this shard, at a moment in seconds since 1970
    # In the destination, this shard's part; approximate, and 0 where they are not read.
    not_due: int = 0  # delayed until they are due
    waiting: int = 0  # due, and nobody has taken them


async def allowed(sqs: AsyncSqs, ssm: AsyncSsm, config: Config, shard: int, now: float) -> Allowance:
    """The allowance of this tick; `now` in seconds since 1970. Raises AllowanceUnknown with one line."""
    override, problem = await _override(ssm, config.capacity_parameter)

    def capacity_at(at: float) -> int:
        return share(overrides.capacity_at(config, override, at), config.drain_shards, shard)

    whole = overrides.capacity_at(config, override, now)
    if override.paused:
        return Allowance(0, "paused", problem, True, whole, capacity_at)
    mine = capacity_at(now)
    most = config.max_in_destination
    if most is None:
        most = 2 * whole
    if not most:
        return Allowance(mine, problem=problem, of_stage=whole, capacity_at=capacity_at)
    depths = await _in_destination(sqs, config.destination_queue_url)
    room = max(0, most - depths["visible"] - depths["in_flight"])
    my_room = share(room, config.drain_shards, shard)
    limit = "back_pressure" if my_room < mine else "capacity"
    not_due, waiting = (-(-depths[name] // config.drain_shards) for name in ("delayed", "visible"))
    return Allowance(min(mine, my_room), limit, problem, False, whole, capacity_at, not_due, waiting)


async def _override(ssm: AsyncSsm, parameter: str) -> tuple[Override, str]:
    """What people set, and where it is only the last known why."""
    try:
        answer = await ssm.get_parameter(Name=parameter)
        found = overrides.read(answer["Parameter"].get("Value", ""))
    except CallFailed as e:
        if e.code == "ParameterNotFound":
            found = overrides.NONE
        elif parameter in _last_known:
            return _last_known[parameter], f"{parameter} cannot be read, what it said last holds: {e}"
        else:
            raise AllowanceUnknown(f"the capacity {parameter} cannot be read: {e}") from e
    except ValueError as e:
        raise AllowanceUnknown(f"the capacity {parameter} is {e}") from e
    _last_known[parameter] = found
    return found, ""


async def _in_destination(sqs: AsyncSqs, queue_url: str) -> Mapping[str, int]:
    """Messages there by the names of DEPTHS; approximate, as SQS counts them."""
    try:
        answer = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[*DEPTHS.values()])
    except CallFailed as e:
        raise AllowanceUnknown(f"the destination's backlog cannot be read: {e}") from e
    attributes: Mapping[Any, str] = answer["Attributes"]
    return {name: int(attributes[attribute]) for name, attribute in DEPTHS.items()}
