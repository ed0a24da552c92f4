"""HEIF containers by hand, around pictures that pillow-heif has encoded: what phones write and it does not.

Boxes: ISO/IEC 23008-12, and 14496-12 section 8.11.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pillow_heif
from PIL import Image


@dataclass(frozen=True)
class Item:
    """One picture of the file: `kind` hvc1 with an encoded picture, or grid. `refers` are (kind, items), and
    numbers count from 1."""

    kind: bytes
    data: bytes
    size: tuple[int, int]
    decoder: bytes = b""  # the hvcC box
    auxiliary: bytes = b""  # what it is an auxiliary picture of kind
    refers: Sequence[tuple[bytes, Sequence[int]]] = field(default=())


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, version: int, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, bytes((version,)), flags.to_bytes(3, "big"), *parts)


def encoded(picture: Image.Image, **options: object) -> Item:
    """A picture's stream and its decoder's configuration, out of pillow-heif's file."""
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, quality=95, **options)
    data = out.getvalue()
    place = data.index(b"hvcC") - 4
    decoder = data[place : place + int.from_bytes(data[place : place + 4], "big")]
    return Item(b"hvc1", data[data.index(b"mdat") + 4 :], picture.size, decoder)


def grid(columns: int, rows: int, size: tuple[int, int], tiles: Sequence[int]) -> Item:
    """A picture put together of tiles, as iPhones write them; what is beyond `size` is cut off."""
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return Item(b"grid", data, size, refers=((b"dimg", tiles),))


def heif(items: Sequence[Item], primary: int) -> bytes:
    """The file; the number of its primary picture counts from 1."""
    properties: list[bytes] = []
    associations = []
    for number, item in enumerate(items, 1):
        wanted = [_full(b"ispe", 0, struct.pack(">II", *item.size))]
        wanted += [item.decoder] if item.decoder else []
        wanted += [_full(b"auxC", 0, item.auxiliary + b"\0")] if item.auxiliary else []
        first = len(properties) + 1
        properties += wanted
        places = bytes(first + place for place in range(len(wanted)))
        associations.append(struct.pack(">HB", number, len(places)) + places)
    ipma = _full(b"ipma", 0, struct.pack(">I", len(items)), *associations)
    refers = [
        box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))
        for number, item in enumerate(items, 1)
        for kind, others in item.refers
    ]
    infos = [
        _full(b"infe", 2, struct.pack(">HH", number, 0), item.kind, b"\0")
        for number, item in enumerate(items, 1)
    ]

    def meta(start: int) -> bytes:
        places, at = [], start
        for number, item in enumerate(items, 1):
            places.append(struct.pack(">HHHII", number, 0, 1, at, len(item.data)))
            at += len(item.data)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, struct.pack(">I4s12x", 0, b"pict"), b"\0"),
            _full(b"pitm", 0, struct.pack(">H", primary)),
            _full(b"iloc", 0, b"\x44\0", struct.pack(">H", len(items)), *places),
            _full(b"iinf", 0, struct.pack(">H", len(items)), *infos),
            *([_full(b"iref", 0, *refers)] if refers else []),
            box(b"iprp", box(b"ipco", *properties), ipma),
        )

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *(item.data for item in items))
