"""From a file to an image of the wanted size, whose pixels may be averaged, by the cheapest route."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from PIL import Image

from chalicelib.imaging import colour, jpeg, linear, png
from chalicelib.imaging.box import Box
from chalicelib.imaging.header import Deadline, TimedFile
from chalicelib.imaging.route import Route, reduce_gap
from chalicelib.imaging.webp import ReducibleWebp

LANCZOS = Image.Resampling.LANCZOS
GAP = 2.0  # Pillow's reducing_gap from thumbnail to thumbnail
_ORIENTATION = 0x0112  # Exif 2.32, table 4
_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Reduced:
    """An image scaled to the largest box, and the size it had before."""

    image: Image.Image
    width: int
    height: int
    light: bool = False  # further reduction is in linear light: the image is straight, not premultiplied

    def upright(self, orientation: int) -> Reduced:
        """Turned and mirrored as Exif's orientation (1 to 8) asks. Done after the reduction: before it, it
        takes as long as the decoding."""
        if orientation not in _UPRIGHT_BY:
            return self
        width, height = (self.height, self.width) if orientation >= 5 else (self.width, self.height)
        return Reduced(self.image.transpose(_UPRIGHT_BY[orientation]), width, height, self.light)

    def with_colours(self, change: Callable[[Image.Image], Image.Image]) -> Reduced:
        """`change` applied to the straight pixels."""
        before = colour.straight(self.image)
        after = change(before)
        if after is before:
            return self
        return replace(self, image=after if self.light else colour.premultiplied(after))

    def fit(self, box: Box) -> Reduced:
        """The same reduced further."""
        size = box.scaled(self.width, self.height)
        if size == self.image.size or self.light:
            return self
        return replace(self, image=self.image.resize(size, LANCZOS, reducing_gap=GAP))

    def cut(self, box: Box) -> Image.Image:
        """The thumbnail for `box`, which is no larger than the box this was scaled to."""
        size = box.thumbnail(self.width, self.height)
        if size == self.image.size:
            return self.image
        left, top, right, bottom = box.part(self.width, self.height)
        across, down = self.image.size
        part = (left * across, top * down, right * across, bottom * down)
        if self.light:
            return linear.resized(self.image, size, part, GAP)
        return self.image.resize(size, LANCZOS, box=part, reducing_gap=GAP)


def reduced(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    """The image scaled to `box`, as it lies in the file, premultiplied. `image` is opened and not decoded;
    afterwards it holds whatever metadata lay behind its pixels."""
    if route.kind == "draft":
        return _from_draft(image, data, route, box, deadline)
    if route.kind == "strips":
        return _from_strips(image, data, route, box, deadline)
    if isinstance(image, ReducibleWebp):
        return _from_pixels(image.reduced(route.scaled, deadline), image.size, box)
    image.load()
    return _from_pixels(_averageable(image), image.size, box)


def in_linear_light(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    """Like reduced(), by linear light, straight and in sRGB."""
    image.load()
    straight = colour.to_srgb(colour.plain(image), colour.profile_of(image))
    size = box.scaled(*image.size)
    if size != image.size:
        straight = linear.resized(straight, size, None, GAP)
    return Reduced(straight, *image.size, light=True)


def _from_draft(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    size = image.size
    lighter = jpeg.without_refinements(data, route.shrink) if route.shrink >= 4 else data
    source = image if lighter is data else Image.open(TimedFile(lighter, deadline), formats=("JPEG",))
    drafted = source.draft(None, (max(1, size[0] // route.shrink), max(1, size[1] // route.shrink)))
    source.load()
    # A side that 8 does not divide ends in part of a pixel: the part says how much of it.
    return _from_pixels(_averageable(source), size, box, drafted[1] if drafted else None)


def _from_strips(image: Image.Image, data: bytes, route: Route, box: Box, deadline: Deadline) -> Reduced:
    width, height = image.size
    canvas: Image.Image | None = None
    top = 0
    for strip, above in png.strips(data, route.rows):
        deadline.check()
        smaller = _averageable(strip).reduce(route.shrink, (0, above, *strip.size))
        if canvas is None:
            canvas = Image.new(smaller.mode, (smaller.width, -(-height // route.shrink)))
        if canvas.mode == "RGBX" != smaller.mode:
            canvas = canvas.convert("RGB").convert(smaller.mode)
        canvas.paste(smaller, (0, top))
        top += smaller.height
    assert canvas is not None  # a PNG has at least one row
    part = (0, 0, width / route.shrink, height / route.shrink)
    base = _from_pixels(canvas, (width, height), box, part)
    return replace(base, image=base.image.convert("RGB")) if canvas.mode == "RGBX" else base


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
        yield _from_pixels(_averageable(image), image.size, box), int(shown or 0)


def _averageable(image: Image.Image) -> Image.Image:
    return colour.premultiplied(colour.plain(image))


def _from_pixels(
    pixels: Image.Image,
    size: tuple[int, int],
    box: Box,
    part: tuple[float, float, float, float] | None = None,
) -> Reduced:
    wanted = box.scaled(*size)
    if pixels.size != wanted:
        pixels = pixels.resize(wanted, LANCZOS, box=part, reducing_gap=reduce_gap(box))
    return Reduced(pixels, *size)


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
    return value if value in _UPRIGHT_BY else 1
