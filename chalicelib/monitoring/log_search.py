"""The functions' log lines, newest first, from CloudWatch Logs.

Since June 2026 CloudWatch reads a log backwards, so what is asked for costs the same however much is written:
one call, mostly. It ends when there is enough, or the time or the calls are used up. A page may be empty and
not the last; so for lines that are rare the last seconds are asked for, then what was before them, in longer
and longer spans, and what a whole span holds is known for sure. So does an older boto3, which reads forwards.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.capacity import shard_names
from chalicelib.config import Config
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

SPANS = (15, 60, 600, 3600)  # seconds back
WITHIN_S = 5.0
MOST_CALLS = 20  # of one question
PAGE, MOST_PAGE = 25, 10_000  # lines of a page, at least and at most
TICK_SPANS = (150, 900)
CONSUMED, CONSUMED_SPANS = 20, (15, 150)  # lines, and back for longer than a circuit's longest pause
AT_ONCE = 8  # shards' logs
KEPT_S = 30 * 86_400  # log_retention_in_days of .chalice/config.json
MOST_ABOUT = 100  # lines about one object


# Why a tick ended, by what somebody should know of first; as chalicelib/drain/tick.py has them.
STOPPED = {
    "errors": "it ended with errors",
    "deadline": "its time was up",
    "paused": "the stage is paused",
    "back_pressure": "the destination queue is as full as MAX_IN_DESTINATION allows",
    "capacity": "the capacity was reached",
    "repeated": "another tick had done this minute's work",
    "late": "it came too late for its minute",
    "empty": "nothing was left",
}


TICK: logs.Kinds = {
    **dict.fromkeys(("received", "forwarded", "rejected", "failed", "duplicates"), int),
    **dict.fromkeys(("at", "stopped"), str),
    "seconds": logs.NUMBER,
    "errors": list,
}


class Tick(TypedDict):
    """The last run of the drain, its shards added up."""

    at: str
    received: int
    forwarded: int
    rejected: int
    failed: int
    duplicates: int
    stopped: Literal["errors", "deadline", "paused", "back_pressure", "capacity", "repeated", "late", "empty"]
    says: str  # the same in words
    seconds: float
    errors: list[str]


class Downstream(TypedDict):
    """Whether consume leaves the downstream alone, because it failed every time."""

    paused: bool
    until: str | None  # then the first sandbox tries it again
    why: str | None  # its last failure, in its own words


@dataclass(frozen=True)
class Read:
    """Lines, newest first, and since when there is no other."""

    lines: list[dict[str, Any]]
    since: datetime


@dataclass(frozen=True)
class Wanted:
    """At most `count` of a log group's lines: those that hold the term, and that `parse` takes."""

    group: str
    term: str
    parse: Callable[[str], dict[str, Any] | None]
    count: int
    spans: Sequence[float] = SPANS
    rare: bool = False  # few among very many


def newest(
    client: CloudWatchLogsClient,
    wanted: Wanted,
    now: datetime,
    *,
    within_s: float = WITHIN_S,
    clock: Callable[[], float] = time.monotonic,
) -> Read:
    """The newest of the lines that are wanted, in MOST_CALLS calls at most.

    A group that is not there holds no lines yet. Raises what boto3 raises otherwise. Not guaranteed with an
    older boto3 that cannot read backwards: of a span with more than can be read in time, the oldest are told.
    """
    backwards = _reads_backwards(client)
    ends = clock() + within_s
    found: list[dict[str, Any]] = []
    end, calls = now, 0
    for span in wanted.spans if wanted.rare or not backwards else wanted.spans[-1:]:
        start = now - timedelta(seconds=span)
        lines: list[dict[str, Any]] = []
        reached, stopped = end, False
        for page in _pages(client, wanted, start, end, backwards):
            calls += 1
            lines += [line for _, text in page if (line := wanted.parse(text)) is not None]
            if backwards and page:
                reached = times.from_epoch(page[-1][0])
            enough = backwards and len(found) + len(lines) >= wanted.count
            if stopped := enough or clock() >= ends or calls >= MOST_CALLS:
                break
        found += lines if backwards else reversed(lines)
        if stopped:
            end = reached
            break
        end = start
        if len(found) >= wanted.count:
            break
    return Read(found[: wanted.count], end)


def _reads_backwards(client: CloudWatchLogsClient) -> bool:
    """Whether the boto3 that the runtime brings knows how."""
    shape = client.meta.service_model.operation_model("FilterLogEvents").input_shape
    return shape is not None and "startFromHead" in shape.members


