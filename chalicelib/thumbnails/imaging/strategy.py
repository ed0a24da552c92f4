"""The cheapest way to decode an image for thumbnails of a given size, chosen from the header alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.imaging import jpeg, png, resample
from chalicelib.thumbnails.imaging.webp import ReducibleWebp

# libjpeg may reduce a picture to 1/2, 1/4, 1/8 down to this many times the thumbnail: less leaves Lanczos
# nothing to weigh. At 1/4 that is as close as sharp, for three quarters of a baseline JPEG's time and a fifth
# of a progressive one's; at 1/2 it would be up to 9 dB worse, as at 1/8, for a twentieth of a baseline one's.
_DRAFT_GAPS = {8: 1.5, 4: 1.25, 2: 1.5}
_PROGRESSIVE_GAPS = _DRAFT_GAPS | {8: 1.25}
# The same for a PNG's blocks, whose averages are not as good as libjpeg's.
_BLOCK_GAP = 2.0
# libwebp reduces to any size. Below this, to twice the thumbnail; else to the thumbnail itself.
_SMALL = 512
# A lossy one of no more pixels than this share of the budget's bytes is decoded whole, in planes: 2 dB closer
# in less time, but 1.5 bytes a pixel. Its colours have half of its size, as a JPEG's.
_PLANES = 1 / 8
# Strips of this many raw bytes: long enough that each strip's overhead vanishes, short enough for the cache.
_STRIP_BYTES = 1 << 19


@dataclass(frozen=True)
class Route:
    """`shrink` is the factor by which the image is smaller when its pixels first exist as a whole."""

    kind: Literal["draft", "scaled", "planes", "strips", "whole"]
    shrink: int = 1
    rows: int = 0  # in a strip
    scaled: tuple[int, int] = (0, 0)  # exactly, where the decoder reduces to any size

    def decoded(self, width: int, height: int) -> tuple[int, int]:
        """The size at which an image of width x height first exists as a whole."""
        return self.scaled if self.scaled[0] else (-(-width // self.shrink), -(-height // self.shrink))


def choose(image: Image.Image, data: bytes, wanted: tuple[int, int], settings: ThumbnailSettings) -> Route:
    """The route for an image opened and not yet decoded; `wanted` is the largest size it is reduced to, as
    it lies in the file."""
    if settings.linear:
        return Route("whole")
    ratio = min(side / least for side, least in zip(image.size, wanted, strict=True))
    if image.format == "JPEG":
        if jpeg.lacks_its_end(data):  # whether more is missing is told by every pixel
            return Route("draft")
        gaps = _PROGRESSIVE_GAPS if "progressive" in image.info else _DRAFT_GAPS
        return Route("draft", next((by for by, gap in gaps.items() if ratio >= by * gap), 1))
    if isinstance(image, ReducibleWebp):
        gap = min(_BLOCK_GAP if max(wanted) < _SMALL else 1.0, ratio)
        return Route(
            "planes" if _in_planes(image, settings) else "scaled",
            scaled=(round(wanted[0] * gap), round(wanted[1] * gap)),
        )
    # A strip cannot tell a file cut short from one with an error; whoever accepts those pays in memory.
    if image.format == "PNG" and ratio > 1 and not settings.accept_truncated and png.can_be_split(data):
        shrink = max(1, int(ratio / _BLOCK_GAP))
        lines = _STRIP_BYTES // (image.width * 4)
        return Route("strips", shrink, rows=max(1, lines // shrink) * shrink)
    return Route("whole")


def _in_planes(image: ReducibleWebp, settings: ThumbnailSettings) -> bool:
    small = image.width * image.height < _PLANES * settings.memory_budget
    return small and not image.lossless and settings.output in ("auto", "jpeg") and resample.has_vectors()
