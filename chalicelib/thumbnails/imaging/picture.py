"""Brightness and colour reduced apart, for thumbnails that become JPEGs.

A JPEG keeps colour at half its width and height: there is no need to reduce it any less. Lanczos costs more
than decoding where thumbnails are large, so this saves a quarter of three (1024, 512 and 256 pixels), and a
tenth of a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from chalicelib.thumbnails.imaging import colour, linear
from chalicelib.thumbnails.imaging.box import Box

# By Exif's orientation (Exif 2.32, table 4); 1, and what makes no sense, is upright.
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LANCZOS = Image.Resampling.LANCZOS
GAP = 2.0  # Pillow's reducing_gap from thumbnail to thumbnail

Part = tuple[float, float, float, float]


@dataclass(frozen=True)
class LumaChroma:
    """An opaque sRGB image; `colours` are Cb and Cr, half as large as `luma`, rounded up."""

    luma: Image.Image
    colours: tuple[Image.Image, Image.Image]
    width: int  # before any reduction
    height: int

    def upright(self, orientation: int) -> LumaChroma:
        """Turned and mirrored as Exif's orientation asks."""
        if orientation not in UPRIGHT_BY:
            return self
        width, height = (self.height, self.width) if orientation >= 5 else (self.width, self.height)
        luma, blue, red = (plane.transpose(UPRIGHT_BY[orientation]) for plane in (self.luma, *self.colours))
        return LumaChroma(luma, (blue, red), width, height)

    def fit(self, box: Box, gap: float, part: Part | None = None) -> LumaChroma:
        """`part` of it (or all) scaled to `box`; `gap` as in Image.resize()'s reducing_gap, for luma."""
        size = box.scaled(self.width, self.height)
        if size == self.luma.size:
            return self
        half = -(-size[0] // 2), -(-size[1] // 2)
        luma = self.luma.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=gap)
        # Colour's blocks may grow as large as its pixels: 8 % of the time, for 0.3 dB of it.
        blue, red = (
            plane.resize(half, Image.Resampling.BICUBIC, box=part, reducing_gap=1.0) for plane in self.colours
        )
        return replace(self, luma=luma, colours=(blue, red))

    def image(self) -> Image.Image:
        """YCbCr. The encoder averages every four pixels' colour, so it finds what is here."""
        size = self.luma.size
        blue, red = (plane.resize(size, Image.Resampling.NEAREST) for plane in self.colours)
        return Image.merge("YCbCr", (self.luma, blue, red))


def taken_apart(pixels: Image.Image, size: tuple[int, int]) -> LumaChroma:
    """RGB or YCbCr pixels of an image that was `size` large; colour is as large as luma until fit()."""
    luma, blue, red = (pixels if pixels.mode == "YCbCr" else pixels.convert("YCbCr")).split()
    return LumaChroma(luma, (blue, red), *size)


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
        if orientation not in UPRIGHT_BY:
            return self
        width, height = (self.height, self.width) if orientation >= 5 else (self.width, self.height)
        return Reduced(self.image.transpose(UPRIGHT_BY[orientation]), width, height, self.light)

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
