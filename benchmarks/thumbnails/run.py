"""make bench-thumbnails: every engine over every photograph, interleaved, as ratios to sharp's CPU time."""

from __future__ import annotations

import json
import math
import platform
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, features

from benchmarks.thumbnails import fetch, memory, plot, quality
from benchmarks.thumbnails.workers import ENGINES, ROOT, Worker

RESULTS = ROOT / "benchmarks" / "results"
SIZE = 256
SEVERAL = [1024, 512, 256]
BASE = "sharp"

Ratios = dict[str, list[float]]  # by engine, one a photograph


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    photographs = fetch.photographs()
    workers = {name: Worker(name) for name in ENGINES}
    ratios: dict[str, Ratios] = {}
    likeness: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for kind, paths in photographs.items():
        ratios[kind] = {name: [] for name in ENGINES}
        likeness[kind] = {name: [] for name in ENGINES if name != "floor"}
        for path in paths:
            measured = interleaved(workers, path, [SIZE], rounds)
            for name, ratio in measured.items():
                ratios[kind][name].append(ratio)
            for name, close in likeness[kind].items():
                close.append(quality_of(workers[name], path))
            print(f"{kind} {path.name}: {measured['ours']:.2f}", flush=True)
    several: Ratios = {name: [] for name in ("ours", BASE)}
    for path in [path for kind in fetch.KINDS for path in photographs[kind][:5]]:
        pair = {name: workers[name] for name in several}
        for name, ratio in interleaved(pair, path, SEVERAL, rounds).items():
            several[name].append(ratio)
    for worker in workers.values():
        worker.close()
    large = memory.pictures(photographs["jpeg_baseline"][0])
    peaks = {
        f"{kind}, {sizes}": memory.peak(path, sizes)
        for kind, path in large.items()
        for sizes in ("256", "256,1024")
    }
    results = summary(ratios, several, likeness, peaks)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "thumbnails.json").write_text(json.dumps(results, indent=2) + "\n")
    plot.draw(results, RESULTS / "thumbnails.svg")
    print(table(results))


def form_of(path: Path) -> str:
    """The same output for every engine: WebP where something shows through, else JPEG."""
    with Image.open(path) as image:
        alpha = image.getchannel("A").getextrema() if image.mode in ("LA", "RGBA") else (255, 255)
    return "jpeg" if alpha == (255, 255) else "webp"


def interleaved(workers: dict[str, Worker], path: Path, sizes: list[int], rounds: int) -> dict[str, float]:
    """Each engine's median of its rounds' ratios to sharp; every other round in reverse order."""
    form = form_of(path)
    spent: dict[str, list[float]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.cpu(path, sizes, form)  # warm
    for number in range(rounds):
        for name in workers if number % 2 else reversed(workers):
            spent[name].append(workers[name].cpu(path, sizes, form))
    return {
        name: statistics.median(mine / base for mine, base in zip(seconds, spent[BASE], strict=True))
        for name, seconds in spent.items()
    }


def quality_of(worker: Worker, path: Path) -> tuple[float, float]:
    """(PSNR, SSIM) of the pixels before they are encoded."""
    out = fetch.CACHE / "quality.png"
    worker.cpu(path, [SIZE], "png", out=out)
    best = quality.on_grey(quality.reference(path, SIZE))
    with Image.open(out) as image:
        # Engines may round a side the other way: by one pixel.
        made = quality.on_grey(image.resize(best.shape[1::-1]) if image.size != best.shape[1::-1] else image)
    return quality.psnr(best, made), quality.ssim(best, made)


def summary(
    ratios: dict[str, Ratios],
    several: Ratios,
    likeness: dict[str, dict[str, list[tuple[float, float]]]],
    peaks: dict[str, tuple[float | None, str]],
) -> dict[str, Any]:
    by_engine = {
        name: {kind: geometric(ratios[kind][name]) for kind in ratios}
        | {"all": geometric(ratio for kind in ratios for ratio in ratios[kind][name])}
        for name in ENGINES
    }
    close = {
        kind: {
            name: {
                "psnr_db": round(statistics.mean(psnr for psnr, _ in pairs), 2),
                "ssim": round(statistics.mean(ssim for _, ssim in pairs), 4),
            }
            for name, pairs in engines.items()
        }
        for kind, engines in likeness.items()
    }
    jpegs = {
        name: [psnr for kind in ("jpeg_baseline", "jpeg_progressive") for psnr, _ in likeness[kind][name]]
        for name in ("ours", BASE)
    }
    return {
        "ratio_cpu_vs_sharp": by_engine["ours"] | {"multi_size": geometric(several["ours"])},
        "psnr_minus_sharp_db": {
            "jpeg": round(statistics.mean(jpegs["ours"]) - statistics.mean(jpegs[BASE]), 2),
            **{
                kind: round(each["ours"]["psnr_db"] - each[BASE]["psnr_db"], 2)
                for kind, each in close.items()
            },
        },
        "peak_mb_over_baseline_100mp": {
            kind.removesuffix(", 256"): peak for kind, (peak, _) in peaks.items() if kind.endswith(", 256")
        },
        "peak_100mp_said": {kind: said for kind, (_, said) in peaks.items()},
        "ratio_cpu_vs_sharp_by_engine": by_engine,
        "quality_before_encoding": close,
        "photographs": {kind: len(ratios[kind]["ours"]) for kind in ratios},
        "versions": {
            "python": platform.python_version(),
            "pillow": features.version("pil"),
            "libjpeg-turbo": features.version("libjpeg_turbo"),
            "sharp": fetch.SHARP,
        },
    }


def geometric(values: Iterable[float]) -> float:
    return round(math.exp(statistics.mean(math.log(value) for value in values)), 3)


def table(results: dict[str, Any]) -> str:
    kinds = ["jpeg_baseline", "jpeg_progressive", "png", "webp", "all"]
    lines = [f"{'CPU time, sharp = 1':26}" + "".join(f"{kind:>18}" for kind in kinds)]
    for name, ratios in results["ratio_cpu_vs_sharp_by_engine"].items():
        lines.append(f"{name:26}" + "".join(f"{ratios[kind]:18.2f}" for kind in kinds))
    lines.append(f"{'PSNR in dB, SSIM':26}")
    for name in next(iter(results["quality_before_encoding"].values())):
        cells = [results["quality_before_encoding"][kind][name] for kind in kinds[:-1]]
        lines.append(f"{name:26}" + "".join(f"{c['psnr_db']:10.1f}  {c['ssim']:.4f}" for c in cells))
    lines.append(f"three sizes, one decode: {results['ratio_cpu_vs_sharp']['multi_size']:.2f} of sharp's")
    lines += [f"100 MP {kind}: {said}" for kind, said in results["peak_100mp_said"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
