"""What thumbnails to make, and how much they may cost. Free of Pillow: every function reads its settings,
only `consume` decodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from chalicelib.fields import Settings

Fit = Literal["inside", "cover"]
Output = Literal["auto", "jpeg", "png", "webp", "avif"]
Icc = Literal["srgb", "keep"]
Animation = Literal["keep", "first"]

FORMATS = ("jpeg", "png", "gif", "webp", "avif", "tiff")

MB = 1_000_000
# Python, botocore, Pillow and the message batch take about this much of a function before the first pixel.
RUNTIME_BYTES = 128 * MB
# Where there is no function around us: the same as in one of 512 MB.
DEFAULT_FUNCTION_MB = 512

_QUALITY = re.compile(r"(jpeg|webp|avif)=(\d{1,3})", re.ASCII)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


def budget_of(function_mb: int) -> int:
    """Bytes the images may take at once in a function of `function_mb` MiB; a quarter of it at the least."""
    whole_function = function_mb * 1024 * 1024
    return max(whole_function - RUNTIME_BYTES, whole_function // 4)


@dataclass(frozen=True)
class ThumbnailSettings:
    """How thumbnails are made. The README's table gives each one's meaning, default and unit."""

    sizes: tuple[int, ...] = (256, 1024)  # pixels, the side of the square box
    fit: Fit = "inside"
    output: Output = "auto"
    jpeg_quality: int = 80
    webp_quality: int = 80
    avif_quality: int = 60
    background: tuple[int, int, int] = (255, 255, 255)  # sRGB, under alpha the output cannot hold
    icc: Icc = "srgb"
    animation: Animation = "keep"
    linear: bool = False
    formats: tuple[str, ...] = FORMATS
    accept_truncated: bool = False
    time_limit: int = 20  # seconds an image
    memory_budget: int = budget_of(DEFAULT_FUNCTION_MB)  # bytes an image

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ThumbnailSettings:
        """The settings in `env`. Raises ConfigError with one line for the first bad one."""
        of = Settings(env)
        quality = of.read("THUMBNAIL_QUALITY", _qualities, dict[str, int]())
        function_mb = of.whole("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128, 32768, DEFAULT_FUNCTION_MB)
        return cls(
            sizes=of.read("THUMBNAIL_SIZES", _sizes, cls.sizes),
            fit=of.choice("THUMBNAIL_FIT", get_args(Fit), cls.fit),
            output=of.choice("THUMBNAIL_OUTPUT", get_args(Output), cls.output),
            jpeg_quality=quality.get("jpeg", cls.jpeg_quality),
            webp_quality=quality.get("webp", cls.webp_quality),
            avif_quality=quality.get("avif", cls.avif_quality),
            background=of.read("THUMBNAIL_BACKGROUND", _colour, cls.background),
            icc=of.choice("THUMBNAIL_ICC", get_args(Icc), cls.icc),
            animation=of.choice("THUMBNAIL_ANIMATION", get_args(Animation), cls.animation),
            linear=of.flag("THUMBNAIL_LINEAR", cls.linear),
            formats=of.read("THUMBNAIL_FORMATS", _formats, cls.formats),
            accept_truncated=of.flag("THUMBNAIL_ACCEPT_TRUNCATED", cls.accept_truncated),
            time_limit=of.whole("THUMBNAIL_TIME_LIMIT", 1, 900, cls.time_limit),
            # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
            memory_budget=budget_of(function_mb),
        )


# Each reads one setting's text; the error says what was expected (chalicelib.fields).


def _sizes(text: str) -> tuple[int, ...]:
    parts = _listed(text)
    if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) and 1 <= int(part) <= 8192 for part in parts):
        raise ValueError("pixels from 1 to 8192, separated by commas, such as 256,1024")
    sizes = tuple(int(part) for part in parts)
    if len(set(sizes)) < len(sizes):
        raise ValueError("each size once")
    return sizes


def _formats(text: str) -> tuple[str, ...]:
    parts = _listed(text)
    if not set(parts) <= set(FORMATS):
        raise ValueError(f"some of {','.join(FORMATS)}")
    return tuple(parts)


def _qualities(text: str) -> dict[str, int]:
    matches = [_QUALITY.fullmatch(part) for part in _listed(text)]
    found = {match[1]: int(match[2]) for match in matches if match and 1 <= int(match[2]) <= 100}
    if len(found) < len(matches):
        raise ValueError("qualities from 1 to 100 such as jpeg=80,webp=80,avif=60")
    return found


def _colour(text: str) -> tuple[int, int, int]:
    if not _COLOUR.fullmatch(text):
        raise ValueError("a colour such as #ffffff")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
