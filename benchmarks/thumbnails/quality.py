"""How close a thumbnail is to the best one: a full decode reduced by Lanczos in one step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.thumbnails import fetch

Pixels = npt.NDArray[np.float64]
_WINDOW = 8


def reference(path: Path, size: int) -> Image.Image:
    """RGBA, premultiplied and reduced without any shortcut; kept in .cache/bench."""
    kept = fetch.CACHE / "references" / f"{path.parts[-4]}-{path.name}-{size}.png"
    if kept.exists():
        return Image.open(kept)
    with Image.open(path) as image:
        whole = ImageOps.exif_transpose(image).convert("RGBA").convert("RGBa")
    ratio = min(1.0, size / max(whole.size))
    target = (max(1, round(whole.width * ratio)), max(1, round(whole.height * ratio)))
    made = whole.resize(target, Image.Resampling.LANCZOS).convert("RGBA")
    kept.parent.mkdir(exist_ok=True)
    made.save(kept)
    return made


def luma_and_chroma(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Of RGB, as JPEG keeps them."""
    apart = np.asarray(Image.fromarray(pixels.round().astype(np.uint8)).convert("YCbCr"), dtype=np.float64)
    return apart[..., :1], apart[..., 1:]


def on_grey(image: Image.Image) -> Pixels:
    """RGB over mid-grey: the colour of what cannot be seen does not count."""
    canvas = Image.new("RGBA", image.size, (128, 128, 128, 255))
    canvas.alpha_composite(image.convert("RGBA"))
    return np.asarray(canvas.convert("RGB"), dtype=np.float64)


def psnr(one: Pixels, other: Pixels) -> float:
    """Decibels, at most 60: beyond that no screen shows it."""
    error = float(np.mean((one - other) ** 2))
    return min(60.0, 10 * float(np.log10(255**2 / error))) if error else 60.0


def ssim(one: Pixels, other: Pixels) -> float:
    """Structural similarity of the luma (Wang et al. 2004), in square windows of 8 pixels."""
    weights = np.array([0.299, 0.587, 0.114])
    a, b = one @ weights, other @ weights
    mean_a, mean_b = _mean(a), _mean(b)
    var_a, var_b = _mean(a * a) - mean_a**2, _mean(b * b) - mean_b**2
    together = _mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * together + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def _mean(values: Pixels) -> Pixels:
    """Of every window, by a table of sums."""
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    w = _WINDOW
    return (sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w]) / w**2
