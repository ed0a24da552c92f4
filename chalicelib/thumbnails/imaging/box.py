"""The box a thumbnail is made for: plain arithmetic on the widths and heights of upright pictures."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.config.thumbnails import Size

CENTRE = 0.5, 0.5


@dataclass(frozen=True)
class Box:
    """`size` pixels, and what a cut keeps in its middle. Nothing is ever enlarged: `inside`, the whole image
    fits into the box; `cover`, the image covers the box and what lies around `focus` is cut out."""

    size: Size
    focus: tuple[float, float] = CENTRE  # of the width and of the height, from the left and from the top

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """The size to which an image of width x height is reduced."""
        ratios = self.size.width / width, self.size.height / height
        ratio = min(1.0, min(ratios) if self.size.fit == "inside" else max(ratios))
        return max(1, round(width * ratio)), max(1, round(height * ratio))

    def thumbnail(self, width: int, height: int) -> tuple[int, int]:
        """The size of its thumbnail: scaled, and cut where the box is covered."""
        scaled = self.scaled(width, height)
        if self.size.fit == "inside":
            return scaled
        return min(self.size.width, scaled[0]), min(self.size.height, scaled[1])

    def part(self, width: int, height: int) -> tuple[float, float, float, float]:
        """What of an image of width x height the thumbnail shows: left, top, right, bottom, from 0 to 1."""
        scaled, shown = self.scaled(width, height), self.thumbnail(width, height)
        across, down = shown[0] / scaled[0], shown[1] / scaled[1]
        left = min(max(self.focus[0] - across / 2, 0), 1 - across)
        top = min(max(self.focus[1] - down / 2, 0), 1 - down)
        return left, top, left + across, top + down
