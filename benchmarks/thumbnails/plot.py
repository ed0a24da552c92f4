"""The benchmark as one picture: CPU time against quality, a point an engine and a kind of photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "thumbnails"  # the same file for the same numbers
mpl.rcParams["svg.fonttype"] = "none"  # texts as texts, not as the outlines of their letters
import matplotlib.pyplot as plt  # noqa: E402 - the backend is chosen before

_TITLES = {
    "jpeg_baseline": "baseline JPEG",
    "jpeg_progressive": "progressive JPEG",
    "png": "PNG",
    "webp": "WebP",
}
_SHOWN = {"ours": "#0b7a4b", "plain Pillow": "#8a8a8a", "sharp": "#c2410c", "pyvips": "#1d4ed8"}


def draw(results: dict[str, Any], path: Path) -> None:
    """Writes the plot as SVG."""
    figure, panels = plt.subplots(1, len(_TITLES), figsize=(13, 3.4), sharex=True)
    for panel, (kind, title) in zip(panels, _TITLES.items(), strict=True):
        for name, colour in _SHOWN.items():
            x = results["ratio_cpu_vs_sharp_by_engine"][name][kind]
            y = results["quality_before_encoding"][kind][name]["psnr_db"]
            panel.scatter([x], [y], color=colour, s=70, zorder=3, label=name)
            panel.annotate(f"{x:.2f}", (x, y), textcoords="offset points", xytext=(6, 5), fontsize=8)
        panel.set_title(f"{title} ({results['photographs'][kind]})", fontsize=10)
        panel.axvline(1, color="#c2410c", linewidth=0.6, linestyle=":")
        panel.grid(alpha=0.25)
        panel.margins(y=0.2)
        panel.set_xlabel("CPU time, sharp = 1")
    slowest = max(max(ratios.values()) for ratios in _shown_ratios(results))
    panels[0].set_xlim(0, slowest * 1.2)  # shared by all; room for the label
    panels[0].set_ylabel("PSNR before encoding, dB")
    panels[0].legend(fontsize=8, frameon=False)
    figure.suptitle("256-pixel thumbnails: further left is faster, further up is closer to the original")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _shown_ratios(results: dict[str, Any]) -> list[dict[str, float]]:
    by_engine = results["ratio_cpu_vs_sharp_by_engine"]
    return [{kind: by_engine[name][kind] for kind in _TITLES} for name in _SHOWN]
