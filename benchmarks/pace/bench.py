"""`make bench-pace`: the product's own code on the simulation's clock, beside what was before it.

No machine's speed is in the figures: they are counts on a virtual clock, the same on every run. Of
several seeds the worst is told. Writes benchmarks/results/pace.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.pace.before import CONTENDERS
from benchmarks.pace.measures import BEST_IS_MOST, MEASURES, Figures
from dev.simulation import boundary

RESULTS = Path(__file__).parents[1] / "results" / "pace.json"


def main(processes: int) -> None:
    asked = [
        (measure, contender, seed)
        for measure, (_, seeds) in enumerate(MEASURES)
        for contender in range(len(CONTENDERS))
        for seed in range(seeds)
    ]
    boundary.prepare()
    console = Console(width=120)
    told: dict[str, Figures] = {one.name: {} for one in CONTENDERS}
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        answers = pool.imap(_ask, asked)
        for (_, contender, _), figures in track(
            zip(asked, answers, strict=True), "stages", total=len(asked), console=Console(stderr=True)
        ):
            name = CONTENDERS[contender].name
            for figure, value in figures.items():
                worst = min if figure in BEST_IS_MOST else max
                told[name][figure] = round(worst(told[name].get(figure, value), value), 4)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    table = Table("figure", *told, title="What the downstream feels; of several seeds the worst")
    for figure in told[CONTENDERS[0].name]:
        table.add_row(figure, *(f"{figures[figure]:,.4g}" for figures in told.values()))
    console.print(table)
    console.print(f"written to {RESULTS.relative_to(Path.cwd())}")


def _ask(what: tuple[int, int, int]) -> Figures:
    measure, contender, seed = what
    with boundary.installed() as here:
        return MEASURES[measure][0](here, CONTENDERS[contender], seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="side by side")
    main(parser.parse_args().processes)
