"""What thumbnails to make, and how much they may cost. Free of Pillow: every function reads its settings,
only `consume` decodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from chalicelib.fields import bad_setting, flag_setting, setting_of, whole_setting

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
        quality = _qualities(env, "THUMBNAIL_QUALITY")
        return cls(
            sizes=_sizes(env, "THUMBNAIL_SIZES", cls.sizes),
            fit=cast(Fit, setting_of(env, "THUMBNAIL_FIT", cls.fit, ("inside", "cover"))),
            output=cast(
                Output,
                setting_of(env, "THUMBNAIL_OUTPUT", cls.output, ("auto", "jpeg", "png", "webp", "avif")),
            ),
            jpeg_quality=quality.get("jpeg", cls.jpeg_quality),
            webp_quality=quality.get("webp", cls.webp_quality),
            avif_quality=quality.get("avif", cls.avif_quality),
            background=_colour(env, "THUMBNAIL_BACKGROUND", cls.background),
            icc=cast(Icc, setting_of(env, "THUMBNAIL_ICC", cls.icc, ("srgb", "keep"))),
            animation=cast(
                Animation, setting_of(env, "THUMBNAIL_ANIMATION", cls.animation, ("keep", "first"))
            ),
            linear=flag_setting(env, "THUMBNAIL_LINEAR", cls.linear),
            formats=_formats(env, "THUMBNAIL_FORMATS", cls.formats),
            accept_truncated=flag_setting(env, "THUMBNAIL_ACCEPT_TRUNCATED", cls.accept_truncated),
            time_limit=whole_setting(env, "THUMBNAIL_TIME_LIMIT", cls.time_limit, 1, 900),
            # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
            memory_budget=budget_of(
                whole_setting(env, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", DEFAULT_FUNCTION_MB, 128, 32768)
            ),
        )


def _sizes(env: Mapping[str, str], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = env.get(name, "")
    if not value:
        return default
    parts = _listed(value)
    if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) and 1 <= int(part) <= 8192 for part in parts):
        raise bad_setting(name, value, "pixels from 1 to 8192, separated by commas, such as 256,1024")
    sizes = tuple(int(part) for part in parts)
    if len(set(sizes)) < len(sizes):
        raise bad_setting(name, value, "each size once")
    return sizes


def _formats(env: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = env.get(name, "")
    if not value:
        return default
    parts = _listed(value)
    if not set(parts) <= set(FORMATS):
        raise bad_setting(name, value, f"some of {','.join(FORMATS)}")
    return tuple(parts)


def _qualities(env: Mapping[str, str], name: str) -> dict[str, int]:
    value = env.get(name, "")
    matches = [_QUALITY.fullmatch(part) for part in _listed(value)] if value else []
    found = {match[1]: int(match[2]) for match in matches if match and 1 <= int(match[2]) <= 100}
    if len(found) < len(matches):
        raise bad_setting(name, value, "qualities from 1 to 100 such as jpeg=80,webp=80,avif=60")
    return found


def _colour(env: Mapping[str, str], name: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
    value = env.get(name, "")
    if not value:
        return default
    if not _COLOUR.fullmatch(value):
        raise bad_setting(name, value, "a colour such as #ffffff")
    red, green, blue = bytes.fromhex(value[1:])
    return red, green, blue


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
