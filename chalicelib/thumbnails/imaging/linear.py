"""Reduction in linear light: sRGB's curve taken off before averaging and put back after it, in 16 bits.

Averaging sRGB's values as they are, as everybody does, darkens fine bright detail (stars, text, foliage).
This is slower (every pixel is decoded and looked up) and therefore a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from PIL import Image, ImageMath

from chalicelib.thumbnails.imaging import colour, resample
from chalicelib.thumbnails.imaging.resample import Part

_LEVELS = 65535


def _decoded(value: float) -> float:
    """IEC 61966-2-1: sRGB's value (0 to 1) as linear light (0 to 1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@cache
def _to_light() -> tuple[list[int], list[int]]:
    """16 bits of light for each of sRGB's 256 values: the high bytes and the low."""
    light = [round(_LEVELS * _decoded(value / 255)) for value in range(256)]
    return [value >> 8 for value in light], [value & 255 for value in light]


@cache
def _from_light() -> list[int]:
    return [round(255 * _encoded(light / _LEVELS)) for light in range(_LEVELS + 1)]


def resized(image: Image.Image, size: tuple[int, int], part: Part | None = None) -> Image.Image:
    """`part` (or all) of a straight L, LA, RGB or RGBA image at `size`, by Lanczos in linear light, with
    alpha weighed in."""

    def scaled(band: Image.Image) -> Image.Image:
        return resample.resized(band, size, part)

    colours = image.split()
    if image.mode not in ("LA", "RGBA"):
        return Image.merge(image.mode, [_sealed(scaled(_light(band))) for band in colours])
    alpha = colours[-1].convert("F")
    opacity = scaled(alpha)
    bands = []
    for band in colours[:-1]:
        weighed = _calculated(lambda its: its["light"] * its["alpha"] / 255, light=_light(band), alpha=alpha)
        # 0 where there is nothing to divide by
        back = _calculated(
            lambda its: its["it"] * 255 / its["max"](its["by"], 1), it=scaled(weighed), by=opacity
        )
        bands.append(_sealed(back))
    return Image.merge(image.mode, [*bands, colour.levelled(opacity, 0, 255)])


def _calculated(expression: Callable[[dict[str, Any]], Any], **bands: Image.Image) -> Image.Image:
    """ImageMath over bands of mode F."""
    result: Image.Image = ImageMath.lambda_eval(expression, **bands)
    return result


def _light(band: Image.Image) -> Image.Image:
    high, low = _to_light()
    both = Image.merge("LA", (band.point(low), band.point(high)))  # little-endian pairs
    return Image.frombytes("I;16", band.size, both.tobytes()).convert("F")


def _sealed(light: Image.Image) -> Image.Image:
    """Light as F, 0 to 65535 (Lanczos may step over either end), as sRGB's 8 bits."""
    clipped = _calculated(lambda its: its["min"](its["max"](its["light"] + 0.5, 0), _LEVELS), light=light)
    return clipped.convert("I").point(_from_light(), "L")
