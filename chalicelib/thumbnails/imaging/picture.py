"""An image reduced to the largest thumbnail, and the others made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from chalicelib.thumbnails.imaging import colour, linear
from chalicelib.thumbnails.imaging.box import Box
from chalicelib.thumbnails.imaging.resample import resized

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


def swapped(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of an image that lies so, when it is upright; and the other way round."""
    return (size[1], size[0]) if orientation >= 5 else size


@dataclass(frozen=True)
class Reduced:
    """An upright image scaled to the largest box, and the size it had before."""

    image: Image.Image
    width: int
    height: int
    light: bool = False  # further reduction is in linear light: the image is straight, not premultiplied

    @classmethod
    def upright(
        cls, image: Image.Image, orientation: int, size: tuple[int, int], light: bool = False
    ) -> Reduced:
        """Turned and mirrored as Exif's orientation (1 to 8) asks; `size` is upright. Done after the
        reduction: before it, it takes as long as the decoding."""
        turned = image.transpose(UPRIGHT_BY[orientation]) if orientation in UPRIGHT_BY else image
        return cls(turned, *size, light)

    def with_colours(self, change: Callable[[Image.Image], Image.Image]) -> Reduced:
        """`change` applied to the straight pixels."""
        before = colour.straight(self.image)
        after = change(before)
        if after is before:
            return self
        return replace(self, image=after if self.light else colour.premultiplied(after))

    def fit(self, box: Box) -> Reduced:
        """The same reduced further. To a fourth or less, whole blocks are averaged first, as sharp does it: a
        thirtieth of a JPEG's whole time, and no photograph is further off than by sharp."""
        if self.light:
            return self
        size = box.scaled(self.width, self.height)
        blocks = max(1, max(self.image.size) // (2 * max(size)))
        smaller = self.image.reduce(blocks) if blocks > 1 else self.image
        # A side that is no multiple ends in part of a block.
        part = 0.0, 0.0, self.image.width / blocks, self.image.height / blocks
        return replace(self, image=resized(smaller, size, part))

    def cut(self, box: Box) -> Image.Image:
        """The thumbnail for `box`, which is no larger than the box this was scaled to."""
        size = box.thumbnail(self.width, self.height)
        if size == self.image.size:
            return self.image
        left, top, right, bottom = box.part(self.width, self.height)
        across, down = self.image.size
        part = (left * across, top * down, right * across, bottom * down)
        return (linear.resized if self.light else resized)(self.image, size, part)
