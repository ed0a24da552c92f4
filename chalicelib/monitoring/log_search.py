"""The functions' log lines, newest first, from CloudWatch Logs.

CloudWatch gives the lines of a time span oldest first, ten thousand a page. So the last seconds are asked
for, then what was before them, in longer and longer spans, until there is enough, or the time is up.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.capacity import shard_names
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.fields import Query, schema
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

SPANS = (15, 60, 600, 3600)  # seconds back
WITHIN_S = 5.0
TICK_SPANS = (150, 900)
CONSUMED, CONSUMED_SPANS = 20, (15, 150)  # lines, and back for longer than a circuit's longest pause
AT_ONCE = 8  # shards' logs
KEPT_S = 30 * 86_400  # log_retention_in_days of .chalice/config.json
MOST_RECENT = 100


# Why a tick ended, by what somebody should know of first; as chalicelib/drain/tick.py has them.
STOPPED = ("errors", "deadline", "paused", "back_pressure", "capacity", "repeated", "late", "empty")


class Tick(TypedDict):
    """The last run of the drain, its shards added up."""

    at: str
    received: int
    forwarded: int
    rejected: int
    failed: int
    duplicates: int
    stopped: Literal["errors", "deadline", "paused", "back_pressure", "capacity", "repeated", "late", "empty"]
    seconds: float
    errors: list[str]


class Downstream(TypedDict):
    """Whether consume leaves the downstream alone, because it failed every time."""

    paused: bool
    until: str | None  # then the first sandbox tries it again
    why: str | None  # its last failure, in its own words


class RecentQuery(TypedDict, total=False):
    limit: Annotated[int, schema(minimum=1, maximum=MOST_RECENT)]


class RecentObject(TypedDict):
    id: str
    at: str
    key: str
    outcome: Literal["done", "rejected", "retry", "untried", "ignored"]
    reason: str | None
    seconds: float | None
    thumbnails: list[str]


class Recent(TypedDict):
    version: Literal[1]
    since: str
    objects: list[RecentObject]


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


def newest(
    client: CloudWatchLogsClient,
    wanted: Wanted,
    now: datetime,
    *,
    within_s: float = WITHIN_S,
    clock: Callable[[], float] = time.monotonic,
) -> Read:
    """The newest of the lines that are wanted.

    A group that is not there holds no lines yet. Raises what boto3 raises otherwise.
    """
    ends = clock() + within_s
    found: list[dict[str, Any]] = []
    end = now
    for span in wanted.spans:
        start = now - timedelta(seconds=span)
        lines: list[dict[str, Any]] = []
        late = False
        for page in _pages(client, wanted, start, end):
            lines += [line for line in map(wanted.parse, page) if line is not None]
            if late := clock() >= ends:
                break
        found += reversed(lines)
        if late:
            break
        end = start
        if len(found) >= wanted.count:
            break
    return Read(found[: wanted.count], end)


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
    stopped = [tick["stopped"] for tick in together]
    return {
        "at": last["at"],
        "received": sum(tick["received"] for tick in together),
        "forwarded": sum(tick["forwarded"] for tick in together),
        "rejected": sum(tick["rejected"] for tick in together),
        "failed": sum(tick["failed"] for tick in together),
        "duplicates": sum(tick["duplicates"] for tick in together),
        # A word that is not known here, of another version's drain, is shown where no other is.
        "stopped": min(stopped, key=lambda word: [*STOPPED, word].index(word)),
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


def recent(
    query: Mapping[str, Any] | None, client: CloudWatchLogsClient, config: Config, now: datetime
) -> Recent:
    """GET /recent?limit=20: what consume did last, newest first. Raises BadRequest."""
    limit = Query.of(query, "limit").whole("limit", 1, MOST_RECENT, 20)
    found = newest(client, Wanted(log_group(config, "consume"), "outcome", outcomes.read, limit), now)
    return {
        "version": 1,
        "since": times.iso(found.since),
        "objects": [
            {
                "id": f"{line['message_id']}-{line['tries']}-{line['object']}",
                "at": line["at"],
                "key": line["key"],
                "outcome": line["outcome"],
                "reason": line.get("reason"),
                "seconds": line["seconds"],
                "thumbnails": line["thumbnails"],
            }
            for line in found.lines
        ],
    }


def about(client: CloudWatchLogsClient, group: str, object_id: str, since: datetime, now: datetime) -> Read:
    """A log group's lines that name the object, newest first, back to a moment or as far as time allows."""
    oldest = max((now - since).total_seconds(), 60.0)
    spans = [span for span in (60, 3600, 86_400, 7 * 86_400) if span < oldest] + [min(oldest, KEPT_S)]
    return newest(client, Wanted(group, f'"{object_id}"', logs.read, MOST_RECENT, spans), now)


def _pages(
    client: CloudWatchLogsClient, wanted: Wanted, start: datetime, end: datetime
) -> Iterator[list[str]]:
    token: dict[str, Any] = {}
    while True:
        try:
            answer = client.filter_log_events(
                logGroupName=wanted.group,
                filterPattern=wanted.term,
                startTime=_ms(start),
                endTime=_ms(end) - 1,
                **token,
            )
        except client.exceptions.ResourceNotFoundException:
            yield []
            return
        yield [event["message"] for event in answer["events"]]
        if not answer.get("nextToken"):
            return
        token = {"nextToken": answer["nextToken"]}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def log_group(config: Config, function: str) -> str:
    """Where a function's log lines are."""
    return f"/aws/lambda/{config.function_name(function)}"


def _consumed(text: str) -> dict[str, Any] | None:
    found = logs.read(text)
    return found if found and found.get("message") == "consumed" else None


def _tick(text: str) -> dict[str, Any] | None:
    found = logs.read(text)
    return found if found and found.get("message") == "tick" else None
