"""make bench-thumbnails: every engine over every photograph, interleaved, as ratios to sharp's CPU time."""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, features

from benchmarks.thumbnails import fetch, memory, plot, quality
from benchmarks.thumbnails.workers import ENGINES, ROOT, Worker

RESULTS = ROOT / "benchmarks" / "results"
SIZE = 256
DEFAULT = [1024, 256]
DEFAULT_KINDS = ("jpeg_baseline", "phone", "jpeg_progressive", "png", "webp")
BASE = "sharp"

Ratios = dict[str, list[float]]  # by engine, one a photograph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=7, help="interleaved rounds [default: 7]")
    rounds = parser.parse_args().rounds
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
    pair = {name: workers[name] for name in ("ours", BASE)}
    photographs["phone"] = fetch.as_phones_make_them(photographs["jpeg_baseline"])
    by_default = {kind: default_sizes(pair, kind, photographs[kind], rounds) for kind in DEFAULT_KINDS}
    heic = against_jpeg(workers["ours"], photographs["phone"][:3], rounds)
    for worker in workers.values():
        worker.close()
    large = memory.pictures(photographs["jpeg_baseline"][0])
    peaks = {
        f"{kind}, {sizes}": memory.peak(path, sizes)
        for kind, path in large.items()
        for sizes in ("256", "256,1024")
    }
    results = summary(ratios, likeness, peaks) | {"default_sizes": by_default, "heic": heic}
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


def default_sizes(pair: dict[str, Worker], kind: str, paths: list[Path], rounds: int) -> dict[str, Any]:
    """What the default sizes of one class cost, how close the larger one is, and their bytes, to sharp's."""
    ratios, luma, sizes = [], [], []
    for path in paths:
        ratios.append(interleaved(pair, path, DEFAULT, rounds)["ours"])
        if form_of(path) == "jpeg":
            ours, sharps = (luma_of(worker, path) for worker in pair.values())
            luma.append(ours - sharps)
        ours, sharps = (bytes_of(worker, path) for worker in pair.values())
        sizes.append(ours / sharps)
        print(f"default sizes, {kind} {path.name}: {ratios[-1]:.2f}", flush=True)
    return {
        "ratio_cpu": geometric(ratios),
        "luma_db_1024_mean": round(statistics.mean(luma), 2),
        "luma_db_1024_least": round(min(luma), 2),
        "bytes_ratio": geometric(sizes),
        "ratio_cpu_least_and_most": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def luma_of(worker: Worker, path: Path) -> float:
    """PSNR of brightness at DEFAULT's larger size, in a JPEG of quality 100."""
    out = fetch.CACHE / "quality"
    worker.cpu(path, DEFAULT, "fine", out=out)
    best, made = map(quality.luma_and_chroma, compared(path, DEFAULT[0], Path(f"{out}0")))
    return quality.psnr(best[0], made[0])


def bytes_of(worker: Worker, path: Path) -> int:
    """Of both default sizes as they are delivered, at the same quality."""
    out = fetch.CACHE / "quality"
    worker.cpu(path, DEFAULT, form_of(path), out=out)
    return sum(Path(f"{out}{number}").stat().st_size for number in range(len(DEFAULT)))


def against_jpeg(worker: Worker, paths: list[Path], rounds: int) -> dict[str, Any]:
    """The default sizes of a 12-megapixel HEIC against those of the same picture as JPEG, both ours: sharp's
    own builds do not decode HEIC."""
    ratios, seconds = [], []
    for jpeg, heic in zip(paths, fetch.as_heic(paths), strict=True):
        for path in (jpeg, heic):
            worker.cpu(path, DEFAULT, "jpeg")  # warm
        both = [[worker.cpu(path, DEFAULT, "jpeg") for path in (jpeg, heic)] for _ in range(rounds)]
        ratios.append(statistics.median(new / old for old, new in both))
        seconds.append(statistics.median(new for _, new in both))
    return {"ratio_cpu_to_our_jpeg": geometric(ratios), "cpu_seconds": round(statistics.mean(seconds), 3)}


def summary(
    ratios: dict[str, Ratios],
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
        "ratio_cpu_vs_sharp": by_engine["ours"],
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
    for kind, row in results["default_sizes"].items():
        lines.append(
            f"1024 and 256, {kind}: {row['ratio_cpu']:.2f} of sharp; luma at 1024 "
            f"{row['luma_db_1024_mean']:+.2f} dB (least {row['luma_db_1024_least']:+.2f}); "
            f"{row['bytes_ratio']:.3f} of its bytes"
        )
    lines.append(
        f"1024 and 256 of a 12 MP HEIC: {results['heic']['ratio_cpu_to_our_jpeg']:.1f} of the same as JPEG"
    )
    lines += [f"100 MP {kind}: {said}" for kind, said in results["peak_100mp_said"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
