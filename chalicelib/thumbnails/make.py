"""Bytes of an image in, bytes of its thumbnails out. Knows Pillow; knows nothing of S3.

opened: header -> cost -> the cheapest way to decode. made: against the budget -> decode once, to the largest
size -> upright -> sRGB -> every other size from the next larger one -> encode
"""

from __future__ import annotations

import struct
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import PIL
from PIL import Image, ImageFile

from chalicelib.config.thumbnails import MB, Size, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails import formats
from chalicelib.thumbnails.imaging import bmff, colour, cost, decode, encode, header, webp
from chalicelib.thumbnails.imaging.box import CENTRE, Box
from chalicelib.thumbnails.imaging.deadline import Deadline
from chalicelib.thumbnails.imaging.memory_limit import limited
from chalicelib.thumbnails.imaging.picture import Reduced, swapped
from chalicelib.thumbnails.imaging.strategy import Route, choose
from chalicelib.thumbnails.thumbhash import thumbhash

# What damaged and hostile files raise in Pillow and in our own parsers. Whatever else comes out of a decoder
# (KeyError, TypeError ...) is the file's fault too.
_DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, RuntimeError, OverflowError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
_DECODERS = (f"{Path(PIL.__file__).parent}/", "/pi_heif/")


class OutOfMemory(Reject):
    """The process had, or may have had, no more memory. Decoded alone, the image may succeed."""


@dataclass(frozen=True)
class Thumbnail:
    """One finished thumbnail. `size` is the setting it was made for, width and height what came of it."""

    size: int | Size
    name: str  # of the size, as it stands in the thumbnail's key
    width: int
    height: int
    format: str  # one of formats.OUTPUTS
    data: bytes
    thumbhash: str  # of the picture, in base64; the same in all its sizes

    @property
    def content_type(self) -> str:
        return formats.media_type(self.extension)

    @property
    def extension(self) -> str:
        """Without the dot."""
        return formats.extension(self.format)


@dataclass(frozen=True)
class Source:
    """An image opened; nothing of it is decoded yet."""

    image: Image.Image | None  # None: its decoder holds memory from the opening on, so made() opens it again
    data: bytes
    settings: ThumbnailSettings
    deadline: Deadline
    route: Route
    boxes: tuple[Box, ...]  # the largest first
    size: tuple[int, int]  # width and height, upright, in pixels
    orientation: int
    wanted: tuple[int, int]  # the largest size it is reduced to, as it lies in the file
    frames: int  # to show: 1 for a still, and for an animation that is to stand still
    bytes_needed: int  # at the peak of making its thumbnails, `data` included; may be over the budget


def make(
    data: bytes,
    settings: ThumbnailSettings,
    clock: Callable[[], float] = time.monotonic,
    focus: tuple[float, float] = CENTRE,
) -> list[Thumbnail]:
    """The thumbnails of the image in `data`, one for each of settings.sizes and in their order.

    `focus` is what a cut keeps in its middle, from 0 to 1 of the upright width and height. Raises Reject
    where that can never work: not an image, a format not taken, damaged, over the memory budget or the time
    limit. Safe to call from several threads with the same settings.
    """
    return made(opened(data, settings, clock, focus))


def estimate(data: bytes, settings: ThumbnailSettings) -> int:
    """Bytes make() will hold at its peak, `data` included; may be over the budget. Reads only headers.

    Raises Reject where they already say that it can never work.
    """
    return opened(data, settings).bytes_needed


def opened(
    data: bytes,
    settings: ThumbnailSettings,
    clock: Callable[[], float] = time.monotonic,
    focus: tuple[float, float] = CENTRE,
) -> Source:
    """The image with its headers read, for made(). Raises Reject as make() does."""
    deadline = Deadline(settings.time_limit, clock)
    with _plain_reasons(), limited(settings):
        image = _image(data, settings, deadline)
        orientation = decode.orientation(image, data)
        size = _size(image, data, orientation)
        boxes = tuple(sorted((Box(each, focus) for each in settings.named_sizes), key=_area(size)))[::-1]
        wanted = swapped(boxes[0].scaled(*size), orientation)
        cost_of = partial(cost.peak_bytes, image, data, boxes=boxes, upright=size, settings=settings)
        frames = header.frame_count(image) if _may_move(settings) else 1
        route = Route("whole")
        if frames <= 1 or (needed := cost_of(route, frames)) > settings.memory_budget:
            frames = 1  # of an animation over the budget, its first frame is more than nothing
            route = choose(image, data, wanted, settings)
            needed = cost_of(route, frames)
    again = image.format == "WEBP" and route.kind == "whole"
    kept = None if again else image
    return Source(kept, data, settings, deadline, route, boxes, size, orientation, wanted, frames, needed)


def made(source: Source) -> list[Thumbnail]:
    """The thumbnails of an opened image, once: it is read to its end. The time limit begins anew. Raises
    Reject as make() does."""
    settings, deadline = source.settings, source.deadline
    if source.bytes_needed > settings.memory_budget:
        raise _over_budget(source.size, source.bytes_needed, settings)
    deadline.restart()
    # Pillow has only this switch for the whole process.
    ImageFile.LOAD_TRUNCATED_IMAGES = settings.accept_truncated
    with _plain_reasons(ambiguous=source.route.kind == "whole"), limited(settings):
        image = source.image or _image(source.data, settings, deadline)
        found = dict((_animated if source.frames > 1 else _stills)(source, image))
    return [found[size.name] for size in settings.named_sizes]


