"""`python -m dev.simulation`: seeds by the thousand, a failing one told as a story, planted faults found."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from dev.simulation import boundary, planted, seeds
from dev.simulation.scenario import from_seed
from dev.workspace import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "simulation.json"
CHUNK = 25  # seeds a process is given at once
TICKS = 1_000_000  # unless something else bounds the run
STORIES = 3


class Ran(NamedTuple):
    """What some seeds came to."""

    seeds: int = 0
    ticks: int = 0
    events: int = 0
    deaths: int = 0
    failed: tuple[int, ...] = ()

    def plus(self, other: Ran) -> Ran:
        return Ran(
            self.seeds + other.seeds,
            self.ticks + other.ticks,
            self.events + other.events,
            self.deaths + other.deaths,
            self.failed + other.failed,
        )


@click.command()
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--seeds", "count", type=int, help="How many seeds.")
@click.option("--minutes", type=float, help="How long, in real minutes.")
@click.option(
    "--ticks", type=int, help=f"How many simulated ticks. [default: {TICKS:,} without another bound]"
)
@click.option("--replay", type=int, help="Tell one seed's story, shrunk where it fails.")
@click.option(
    "--faults", is_flag=True, help="Plant faults in the code, one at a time; every one must be found."
)
@click.option("--only", default="", help="Of the planted faults those whose name holds this.")
@click.option("--processes", default=os.cpu_count(), show_default=True, type=int, help="Side by side.")
def main(
    first: int,
    count: int | None,
    minutes: float | None,
    ticks: int | None,
    replay: int | None,
    faults: bool,
    only: str,
    processes: int,
) -> None:
    """The pipeline's own code against a hostile SQS and Lambda, on a virtual clock.

    Exit code 1: something that must hold did not, or a planted fault was not found.
    """
    if replay is not None:
        sys.exit(_replay(replay))
    if faults:
        sys.exit(_faults(processes, only, RESULTS))
    if count is None and minutes is None and ticks is None:
        ticks = TICKS
    began = time.monotonic()
    total = Ran()
    for ran in _chunks(first, count, processes):
        total = total.plus(ran)
        late = minutes is not None and time.monotonic() - began > 60 * minutes
        if late or (ticks is not None and total.ticks >= ticks) or len(total.failed) >= STORIES:
            break
    seconds = time.monotonic() - began
    click.echo(
        f"{total.seeds:,} seeds, {total.ticks:,} ticks, {total.events:,} events, {total.deaths:,} deaths: "
        f"{len(total.failed)} violations, in {seconds:.0f} s ({total.ticks / seconds:,.0f} ticks a second)"
    )
    write(
        RESULTS,
        seeds=total.seeds,
        ticks=total.ticks,
        events=total.events,
        deaths=total.deaths,
        violations=len(total.failed),
    )
    for seed in total.failed[:STORIES]:
        _replay(seed)
    sys.exit(1 if total.failed else 0)


def _chunks(first: int, count: int | None, processes: int) -> Iterator[Ran]:
    """The seeds from `first` on, side by side; without a count until nobody asks for more."""
    last = first + count if count is not None else first + 1_000_000_000
    parts = ((start, min(start + CHUNK, last)) for start in range(first, last, CHUNK))
    boundary.prepare()  # once, and not in each process
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        waiting: list[Any] = []
        for part in parts:
            waiting.append(pool.apply_async(_run, part))
            if len(waiting) >= 2 * processes:
                yield waiting.pop(0).get()
        for one in waiting:
            yield one.get()


def _run(start: int, end: int) -> Ran:
    total = Ran()
    with boundary.installed() as here:
        for seed in range(start, end):
            outcome = seeds.run(here, from_seed(seed))
            failed = (seed,) if outcome.violation else ()
            total = total.plus(Ran(1, outcome.ticks, outcome.events, outcome.deaths, failed))
    return total


def _replay(seed: int) -> int:
    """Prints the seed's story, with as little in it as still fails."""
    with boundary.installed() as here:
        outcome = seeds.run(here, from_seed(seed), tracing=True)
        if outcome.violation is None:
            click.echo(seeds.told(outcome))
            return 0
        click.echo(seeds.story_of(here, seed))
        return 1


def _faults(processes: int, only: str, results: Path) -> int:
    chosen = [number for number, fault in enumerate(planted.FAULTS) if only in fault.name]
    boundary.prepare()
    found = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for number, one in zip(chosen, pool.imap(planted.search, chosen), strict=True):
            click.echo(f"{planted.FAULTS[number].name}: {one.kind or 'NOT FOUND'}", err=True)
            found.append(one)
    table = Table("planted", "found as", "seed", "ticks", title="Faults planted one at a time")
    for number, one in zip(chosen, found, strict=True):
        kind = one.kind or "[red]not found[/]"
        table.add_row(planted.FAULTS[number].name, kind, str(one.seed), f"{one.ticks:,}")
    Console(width=120).print(table)
    hits = sum(bool(one.kind) for one in found)
    click.echo(f"{len(chosen)} planted, {hits} found")
    if not only:
        write(results, planted=len(chosen), found=hits)
    return 0 if hits == len(chosen) else 1


def write(results: Path, **numbers: int) -> None:
    """Into the results' file; what another run measured stays."""
    known = json.loads(results.read_text()) if results.exists() else {}
    results.write_text(json.dumps({**known, **numbers}, indent=2) + "\n")


if __name__ == "__main__":
    main()