def last_tick(client: CloudWatchLogsClient, config: Config, now: datetime) -> Tick | None:
    """The last run of the drain, its shards added up; None when there was none in the last 15 minutes."""

    def ticks_of(shard: str) -> list[dict[str, Any]]:
        return newest(client, Wanted(log_group(config, shard), "tick", _tick, 1, TICK_SPANS), now).lines

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ticks = [tick for found in pool.map(ticks_of, shard_names(config.drain_shards)) for tick in found]
    if not ticks:
        return None
    last = max(ticks, key=lambda tick: str(tick["at"]))
    since = (times.moment(last["at"]) or now) - timedelta(seconds=60)
    together = [tick for tick in ticks if (times.moment(tick["at"]) or now) > since]  # of the same minute
    words = [tick["stopped"] for tick in together]
    # A word that is not known here, of another version's drain, is shown where no other is.
    stopped = min(words, key=lambda word: [*STOPPED, word].index(word))
    return {
        "at": last["at"],
        "received": sum(tick["received"] for tick in together),
        "forwarded": sum(tick["forwarded"] for tick in together),
        "rejected": sum(tick["rejected"] for tick in together),
        "failed": sum(tick["failed"] for tick in together),
        "duplicates": sum(tick["duplicates"] for tick in together),
        "stopped": stopped,
        "says": STOPPED.get(stopped, str(stopped)),
        "seconds": max(tick["seconds"] for tick in together),
        "errors": [error for tick in together for error in tick["errors"]],
    }


def downstream(client: CloudWatchLogsClient, config: Config, now: datetime) -> Downstream:
    """By what consume's sandboxes said last; each has a circuit of its own, and one that is open counts."""
    wanted = Wanted(log_group(config, "consume"), "consumed", _consumed, CONSUMED, CONSUMED_SPANS)
    lines = newest(client, wanted, now).lines
    untils = [until for line in lines if (until := times.moment(line.get("paused_until")))]
    to_come = [until for until in untils if until > now]
    # A pause that is over and not yet tried out is one still.
    paused = bool(to_come) or bool(lines and lines[0].get("paused_until"))
    whys = (line.get("paused_why") for line in lines if line.get("paused_until"))
    return {
        "paused": paused,
        "until": times.iso(min(to_come)) if to_come else None,
        "why": next(whys, None) if paused else None,
    }


def about(client: CloudWatchLogsClient, group: str, object_id: str, since: datetime, now: datetime) -> Read:
    """A log group's lines that name the object, newest first, back to a moment or as far as time allows."""
    oldest = max((now - since).total_seconds(), 60.0)
    spans = [span for span in (60, 3600, 86_400, 7 * 86_400) if span < oldest] + [min(oldest, KEPT_S)]
    return newest(client, Wanted(group, f'"{object_id}"', logs.read, MOST_ABOUT, spans, rare=True), now)


def _pages(
    client: CloudWatchLogsClient, wanted: Wanted, start: datetime, end: datetime, backwards: bool
) -> Iterator[list[tuple[int, str]]]:
    """Each page's lines with their times, in milliseconds; any page may be empty."""
    how: dict[str, Any] = {}
    if backwards:
        how = {"startFromHead": False, "limit": min(max(wanted.count, PAGE), MOST_PAGE)}
    while True:
        try:
            answer = client.filter_log_events(
                logGroupName=wanted.group,
                filterPattern=wanted.term,
                startTime=_ms(start),
                endTime=_ms(end) - 1,
                **how,
            )
        except client.exceptions.ResourceNotFoundException:
            yield []
            return
        yield [(event["timestamp"], event["message"]) for event in answer["events"]]
        if not answer.get("nextToken"):
            return
        how["nextToken"] = answer["nextToken"]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def log_group(config: Config, function: str) -> str:
    """Where a function's log lines are."""
    return f"/aws/lambda/{config.function_name(function)}"


def _consumed(text: str) -> dict[str, Any] | None:
    return logs.read_one(text, "consumed", {})


def _tick(text: str) -> dict[str, Any] | None:
    return logs.read_one(text, "tick", TICK)


def enqueued(text: str) -> dict[str, Any] | None:
    """A line of enqueue's about uploads that it has put on a lane."""
    found = logs.read_one(text, "enqueued", {"at": str, "uploads": list})
    return found if found and all(_is_upload(one) for one in found["uploads"]) else None


def _is_upload(one: object) -> bool:
    """Whether it is one of the uploads in such a line."""
    return isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("id", "key"))
