"""What AVIF and HEIC say of their picture in ISO's boxes and their decoders do not hand on.

Boxes: ISO/IEC 14496-12 section 4.2; properties: ISO/IEC 23008-12 (HEIF) section 9.3, of which `clap` is in
14496-12 section 12.1.4 and `colr` in 12.1.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# Boxes that hold boxes, and the bytes before the first.
_NESTED = {b"meta": 4, b"iprp": 0, b"ipco": 0}


def brands(data: bytes) -> frozenset[bytes]:
    """Those of a file that begins with an ftyp box; none for other files."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), 256)
    return frozenset(data[place : place + 4] for place in (8, *range(16, end, 4)))


def is_sequence(data: bytes) -> bool:
    """Whether the file holds a film and no still."""
    view = memoryview(data)
    kinds = {kind for kind, _, _ in _boxes(view, 0, len(view))}
    return b"moov" in kinds and b"meta" not in kinds


def properties(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(type, body) of every item property in the file."""
    return _properties(memoryview(data), 0, len(data), False)


def _properties(view: memoryview, place: int, end: int, inside: bool) -> Iterator[tuple[bytes, memoryview]]:
    for kind, start, last in _boxes(view, place, end):
        if kind in _NESTED:
            yield from _properties(view, start + _NESTED[kind], last, kind == b"ipco")
        elif inside:
            yield kind, view[start:last]


def _boxes(view: memoryview, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each box's body."""
    while place + 8 <= end:
        size, kind = int.from_bytes(view[place : place + 4], "big"), bytes(view[place + 4 : place + 8])
        head = 16 if size == 1 else 8
        if size < 2:  # 64 bits, or to the end
            size = int.from_bytes(view[place + 8 : place + 16], "big") if size else end - place
        if size < head:
            return
        last = min(place + size, end)
        yield kind, place + head, last
        place = last


def clean_aperture(data: bytes, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The part of the decoded picture that is to be shown (left, top, right, bottom); None where all is."""
    for kind, body in properties(data):
        if kind != b"clap" or len(body) < 32:
            continue
        numbers = struct.unpack_from(">IIIIiIiI", body)
        if not all(numbers[1::2]):
            return None
        across, down, right, lower = (numbers[i] / numbers[i + 1] for i in (0, 2, 4, 6))
        left, top = round((size[0] - across) / 2 + right), round((size[1] - down) / 2 + lower)
        part = left, top, left + round(across), top + round(down)
        return part if 0 <= left < part[2] <= size[0] and 0 <= top < part[3] <= size[1] else None
    return None


def code_points(data: bytes) -> tuple[int, int]:
    """(colour primaries, transfer characteristics) as in ITU-T H.273; 2 is unspecified."""
    for kind, body in properties(data):
        if kind == b"colr" and bytes(body[:4]) == b"nclx" and len(body) >= 8:
            return int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big")
    return 2, 2
