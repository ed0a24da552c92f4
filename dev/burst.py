"""`make run ARGS="--burst 5000"`: the pace to be seen, on the page and in the terminal.

One tenant uploads thousands at once; another a single picture, behind them; a backfill goes through as well;
then the downstream fails for a minute. What is shown is read from the functions' own log lines.
"""

from __future__ import annotations

import io
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib import times
from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.jobs import commands
from chalicelib.telemetry import logs
from chalicelib.times import duration
from dev import tagging
from dev.pipeline import Pipeline

BURST, LONE = "acme", "zoe"  # two customers
FOLDERS = 10  # of the burst; one of them is backfilled
MINUTES = 3  # that the burst takes, by the capacity that is chosen for it
LEAST = 60  # events a minute
MOST = 900  # that the local AWS works off on a small machine, with nothing else to do
UPLOADERS = 8
AHEAD = 40  # uploads that enqueue has not seen yet: each waits in a thread of the local AWS
FAILS_S = 60.0
LOOKS_S = 2.0
SETTLES_WITHIN = 420.0  # seconds without any news: what comes back untried waits up to five minutes
SETTINGS = {"THUMBNAIL_SIZES": "16", "RETRY_DELAYS": "5,30,60,120,240", "SPREAD": "on", "FAIR_BY": "1"}


