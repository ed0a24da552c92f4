"""A PNG decoded strip by strip, so that its size does not show in memory.

PNG's rows are predicted from the row above, so a strip needs one row of the strip before. Each strip is
handed to Pillow's decoder as a stream of its own: that row, unfiltered, then the strip's rows as they were.
Layout: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import itertools
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
    _inflater: Callable[[int], Any] = zlib.decompressobj
    _DAMAGED: type[Exception] = zlib.error
else:
    _inflater = isal_zlib.decompressobj
    _DAMAGED = cast("type[Exception]", isal_zlib.IsalError)  # its stub calls it an instance

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bytes a pixel and Pillow's mode by colour type, at 8 bits a channel.
_COLOUR_TYPES = {0: (1, "L"), 2: (3, "RGB"), 3: (1, "P"), 4: (2, "LA"), 6: (4, "RGBA")}
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
MAX_PROFILE = 1 << 23  # bytes; the largest there are, of printers, have some 3 MB
_STORED = 0xFFFF  # bytes in a stored block, at the most
# Compressed bytes handed over at once: what is not consumed is copied with every strip.
_PIECE = 1 << 16


@dataclass(frozen=True)
class _Layout:
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
    return _Layout(width, height, *_COLOUR_TYPES[colour_type])


def can_be_split(data: bytes) -> bool:
    """Whether strips() can read it: 8 bits a channel, not interlaced, one picture."""
    return _layout(data) is not None and not any(kind == b"acTL" for kind, _ in chunks(data))


def exif(data: bytes) -> bytes:
    """The body of the eXIf chunk, b"" without one."""
    return next((bytes(body) for kind, body in chunks(data) if kind == b"eXIf"), b"")


def without_text(data: bytes) -> bytes:
    """The file without texts, for which Pillow would refuse it over 1 MB, and without a profile that cannot
    be read or is larger than MAX_PROFILE. `data` itself where there are none."""
    view, place, kept, dropped = memoryview(data), len(_SIGNATURE), [memoryview(_SIGNATURE)], False
    for kind, body in chunks(data):
        end = place + 12 + len(body)
        if kind in _TEXTS or (kind == b"iCCP" and not _readable(body)):
            dropped = True
        else:
            kept.append(view[place:end])
        place = end
    return b"".join([*kept, view[place:]]) if dropped else data


def _readable(profile: memoryview) -> bool:
    packed = bytes(profile).partition(b"\0")[2][1:]  # behind its name and the method
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_PROFILE + 1)) <= MAX_PROFILE
    except zlib.error:
        return False


def mend_transparency(image: Image.Image, data: bytes) -> None:
    """Brings tRNS, which counts in the file's bits, to the 8 bits that Pillow makes of them. Of 16-bit RGB
    the high bytes decide."""
    depth, hidden = data[24], image.info.get("transparency")
    if isinstance(hidden, int) and depth in (2, 4) and image.mode == "L":
        image.info["transparency"] = hidden * 255 // ((1 << depth) - 1)
    elif isinstance(hidden, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in hidden)


def strips(data: bytes, rows: int, header: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """The picture of the file `data`, opened as `header`, from top to bottom, `rows` rows at a time: images,
    and how many of their first rows (0 or 1) belong to the strip before. Raises OSError where the file ends
    early or does not inflate, and what Pillow raises."""
    layout = _layout(data)
    assert layout is not None, "can_be_split() was not asked"
    palette, transparency = header.palette, header.info.get("transparency")
    inflated = _Inflated(body for kind, body in chunks(data) if kind == b"IDAT")
    above = b""
    for top in range(0, layout.height, rows):
        count = min(rows, layout.height - top)
        lines = inflated.read(count * (1 + layout.width * layout.pixel_bytes))
        strip = _decoded(layout.mode, (layout.width, count + bool(above)), [above, *lines])
        if palette is not None:
            strip.putpalette(palette.palette, palette.rawmode or palette.mode)
        if transparency is not None:
            strip.info["transparency"] = transparency
        yield strip, int(bool(above))
        above = b"\0" + strip.crop((0, strip.height - 1, strip.width, strip.height)).tobytes()


def _decoded(mode: str, size: tuple[int, int], lines: list[bytes]) -> Image.Image:
    try:
        return Image.frombytes(mode, size, b"".join(_stored(lines)), "zip", mode, 0)
    except ValueError as error:
        raise OSError("broken data stream: not a PNG's rows") from error


def _stored(parts: list[bytes]) -> Iterator[bytes | memoryview]:
    """The parts as a zlib stream (RFC 1950) of stored blocks (RFC 1951, section 3.2.4), without its end and
    its checksum: Pillow does not read on when it has all pixels."""
    yield b"\x78\x01"
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(part), _STORED):
            length = min(_STORED, len(part) - start)
            yield struct.pack("<BHH", 0, length, length ^ 0xFFFF)
            yield view[start : start + length]


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

    def __init__(self, chunks: Iterator[memoryview]) -> None:
        self._pieces = itertools.chain.from_iterable(
            (chunk[start : start + _PIECE] for start in range(0, len(chunk), _PIECE)) for chunk in chunks
        )
        # Without zlib's header and checksum (RFC 1950): the sum is known only at the end, when all rows are
        # there, and takes three percent of the time.
        self._inflate = _inflater(-zlib.MAX_WBITS)
        self._waiting: bytes | memoryview = b""
        while len(self._waiting) < 2:
            self._waiting = bytes(self._waiting) + self._next()
        method, flags = self._waiting[:2]
        if method & 15 != 8 or (method << 8 | flags) % 31 or flags & 32:
            raise OSError("broken data stream: no zlib header")
        self._waiting = self._waiting[2:]

    def _next(self) -> memoryview:
        following = next(self._pieces, None)
        if following is None or self._inflate.eof:
            raise OSError("image file is truncated")
        return following

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
                self._waiting = self._next()
        return parts
