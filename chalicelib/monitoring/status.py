"""Where everything stands: the snapshot behind GET /status (docs/api.md).

Every part is asked at the same time as the others and may fail alone. Nothing here takes longer for a longer
queue.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.config import override
from chalicelib.control.capacity_override import capacities, read_override
from chalicelib.monitoring import parallel
from chalicelib.monitoring.eta import TICK_S, Arrivals, Drained, Eta, eta
from chalicelib.monitoring.expiry import Expires, Waiting, expires
from chalicelib.monitoring.parallel import Failed
from chalicelib.monitoring.verdict import Verdict, verdict
from chalicelib.queues.depths import Depths, depths
from chalicelib.queues.retention import KEPT

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient

    from chalicelib.aws.clients import Clients
    from chalicelib.config import Config
    from chalicelib.config.override import Override
    from chalicelib.control.capacity_override import Schedule
    from chalicelib.jobs.commands import JobSummary
    from chalicelib.letters.browse import Counted
    from chalicelib.monitoring.groups import Groups
    from chalicelib.monitoring.log_search import Downstream, Tick
    from chalicelib.monitoring.measures import FunctionHealth, Hour, Measured


BY_TABLE = "by the action table"


class TableLine(TypedDict):
    """A line of the action table; the first that takes a key has it."""

    keys: str
    action: str
    thumbnails: list[str]  # their names, where it makes any


class QueueDepths(Depths):
    oldest_age: float | None  # seconds


class Queues(TypedDict):
    source: QueueDepths | Failed  # the live lane
    bulk: QueueDepths | Failed | None
    destination: QueueDepths | Failed
    dead_letter: QueueDepths | Failed  # those that are being filed


class SetBy(TypedDict):
    """What people set at run time, beside the capacity's number: hours, until when, who, when and why."""

    by_hour: str | None
    until: str | None
    who: str | None
    when: str | None
    note: str | None


class ActiveJobs(TypedDict):
    active: list[JobSummary]


class Parts(TypedDict):
    version: Literal[1]  # of the answer's shape; a field is added without a new number, never renamed
    stage: str
    at: str
    queues: Queues
    dead_letters: Counted | Failed  # those that are filed
    capacity: int | None
    capacity_deployed: int
    capacity_set: int | None
    capacity_error: str | None
    set_by: SetBy
    max_in_destination: int | None
    action: str
    lines: list[TableLine]
    schedule: Schedule | Failed
    last_tick: Tick | Failed | None
    arrivals_per_minute: float | None
    groups: Groups | Failed | None  # who fills the queues; null where S3 writes to the queue itself
    drain: Drained
    downstream: Downstream | Failed
    functions: dict[str, FunctionHealth] | Failed
    hour: Hour | Failed
    jobs: ActiveJobs | Failed


class Status(Parts):
    verdict: Verdict  # of all the others


def snapshot(
    config: Config,
    clients: Clients,
    measured: Callable[[], Measured],
    last_tick: Callable[[], Tick | None],
    dead_letters: Callable[[], Counted],
    downstream: Callable[[], Downstream],
    groups: Callable[[], Groups | None],
) -> Status:
    """The answer of GET /status; a part that could not be asked is `{"error": ...}`, or null in its numbers.

    A client is made where it is needed, so that one that cannot be made costs only its part. `measured`,
    `last_tick`, `dead_letters`, `downstream` and `groups` are measures.of_status, log_search.last_tick,
    browse.counted, log_search.downstream and groups.largest, or what is kept of them.
    """
    found = _asked(
        config,
        clients,
        {
            "measured": measured,
            "last_tick": last_tick,
            "dead_letters": dead_letters,
            "downstream": downstream,
            "groups": groups,
        },
    )
    numbers = _numbers(found["measured"])
    said, paused, unreadable = _said(found["override"])
    set_to = capacities(said, config, times.now())
    capacity = None if unreadable else set_to["capacity"]
    arrivals = numbers["arrivals"]
    pace = None if unreadable else _usual_capacity(config, said)
    parts: Parts = {
        "version": 1,
        "stage": config.stage,
        "at": times.iso(times.now()),
        "queues": {
            "source": _with_age("source", found, numbers),
            "bulk": _with_age("bulk", found, numbers) if found["bulk"] is not None else None,
            "destination": _with_age("destination", found, numbers),
            "dead_letter": _with_age("dead_letter", found, numbers),
        },
        "dead_letters": found["dead_letters"],
        "capacity": capacity,
        "capacity_deployed": set_to["capacity_deployed"],
        "capacity_set": set_to["capacity_set"],
        "capacity_error": unreadable,
        "set_by": {
            "by_hour": set_to["by_hour"],
            "until": set_to["until"],
            "who": set_to["who"],
            "when": set_to["when"],
            "note": set_to["note"],
        },
        "max_in_destination": _most_in_destination(capacity, config),
        "action": BY_TABLE if config.lines else config.action,
        "lines": [_table_line(of_line) for _, of_line in config.lines],
        "schedule": paused,
        "last_tick": found["last_tick"],
        "groups": found["groups"],
        "downstream": found["downstream"],
        "arrivals_per_minute": round(arrivals.mean, 1) if arrivals else None,
        "drain": _eta(found, paused, capacity, arrivals, config, said).as_dict(
            _expires(found, paused, pace, numbers, config)
        ),
        "functions": numbers["functions"],
        "hour": numbers["hour"],
        "jobs": found["jobs"],
    }
    return {**parts, "verdict": verdict(parts, times.now())}


