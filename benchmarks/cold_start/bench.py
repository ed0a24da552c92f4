"""Each function's cold start, under Lambda's runtime client, against the same runtime with an empty handler.

A start is a new process until its first answer: the import (process start to the first question for an event)
and the first call (an event until its answer). In every round each of these starts once, in a shuffled order:

interpreter  `python -S -c pass`, for comparison
empty        a handler that returns None
FUNCTION     of the package as it is deployed, and of the same package as Chalice makes it, without bytecode

Ratios are taken within a round, to that round's empty handler; medians over the rounds are kept. AWS is
the local one, over plain HTTP: on Lambda TLS and the network come on top of the first call, for all the same.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import click
from rich.console import Console
from rich.table import Table

from benchmarks.cold_start.stage import fill, forget_thumbnails, settings_of
from dev.lambda_runtime import events
from dev.lambda_runtime.interpreters import LambdaPython, prepared
from dev.lambda_runtime.packages import unpacked
from dev.lambda_runtime.process import sandbox
from dev.local_aws import free_port, local_aws

RESULTS = Path(__file__).parent.parent / "results" / "cold_start.json"
NO_BYTECODE = ", no bytecode"
EMPTY = "def handler(event, context):\n    return None\n"


@dataclass(frozen=True)
class Start:
    """Seconds."""

    imports: float
    first_call: float

    @property
    def total(self) -> float:
        return self.imports + self.first_call


Rounds = list[dict[str, Start]]  # what was started -> its times, in each round


def first_calls(settings: dict[str, str]) -> dict[str, tuple[str, object]]:
    """For each function its handler, and the event of its first call."""
    bucket = settings["IMAGES_BUCKET"]
    return {
        "enqueue": ("app.enqueue", events.uploaded(bucket, ["photo.jpg"])),
        "drain": ("app.drain", events.TICK),
        "consume": ("app.consume", events.sqs_batch("destination", [events.body(bucket, "photo.jpg")])),
        "letters": ("app.letters", events.sqs_batch("dead_letter", [events.body(bucket, "photo.jpg")])),
        "backfill": ("app.backfill", events.batch_task(bucket, "photo.jpg")),
        "api_handler": ("app.app", events.rest("GET", "/health")),
    }


def measure(
    python: LambdaPython,
    settings: dict[str, str],
    folder: Path,
    rounds: int,
    forget: Callable[[], None],
) -> Rounds:
    """All starts of all rounds. Raises AssertionError when a function fails: a failure would be fast."""
    package = unpacked(python, folder).folder
    bare = folder / "without-bytecode"
    subprocess.run(["cp", "-r", str(package), str(bare)], check=True)
    for bytecode in bare.rglob("*.pyc"):
        bytecode.unlink()
    empty = folder / "empty"
    empty.mkdir()
    (empty / "empty.py").write_text(EMPTY)

    def start(code: Path, handler: str, event: object) -> Start:
        with sandbox(python, code, handler, settings, folder / "log") as function:
            answer = function.invoke(event)
            assert not answer.failed, f"{handler}: {answer.payload}"
            forget()  # a thumbnail that is there already is not made
            return Start(function.import_s, answer.ended - answer.began)

    starts: dict[str, Callable[[], Start]] = {
        "interpreter": lambda: Start(_interpreter(python), 0.0),
        "empty": lambda: start(empty, "empty.handler", {}),
    }
    for name, (handler, event) in first_calls(settings).items():
        starts[name] = partial(start, package, handler, event)
        starts[f"{name}{NO_BYTECODE}"] = partial(start, bare, handler, event)
    done = []
    for number in range(rounds + 1):
        shuffled = random.sample(sorted(starts), len(starts))
        one = {name: starts[name]() for name in shuffled}
        if number:  # the first one only warms the disk
            done.append({name: one[name] for name in starts})
    return done


def _interpreter(python: LambdaPython) -> float:
    began = time.perf_counter()
    subprocess.run([str(python.interpreter), "-S", "-c", "pass"], env={}, check=True)
    return time.perf_counter() - began


def summary(rounds: Rounds) -> dict[str, dict[str, float]]:
    """For everything started: medians in milliseconds, and of the ratios to the round's empty handler and
    interpreter."""
    found = {}
    for name in rounds[0]:
        found[name] = {
            "import_ms": statistics.median(one[name].imports for one in rounds) * 1000,
            "first_call_ms": statistics.median(one[name].first_call for one in rounds) * 1000,
            "x_empty": statistics.median(one[name].total / one["empty"].total for one in rounds),
            "x_empty_import": statistics.median(one[name].imports / one["empty"].total for one in rounds),
            "x_empty_first_call": statistics.median(
                one[name].first_call / one["empty"].total for one in rounds
            ),
            "x_interpreter": statistics.median(one[name].total / one["interpreter"].total for one in rounds),
        }
    return {name: {key: round(value, 2) for key, value in one.items()} for name, one in found.items()}


def show(version: str, found: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"Cold start, Python {version}; ratios to an empty handler")
    for column in ("", "import", "first call", "both", "without bytecode", "x interpreter", "ms"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one in found.items():
        if name.endswith(NO_BYTECODE):
            continue
        bare = found.get(name + NO_BYTECODE)
        table.add_row(
            name,
            *(f"{one[key]:.2f}" for key in ("x_empty_import", "x_empty_first_call", "x_empty")),
            f"{bare['x_empty']:.2f}" if bare else "",
            f"{one['x_interpreter']:.1f}",
            f"{one['import_ms'] + one['first_call_ms']:.0f}",
        )
    Console(width=110).print(table)


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--python", "versions", multiple=True, default=("3.11", "3.13"), show_default=True)
def main(rounds: int, versions: tuple[str, ...]) -> None:
    """Measure, print, and write benchmarks/results/cold_start.json."""
    results: dict[str, Any] = {"rounds": rounds, "cpus": os.cpu_count(), "machine": platform.machine()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with local_aws(free_port(), folder / "aws") as aws:
            os.environ.update(aws.environment())
            sqs = boto3.client("sqs")
            s3 = boto3.client("s3")
            settings = settings_of(aws, s3, sqs)
            forget = partial(forget_thumbnails, s3, settings["THUMBNAILS_BUCKET"])
            fill(sqs, settings["SOURCE_QUEUE_URL"], 2 * (rounds + 1) * len(versions))
            for version in versions:
                (folder / version).mkdir()
                measured = measure(prepared(version), settings, folder / version, rounds, forget)
                results[version] = summary(measured)
                show(version, results[version])
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
