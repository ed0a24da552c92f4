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
Closeness = dict[str, dict[str, list[float]]]  # by engine and by what, one a size


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
    several: dict[str, Ratios] = {}
    several_close: dict[str, list[Closeness]] = {}
    pair = {name: workers[name] for name in ("ours", BASE)}
    for kind, paths in photographs.items():
        several[kind] = {name: [] for name in pair}
        for path in paths:
            for name, ratio in interleaved(pair, path, SEVERAL, rounds).items():
                several[kind][name].append(ratio)
        several_close[kind] = [
            {name: quality_of_several(worker, path) for name, worker in pair.items()} for path in paths
        ]
    for worker in workers.values():
        worker.close()
    large = memory.pictures(photographs["jpeg_baseline"][0])
    peaks = {
        f"{kind}, {sizes}": memory.peak(path, sizes)
        for kind, path in large.items()
        for sizes in ("256", "256,1024")
    }
    results = summary(ratios, several, likeness, peaks) | {"three_sizes": trade(several, several_close)}
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
    out = fetch.CACHE / "quality"
    worker.cpu(path, [SIZE], "png", out=out)
    best, made = compared(path, SIZE, Path(f"{out}0"))
    return quality.psnr(best, made), quality.ssim(best, made)


def compared(path: Path, size: int, made: Path) -> tuple[quality.Pixels, quality.Pixels]:
    """The pixels of the reference and of what an engine made."""
    best = quality.on_grey(quality.reference(path, size))
    with Image.open(made) as image:
        # Engines may round a side the other way: by one pixel.
        image = image.resize(best.shape[1::-1]) if image.size != best.shape[1::-1] else image
        return best, quality.on_grey(image)


def quality_of_several(worker: Worker, path: Path) -> dict[str, list[float]]:
    """PSNR by SEVERAL: before encoding, and of luma and chroma in a JPEG of quality 100 (where the kind
    becomes one)."""
    out = fetch.CACHE / "quality"
    found: dict[str, list[float]] = {"pixels": [], "jpeg_luma": [], "jpeg_chroma": []}
    worker.cpu(path, SEVERAL, "png", out=out)
    for number, size in enumerate(SEVERAL):
        found["pixels"].append(quality.psnr(*compared(path, size, Path(f"{out}{number}"))))
    if form_of(path) != "jpeg":
        return found
    worker.cpu(path, SEVERAL, "fine", out=out)
    for number, size in enumerate(SEVERAL):
        best, made = map(quality.luma_and_chroma, compared(path, size, Path(f"{out}{number}")))
        found["jpeg_luma"].append(quality.psnr(best[0], made[0]))
        found["jpeg_chroma"].append(quality.psnr(best[1], made[1]))
    return found


def trade(several: dict[str, Ratios], close: dict[str, list[Closeness]]) -> dict[str, Any]:
    """What three sizes cost, and how close they are, against sharp: what was given for the time shows."""

    def differences(kinds: Iterable[str], what: str, number: int) -> list[float]:
        photographs = [each for kind in kinds for each in close[kind] if each["ours"][what]]
        return [each["ours"][what][number] - each[BASE][what][number] for each in photographs]

    def row(kinds: list[str]) -> dict[str, Any]:
        return {
            "ratio_cpu_vs_sharp": geometric(ratio for kind in kinds for ratio in several[kind]["ours"]),
            "psnr_minus_sharp_db": {
                what: {
                    str(size): {"mean": round(statistics.mean(found), 2), "least": round(min(found), 2)}
                    for number, size in enumerate(SEVERAL)
                    if (found := differences(kinds, what, number))
                }
                for what in ("pixels", "jpeg_luma", "jpeg_chroma")
            },
        }

    return {kind: row([kind]) for kind in several} | {"all": row(list(several))}


def summary(
    ratios: dict[str, Ratios],
    several: dict[str, Ratios],
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
        "ratio_cpu_vs_sharp": by_engine["ours"]
        | {"multi_size": geometric(ratio for each in several.values() for ratio in each["ours"])},
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
    for kind, row in results["three_sizes"].items():
        lines.append(
            f"three sizes, {kind}: {row['ratio_cpu_vs_sharp']:.2f} of sharp's one decode; PSNR - sharp's, dB"
        )
        for what, sizes in row["psnr_minus_sharp_db"].items():
            cells = (
                f"{size}: {each['mean']:+.1f} (least {each['least']:+.1f})" for size, each in sizes.items()
            )
            lines.append(f"    {what:12}" + "  ".join(cells))
    lines += [f"100 MP {kind}: {said}" for kind, said in results["peak_100mp_said"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
