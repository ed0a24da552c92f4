"""ThumbHash: a picture in some 25 bytes, for a page to show until the thumbnail is there.

The format is Evan Wallace's (https://evanw.github.io/thumbhash/, MIT licence): brightness and two colour
differences as the first coefficients of a cosine transform. Of the libraries on PyPI one keeps Pillow below
version 11, the others want numpy or a compiler.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import cache
from operator import mul

from PIL import Image, ImageStat

from chalicelib.thumbnails.imaging import colour

_SIDE = 16  # pixels at least: the finest wave has five of them. The format allows 100, at ten times the time
# Red, green and blue to brightness, yellow to blue, and red to green, each from 0 to 255.
_PARTS = (1 / 3, 1 / 3, 1 / 3, 0, 1 / 4, 1 / 4, -1 / 2, 127.5, 1 / 2, -1 / 2, 0, 127.5)


def thumbhash(image: Image.Image) -> str:
    """The ThumbHash of a straight L, LA, RGB or RGBA picture, in base64 (24 to 36 characters)."""
    blocks = colour.premultiplied(image).reduce(max(1, max(image.size) // _SIDE))
    return base64.b64encode(encoded(colour.straight(blocks))).decode()


def encoded(image: Image.Image) -> bytes:
    """The hash of a straight picture of at most 100 x 100 pixels."""
    width, height = image.size
    alpha = None if colour.is_opaque(image) else image.getchannel("A")
    if alpha:  # what shows through is filled with the mean colour, which needs no waves
        image = image.convert("RGBA")
        mean = ImageStat.Stat(colour.premultiplied(image)).sum
        image = colour.flattened(image, tuple(round(255 * part / (mean[3] or 1)) for part in mean[:3]))  # type: ignore[arg-type]
    parts = image.convert("RGB").convert("RGB", _PARTS).tobytes()
    most = (5 if alpha else 7) / max(width, height)
    across, down = max(1, _rounded(most * width)), max(1, _rounded(most * height))
    light, l_scale, l_waves = _channel(parts[::3], width, max(3, across), max(3, down))
    yellow, p_scale, p_waves = _channel(parts[1::3], width, 3, 3)
    red, q_scale, q_waves = _channel(parts[2::3], width, 3, 3)
    landscape = width > height
    # The colours' scales are twice what is in a byte, which has their sign too.
    head = _rounded(63 * light) | _rounded(63 * yellow) << 6 | _rounded(63 * red) << 12
    head |= _rounded(31 * l_scale) << 18 | (alpha is not None) << 23
    scales = (down if landscape else across) | _rounded(126 * p_scale) << 3 | _rounded(126 * q_scale) << 9
    made = head.to_bytes(3, "little") + (scales | landscape << 15).to_bytes(2, "little")
    waves = l_waves + p_waves + q_waves
    if alpha:
        opacity, a_scale, a_waves = _channel(alpha.tobytes(), width, 5, 5)
        made += bytes((_rounded(15 * opacity) | _rounded(15 * a_scale) << 4,))
        waves += a_waves
    nibbles = [_rounded(15 * wave) for wave in [*waves, 0.0]]
    return made + bytes(nibbles[i] | nibbles[i + 1] << 4 for i in range(0, len(waves), 2))


def _channel(values: bytes, width: int, columns: int, rows: int) -> tuple[float, float, list[float]]:
    """(mean, scale, waves) of one channel, from 0 to 1, by a cosine transform of which a triangle is kept."""
    lines = [values[start : start + width] for start in range(0, len(values), width)]
    sums = [[sum(map(mul, line, wave)) for line in lines] for wave in _waves(width, columns)]
    kept = [
        sum(map(mul, sums[x], wave)) / len(values) / 255
        for y, wave in enumerate(_waves(len(lines), rows))
        for x in range(columns)
        if x * rows < columns * (rows - y)
    ]
    scale = max(map(abs, kept[1:]))
    return kept[0], scale, [0.5 + 0.5 / scale * wave if scale > 1e-9 else 0.5 for wave in kept[1:]]


@cache
def _waves(length: int, count: int) -> Sequence[Sequence[float]]:
    return [[math.cos(math.pi / length * n * (i + 0.5)) for i in range(length)] for n in range(count)]


def _rounded(value: float) -> int:
    return int(value + 0.5)
