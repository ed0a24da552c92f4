"""Where everything stands: the snapshot behind GET /status (docs/api.md).

Every part is asked at the same time as the others and may fail alone. Nothing here takes longer for a longer
queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import times
from chalicelib.control import schedule
from chalicelib.control.capacity_override import capacities, capacity_override
from chalicelib.monitoring import parallel
from chalicelib.monitoring.eta import TICK_S, Arrivals, Eta, eta
from chalicelib.queues.depths import depths

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient

    from chalicelib.aws.clients import Clients
    from chalicelib.config import Config

VERSION = 1  # of the answer's shape; a field is added without a new number, never renamed


def snapshot(
    config: Config,
    clients: Clients,
    measured: Callable[[], dict[str, Any]],
    last_tick: Callable[[], dict[str, Any] | None],
) -> dict[str, Any]:
    """The answer of GET /status; a part that could not be asked is `{"error": ...}`, or null in its numbers.

    A client is made where it is needed, so that one that cannot be made costs only its part. `measured` and
    `last_tick` are measures.of_status and log_search.last_tick, or what was kept of them.
    """
    found = parallel.ask(
        {
            "source": lambda: depths(clients.sqs(), config.source_queue_url),
            "destination": lambda: depths(clients.sqs(), config.destination_queue_url),
            "dead_letter": lambda: depths(clients.sqs(), config.dead_letter_queue_url),
            "override": lambda: capacity_override(clients.ssm(), config) if config.stage else None,
            "schedule": lambda: {"paused": schedule.is_paused(clients.events(), config)},
            "jobs": lambda: active_jobs(clients.s3control(), config),
            "measured": measured,
            "last_tick": last_tick,
        }
    )
    numbers = found["measured"]
    unmeasured = parallel.failed(numbers)
    override = found["override"]
    unknown = parallel.failed(override)
    set_to = capacities(None if unknown else override, config)
    if unknown:
        set_to["capacity"] = None
    arrivals = None if unmeasured else numbers["arrivals"]
    ages = {} if unmeasured else numbers["oldest_age"]
    gone = _eta(found, set_to["capacity"], arrivals, config)
    return {
        "version": VERSION,
        "stage": config.stage or None,
        "at": times.iso(times.now()),
        "queues": {
            name: _with_age(found[name], ages.get(name)) for name in ("source", "destination", "dead_letter")
        },
        **set_to,
        "capacity_error": override["error"] if unknown else None,
        "max_in_destination": config.max_in_destination or None,
        "action": config.action,
        "schedule": found["schedule"],
        "last_tick": found["last_tick"],
        "arrivals_per_minute": round(arrivals.mean, 1) if arrivals else None,
        "drain": gone.as_dict(),
        "minutes_to_drain": gone.minutes,
        "functions": numbers if unmeasured else numbers["functions"],
        "hour": numbers if unmeasured else numbers["hour"],
        "jobs": found["jobs"],
    }


def active_jobs(s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """The jobs that have not ended, newest first."""
    from chalicelib.jobs import commands
    from chalicelib.jobs.batch_jobs import STATUSES, TERMINAL

    wanted = ",".join(status for status in STATUSES if status not in TERMINAL)
    return {"active": commands.list_jobs({"status": wanted}, s3control, config)["jobs"]}


def _with_age(depths: dict[str, Any], age: float | None) -> dict[str, Any]:
    """With the oldest message's age in seconds; what CloudWatch said of it is void when none waits."""
    if parallel.failed(depths):
        return depths
    return {**depths, "oldest_age": age if depths["visible"] else None}


def _eta(found: Mapping[str, Any], capacity: int | None, arrivals: Arrivals | None, config: Config) -> Eta:
    """When the source queue will be empty."""
    leaving = None if capacity is None else min(capacity, config.max_in_destination or capacity)
    paused = found["schedule"].get("paused", False)
    return eta(
        found["source"].get("visible"),
        leaving,
        arrivals,
        paused=paused,
        held_back=capacity is not None and leaving != capacity,
        next_tick_s=_until_next_tick(found["last_tick"]),
    )


def _until_next_tick(last: dict[str, Any] | None) -> float:
    """Seconds, by when the last one ended; a whole tick where that is not known."""
    ended = times.moment(last.get("at")) if last else None
    if not ended:
        return TICK_S
    return TICK_S - (times.now() - ended).total_seconds() % TICK_S