def _image(data: bytes, settings: ThumbnailSettings, deadline: Deadline) -> Image.Image:
    """Opened by whatever reads its format best."""
    if header.sniff(data) == "webp" and "webp" in settings.formats:
        if not settings.linear and (reducible := webp.opened(data, deadline)):
            return reducible
        # Pillow's decoder asks for its canvases on opening.
        width, height = webp.canvas_size(data)
        if (needed := width * height * cost.WEBP_BYTES_A_PIXEL) > settings.memory_budget:
            raise _over_budget((width, height), needed, settings)
    image = header.open_image(data, settings.formats, deadline)
    if image.format in ("AVIF", "HEIF") and not colour.profile_of(image):
        image.info["icc_profile"] = colour.coded_profile(*bmff.code_points(data))
    return image


def _size(image: Image.Image, data: bytes, orientation: int) -> tuple[int, int]:
    part = bmff.clean_aperture(data, image.size) if image.format == "AVIF" else None
    return swapped((part[2] - part[0], part[3] - part[1]) if part else image.size, orientation)


def _area(size: tuple[int, int]) -> Callable[[Box], int]:
    return lambda box: cost.pixels(box.scaled(*size))


def _may_move(settings: ThumbnailSettings) -> bool:
    return settings.animation == "keep" and settings.output in ("auto", *formats.ANIMATED)


def _stills(source: Source, opened: Image.Image) -> Iterator[tuple[str, Thumbnail]]:
    settings = source.settings
    reduce = decode.in_linear_light if settings.linear else decode.reduced
    image = reduce(opened, source.data, source.route, source.wanted, source.deadline)
    base = Reduced.upright(image, source.orientation, source.size, settings.linear)
    base, profile = _coloured(base, opened, settings)
    pictures = []
    for box in source.boxes:
        base = base.fit(box)
        pictures.append(colour.straight(base.cut(box)))
    code, smooth = thumbhash(pictures[-1]), None
    for box, picture in zip(source.boxes[::-1], pictures[::-1], strict=True):
        source.deadline.check()
        form = encode.format_for(picture, settings)
        data, smooth = encode.still(picture, form, settings, profile, smooth)
        yield box.size.name, _thumbnail(source, box, picture, form, data, code)


def _animated(source: Source, opened: Image.Image) -> Iterator[tuple[str, Thumbnail]]:
    settings = source.settings
    form = "webp" if settings.output == "auto" else settings.output
    frames: list[list[Image.Image]] = [[] for _ in source.boxes]
    durations, profile = [], b""
    for image, milliseconds in decode.moments(opened, source.data, source.wanted, source.deadline):
        base = Reduced.upright(image, source.orientation, source.size)
        base, profile = _coloured(base, opened, settings)
        durations.append(milliseconds)
        for box, pictures in zip(source.boxes, frames, strict=True):
            base = base.fit(box)
            pictures.append(colour.straight(base.cut(box)))
    loop = int(getattr(opened, "loops", opened.info.get("loop", 1)))
    code = thumbhash(frames[-1][0])
    for box, pictures in zip(source.boxes, frames, strict=True):
        source.deadline.check()
        data = encode.moving(pictures, durations, loop, form, settings, profile)
        yield box.size.name, _thumbnail(source, box, pictures[0], form, data, code)


def _coloured(base: Reduced, image: Image.Image, settings: ThumbnailSettings) -> tuple[Reduced, bytes]:
    """`base` in sRGB, or in its own colours with the profile to keep."""
    profile = colour.profile_of(image)
    if settings.icc == "keep" and colour.is_rgb(profile) and base.image.mode in ("RGB", "RGBA", "RGBa"):
        return base, profile
    return base.with_colours(lambda pixels: colour.to_srgb(pixels, profile)), b""


def _thumbnail(
    source: Source, box: Box, picture: Image.Image, form: str, data: bytes, code: str
) -> Thumbnail:
    settings = source.settings
    size = settings.sizes[settings.named_sizes.index(box.size)]
    return Thumbnail(size, box.size.name, *picture.size, form, data, code)


def _over_budget(size: tuple[int, int], needed: int, settings: ThumbnailSettings) -> Reject:
    return Reject(
        f"{size[0]} x {size[1]} pixels would take {needed / MB:,.0f} MB of memory, "
        f"more than the {settings.memory_budget / MB:,.0f} MB an image may take",
        "too-many-pixels",
    )


@contextmanager
def _plain_reasons(ambiguous: bool = False) -> Iterator[None]:
    """Everything that comes of a damaged or hostile file, as Reject; our own mistakes stay what they are.

    Decoders of whole pictures do not tell want of memory from damage: `ambiguous`, it is OutOfMemory.
    """
    try:
        yield
    except Reject:
        raise
    except MemoryError as error:
        raise OutOfMemory("decoding it takes more memory than there is", "too-many-pixels") from error
    except Exception as error:
        if not isinstance(error, _DAMAGE) and not any(path in _raised_in(error) for path in _DECODERS):
            raise
        refused = OutOfMemory if ambiguous else Reject
        raise refused(f"damaged or unsupported: {_one_line(error)}", "damaged") from error


def _raised_in(error: Exception) -> str:
    """The file of the code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
