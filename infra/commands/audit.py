"""`make audit`: from a stage's own log, whether every event had one fate and no tick exceeded its capacity.

The log proves what it holds. What it cannot show is counted and said, never left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib.consume.outcomes import DONE, IGNORED, REJECTED
from chalicelib.telemetry import logs
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MOST_SHOWN = 10  # problems of one kind
READ: Mapping[str, logs.Kinds] = {
    "enqueued": {"enqueued": int, "uploads": list},
    "tasks": {"tasks": list},
    "event": {"id": str, "outcome": str},
    "tick": {
        **dict.fromkeys(("at", "scheduled"), str),
        **dict.fromkeys(("shard", "capacity", "received", "forwarded"), int),
    },
}
# A message that the drain received is in one of these of its tick's line.
PARTS = ("forwarded", "rejected", "split", "ignored", "postponed", "renewed", "returned", "failed")


@dataclass
class Audit:
    """What the lines of one stretch of time say."""

    queued: set[str] = field(default_factory=set)  # ids that enqueue or a bulk job put on the source queue
    fates: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # id -> outcomes
    ticks: int = 0
    forwarded: int = 0
    problems: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)  # what cannot be known, and of how many

    @property
    def done(self) -> int:
        return sum(1 for fate in self.fates.values() if fate[DONE])

    @property
    def letters(self) -> int:
        return sum(1 for fate in self.fates.values() if fate[REJECTED])


def audit(lines: Iterable[Mapping[str, Any]]) -> Audit:
    """Judges a stage's log lines, in any order: `enqueued`, `tasks`, `tick` and consume's `event`.

    A problem is an event that was both done and given up, a tick that forwarded more than it was allowed, a
    scheduled minute that forwarded twice, or a tick whose numbers do not add up.
    """
    found = Audit()
    minutes: dict[tuple[int, str], int] = Counter()
    for line in lines:
        kind = str(line.get("message"))
        if kind not in READ:
            continue
        if not logs.is_one(line, kind, READ[kind]) or (kind == "tick" and not _counts(line)):
            found.unknown["lines of another version, or of an own action: not read"] += 1
        elif kind == "enqueued":
            _enqueued(line, found)
        elif kind == "tasks":
            found.queued.update(
                task["id"] for task in _named(line["tasks"]) if str(task.get("said")).startswith("queued")
            )
        elif kind == "event":
            found.fates[line["id"]][line["outcome"]] += 1
        elif kind == "tick":
            _tick(line, found)
            if line.get("scheduled"):
                minutes[line["shard"], line["scheduled"]] += line["forwarded"] > 0
    for (shard, minute), count in sorted(minutes.items()):
        if count > 1:
            found.problems.append(f"shard {shard} forwarded {count} times in the minute {minute}")
    for id_, fate in sorted(found.fates.items()):
        if fate[DONE] and fate[REJECTED]:
            found.problems.append(
                f"event {id_} was done {fate[DONE]} times, and given up {fate[REJECTED]} times"
            )
        if fate[DONE] > 1:
            found.unknown["events done more than once: delivered again, which does no harm"] += 1
        if not fate[DONE] and not fate[REJECTED] and not fate[IGNORED]:
            found.unknown["events that wait for another try, or ended after this stretch of time"] += 1
    unseen = found.queued - set(found.fates)
    if unseen:
        why = "events queued that consume has not seen: they wait, or the drain has dead-lettered them"
        found.unknown[why] = len(unseen)
    return found


def _enqueued(line: Mapping[str, Any], found: Audit) -> None:
    named = [upload["id"] for upload in _named(line["uploads"])]
    found.queued.update(named)
    if line["enqueued"] > len(named):
        found.unknown["events queued whose ids the log does not name"] += line["enqueued"] - len(named)


def _counts(line: Mapping[str, Any]) -> bool:
    """Whether what a tick counts are numbers; an older version counts less."""
    return all(isinstance(line.get(name, 0), int) for name in (*PARTS, "duplicates"))


def _named(those: Iterable[Any]) -> list[Mapping[str, Any]]:
    return [one for one in those if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _tick(line: Mapping[str, Any], found: Audit) -> None:
    found.ticks += 1
    found.forwarded += line["forwarded"]
    who = f"the tick of shard {line['shard']} that ended {line['at']}"
    if line["forwarded"] > line["capacity"]:
        found.problems.append(f"{who} forwarded {line['forwarded']}, {line['capacity']} were allowed")
    ended = sum(line.get(name, 0) for name in PARTS)
    if line["received"] != ended:
        found.problems.append(f"{who} received {line['received']} messages and accounts for {ended}")
    if line.get("duplicates"):
        found.unknown["events of ticks without an answer: they may have arrived once more"] += line[
            "duplicates"
        ]


def lines_of(
    client: CloudWatchLogsClient, stage: Stage, start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    """All lines of the stage's functions on an event's way, function by function."""
    for function in ("enqueue", "backfill", *stage.drains(), "consume"):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{stage.function_name(function)}",
            startTime=int(start.timestamp() * 1000),
            endTime=int(end.timestamp() * 1000),
        )
        try:
            for page in pages:
                for event in page["events"]:
                    line = logs.read(event["message"])
                    if line is not None:
                        yield line
        except ClientError as e:
            if e.response["Error"]["Code"] != "ResourceNotFoundException":
                raise  # a function that never ran has no log


def show(found: Audit, console: Console) -> None:
    """Print it for people."""
    facts = Table(show_header=False, box=None)
    facts.add_column()
    facts.add_column(justify="right")
    for what, count in (
        ("Events queued, by id", len(found.queued)),
        ("Events that consume has seen, by id", len(found.fates)),
        ("  done", found.done),
        ("  given up, with a letter", found.letters),
        ("Ticks", found.ticks),
        ("  forwarded", found.forwarded),
    ):
        facts.add_row(what, f"{count:,}")
    console.print(facts)
    for problem in found.problems[:MOST_SHOWN]:
        console.print(f"[red]wrong:[/] {escape(problem)}", soft_wrap=True, highlight=False)
    if len(found.problems) > MOST_SHOWN:
        console.print(f"[red]and {len(found.problems) - MOST_SHOWN:,} more[/]")
    if not found.problems:
        console.print("No event ended in two ways, and no tick exceeded its capacity.", highlight=False)
    console.print("What these lines cannot show:", highlight=False)
    for what, count in found.unknown.items():
        console.print(f"  {count:,} {what}", soft_wrap=True, highlight=False)
    console.print(
        "  a function that was killed writes no line: what it had done by then is not in these numbers",
        soft_wrap=True,
        highlight=False,
    )
