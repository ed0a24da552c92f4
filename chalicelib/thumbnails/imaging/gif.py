"""A GIF's frames laid on its canvas as a browser does it; Pillow decodes each frame as a picture of its own.

Pillow's own player shows palette entry 0 around a small first frame, clears to the background colour, and
fills a later frame of any size before that size can be looked at.
Layout: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile

from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_TO_BACKGROUND, _TO_PREVIOUS = 2, 3  # disposal methods


@dataclass(frozen=True)
class _Frame:
    left: int
    top: int
    size: tuple[int, int]
    milliseconds: int
    disposal: int
    data: bytes  # a GIF of this frame alone


class GifPlayer(ImageFile.ImageFile):
    """Opened: its canvas, frames and loops. Its pixels come by moments() alone. Raises SyntaxError."""

    format = "GIF"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        self._mode = "RGBA"
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        place = 13 + _table(flags)
        self._head, control = data[6:place], b""
        self.frames: list[_Frame] = []
        self.loops = 1
        while place < len(data) and data[place] != _TRAILER:
            if data[place] not in (_EXTENSION, _IMAGE):  # nothing; browsers skip it
                place += 1
                continue
            start, picture = place, data[place] == _IMAGE
            if start + 10 >= len(data):
                break
            place = _after_blocks(data, start + (11 + _table(data[start + 9]) if picture else 2))
            if place > len(data) and self.frames:
                break  # cut short: what came before is more than nothing
            if picture:
                left, top, *size = struct.unpack_from("<HHHH", data, start + 1)
                if not self.frames:  # as browsers do, the canvas grows with the first frame alone
                    width, height = max(width, left + size[0]), max(height, top + size[1])
                elif size[0] * size[1] > width * height:
                    break  # more memory than the header said
                self.frames.append(self._frame(left, top, (size[0], size[1]), control, data[start:place]))
                control = b""
            elif data[start + 1] == _CONTROL:
                control = data[start:place]
            elif data[start + 1] == _APPLICATION and data[start + 3 : start + 14] == b"NETSCAPE2.0":
                again = int.from_bytes(data[start + 16 : start + 18], "little")
                self.loops = again + 1 if again else 0
        if not self.frames:
            raise SyntaxError("no whole frame")
        self._size = width, height
        self.n_frames = len(self.frames)

    def _frame(self, left: int, top: int, size: tuple[int, int], control: bytes, picture: bytes) -> _Frame:
        alone = struct.pack("<HH", *size)
        data = b"".join(
            (b"GIF89a", alone, self._head[4:], control, b"\x2c\0\0\0\0", alone, picture[9:], b"\x3b")
        )
        disposal, hundredths = (control[3] >> 2 & 7, control[4] | control[5] << 8) if control[5:] else (0, 0)
        return _Frame(left, top, size, 10 * hundredths, disposal, data)

    def moments(self, deadline: Deadline) -> Iterator[tuple[Image.Image, int]]:
        """What is to be seen, as RGBA, and for how many milliseconds."""
        from PIL.GifImagePlugin import GifImageFile

        canvas = Image.new("RGBA", self.size)
        for frame in self.frames:
            deadline.check()
            picture = GifImageFile(TimedFile(frame.data, deadline)).convert("RGBA")
            before = canvas.copy() if frame.disposal == _TO_PREVIOUS else canvas
            canvas.paste(picture, (frame.left, frame.top), picture)
            yield canvas.copy(), frame.milliseconds
            canvas = before
            if frame.disposal == _TO_BACKGROUND:
                right, bottom = frame.left + frame.size[0], frame.top + frame.size[1]
                canvas.paste((0, 0, 0, 0), (frame.left, frame.top, right, bottom))


def _table(flags: int) -> int:
    """The bytes of a colour table, by the flags before it."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """Where the data blocks that begin at `place` have ended; beyond the end where they do not."""
    while place < len(data) and data[place]:
        place += 1 + data[place]
    return place + 1
