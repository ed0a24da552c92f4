"""What thumbnails to make, and how much they may cost. Free of Pillow: every function reads its settings,
only `consume` decodes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, get_args

from chalicelib.fields import Settings

Fit = Literal["inside", "cover"]
Output = Literal["auto", "jpeg", "png", "webp", "avif"]
Icc = Literal["srgb", "keep"]
Animation = Literal["keep", "first"]

FORMATS = ("jpeg", "png", "gif", "webp", "avif", "tiff", "bmp", "heic")
# HEIC's compression is patented: who switches it on has read docs/decisions/0019-heic.md.
DEFAULT_FORMATS = tuple(form for form in FORMATS if form != "heic")

MB = 1_000_000
# Python, botocore, Pillow and the message batch take about this much of a function before the first pixel.
RUNTIME_BYTES = 128 * MB
# Where there is no function around us: the same as in one of 512 MB.
DEFAULT_FUNCTION_MB = 512

# Of the memory for images, what files may hold that wait for their turn to be decoded.
WAITING_SHARE = 4

_QUALITY = r"(jpeg|webp|avif)=([0-9]{1,3})"
_COLOUR = r"#[0-9a-fA-F]{6}"
_SIZE = r"(?:([a-z][a-z0-9-]{0,31})=)?([0-9]{1,5})(?:x([0-9]{1,5}))?(?: (inside|cover))?"
_MAX_SIDE = 8192
_MOST_SIZES = 50  # each is a write; and what other formats had of them is deleted in one call, of 1,000 keys
# What HTTP allows in a header's value, without control characters; S3 keeps it as it is.
_CACHE_CONTROL = r"[\x20-\x7e]{1,255}"


def budget_of(function_mb: int) -> int:
    """Bytes that images being decoded may take at once in a function of `function_mb` MiB: what is left
    beside the runtime, a quarter of the function at the least, without the share of the files that wait."""
    whole_function = function_mb * 1024 * 1024
    images = max(whole_function - RUNTIME_BYTES, whole_function // 4)
    return images - images // WAITING_SHARE


class Size(NamedTuple):
    """One entry of THUMBNAIL_SIZES: the box, and the name that the thumbnail's key ends in."""

    name: str
    width: int  # pixels
    height: int
    fit: Fit


@dataclass(frozen=True)
class ThumbnailSettings:
    """How thumbnails are made. docs/settings.md gives each one's meaning, default and unit."""

    sizes: tuple[int | Size, ...] = (256, 1024)  # a number: the side of a square box, in pixels, and its name
    fit: Fit = "inside"  # of the sizes that do not say
    output: Output = "auto"
    jpeg_quality: int = 80
    webp_quality: int = 80
    avif_quality: int = 60
    background: tuple[int, int, int] = (255, 255, 255)  # sRGB, under alpha the output cannot hold
    icc: Icc = "srgb"
    animation: Animation = "keep"
    linear: bool = False
    formats: tuple[str, ...] = DEFAULT_FORMATS
    accept_truncated: bool = False
    time_limit: int = 20  # seconds an image
    cache_control: str = "public, max-age=86400"  # under one key a thumbnail changes only with its source
    memory_budget: int = budget_of(DEFAULT_FUNCTION_MB)  # bytes an image, and all that are decoded at once
    process_limit: int = 0  # bytes the whole function has; 0 where there is none around us

    @property
    def named_sizes(self) -> tuple[Size, ...]:
        """The sizes in their order, each with its name, box and fit."""
        return tuple(
            size if isinstance(size, Size) else Size(str(size), size, size, self.fit) for size in self.sizes
        )

    @property
    def waiting_budget(self) -> int:
        """Bytes that files may hold at once while they wait to be decoded."""
        return self.memory_budget // (WAITING_SHARE - 1)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ThumbnailSettings:
        """The settings in `env`. Raises ConfigError with one line for the first bad one."""
        of = Settings(env)
        quality = of.read("THUMBNAIL_QUALITY", _qualities, dict[str, int]())
        fit = of.choice("THUMBNAIL_FIT", get_args(Fit), cls.fit)
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        function_mb = of.whole("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128, 32768, 0)
        return cls(
            sizes=of.read("THUMBNAIL_SIZES", partial(_sizes, usual=fit), cls.sizes),
            fit=fit,
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
            cache_control=of.text(
                "THUMBNAIL_CACHE_CONTROL",
                _CACHE_CONTROL,
                "a Cache-Control header's value, such as public, max-age=86400",
                cls.cache_control,
            ),
            memory_budget=budget_of(function_mb or DEFAULT_FUNCTION_MB),
            process_limit=function_mb * 1024 * 1024,
        )


# Each reads one setting's text; the error says what was expected (chalicelib.fields).


def _sizes(text: str, usual: Fit) -> tuple[int | Size, ...]:
    parts = _listed(text)
    if len(parts) > _MOST_SIZES:
        raise ValueError(f"at most {_MOST_SIZES} sizes, not {len(parts)}")
    matches = [re.fullmatch(_SIZE, part) for part in parts]
    sizes = [_size(match, usual) for match in matches if match]
    if len(sizes) < len(matches) or not all(1 <= side <= _MAX_SIDE for side in _sides(sizes)):
        raise ValueError(
            f"pixels from 1 to {_MAX_SIDE}, separated by commas, such as 256,1024 or "
            "card=320x240 cover,full=1600"
        )
    names = [size.name if isinstance(size, Size) else str(size) for size in sizes]
    if len(set(names)) < len(names):
        raise ValueError("each size once")
    return tuple(sizes)


def _size(match: re.Match[str], usual: Fit) -> int | Size:
    name, width, height, fit = match.groups()
    if not (name or height or fit):
        return int(width)
    named = name or (f"{width}x{height}" if height else width)
    own: Fit = "cover" if fit == "cover" else "inside"
    return Size(named, int(width), int(height or width), own if fit else usual)


def _sides(sizes: Sequence[int | Size]) -> list[int]:
    return [
        side for size in sizes for side in ((size.width, size.height) if isinstance(size, Size) else (size,))
    ]


def _formats(text: str) -> tuple[str, ...]:
    parts = _listed(text)
    if not set(parts) <= set(FORMATS):
        raise ValueError(f"some of {','.join(FORMATS)}")
    return tuple(parts)


def _qualities(text: str) -> dict[str, int]:
    matches = [re.fullmatch(_QUALITY, part) for part in _listed(text)]
    found = {match[1]: int(match[2]) for match in matches if match and 1 <= int(match[2]) <= 100}
    if len(found) < len(matches):
        raise ValueError("qualities from 1 to 100 such as jpeg=80,webp=80,avif=60")
    return found


def _colour(text: str) -> tuple[int, int, int]:
    if not re.fullmatch(_COLOUR, text):
        raise ValueError("a colour such as #ffffff")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
