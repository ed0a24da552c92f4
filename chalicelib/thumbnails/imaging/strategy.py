"""The cheapest way to decode an image for thumbnails of a given size, chosen from the header alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.imaging import colour, png
from chalicelib.thumbnails.imaging.box import Box, boxes_of
from chalicelib.thumbnails.imaging.webp import ReducibleWebp

# From this box on, the largest thumbnail is made with less to spare: Lanczos costs more than decoding there.
# What that costs in closeness is measured beside its time, at every size (make bench-thumbnails).
LARGE = 512
# A small thumbnail's JPEG is decoded at no less than this times its size, so that Lanczos has something to
# weigh. Measured: at 1.0 a baseline JPEG takes 0.84 of the time and comes out 5 dB worse.
DRAFT_GAP = 1.5


def reduce_gap(box: Box) -> float:
    """How much larger than the thumbnail an image may be left by averaging whole blocks, before Lanczos.

    Measured: in a small box 1.5 saves 2 % and costs 3 dB; at 1024 pixels 1.25 saves a fifth of a PNG.
    """
    return 2.0 if box.side < LARGE else 1.25


def _scale_gap(box: Box) -> float:
    """The same for libwebp, which reduces to any size: at 1024 pixels, Lanczos is a quarter of the time."""
    return 2.0 if box.side < LARGE else 1.0


def _may_shrink(shrink: int, ratio: float, box: Box) -> bool:
    """Whether libjpeg may shrink an image that is `ratio` times the thumbnail."""
    return ratio >= shrink * (DRAFT_GAP if box.side < LARGE else 1.0)


# Strips of this many raw bytes: long enough that each strip's overhead vanishes, short enough for the cache.
_STRIP_BYTES = 1 << 19


@dataclass(frozen=True)
class Route:
    """`shrink` is the factor by which the image is smaller when its pixels first exist as a whole."""

    kind: Literal["draft", "scaled", "strips", "whole"]
    shrink: int = 1
    rows: int = 0  # in a strip
    scaled: tuple[int, int] = (0, 0)  # exactly, where the decoder reduces to any size
    apart: bool = False  # brightness and colour reduced each by itself

    def decoded(self, width: int, height: int) -> tuple[int, int]:
        """The size at which an image of width x height first exists as a whole."""
        return self.scaled if self.kind == "scaled" else (-(-width // self.shrink), -(-height // self.shrink))


def choose(image: Image.Image, data: bytes, settings: ThumbnailSettings) -> Route:
    """The route for an image opened and not yet decoded."""
    route = _decoding(image, data, settings)
    return replace(route, apart=route.kind != "whole" and _becomes_jpeg(image, settings))


def _becomes_jpeg(image: Image.Image, settings: ThumbnailSettings) -> bool:
    """Whether its thumbnails are certainly JPEGs, in the colours it has."""
    keeps_profile = settings.icc == "keep" and bool(colour.profile_of(image))
    jpeg = settings.output in ("auto", "jpeg") and settings.fit == "inside" and not keeps_profile
    return jpeg and image.mode == "RGB" and not colour.has_alpha(image) and colour.is_srgb(image)


def _decoding(image: Image.Image, data: bytes, settings: ThumbnailSettings) -> Route:
    box = boxes_of(settings)[0]
    wanted = box.scaled(*image.size)
    if settings.linear:
        return Route("whole")
    ratio = min(side / least for side, least in zip(image.size, wanted, strict=True))
    if image.format in ("JPEG", "MPO"):
        return Route("draft", next((by for by in (8, 4, 2) if _may_shrink(by, ratio, box)), 1))
    if isinstance(image, ReducibleWebp):
        gap = min(_scale_gap(box), ratio)
        return Route("scaled", scaled=(round(wanted[0] * gap), round(wanted[1] * gap)))
    shrink = max(1, int(ratio / reduce_gap(box)))
    # A strip cannot tell a file cut short from one with an error; whoever accepts those pays in memory.
    if image.format == "PNG" and ratio > 1 and not settings.accept_truncated and png.can_be_split(data):
        lines = _STRIP_BYTES // (image.width * 4)
        return Route("strips", shrink, rows=max(1, lines // shrink) * shrink)
    return Route("whole")
