"""How many bytes a thumbnail will take at its peak, from the header alone.

The factors are measured peaks (resident set, both Pillow versions), rounded up;
tests/unit/test_thumbnails_cost.py holds them against real decodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.imaging import colour, jpeg
from chalicelib.thumbnails.imaging.box import Box
from chalicelib.thumbnails.imaging.strategy import Route
from chalicelib.thumbnails.imaging.webp import ReducibleWebp

# Pillow stores one byte a pixel in these modes, two in the 16-bit ones, four in all others.
_ONE_BYTE = ("1", "L", "P")

# What a decoder holds beside Pillow's image, bytes a pixel.
_BESIDE = {
    "webp": 12,  # two canvases, and the bytes handed over
    "avif": 12,  # planes of 16 bits, and the bytes handed over
    "gif": 13,  # a frame in RGBA and its indices, the canvas before it, and the copy handed over
    "bmp": 0,
    "heif": 14,  # planes of 16 bits, the whole in RGB, and the bytes handed over
}

# Of a WebP alone, to be known before Pillow opens it: its decoder asks for the canvases at once.
WEBP_BYTES_A_PIXEL = 16

# What an encoder needs a pixel of the thumbnail, its input included.
_ENCODER = {"jpeg": 8, "png": 10, "webp": 30, "avif": 130}
_FIXED = 4_000_000  # strips, tables, profiles


def stored_bytes(mode: str) -> int:
    """Bytes a pixel in Pillow's memory."""
    if mode in _ONE_BYTE:
        return 1
    return 2 if mode.startswith("I;16") else 4


def peak_bytes(
    image: Image.Image,
    data: bytes,
    route: Route,
    frames: int,
    boxes: Sequence[Box],
    upright: tuple[int, int],
    settings: ThumbnailSettings,
) -> int:
    """Bytes at the peak of reading `image` (opened, not decoded) by `route` and writing thumbnails for
    `boxes`, the file's own bytes included. `upright` is its size when it is turned."""
    width, height = image.size
    kind = (image.format or "").lower()
    base = pixels(boxes[0].scaled(*upright))
    thumbnails = [pixels(box.thumbnail(*upright)) for box in boxes]
    decoded = pixels(route.decoded(width, height))
    stored = stored_bytes(image.mode)

    if route.kind == "strips":
        decoding = decoded * 4 + route.rows * width * 20
    elif isinstance(image, ReducibleWebp):
        decoding = decoded * 7 + width * 400 + (width * height * 4 if image.lossless else 0)
        if route.kind == "planes":
            decoding += width * height * 3 // 2 + decoded * 4
    elif kind == "jpeg":
        coefficients = jpeg.coefficient_bytes(data, image.size, len(image.getbands()))
        decoding = decoded * stored + coefficients + (len(data) if coefficients else 0)
        if jpeg.lacks_its_end(data):
            decoding += 3 * (decoded * stored + len(data))
    else:
        decoding = decoded * (stored + _BESIDE.get(kind, 0) + conversion_bytes(image))
        if kind == "tiff":
            from chalicelib.thumbnails.imaging import tiff

            decoding += 2 * tiff.block_bytes(image)
    if kind == "png":
        decoding += len(data)  # without its texts
    if settings.linear:
        decoding += decoded * 20
    encoding = _ENCODER["webp" if settings.output == "auto" else settings.output] * max(thumbnails)
    animation = 4 * frames * sum(thumbnails) if frames > 1 else 0
    # Lanczos holds the picture reduced in one direction; the next larger thumbnail is there with it.
    reducing = 4 * min(decoded, 4 * base + height * math.isqrt(base))
    return len(data) + decoding + reducing + 8 * base + encoding + animation + _FIXED


def conversion_bytes(image: Image.Image) -> int:
    """Bytes a pixel of the copies that colour.plain and colour.premultiplied make."""
    if colour.has_alpha(image):
        return 8 if image.mode != "RGBA" else 4
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return 0
    return 14 if image.mode.startswith(("I", "F")) else 4


def pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]
