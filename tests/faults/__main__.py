"""`make test-faults`: kills and faults, what became of every event, and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from chalicelib.aws import clients
from chalicelib.config import Config
from dev import template
from dev.fake_sqs.process import ServerProcess
from tests.faults import killed

EVENTS = 2000
CONSUMED = 200  # a kill falls into its batches
CAPACITY = 1200
WORKERS = 16
MAX_TICKS = 6
LATENCY_S = 0.002

FAULTS: dict[str, dict[str, Any]] = {
    "nothing wrong": {},
    "5 % answered 500, not done": {"error_before": 0.05},
    "5 % answered 500, yet done": {"error_after": 0.05},
    "5 % of connections dropped after the effect": {"drop_after": 0.05},
    "5 % of entries refused": {"refuse_entry": 0.05},
    "5 % of messages refused for ever": {"refuse_for_ever": 0.05},
    "brown-out: 50 % answered 500": {"error_before": 0.5},
    "destination down": {"down": ["destination"]},
    "1 % of answers a byte at a time": {"slow": 0.01},
    "5 % refused for expired credentials": {"expired": 0.05},
    "credentials expired": {"expired": 1.0},
    "a message twice in 20 % of receives": {"same_again": 0.2},
}


@dataclass
class Row:
    """What one trial did. Bounds are per tick; `allowed` is what its ambiguous answers explain."""

    name: str
    ticks: int = 0
    forwarded: int = 0
    over_capacity: int = 0
    ambiguous: int = 0
    duplicates: int = 0
    allowed: int = 0
    dead: int = 0
    lost: int = 0
    stopped: str = ""
    wrong: str = ""


class Trial:
    """New queues, full of events, and ticks over them."""

    def __init__(
        self, server: ServerProcess, queue: str = "source", count: int = EVENTS, **faults: Any
    ) -> None:
        self.server = server
        server.control("create", name="dead")
        for name in ("source", "destination"):
            server.control(
                "create",
                name=name,
                visibility_s=template.visibility_s(name),
                max_receives=template.max_receives(name),
                dead_letters="dead",
            )
        server.control("fill", queue=queue, count=count)
        server.control("stats")
        self.all = set(self.keys(queue))
        self.faults(**faults)

    def faults(self, **faults: Any) -> None:
        self.server.control("faults", **faults)

    def keys(self, queue: str) -> list[str]:
        """Of the events in a queue: their bodies change on the way, their keys do not."""
        bodies: list[str] = self.server.control("bodies", queue=queue)["bodies"]
        return [json.loads(body)["Key"] for body in bodies]

    def lost(self, done: Iterable[str] = ()) -> int:
        where = (self.keys("source"), self.keys("destination"), self.keys("dead"), done)
        return len(self.all.difference(*where))

    def settings(self) -> dict[str, str]:
        return {
            "IMAGES_BUCKET": "images",
            "THUMBNAILS_BUCKET": "thumbnails",
            "CAPACITY": str(CAPACITY),
            "DRAIN_WORKERS": str(WORKERS),
            "DRAIN_SHARDS": "1",
            "SOURCE_QUEUE_URL": self.server.url("source"),
            "DESTINATION_QUEUE_URL": self.server.url("destination"),
            "DEAD_LETTER_QUEUE_URL": self.server.url("dead"),
            "STAGE": "faults",
        }

    def config(self) -> Config:
        return Config.from_env(self.settings())

    def start(self, seconds: float = 60.0) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            **self.settings(),
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
        }
        command = [sys.executable, "-m", "tests.faults.drainer", str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


def fault(server: ServerProcess, name: str, faults: dict[str, Any]) -> Row:
    """Ticks with the fault until the source is empty, at most MAX_TICKS; then one without, to the end."""
    row = Row(name)
    trial = Trial(server, **faults)
    stopped: Counter[str] = Counter()
    while trial.keys("source") and row.ticks < MAX_TICKS + 2:
        if row.ticks == MAX_TICKS or stopped["errors"] == 2:
            trial.faults()  # what was left must still be there, and move now
        before = len(trial.keys("destination"))
        printed, _ = trial.start().communicate()
        if not printed:
            row.wrong = "the tick crashed"
            break
        result = json.loads(printed.splitlines()[-1])
        stats = server.control("stats")
        grown = len(trial.keys("destination")) - before
        row.ticks += 1
        row.forwarded += result["forwarded"]
        row.over_capacity = max(row.over_capacity, grown - CAPACITY)
        row.ambiguous += stats["ambiguous"]
        row.allowed += result["duplicates"] + stats["repeated"]
        row.lost = max(row.lost, trial.lost())
        stopped[result["stopped"]] += 1
        if grown > CAPACITY + stats["ambiguous"] or result["forwarded"] > CAPACITY:
            row.wrong = f"{grown} forwarded with a capacity of {CAPACITY}"
        server.control("expire", queue="source")
    arrived = trial.keys("destination")
    row.duplicates = len(arrived) - len(set(arrived))
    row.dead = len(trial.keys("dead"))
    row.stopped = ", ".join(f"{count} {why}" for why, count in stopped.items())
    if row.duplicates > row.allowed:
        row.wrong = f"{row.duplicates} duplicates, only {row.allowed} reported"
    if row.lost or trial.all.difference(arrived, trial.keys("dead"), trial.keys("source")):
        row.wrong = "events lost"
    return row


def drain_kills(server: ServerProcess, count: int, generator: random.Random) -> Row:
    """Ticks killed at random moments while the source still holds messages."""
    row = Row(f"the drain, kill -9, {count} times")
    tries = 0
    while row.ticks < count and tries < 4 * count:
        tries += 1
        trial = Trial(server)
        process = killed.forked(killed.one_tick, trial.config())
        while process.is_alive() and not trial.keys("destination"):
            time.sleep(0.002)
        time.sleep(generator.uniform(0, 0.2))
        process.kill()
        process.join()
        time.sleep(0.02)  # calls already on their way have their effect
        arrived, waiting = trial.keys("destination"), trial.keys("source")
        if process.exitcode != -signal.SIGKILL or not waiting:
            continue
        row.ticks += 1
        row.forwarded += len(arrived)
        row.lost = max(row.lost, trial.lost())
        row.over_capacity = max(row.over_capacity, len(arrived) - CAPACITY)
        row.duplicates = max(row.duplicates, len(set(arrived) & set(waiting)))
    row.allowed = 10 * WORKERS
    return _killed(row, count)


def consume_kills(server: ServerProcess, count: int, generator: random.Random) -> Row:
    """Consumers killed at random moments, each batch of another mood: done, refused, to be tried again.

    Between two kills what was in flight becomes visible. When a queue is empty it is filled anew; what was
    sent back for another try is in the source queue then, what never works among the dead letters.
    """
    row = Row(f"consume, kill -9, {count} times")
    sqs = _boto(server)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    done: set[str] = set()
    trial = Trial(server, queue="destination", count=CONSUMED)
    tries = 0
    while row.ticks < count and tries < 4 * count:
        tries += 1
        if not trial.keys("destination"):
            row.lost = max(row.lost, trial.lost(done))
            trial, done = Trial(server, queue="destination", count=CONSUMED), set()
        process = killed.forked(killed.consume_all, trial.config(), sqs, writing)
        time.sleep(generator.uniform(0, 0.12))
        process.kill()
        process.join()
        time.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            while told := os.read(reading, 65_536):
                done.update(told.decode().split())
        row.ticks += process.exitcode == -signal.SIGKILL
        row.lost = max(row.lost, trial.lost(done))
        row.dead = max(row.dead, len(trial.keys("dead")))
        server.control("expire", queue="destination")
    return _killed(row, count)


def _killed(row: Row, count: int) -> Row:
    row.stopped = f"{row.ticks} killed"
    if row.ticks < count:
        row.wrong = f"only {row.ticks} kills hit a running process"
    if row.lost or row.over_capacity > 0 or row.duplicates > row.allowed:
        row.wrong = "lost, over capacity or duplicated too many"
    return row


def _boto(server: ServerProcess) -> Any:
    """The client that the functions make, of this server; made once, and used by each forked process."""
    os.environ.update(
        AWS_ENDPOINT_URL=server.endpoint,
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    return clients.sqs()


def show(rows: list[Row]) -> None:
    table = Table(title=f"{EVENTS} events, capacity {CAPACITY} a tick, {WORKERS} workers")
    for column in (
        "",
        "ticks",
        "ended by",
        "over capacity",
        "ambiguous",
        "duplicates",
        "allowed",
        "dead",
        "lost",
        "",
    ):
        table.add_column(column, justify="left" if column in ("", "ended by") else "right")
    for row in rows:
        numbers = (row.over_capacity, row.ambiguous, row.duplicates, row.allowed, row.dead, row.lost)
        table.add_row(
            row.name, str(row.ticks), row.stopped, *(str(max(0, n)) for n in numbers), row.wrong or "ok"
        )
    Console(width=160).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="Half of them of the drain, half of consume.")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"--seed {arguments.seed}")
    with ServerProcess() as server:
        server.control("latency", seconds=LATENCY_S)
        rows = [
            fault(server, name, {**faults, "seed": arguments.seed})
            for name, faults in track(FAULTS.items(), "faults")
        ]
        chance = random.Random(arguments.seed)
        _boto(server)
        rows.append(drain_kills(server, arguments.kills // 2, chance))
        rows.append(consume_kills(server, arguments.kills - arguments.kills // 2, chance))
    show(rows)
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