def capacity_for(events: int) -> int:
    """So many a minute that the demonstration takes a few."""
    return max(LEAST, min(MOST, -(-events // MINUTES)))


@dataclass
class Seen:
    """What the log lines have told so far."""

    done: set[str] = field(default_factory=set)  # ids
    done_at: dict[str, datetime] = field(default_factory=dict)  # by key, the first time
    forwarded_at: dict[str, str] = field(default_factory=dict)  # by key, of that time
    rejected: set[str] = field(default_factory=set)
    tries: list[float] = field(default_factory=list)  # when, seconds since 1970
    failed: int = 0
    untried: int = 0
    circuit_until: str | None = None
    pauses: set[str] = field(default_factory=set)  # of the circuits, by their ends
    ticks: list[dict[str, Any]] = field(default_factory=list)

    def tried(self, line: dict[str, Any]) -> None:
        """A line of one event's try."""
        at = times.moment(line["at"]) or datetime.now(UTC)
        self.tries.append(at.timestamp())
        if line["outcome"] == outcomes.DONE:
            self.done.add(line["id"])
            self.done_at.setdefault(line["key"], at)
            self.forwarded_at.setdefault(line["key"], line.get("forwarded") or line["at"])
        elif line["outcome"] == outcomes.REJECTED:
            self.rejected.add(line["id"])
        else:
            self.failed += 1

    def consumed(self, line: dict[str, Any]) -> None:
        """A line of one batch: what went back untried, and whether its sandbox pauses."""
        self.untried += line.get("untried", 0)
        until = line.get("paused_until")
        if until:
            self.pauses.add(until)
        if until or line.get("done"):
            self.circuit_until = until

    @property
    def most_in_a_minute(self) -> int:
        """The most tries in any 60 seconds."""
        window: deque[float] = deque()
        most = 0
        for at in sorted(self.tries):
            window.append(at)
            while window[0] <= at - 60:
                window.popleft()
            most = max(most, len(window))
        return most

    @property
    def busiest_ten(self) -> int:
        """The most tries in ten seconds, of those that follow each other."""
        return max(Counter(int(at / 10) for at in self.tries).values(), default=0)


class Follower:
    """Reads the log lines of a stage's functions as they come, each once."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._logs = boto3.client("logs")
        self._since = datetime.now(UTC)
        self._read: set[int] = set()
        self.seen = Seen()

    def look(self) -> Seen:
        now = datetime.now(UTC)
        for function in ("consume", "drain"):
            for line in self._lines(function, self._since - timedelta(seconds=20)):
                kind = line.get("message")
                if kind == "event" and "id" in line:
                    self.seen.tried(line)
                elif kind == "consumed":
                    self.seen.consumed(line)
                elif kind == "tick" and line.get("scheduled"):
                    self.seen.ticks.append(line)
        self._since = now
        return self.seen

    def _lines(self, function: str, since: datetime) -> Iterator[dict[str, Any]]:
        group = f"/aws/lambda/{self._pipeline.stage.function_name(function)}"
        pages = self._logs.get_paginator("filter_log_events")
        try:
            for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
                for event in page["events"]:
                    known = hash((event["timestamp"], event["message"]))
                    if known not in self._read:
                        self._read.add(known)
                        if line := logs.read(event["message"]):
                            yield line
        except self._logs.exceptions.ResourceNotFoundException:
            return  # it has not run yet


class Story:
    """The demonstration, step by step, each told when it happens."""

    def __init__(self, pipeline: Pipeline, events: int, fails: Path, console: Console) -> None:
        self._pipeline = pipeline
        self._events = events
        self._fails = fails
        self._console = console
        self._follower = Follower(pipeline)
        self._began = time.monotonic()
        self._told_ticks = 0
        self._expected = 0
        self.seen = self._follower.seen

    def tell(self) -> bool:
        """Runs it. Whether every event ended done."""
        config = Config.from_env(self._pipeline.settings)
        self._say(f"{BURST} uploads {self._events:,} pictures; the capacity is {config.capacity:,} a minute")
        self._upload_burst()
        self._say(f"all are in: {self._lanes()}")
        lone, uploaded = f"{LONE}/one.jpg", datetime.now(UTC)
        self._pipeline.upload(lone, picture(0))
        self._say(f"[bold]{LONE} uploads one picture[/], behind all of those")
        backfilled = self._backfill(config)
        self._say(f"a backfill of {backfilled:,} pictures that were there goes to the bulk lane")
        self._expected = self._events + 1 + backfilled
        self._until(lambda: lone in self.seen.done_at)
        if at := self.seen.done_at.get(lone):
            since, forwarded = times.iso(uploaded), self.seen.forwarded_at[lone]
            ticks = 1 + sum(since < tick["at"] < forwarded for tick in self.seen.ticks)
            took = duration((at - uploaded).total_seconds())
            which = "the next tick" if ticks == 1 else f"tick {ticks} from then"
            left = self._events - sum(key.startswith(f"{BURST}/") for key in self.seen.done_at)
            self._say(
                f"[bold green]{LONE}'s picture is done[/], {took} after its upload, with {which}; "
                f"{left:,} of {BURST}'s still wait"
            )
        with self._failing(config):
            self._say(
                f"[bold red]the downstream fails[/] for {duration(FAILS_S)}: every write of a thumbnail"
            )
            self._watch_circuit()
        self._say("[bold]the downstream is back[/]")
        self._until(lambda: self.seen.circuit_until is None)
        if self.seen.pauses:
            self._say("[bold green]the circuit is closed[/]: a try succeeded, and events flow again")
        self._until(lambda: len(self.seen.done | self.seen.rejected) >= self._expected)
        return self._sum_up(config)

    def _upload_burst(self) -> None:
        keys = [f"{BURST}/{i % FOLDERS:02d}/{i:05d}.jpg" for i in range(self._events)]
        with ThreadPoolExecutor(UPLOADERS) as pool:
            for first in range(0, len(keys), AHEAD):
                part = keys[first : first + AHEAD]
                for one in [
                    pool.submit(self._pipeline.upload, key, picture(first + i)) for i, key in enumerate(part)
                ]:
                    one.result()
                self._until_enqueued(first)
        self._until_enqueued(self._events)

    def _until_enqueued(self, count: int) -> None:
        self._until(lambda: self._enqueued() >= count, every_s=0.3)

    def _enqueued(self) -> int:
        """Uploads that enqueue has put on a lane, by its own metric."""
        found = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="S3EventScheduler",
            MetricName="Enqueued",
            Dimensions=[
                {"Name": "Stage", "Value": self._pipeline.stage.name},
                {"Name": "Function", "Value": "enqueue"},
            ],
            StartTime=datetime.now(UTC) - timedelta(hours=3),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )
        return int(sum(point["Sum"] for point in found["Datapoints"]))

    def _backfill(self, config: Config) -> int:
        """A job over one of the burst's folders, run; how many objects it has."""
        request = {"kind": "backfill", "manifest": {"list": {"prefix": f"{BURST}/00/"}}}
        created = commands.create_job(request, clients.s3(), clients.s3control(), config)
        job = str(created["id"])
        tagging.wait(job, ("waiting to be run",), config)
        commands.run_job(job, clients.s3control(), config)
        return int(created["objects"] or 0)

    @contextmanager
    def _failing(self, config: Config) -> Iterator[None]:
        self._fails.write_text(config.thumbnails_bucket)
        try:
            yield
        finally:
            self._fails.unlink()

    def _watch_circuit(self) -> None:
        end, told = time.monotonic() + FAILS_S, None
        while time.monotonic() < end:
            self._look()
            until = self.seen.circuit_until
            if until and until != told:
                again = times.moment(until)
                self._say(
                    f"[bold yellow]the circuit is open[/]: paused, tried again at {again:%H:%M:%S} UTC; "
                    f"{self.seen.failed} tries failed so far, {self.seen.untried} went back untried"
                )
                told = until
            time.sleep(LOOKS_S)

    def _until(self, is_so: Any, every_s: float = LOOKS_S) -> None:
        """Looks again and again, until it is so, or nothing has moved for long."""
        last, quiet_since = None, time.monotonic()
        while not is_so() and time.monotonic() - quiet_since < SETTLES_WITHIN:
            self._look()
            news = (len(self.seen.tries), self.seen.untried, len(self.seen.ticks))
            if news[:2] != last:
                last, quiet_since = news[:2], time.monotonic()
            time.sleep(every_s)

    def _look(self) -> None:
        self._follower.look()
        for tick in self.seen.ticks[self._told_ticks :]:
            bulk, minute = tick["forwarded_bulk"], tick["scheduled"][11:16]
            self._say(
                f"tick {minute}: {tick['forwarded'] - bulk:,} live and {bulk:,} bulk forwarded, "
                f"stopped by {tick['stopped']}; {self._lanes()}; done {len(self.seen.done):,}"
            )
        self._told_ticks = len(self.seen.ticks)

    def _lanes(self) -> str:
        live, bulk = (self._pipeline.depth(name) for name in ("source", "bulk"))
        return f"{live:,} wait live, {bulk:,} bulk"

    def _say(self, line: str) -> None:
        at = time.monotonic() - self._began
        self._console.print(
            f"[dim]{int(at) // 60:3d}:{int(at) % 60:02d}[/] {line}", highlight=False, soft_wrap=True
        )

    def _sum_up(self, config: Config) -> bool:
        seen = self.seen
        missing = self._expected - len(seen.done | seen.rejected)
        table = Table(title="How it flowed", title_justify="left", show_header=False)
        span = max(seen.tries) - min(seen.tries) if len(seen.tries) > 1 else 1.0
        gaps = [later - sooner for sooner, later in pairwise(sorted(seen.tries))]
        for what, value in (
            ("Events done", f"{len(seen.done):,} of {self._expected:,}"),
            ("Capacity", f"{config.capacity:,} a minute"),
            ("Most tries in any 60 s", f"{seen.most_in_a_minute:,}"),
            ("Busiest ten seconds", f"{seen.busiest_ten} tries; evenly it were {config.capacity / 6:.0f}"),
            ("Tries in all", f"{len(seen.tries):,} within {duration(span)}"),
            ("Longest pause between two", duration(max(gaps, default=0.0))),
            ("Failed while the downstream did", f"{seen.failed:,} tries; {seen.untried:,} went back untried"),
            ("The circuit paused", f"{len(seen.pauses)} times, in all of consume's sandboxes together"),
            ("Dead letters", f"{len(seen.rejected):,}"),
        ):
            table.add_row(what, escape(value))
        self._console.print(table)
        if missing:
            self._console.print(f"[red]missing:[/] {missing:,} events ended neither done nor dead-lettered")
        return not missing and not seen.rejected


def picture(number: int) -> bytes:
    """A small one, different from the others."""
    file = io.BytesIO()
    Image.new("RGB", (24, 16), (number % 256, number // 256 % 256, 99)).save(file, "JPEG")
    return file.getvalue()
