"""A PNG decoded strip by strip, so that its size does not show in memory.

PNG's rows are predicted from the row above, so a strip needs one row of the strip before. Each strip is
handed to Pillow as a small PNG file of its own: that row, unfiltered, then the strip's rows as they were.
Layout: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bytes a pixel and Pillow's mode by colour type, at 8 bits a channel.
_COLOUR_TYPES = {0: (1, "L"), 2: (3, "RGB"), 3: (1, "P"), 4: (2, "LA"), 6: (4, "RGBA")}
# What must stand in every strip for its pixels to mean the same.
_SHARED = (b"PLTE", b"tRNS")


@dataclass(frozen=True)
class _Layout:
    header: bytes  # IHDR's body
    width: int
    height: int
    pixel_bytes: int
    mode: str


def _layout(data: bytes) -> _Layout | None:
    header = data[16:29]
    if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(header) < 13:
        return None
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if depth != 8 or interlaced or colour_type not in _COLOUR_TYPES:
        return None
    return _Layout(header, width, height, *_COLOUR_TYPES[colour_type])


def can_be_split(data: bytes) -> bool:
    """Whether strips() can read it: 8 bits a channel, not interlaced, one picture."""
    return _layout(data) is not None and not any(kind == b"acTL" for kind, _ in _chunks(data))


def exif(data: bytes) -> bytes:
    """The body of the eXIf chunk, b"" without one."""
    return next((bytes(body) for kind, body in _chunks(data) if kind == b"eXIf"), b"")


def strips(data: bytes, rows: int) -> Iterator[Image.Image]:
    """The picture from top to bottom in images of `rows` rows, the last with what is left.

    Raises OSError where the file ends early or does not inflate, and what Pillow raises.
    """
    layout = _layout(data)
    assert layout is not None, "can_be_split() was not asked"
    shared: dict[bytes, bytes] = {}
    pieces: list[memoryview] = []
    for kind, body in _chunks(data):
        if kind in _SHARED:
            shared[kind] = bytes(body)
        elif kind == b"IDAT":
            pieces.append(body)
    inflated = _Inflated(pieces)
    above = b""
    for top in range(0, layout.height, rows):
        count = min(rows, layout.height - top)
        lines = inflated.read(count * (1 + layout.width * layout.pixel_bytes))
        strip = _decoded(layout, shared, above + lines, count + bool(above))
        bottom = strip.crop((0, strip.height - 1, strip.width, strip.height))
        strip = strip.crop((0, 1, *strip.size)) if above else strip
        above = b"\0" + bottom.tobytes()
        yield strip


def _decoded(layout: _Layout, shared: dict[bytes, bytes], lines: bytes, rows: int) -> Image.Image:
    header = struct.pack(">II", layout.width, rows) + layout.header[8:]
    # Level 0 only wraps the lines: nothing is compressed.
    body = [(b"IHDR", header), *shared.items(), (b"IDAT", zlib.compress(lines, 0)), (b"IEND", b"")]
    strip = Image.open(io.BytesIO(_SIGNATURE + b"".join(_chunk(*chunk) for chunk in body)), formats=("PNG",))
    strip.load()
    return strip


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(type, body) of each chunk up to IEND; a body may be cut short where the file is."""
    view = memoryview(data)
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = int.from_bytes(view[place : place + 4], "big"), bytes(view[place + 4 : place + 8])
        if kind == b"IEND":
            return
        yield kind, view[place + 8 : place + 8 + length]
        place += 12 + length


class _Inflated:
    """The rows in the IDAT chunks, read in pieces no larger than asked for."""

    def __init__(self, pieces: list[memoryview]) -> None:
        self._pieces = iter(pieces)
        self._inflate = zlib.decompressobj()
        self._waiting: bytes | memoryview = b""

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises OSError where the file has fewer or cannot be inflated."""
        parts: list[bytes] = []
        while size > 0:
            if not self._waiting:
                piece = next(self._pieces, None)
                if piece is None:
                    raise OSError("image file is truncated")
                self._waiting = piece
            try:
                part = self._inflate.decompress(self._waiting, size)
            except zlib.error as error:
                raise OSError(f"broken data stream: {error}") from error
            if not part and self._inflate.eof:
                raise OSError("image file is truncated")
            self._waiting = self._inflate.unconsumed_tail
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
