"""Brightness and colour reduced apart, for thumbnails that become JPEGs.

A JPEG keeps colour at half its width and height: there is no need to reduce it any less. Lanczos costs more
than decoding where thumbnails are large, so this saves a quarter of three (1024, 512 and 256 pixels), and a
tenth of a small one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from chalicelib.imaging.box import UPRIGHT_BY, Box

Part = tuple[float, float, float, float]


@dataclass(frozen=True)
class Apart:
    """An opaque sRGB image; `colours` are Cb and Cr, half as large as `luma`, rounded up."""

    luma: Image.Image
    colours: tuple[Image.Image, Image.Image]
    width: int  # before any reduction
    height: int

    def upright(self, orientation: int) -> Apart:
        """Turned and mirrored as Exif's orientation asks."""
        if orientation not in UPRIGHT_BY:
            return self
        width, height = (self.height, self.width) if orientation >= 5 else (self.width, self.height)
        luma, blue, red = (plane.transpose(UPRIGHT_BY[orientation]) for plane in (self.luma, *self.colours))
        return Apart(luma, (blue, red), width, height)

    def fit(self, box: Box, gap: float, part: Part | None = None) -> Apart:
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


def taken_apart(pixels: Image.Image, size: tuple[int, int]) -> Apart:
    """RGB or YCbCr pixels of an image that was `size` large; colour is as large as luma until fit()."""
    luma, blue, red = (pixels if pixels.mode == "YCbCr" else pixels.convert("YCbCr")).split()
    return Apart(luma, (blue, red), *size)
