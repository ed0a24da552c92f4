"""Lanczos, with vectors where the processor and a wheel allow it: a fifth to a tenth of Pillow's time.

cykooz-resizer has no wheel for arm64; Pillow does the same there, to 50 dB.
"""

from __future__ import annotations

from functools import cache

from PIL import Image

Part = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

# Modes that both take, four bytes or one a pixel. RGBA is not among them: it has to be premultiplied before.
_VECTOR_MODES = ("L", "RGB", "RGBa", "CMYK", "F")


def resized(
    image: Image.Image, size: tuple[int, int], part: Part | None = None, soft: bool = False
) -> Image.Image:
    """`part` of the image (or all of it) at `size`, which is not larger; the image itself where nothing
    changes. Transparent images are premultiplied. `soft` is by Catmull and Rom's cubic: fewer bytes."""
    if image.size == size and (part is None or part == (0, 0, *size)):
        return image
    if not has_vectors() or image.mode not in (*_VECTOR_MODES, "La"):
        method = Image.Resampling.BICUBIC if soft else Image.Resampling.LANCZOS
        return image.resize(size, method, box=part)
    if image.mode == "La":
        return Image.merge("La", [resized(band, size, part, soft) for band in image.split()])
    from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer

    algorithm = ResizeAlg.convolution(FilterType.catmull_rom if soft else FilterType.lanczos3)
    crop = CropBox(part[0], part[1], part[2] - part[0], part[3] - part[1]) if part else None
    made = Image.new(image.mode, size)
    Resizer().resize_pil(image, made, ResizeOptions(resize_alg=algorithm, use_alpha=False, crop_box=crop))
    return made


@cache
def has_vectors() -> bool:
    """Whether there is a wheel of it. Loaded with the first picture."""
    try:
        import cykooz_resizer  # noqa: F401
    except ImportError:
        return False
    return True
