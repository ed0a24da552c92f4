"""The picture for the README: what the downstream gets in each second of five minutes, now and before.

`python -m benchmarks.pace.plot`; deterministic, as the bench is.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from matplotlib import pyplot as plt

from benchmarks.pace.before import AT_88C18DD, NOW, ORIGINAL
from benchmarks.pace.measures import MINUTE, dues
from benchmarks.pace.stage import Contender, Stage
from dev.simulation import boundary
from dev.simulation.boundary import Boundary
from dev.simulation.world import BEGIN

plt.switch_backend("svg")
plt.rcParams["svg.fonttype"] = "none"
plt.rcParams["svg.hashsalt"] = "pace"

RESULT = Path(__file__).parents[1] / "results" / "pace.svg"
CAPACITY, MINUTES = 1000, 5
COLOURS = {ORIGINAL.name: "#c9d1d9", AT_88C18DD.name: "#9aa5b1", NOW.name: "#2563a8"}


def main() -> None:
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    with boundary.installed() as here:
        for contender in (ORIGINAL, AT_88C18DD, NOW):
            counts = seconds(here, contender)
            axes.step(
                range(len(counts)), counts, where="post", color=COLOURS[contender.name], label=contender.name
            )
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 20 * CAPACITY)
    axes.set_xticks(range(0, 60 * MINUTES + 1, 60), range(MINUTES + 1))
    axes.set_xlabel("minutes")
    axes.set_ylabel("events in a second")
    axes.set_title(f"A backlog at a capacity of {CAPACITY:,} a minute", fontsize=11)
    axes.legend(frameon=False, loc="upper right", ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULT, metadata={"Date": None}, bbox_inches="tight")


def seconds(here: Boundary, contender: Contender) -> list[int]:
    """Events due in each second, from the first full minute on."""
    stage = Stage(here, contender, seed=1, capacity=CAPACITY)
    stage.backlog(stage.source, 20 * CAPACITY)
    stage.wait((MINUTES + 3) * MINUTE)
    counts = Counter(math.floor(due - BEGIN - 2 * MINUTE) for due in dues(stage))
    return [counts[second] for second in range(int(MINUTES * MINUTE))]


if __name__ == "__main__":
    main()
