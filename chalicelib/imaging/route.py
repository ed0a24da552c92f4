"""The cheapest way to decode an image for thumbnails of a given size, chosen from the header alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image

from chalicelib.imaging import png
from chalicelib.imaging.box import boxes_of
from chalicelib.imaging.webp import ReducibleWebp
from chalicelib.thumbnail_settings import ThumbnailSettings

# A JPEG is decoded at no less than this times the largest thumbnail, so that Lanczos has something to weigh.
# Measured: at 1.0 a baseline JPEG takes 0.84 of the time and comes out 5 dB worse.
DRAFT_GAP = 1.5
# The same for averaging whole blocks of pixels before Lanczos: 1.5 saves 2 % and costs 3 dB.
REDUCE_GAP = 2.0
# The same for a WebP, which libwebp reduces to any size.
SCALE_GAP = 2.0

# Strips of this many raw bytes: long enough that each strip's overhead vanishes, short enough for the cache.
_STRIP_BYTES = 1 << 19


@dataclass(frozen=True)
class Route:
    """`shrink` is the factor by which the image is smaller when its pixels first exist as a whole."""

    kind: Literal["draft", "scaled", "strips", "whole"]
    shrink: int = 1
    rows: int = 0  # in a strip
    scaled: tuple[int, int] = (0, 0)  # exactly, where the decoder reduces to any size

    def decoded(self, width: int, height: int) -> tuple[int, int]:
        """The size at which an image of width x height first exists as a whole."""
        return self.scaled if self.kind == "scaled" else (-(-width // self.shrink), -(-height // self.shrink))


def choose(image: Image.Image, data: bytes, settings: ThumbnailSettings) -> Route:
    """The route for an image opened and not yet decoded."""
    wanted = boxes_of(settings)[0].scaled(*image.size)
    if settings.linear:
        return Route("whole")
    ratio = min(side / least for side, least in zip(image.size, wanted, strict=True))
    if image.format in ("JPEG", "MPO"):
        return Route("draft", next((shrink for shrink in (8, 4, 2) if ratio >= shrink * DRAFT_GAP), 1))
    if isinstance(image, ReducibleWebp):
        gap = min(SCALE_GAP, ratio)
        return Route("scaled", scaled=(round(wanted[0] * gap), round(wanted[1] * gap)))
    shrink = max(1, int(ratio / REDUCE_GAP))
    # A strip cannot tell a file cut short from one with an error; whoever accepts those pays in memory.
    if image.format == "PNG" and ratio > 1 and not settings.accept_truncated and png.can_be_split(data):
        lines = _STRIP_BYTES // (image.width * 4)
        return Route("strips", shrink, rows=max(1, lines // shrink) * shrink)
    return Route("whole")
