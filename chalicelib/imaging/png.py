"""A PNG decoded strip by strip, so that its size does not show in memory.

PNG's rows are predicted from the row above, so a strip needs one row of the strip before. Each strip is
handed to Pillow as a small PNG file of its own: that row, unfiltered, then the strip's rows as they were.
Layout: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from PIL import Image

try:
    # 2.7 times as fast as the system's zlib: a third of a PNG's time (benchmarks/results/thumbnails.json).
    from isal import isal_zlib
except ImportError:
    _inflater: Callable[[], Any] = zlib.decompressobj
    _DAMAGED: type[Exception] = zlib.error
else:
    _inflater = isal_zlib.decompressobj
    _DAMAGED = cast("type[Exception]", isal_zlib.IsalError)  # its stub calls it an instance

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bytes a pixel and Pillow's mode by colour type, at 8 bits a channel.
_COLOUR_TYPES = {0: (1, "L"), 2: (3, "RGB"), 3: (1, "P"), 4: (2, "LA"), 6: (4, "RGBA")}
# What must stand in every strip for its pixels to mean the same.
_SHARED = (b"PLTE", b"tRNS")
_STORED = 0xFFFF  # bytes in a stored block, at the most


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
    return _layout(data) is not None and not any(kind == b"acTL" for kind, _ in chunks(data))


def exif(data: bytes) -> bytes:
    """The body of the eXIf chunk, b"" without one."""
    return next((bytes(body) for kind, body in chunks(data) if kind == b"eXIf"), b"")


def strips(data: bytes, rows: int) -> Iterator[tuple[Image.Image, int]]:
    """The picture from top to bottom, `rows` rows at a time: images, and how many of their first rows (0 or
    1) belong to the strip before.

    Raises OSError where the file ends early or does not inflate, and what Pillow raises.
    """
    layout = _layout(data)
    assert layout is not None, "can_be_split() was not asked"
    shared: dict[bytes, bytes] = {}
    pieces: list[memoryview] = []
    for kind, body in chunks(data):
        if kind in _SHARED:
            shared[kind] = bytes(body)
        elif kind == b"IDAT":
            pieces.append(body)
    inflated = _Inflated(pieces)
    above = b""
    for top in range(0, layout.height, rows):
        count = min(rows, layout.height - top)
        lines = inflated.read(count * (1 + layout.width * layout.pixel_bytes))
        strip = _decoded(layout, shared, [above, *lines], count + bool(above))
        yield strip, int(bool(above))
        above = b"\0" + strip.crop((0, strip.height - 1, strip.width, strip.height)).tobytes()


def _decoded(layout: _Layout, shared: dict[bytes, bytes], lines: list[bytes], rows: int) -> Image.Image:
    header = struct.pack(">II", layout.width, rows) + layout.header[8:]
    stored = list(_stored(lines))
    # Neither Pillow nor inflate asks for the checksum of pixels before it has them all, so none is made.
    pixels = [struct.pack(">I", sum(map(len, stored))), b"IDAT", *stored, bytes(4)]
    before = [_chunk(kind, body) for kind, body in ((b"IHDR", header), *shared.items())]
    file = b"".join([_SIGNATURE, *before, *pixels, _chunk(b"IEND", b"")])
    strip = Image.open(io.BytesIO(file), formats=("PNG",))
    strip.load()
    return strip


def _stored(parts: list[bytes]) -> Iterator[bytes | memoryview]:
    """The parts as a zlib stream (RFC 1950) of stored blocks (RFC 1951, section 3.2.4), without its end."""
    yield b"\x78\x01"
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(part), _STORED):
            length = min(_STORED, len(part) - start)
            yield struct.pack("<BHH", 0, length, length ^ 0xFFFF)
            yield view[start : start + length]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
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
        self._inflate = _inflater()
        self._waiting: bytes | memoryview = b""

    def read(self, size: int) -> list[bytes]:
        """Exactly `size` bytes, in parts. Raises OSError where the file has fewer or cannot be inflated."""
        parts: list[bytes] = []
        while size > 0:
            try:
                part = self._inflate.decompress(self._waiting, size)
            except _DAMAGED as error:
                raise OSError(f"broken data stream: {error}") from error
            self._waiting = self._inflate.unconsumed_tail
            if part:
                parts.append(part)
                size -= len(part)
            elif not self._waiting:  # isal may hold output back after it has taken all input
                following = next(self._pieces, None)
                if following is None or self._inflate.eof:
                    raise OSError("image file is truncated")
                self._waiting = following
        return parts
