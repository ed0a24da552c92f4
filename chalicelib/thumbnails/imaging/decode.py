"""From a file to an image of the wanted size, whose pixels may be averaged, by the cheapest route."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from chalicelib.thumbnails.imaging import colour, jpeg, linear, png
from chalicelib.thumbnails.imaging.box import Box
from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile
from chalicelib.thumbnails.imaging.picture import GAP, LANCZOS, UPRIGHT_BY, LumaChroma, Reduced, taken_apart
from chalicelib.thumbnails.imaging.strategy import Route, reduce_gap
from chalicelib.thumbnails.imaging.webp import ReducibleWebp

_ORIENTATION = 0x0112  # Exif 2.32, table 4


@dataclass(frozen=True)
class _Pixels:
    """An image decoded, perhaps reduced by whole blocks; `part` of it is the picture."""

    image: Image.Image
    part: tuple[float, float, float, float] | None = None


def reduced(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    """The image scaled to `box`, as it lies in the file, premultiplied. `image` is opened and not decoded;
    afterwards it holds whatever metadata lay behind its pixels."""
    size = image.size
    return _from_pixels(_pixels(image, data, route, deadline), size, box)


def reduced_apart(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> LumaChroma:
    """The same of an opaque RGB image, its brightness apart from its colour."""
    size = image.size
    if isinstance(image, ReducibleWebp) and not image.lossless:
        return image.reduced_apart(route.scaled, deadline).fit(box, reduce_gap(box))
    pixels = _pixels(image, data, route, deadline, "YCbCr" if _is_luma_and_chroma(image) else None)
    deadline.check()
    return taken_apart(pixels.image, size).fit(box, reduce_gap(box), pixels.part)


def _is_luma_and_chroma(image: Image.Image) -> bool:
    """Whether a JPEG's markers say so (as libjpeg reads them), so that no conversion is needed."""
    return "jfif" in image.info or image.info.get("adobe_transform") == 1


def _pixels(
    image: Image.Image, data: bytes, route: Route, deadline: Deadline, mode: str | None = None
) -> _Pixels:
    if route.kind == "draft":
        return _from_draft(image, data, route, deadline, mode)
    if route.kind == "strips":
        return _from_strips(image, data, route, deadline)
    if isinstance(image, ReducibleWebp):
        return _Pixels(image.reduced(route.scaled, deadline))
    image.load()
    return _Pixels(_averageable(image))


def in_linear_light(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    """Like reduced(), by linear light, straight and in sRGB."""
    image.load()
    straight = colour.to_srgb(colour.plain(image), colour.profile_of(image))
    size = box.scaled(*image.size)
    if size != image.size:
        straight = linear.resized(straight, size, None, GAP)
    return Reduced(straight, *image.size, light=True)


def _from_draft(
    image: Image.Image, data: bytes, route: Route, deadline: Deadline, mode: str | None
) -> _Pixels:
    size = image.size
    lighter = jpeg.without_refinements(data, route.shrink) if route.shrink >= 4 else data
    source = image if lighter is data else Image.open(TimedFile(lighter, deadline), formats=("JPEG",))
    drafted = source.draft(mode, (max(1, size[0] // route.shrink), max(1, size[1] // route.shrink)))
    source.load()
    pixels = source if source.mode == mode else _averageable(source)
    # A side that 8 does not divide ends in part of a pixel: the part says how much of it.
    return _Pixels(pixels, drafted[1] if drafted else None)


def _from_strips(image: Image.Image, data: bytes, route: Route, deadline: Deadline) -> _Pixels:
    width, height = image.size
    canvas: Image.Image | None = None
    top = 0
    strips = png.Strips(data, route.rows)
    for strip, above in strips:
        deadline.check()
        part = (0, above, *strip.size)
        smaller = _averageable(strip).reduce(route.shrink, part)
        # Where the mean of a block's alpha is 255, less than half a level shines through.
        if strip.mode == "RGBX" and smaller.getchannel("X").getextrema() != (255, 255):
            strips.opaque = False
            smaller = _averageable(png.with_alpha(strip)).reduce(route.shrink, part)
        if canvas is None:
            canvas = Image.new(smaller.mode, (smaller.width, -(-height // route.shrink)))
        if canvas.mode == "RGBX" != smaller.mode:
            canvas = canvas.convert("RGB").convert(smaller.mode)
        canvas.paste(smaller, (0, top))
        top += smaller.height
    assert canvas is not None  # a PNG has at least one row
    pixels = canvas.convert("RGB") if canvas.mode == "RGBX" else canvas
    return _Pixels(pixels, (0, 0, width / route.shrink, height / route.shrink))


class UnevenFrames(Exception):
    """A GIF's later frame reaches beyond its canvas, however far: nothing in the header said so."""


def moments(image: Image.Image, box: Box, deadline: Deadline) -> Iterator[tuple[Reduced, int]]:
    """An animation's frames, each scaled to `box`, with the milliseconds it is shown. Raises UnevenFrames."""
    canvas = image.size
    for number in range(getattr(image, "n_frames", 1)):
        deadline.check()
        image.seek(number)
        if image.size != canvas:
            raise UnevenFrames
        image.load()
        shown = image.info.get("duration", 0)
        yield _from_pixels(_Pixels(_averageable(image)), image.size, box), int(shown or 0)


def _averageable(image: Image.Image) -> Image.Image:
    return colour.premultiplied(colour.plain(image))


def _from_pixels(pixels: _Pixels, size: tuple[int, int], box: Box) -> Reduced:
    image, wanted = pixels.image, box.scaled(*size)
    if image.size != wanted:
        image = image.resize(wanted, LANCZOS, box=pixels.part, reducing_gap=reduce_gap(box))
    return Reduced(image, *size)


def orientation(image: Image.Image, route: Route, data: bytes) -> int:
    """1 to 8 as in Exif; 1 where it says nothing that makes sense. Asked after reduced(): Pillow turns a TIFF
    itself, and reads on to a PNG's end."""
    try:
        if route.kind == "strips":
            exif = Image.Exif()
            exif.load(png.exif(data))  # image.getexif() would decode the whole picture
        else:
            exif = image.getexif()
        value = exif.get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, OSError, KeyError, TypeError, struct.error):
        return 1
    return value if value in UPRIGHT_BY else 1
