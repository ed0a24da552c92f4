"""The square a thumbnail is made for: plain arithmetic on widths and heights. And which side is up."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.config.thumbnails import Fit, ThumbnailSettings


@dataclass(frozen=True)
class Box:
    """`side` pixels square. Nothing is ever enlarged: `inside`, the whole image fits into the box; `cover`,
    the image covers the box and its middle is cut out."""

    side: int
    fit: Fit

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """The size to which an image of width x height is reduced."""
        ratio = min(1.0, self.side / (max if self.fit == "inside" else min)(width, height))
        return max(1, round(width * ratio)), max(1, round(height * ratio))

    def thumbnail(self, width: int, height: int) -> tuple[int, int]:
        """The size of its thumbnail: scaled, and cut where the box is covered."""
        scaled = self.scaled(width, height)
        if self.fit == "inside":
            return scaled
        return min(self.side, scaled[0]), min(self.side, scaled[1])

    def part(self, width: int, height: int) -> tuple[float, float, float, float]:
        """What of an image of width x height the thumbnail shows: left, top, right, bottom, from 0 to 1."""
        scaled, shown = self.scaled(width, height), self.thumbnail(width, height)
        across, down = shown[0] / scaled[0], shown[1] / scaled[1]
        return (1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2


def boxes_of(settings: ThumbnailSettings) -> list[Box]:
    """A box for each size, the largest first."""
    return [Box(size, settings.fit) for size in sorted(settings.sizes, reverse=True)]
