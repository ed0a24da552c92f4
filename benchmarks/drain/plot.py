"""The picture from benchmarks/results/drain.json: `python -m benchmarks.drain.plot`."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib import pyplot as plt

plt.switch_backend("svg")
plt.rcParams["svg.fonttype"] = "none"
plt.rcParams["svg.hashsalt"] = "drain"  # the same figures give the same file

RESULTS = Path(__file__).parents[1] / "results"
NAMES = {
    "boto3, 16": "boto3, batches, 16 threads",
    "aiohttp+botocore, 32": "aiohttp + botocore's signer, 32",
    "aiohttp+ours, 32": "aiohttp + our signer, 32",
    "ours+botocore, 32": "our HTTP + botocore's signer, 32",
}
GREY, BLUE = "#9aa5b1", "#2563a8"


def main() -> None:
    result = json.loads((RESULTS / "drain.json").read_text())
    bars = [("the original's algorithm", {"median": 1, "min": 1, "max": 1}, GREY)]
    bars += [(name, result["clients"][key]["events_per_s"], GREY) for key, name in NAMES.items()]
    bars += [
        (f"the drain, {workers} workers", figures, BLUE)
        for workers, figures in result["ratio_events_per_s"].items()
    ]
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for row, (_, figures, colour) in enumerate(bars):
        axes.barh(row, figures["median"], color=colour, height=0.65)
        axes.plot([figures["min"], figures["max"]], [row, row], color="#333333", linewidth=1.2)
        axes.text(figures["max"] + 2, row, f"{figures['median']:.0f}x", va="center")
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.invert_yaxis()
    axes.set_xlabel(
        f"events per second, times the original's ({result['rounds']} rounds; line: least to most)"
    )
    axes.set_title(f"One shard, a call takes {result['latency_ms']:.0f} ms", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(right=axes.get_xlim()[1] * 1.08)
    figure.savefig(RESULTS / "drain.svg", metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
