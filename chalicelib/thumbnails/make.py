"""Bytes of an image in, bytes of its thumbnails out. Knows Pillow; knows nothing of S3.

header -> cost against the budget -> the cheapest decode, once, to the largest size -> upright -> sRGB
-> every other size from that one -> encode
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image, ImageFile, UnidentifiedImageError

from chalicelib.config.thumbnails import MB, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails import formats
from chalicelib.thumbnails.imaging import colour, cost, decode, encode, header, picture, webp
from chalicelib.thumbnails.imaging.box import Box, boxes_of
from chalicelib.thumbnails.imaging.deadline import Deadline
from chalicelib.thumbnails.imaging.strategy import Route, choose

# What Pillow raises over damaged and hostile files besides MemoryError. The last four are rare: changing
# random bytes brought them up in AVIF's decoder, GIF's frames and TIFF's offsets; WebP's plugin has EOFError.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    Image.DecompressionBombError,
    RuntimeError,
    IndexError,
    OverflowError,
    EOFError,
)

# Formats a fixed output can animate; the others show the first frame.
ANIMATED = ("webp", "avif")


@dataclass(frozen=True)
class Thumbnail:
    """One finished thumbnail. `size` is the setting it was made for, width and height what came of it."""

    size: int
    width: int
    height: int
    format: str  # jpeg, png, webp or avif
    content_type: str
    extension: str  # without the dot
    data: bytes


@dataclass(frozen=True)
class _Source:
    """An image opened and found affordable; nothing of it is decoded yet."""

    image: Image.Image
    data: bytes
    route: Route
    frames: int  # to show: 1 for a still, and for an animation that is to stand still
    bytes_needed: int


def make(
    data: bytes, settings: ThumbnailSettings, clock: Callable[[], float] = time.monotonic
) -> list[Thumbnail]:
    """The thumbnails of the image in `data`, one for each of settings.sizes and in their order.

    Raises Reject where that can never work: not an image, a format not taken, damaged, over the memory budget
    or the time limit. Safe to call from several threads with the same settings.
    """
    deadline = Deadline(settings.time_limit, clock)
    # Pillow has only this switch for the whole process.
    ImageFile.LOAD_TRUNCATED_IMAGES = settings.accept_truncated
    with _plain_reasons():
        source = _opened(data, settings, deadline)
        if source.bytes_needed > settings.memory_budget:
            raise _over_budget(source.image.size, source.bytes_needed, settings)
        try:
            return (_animated if source.frames > 1 else _stills)(source, settings, deadline)
        except decode.UnevenFrames:
            return _stills(_opened(data, replace(settings, animation="first"), deadline), settings, deadline)


def estimate(data: bytes, settings: ThumbnailSettings) -> int:
    """Bytes make() will hold at its peak, `data` included; may be over the budget. Reads only headers.

    Raises Reject where they already say that it can never work.
    """
    with _plain_reasons():
        return _opened(data, settings, Deadline(settings.time_limit)).bytes_needed


def _opened(data: bytes, settings: ThumbnailSettings, deadline: Deadline) -> _Source:
    image = _unopened_by_pillow(data, settings, deadline)
    if image is None:
        if header.sniff(data) == "webp":
            width, height = webp.webp_canvas(data)
            needed = width * height * cost.WEBP_BYTES_A_PIXEL
            if needed > settings.memory_budget:
                raise _over_budget((width, height), needed, settings)
        image = header.open_image(data, settings.formats, deadline)
    frames = header.frame_count(image) if _may_move(settings) else 1
    if frames > 1:
        whole = Route("whole")
        needed = cost.peak_bytes(image, data, whole, frames, settings)
        if needed <= settings.memory_budget:
            return _Source(image, data, whole, frames, needed)
        # Its first frame is more than nothing.
        image.seek(0)
    route = choose(image, data, settings)
    return _Source(image, data, route, 1, cost.peak_bytes(image, data, route, 1, settings))


def _unopened_by_pillow(data: bytes, settings: ThumbnailSettings, deadline: Deadline) -> Image.Image | None:
    """A WebP that can be reduced while it is decoded; None for everything else."""
    return webp.opened(data, deadline) if "webp" in settings.formats and not settings.linear else None


def _may_move(settings: ThumbnailSettings) -> bool:
    return settings.animation == "keep" and settings.output in ("auto", *ANIMATED)


def _stills(source: _Source, settings: ThumbnailSettings, deadline: Deadline) -> list[Thumbnail]:
    made = {}
    for box, image, profile in (_apart if source.route.apart else _together)(source, settings, deadline):
        deadline.check()
        form = encode.format_for(image, settings)
        still = encode.still(image, form, settings, profile)
        made[box.side] = _thumbnail(box.side, image, form, still)
    return [made[size] for size in settings.sizes]


def _together(
    source: _Source, settings: ThumbnailSettings, deadline: Deadline
) -> Iterator[tuple[Box, Image.Image, bytes]]:
    """For each box, the largest first: a straight image, and the profile to go with it."""
    image, boxes = source.image, boxes_of(settings)
    reduce = decode.in_linear_light if settings.linear else decode.reduced
    base = reduce(image, source.data, source.route, boxes[0], deadline)
    deadline.check()
    base = base.upright(decode.orientation(image, source.route, source.data))
    base, profile = _coloured(base, image, settings)
    for box in boxes:  # each from the one before: a third of a third size's time, and 2 dB better
        base = base.fit(box)
        yield box, colour.straight(base.cut(box)), profile


def _apart(
    source: _Source, settings: ThumbnailSettings, deadline: Deadline
) -> Iterator[tuple[Box, Image.Image, bytes]]:
    """The same where brightness and colour are reduced apart."""
    image, boxes = source.image, boxes_of(settings)
    base = decode.reduced_apart(image, source.data, source.route, boxes[0], deadline)
    deadline.check()
    base = base.upright(decode.orientation(image, source.route, source.data))
    for box in boxes:
        base = base.fit(box, picture.GAP)
        yield box, base.image(), b""


def _animated(source: _Source, settings: ThumbnailSettings, deadline: Deadline) -> list[Thumbnail]:
    image = source.image
    turn = decode.orientation(image, source.route, source.data)
    form = "webp" if settings.output == "auto" else settings.output
    cuts: dict[int, list[Image.Image]] = {size: [] for size in settings.sizes}
    durations = []
    profile = b""
    for base, milliseconds in decode.moments(image, boxes_of(settings)[0], deadline):
        base, profile = _coloured(base.upright(turn), image, settings)
        durations.append(milliseconds)
        for size, frames in cuts.items():
            frames.append(colour.straight(base.cut(Box(size, settings.fit))))
    loop = int(image.info.get("loop", 1))
    thumbnails = []
    for size, frames in cuts.items():
        deadline.check()
        moving = encode.moving(frames, durations, loop, form, settings, profile)
        thumbnails.append(_thumbnail(size, frames[0], form, moving))
    return thumbnails


def _coloured(
    base: picture.Reduced, image: Image.Image, settings: ThumbnailSettings
) -> tuple[picture.Reduced, bytes]:
    """`base` in sRGB, or in its own colours with the profile to keep."""
    profile = colour.profile_of(image)
    if settings.icc == "keep" and colour.is_rgb(profile) and base.image.mode in ("RGB", "RGBA", "RGBa"):
        return base, profile
    return base.with_colours(lambda pixels: colour.to_srgb(pixels, profile)), b""


def _thumbnail(size: int, image: Image.Image, form: str, data: bytes) -> Thumbnail:
    return Thumbnail(size, *image.size, form, f"image/{form}", formats.extension(form), data)


def _over_budget(size: tuple[int, int], needed: int, settings: ThumbnailSettings) -> Reject:
    return Reject(
        f"{size[0]} x {size[1]} pixels would take {needed / MB:,.0f} MB of memory, "
        f"more than the {settings.memory_budget / MB:,.0f} MB an image may take"
    )


@contextmanager
def _plain_reasons() -> Iterator[None]:
    """Everything Pillow raises over a damaged or hostile file, as Reject."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise Reject("damaged: its header cannot be read") from error
    except MemoryError as error:
        raise Reject("decoding it takes more memory than there is") from error
    except _DAMAGE as error:
        raise Reject(f"damaged or unsupported: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
