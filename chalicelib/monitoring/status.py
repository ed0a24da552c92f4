"""Where everything stands: the snapshot behind GET /status (docs/api.md).

Every part is asked at the same time as the others and may fail alone. Nothing here takes longer for a longer
queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.control import schedule
from chalicelib.control.capacity_override import capacities, capacity_override
from chalicelib.monitoring import parallel
from chalicelib.monitoring.eta import TICK_S, Arrivals, Drained, Eta, eta
from chalicelib.monitoring.parallel import Failed
from chalicelib.queues.depths import Depths, depths

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient

    from chalicelib.aws.clients import Clients
    from chalicelib.config import Config
    from chalicelib.control.schedule import Schedule
    from chalicelib.jobs.commands import JobSummary
    from chalicelib.letters.browse import Counted
    from chalicelib.monitoring.log_search import Tick
    from chalicelib.monitoring.measures import FunctionHealth, Hour, Measured


class QueueDepths(Depths):
    oldest_age: float | None  # seconds


class Queues(TypedDict):
    source: QueueDepths | Failed
    destination: QueueDepths | Failed
    dead_letter: QueueDepths | Failed  # those that are being filed


class ActiveJobs(TypedDict):
    active: list[JobSummary]


class Status(TypedDict):
    version: Literal[1]  # of the answer's shape; a field is added without a new number, never renamed
    stage: str | None
    at: str
    queues: Queues
    dead_letters: Counted | Failed  # those that are filed
    capacity: int | None
    capacity_deployed: int
    capacity_set: int | None
    capacity_error: str | None
    max_in_destination: int | None
    action: str
    schedule: Schedule | Failed
    last_tick: Tick | Failed | None
    arrivals_per_minute: float | None
    drain: Drained
    functions: dict[str, FunctionHealth] | Failed
    hour: Hour | Failed
    jobs: ActiveJobs | Failed


def snapshot(
    config: Config,
    clients: Clients,
    measured: Callable[[], Measured],
    last_tick: Callable[[], Tick | None],
    dead_letters: Callable[[], Counted],
) -> Status:
    """The answer of GET /status; a part that could not be asked is `{"error": ...}`, or null in its numbers.

    A client is made where it is needed, so that one that cannot be made costs only its part. `measured`,
    `last_tick` and `dead_letters` are measures.of_status, log_search.last_tick and browse.counted, or what is
    kept of them.
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
            "dead_letters": dead_letters,
        }
    )
    numbers: Measured | Failed = found["measured"]
    if parallel.failed(numbers):
        numbers = {"functions": numbers, "hour": numbers, "oldest_age": {}, "arrivals": None}
    override: int | Failed | None = found["override"]
    unreadable: str | None = None
    if parallel.failed(override):
        unreadable, override = override["error"], None
    set_to = capacities(override, config)
    capacity = None if unreadable else set_to["capacity"]
    arrivals = numbers["arrivals"]
    return {
        "version": 1,
        "stage": config.stage or None,
        "at": times.iso(times.now()),
        "queues": {
            "source": _with_age("source", found, numbers),
            "destination": _with_age("destination", found, numbers),
            "dead_letter": _with_age("dead_letter", found, numbers),
        },
        "dead_letters": found["dead_letters"],
        "capacity": capacity,
        "capacity_deployed": set_to["capacity_deployed"],
        "capacity_set": set_to["capacity_set"],
        "capacity_error": unreadable,
        "max_in_destination": config.max_in_destination or None,
        "action": config.action,
        "schedule": found["schedule"],
        "last_tick": found["last_tick"],
        "arrivals_per_minute": round(arrivals.mean, 1) if arrivals else None,
        "drain": _eta(found, capacity, arrivals, config).as_dict(),
        "functions": numbers["functions"],
        "hour": numbers["hour"],
        "jobs": found["jobs"],
    }


def active_jobs(s3control: S3ControlClient, config: Config) -> ActiveJobs:
    """The jobs that have not ended, newest first."""
    from chalicelib.jobs import commands
    from chalicelib.jobs.batch_jobs import STATES, TERMINAL

    wanted = ",".join(state for state in STATES if state not in TERMINAL)
    return {"active": commands.list_jobs({"status": wanted}, s3control, config)["jobs"]}


def _with_age(name: str, found: Mapping[str, Any], numbers: Measured) -> QueueDepths | Failed:
    """With the oldest message's age; what CloudWatch said of it is void when none waits."""
    depths: Depths | Failed = found[name]
    if parallel.failed(depths):
        return depths
    return {**depths, "oldest_age": numbers["oldest_age"].get(name) if depths["visible"] else None}


def _eta(found: Mapping[str, Any], capacity: int | None, arrivals: Arrivals | None, config: Config) -> Eta:
    """When the source queue will be empty; what is in flight counts, since it is not forwarded yet."""
    leaving = None if capacity is None else min(capacity, config.max_in_destination or capacity)
    paused = found["schedule"].get("paused", False)
    source = found["source"]
    return eta(
        None if parallel.failed(source) else source["visible"] + source["in_flight"],
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
    return TICK_S - max(0.0, (times.now() - ended).total_seconds()) % TICK_S
