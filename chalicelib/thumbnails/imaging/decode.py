"""From a file to an image of the wanted size, whose pixels may be averaged, by the cheapest route."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image, ImageChops, JpegImagePlugin

from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import bmff, colour, header, jpeg, linear, png
from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile
from chalicelib.thumbnails.imaging.gif import GifPlayer
from chalicelib.thumbnails.imaging.picture import UPRIGHT_BY
from chalicelib.thumbnails.imaging.resample import Part, resized
from chalicelib.thumbnails.imaging.strategy import Route
from chalicelib.thumbnails.imaging.webp import ReducibleWebp

_ORIENTATION = 0x0112  # Exif 2.32, table 4

# An image decoded, perhaps reduced by whole blocks, and the part of it that is the picture (None: all).
_Pixels = tuple[Image.Image, Part | None]


def reduced(
    image: Image.Image, data: bytes, route: Route, wanted: tuple[int, int], deadline: Deadline
) -> Image.Image:
    """The image at the size `wanted`, as it lies in the file, premultiplied. `image` is opened and not
    decoded; afterwards it holds whatever metadata lay behind its pixels."""
    pixels, part = _pixels(image, data, route, deadline)
    deadline.check()
    return resized(pixels, wanted, part)


def in_linear_light(
    image: Image.Image, data: bytes, route: Route, wanted: tuple[int, int], deadline: Deadline
) -> Image.Image:
    """Like reduced(), by linear light, straight and in sRGB."""
    pixels, part = _whole(image, data, deadline)
    straight = colour.to_srgb(colour.plain(pixels), colour.profile_of(image))
    return straight if straight.size == wanted and not part else linear.resized(straight, wanted, part)


def _pixels(image: Image.Image, data: bytes, route: Route, deadline: Deadline) -> _Pixels:
    if route.kind == "draft":
        return _from_draft(image, data, route, deadline)
    if route.kind == "strips":
        return _from_strips(image, data, route, deadline)
    if isinstance(image, ReducibleWebp):
        reduce = image.reduced_in_planes if route.kind == "planes" else image.reduced
        return reduce(route.scaled, deadline), None
    pixels, part = _whole(image, data, deadline)
    return averageable(pixels), part


def _whole(image: Image.Image, data: bytes, deadline: Deadline) -> _Pixels:
    if isinstance(image, GifPlayer):
        return next(image.moments(deadline))[0], None
    if first := header.first_frame(image):
        image.seek(first)
    image.load()
    return image, bmff.clean_aperture(data, image.size) if image.format == "AVIF" else None


def _from_draft(image: Image.Image, data: bytes, route: Route, deadline: Deadline) -> _Pixels:
    def opened(contents: bytes) -> JpegImagePlugin.JpegImageFile:
        return JpegImagePlugin.JpegImageFile(TimedFile(contents, deadline))

    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    lighter = jpeg.without_refinements(data, route.shrink) if route.shrink >= 4 else data
    try:
        return _drafted(image if lighter is data else opened(lighter), route)
    except OSError:
        if not jpeg.lacks_its_end(data):
            raise
        found, other = (_drafted(opened(ended), route) for ended in jpeg.ended(data))
        if ImageChops.difference(found[0], other[0]).getbbox():
            raise
        return found


def _drafted(source: JpegImagePlugin.JpegImageFile, route: Route) -> _Pixels:
    size = source.size
    drafted = source.draft(None, (max(1, size[0] // route.shrink), max(1, size[1] // route.shrink)))
    source.load()
    # A side that 8 does not divide ends in part of a pixel: the part says how much of it.
    return averageable(source), drafted[1] if drafted else None


def _from_strips(image: Image.Image, data: bytes, route: Route, deadline: Deadline) -> _Pixels:
    width, height = image.size
    canvas: Image.Image | None = None
    top = 0
    for strip, above in png.strips(data, route.rows, image):
        deadline.check()
        pixels = averageable(strip)
        if route.shrink > 1:
            pixels = pixels.reduce(route.shrink, (0, above, *strip.size))
        else:  # the row above is laid on itself: cutting it off would copy all
            top -= above
        canvas = canvas or Image.new(pixels.mode, (pixels.width, -(-height // route.shrink)))
        canvas.paste(pixels, (0, top))
        top += pixels.height
    assert canvas is not None  # a PNG has at least one row
    return canvas, (0, 0, width / route.shrink, height / route.shrink)


def moments(
    image: Image.Image, data: bytes, wanted: tuple[int, int], deadline: Deadline
) -> Iterator[tuple[Image.Image, int]]:
    """An animation's frames, each at the size `wanted`, with the milliseconds it is shown. One that is
    damaged ends it; the first one has to be whole."""
    shown = image.moments(deadline) if isinstance(image, GifPlayer) else _frames(image, deadline)
    part = bmff.clean_aperture(data, image.size) if image.format == "AVIF" else None
    number = 0
    while True:
        try:
            frame, milliseconds = next(shown)
        except StopIteration:
            return
        except (Reject, MemoryError):
            raise
        except Exception:
            if not number:
                raise
            return
        number += 1
        yield resized(averageable(frame), wanted, part), milliseconds


def _frames(image: Image.Image, deadline: Deadline) -> Iterator[tuple[Image.Image, int]]:
    for number in range(header.first_frame(image), getattr(image, "n_frames", 1)):
        deadline.check()
        image.seek(number)
        image.load()
        # A copy: Pillow draws the next frame into the same memory.
        yield image.copy(), round(image.info.get("duration") or 0)


def averageable(image: Image.Image) -> Image.Image:
    return colour.premultiplied(colour.plain(image))


def orientation(image: Image.Image, data: bytes) -> int:
    """1 to 8 as in Exif; 1 where it says nothing that makes sense. What XMP says does not count, as in
    browsers. HEIC and AVIF turn by properties of their own, which their decoders follow or put into Exif."""
    if image.format == "HEIF":
        return 1
    if image.format == "TIFF":
        from chalicelib.thumbnails.imaging import tiff

        return tiff.odd_orientation(image)
    exif = Image.Exif()
    try:
        exif.load(png.exif(data) if image.format == "PNG" else image.info.get("exif") or b"")
        value = exif.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  whatever is wrong with it, the picture is there
        return 1
    value = value[0] if isinstance(value, bytes) and value else value
    return value if isinstance(value, int) and value in UPRIGHT_BY else 1