def _numbers(measured: Measured | Failed) -> Measured:
    """What CloudWatch measured; where it could not be asked, that in each part."""
    if not parallel.failed(measured):
        return measured
    return {
        "functions": measured,
        "hour": measured,
        "oldest_age": {},
        "arrivals": None,
        "live_share": None,
    }


def _said(read: Override | Failed) -> tuple[Override, Schedule | Failed, str | None]:
    """What was set at run time, whether that is a pause, and why it could not be read."""
    if parallel.failed(read):
        return override.NONE, read, read["error"]
    return read, {"paused": read.paused}, None


def _table_line(of_line: Config) -> TableLine:
    sizes = of_line.thumbnails.named_sizes if of_line.action == "resize" else ()
    return {"keys": of_line.line, "action": of_line.action, "thumbnails": [size.name for size in sizes]}


def _asked(config: Config, clients: Clients, kept: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Each part by its name, or its error."""
    return parallel.ask(
        {
            "source": lambda: depths(clients.sqs(), config.source_queue_url),
            "destination": lambda: depths(clients.sqs(), config.destination_queue_url),
            "dead_letter": lambda: depths(clients.sqs(), config.dead_letter_queue_url),
            "bulk": lambda: depths(clients.sqs(), config.bulk_queue_url) if config.bulk_queue_url else None,
            "override": lambda: read_override(clients.ssm(), config),
            "jobs": lambda: active_jobs(clients.s3control(), config),
            **kept,
        }
    )


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


def _most_in_destination(capacity: int | None, config: Config) -> int | None:
    """What a tick leaves there at most; None where there is no such limit, or it is not known."""
    if config.max_in_destination is None:
        return 2 * capacity if capacity else None
    return config.max_in_destination or None


def _waiting(found: Mapping[str, Any]) -> int | None:
    """Events of both lanes, those in flight too: they are not forwarded yet. None where one is not known."""
    lanes = [found[name] for name in ("source", "bulk") if found[name] is not None]
    if any(parallel.failed(lane) for lane in lanes):
        return None
    return sum(int(lane["visible"]) + int(lane["in_flight"]) for lane in lanes)


def _eta(
    found: Mapping[str, Any],
    schedule: Schedule | Failed,
    capacity: int | None,
    arrivals: Arrivals | None,
    config: Config,
    said: Override,
) -> Eta:
    """When both lanes will be empty."""
    now = times.now().timestamp()

    def leaving_at(tick: int) -> int:
        at = override.capacity_at(config, said, now + TICK_S * tick)
        return min(at, config.max_in_destination or at)

    changes = bool(said.by_hour or said.until or config.capacity_by_hour)
    leaving = None if capacity is None else min(capacity, config.max_in_destination or capacity)
    return eta(
        _waiting(found),
        leaving,
        arrivals,
        paused=False if parallel.failed(schedule) else schedule["paused"],
        held_back=capacity is not None and leaving != capacity,
        next_tick_s=_until_next_tick(found["last_tick"]),
        leaving_at=leaving_at if changes else None,
    )


def _expires(
    found: Mapping[str, Any],
    schedule: Schedule | Failed,
    pace: float | None,
    numbers: Measured,
    config: Config,
) -> Expires | None:
    """What SQS will delete; None where nothing, or where it is not known."""
    arrivals, of_live = numbers["arrivals"], numbers["live_share"]
    usual = arrivals.usual if arrivals else 0.0
    live_share = 1.0 if of_live is None else of_live

    def waiting(name: str, arriving: float = 0.0) -> Waiting:
        depths: Depths | Failed | None = found[name]
        if depths is None or parallel.failed(depths):
            return Waiting(0)
        oldest = numbers["oldest_age"].get(name)
        events = depths["visible"] + depths["in_flight"]
        return Waiting(events, None if oldest is None else oldest / 60, arriving)

    leaving = 0.0 if pace is None else min(pace, config.max_in_destination or pace)
    if not parallel.failed(schedule) and schedule["paused"]:
        leaving = 0.0
    live, bulk = waiting("source", usual * live_share), waiting("bulk", usual * (1 - live_share))
    return expires(live, bulk, waiting("destination"), leaving, config.bulk_share, times.now())


def _usual_capacity(config: Config, said: Override) -> float:
    """Events a minute in the time that SQS keeps a message: hours of the day have their own."""
    now = times.now().timestamp()
    hours = range(KEPT // timedelta(hours=1))
    return statistics.fmean(override.capacity_at(config, said, now + 3600 * hour) for hour in hours)


def _until_next_tick(last: dict[str, Any] | None) -> float:
    """Seconds, by when the last one ended; a whole tick where that is not known."""
    ended = times.moment(last.get("at")) if last else None
    if not ended:
        return TICK_S
    return TICK_S - max(0.0, (times.now() - ended).total_seconds()) % TICK_S
