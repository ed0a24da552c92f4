"""Lanczos, with vectors where the processor and a wheel allow it: a fifth to a tenth of Pillow's time.

cykooz-resizer has no wheel for arm64; Pillow does the same there, to 50 dB.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from cykooz_resizer import ResizeAlg

Part = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

# Modes that both take, four bytes or one a pixel. RGBA is not among them: it has to be premultiplied before.
_VECTOR_MODES = ("L", "RGB", "RGBa", "CMYK", "F")


def resized(image: Image.Image, size: tuple[int, int], part: Part | None = None) -> Image.Image:
    """`part` of the image (or all of it) at `size`, which is not larger; the image itself where nothing
    changes. Transparent images are premultiplied."""
    if image.size == size and (part is None or part == (0, 0, *size)):
        return image
    algorithm = lanczos() if image.mode in (*_VECTOR_MODES, "La") else None
    if algorithm is None:
        return image.resize(size, Image.Resampling.LANCZOS, box=part)
    if image.mode == "La":
        return Image.merge("La", [resized(band, size, part) for band in image.split()])
    from cykooz_resizer import CropBox, ResizeOptions, Resizer

    crop = CropBox(part[0], part[1], part[2] - part[0], part[3] - part[1]) if part else None
    made = Image.new(image.mode, size)
    Resizer().resize_pil(image, made, ResizeOptions(resize_alg=algorithm, use_alpha=False, crop_box=crop))
    return made


@cache
def lanczos() -> ResizeAlg | None:
    """The vectors' Lanczos; None where there is no wheel of it. Loaded with the first picture."""
    try:
        from cykooz_resizer import FilterType, ResizeAlg
    except ImportError:
        return None
    return ResizeAlg.convolution(FilterType.lanczos3)
