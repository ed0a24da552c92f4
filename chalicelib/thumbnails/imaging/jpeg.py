"""What a JPEG's markers say, and a progressive one without the scans a small picture does not need.

Markers, frames and scans: ITU-T T.81, annexes B and G.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from chalicelib.errors import Reject

START_OF_SCAN = 0xDA
ENTROPY_CODED = 0x00
_END_OF_IMAGE = 0xD9
# Frames by marker: C0-CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_QUANTIZATION = 0xDB
# In zigzag order, the coefficient of the second row and the first column: where a block becomes one pixel or
# four (jidctred.c), libjpeg does not look at it.
_UNUSED = 8
# Where a marker is. The fill bytes before it may be many.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Markers without a length: TEM, restarts, start of image.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
# What ends a scan: any marker but a stuffed zero, a fill byte and the restarts.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Encoders write about ten. Each sweeps over the whole picture, so thousands in a small file would be a bomb.
_MAX_SCANS = 100


@dataclass(frozen=True)
class Segment:
    """One marker with what belongs to it, data[start:end]."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True)
class Frame:
    """The picture's header. `sampling` is one (horizontal, vertical) factor a component."""

    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    progressive: bool
    buffered: bool  # the decoder keeps every coefficient: progressive, or a scan per component

    def coefficient_bytes(self) -> int:
        """What libjpeg keeps of a buffered picture: two bytes a coefficient, in whole blocks."""
        if not self.buffered:
            return 0
        across, down = max(h for h, _ in self.sampling), max(v for _, v in self.sampling)
        columns, rows = -(-self.width // (8 * across)), -(-self.height // (8 * down))
        return sum(columns * h * rows * v * 64 * 2 for h, v in self.sampling)


def segments(data: bytes) -> Iterator[Segment]:
    """The file's segments in order, up to the end-of-image marker, or to where they stop making sense.

    A scan comes in two: its header, and its entropy-coded bytes as marker 0. They are searched for their end
    only when asked for: that is a tenth of a baseline JPEG's time.
    """
    place = 2
    while found := _MARKER.search(data, place):  # libjpeg, too, skips what stands before a marker
        marker, place = data[found.end() - 1], found.end() - 2
        if marker == _END_OF_IMAGE:
            yield Segment(marker, place, place + 2)
            return
        bare = marker in _BARE
        end = place + 2 + (0 if bare else int.from_bytes(data[place + 2 : place + 4], "big"))
        yield Segment(marker, place, end)
        place = end
        if marker == START_OF_SCAN:
            after = _AFTER_SCAN.search(data, end)
            place = after.start() if after else len(data)
            yield Segment(ENTROPY_CODED, end, place)


def lacks_its_end(data: bytes) -> bool:
    """Whether there is no end-of-image marker, so that Pillow calls the file truncated."""
    if data.find(b"\xff\xd9", -1024) >= 0:  # looking through the whole takes a tenth of decoding it
        return False
    return all(segment.marker != _END_OF_IMAGE for segment in segments(data))


def ended(data: bytes) -> tuple[bytes, bytes]:
    """The file with an end-of-image marker, and with more entropy-coded bytes before it: where both give the
    same picture, nothing but the marker was missing."""
    return data + b"\xff\xd9", data + bytes(range(1, 255)) * 8 + b"\xff\xd9"


def read_frame(data: bytes) -> Frame | None:
    """The frame's header; None where there is none before the first scan, or none that makes sense."""
    header = None
    for segment in segments(data):
        body = data[segment.start : segment.end]
        if segment.marker in _FRAMES and len(body) >= 10 + 3 * body[9]:
            header = segment.marker, body
        elif segment.marker == START_OF_SCAN and header is not None and len(body) > 4:
            marker, frame = header
            sampling = tuple((frame[11 + 3 * i] >> 4, frame[11 + 3 * i] & 15) for i in range(frame[9]))
            if not all(h and v for h, v in sampling):
                return None
            progressive = marker & 3 == 2
            return Frame(
                width=int.from_bytes(frame[7:9], "big"),
                height=int.from_bytes(frame[5:7], "big"),
                sampling=sampling,
                progressive=progressive,
                buffered=progressive or body[4] < len(sampling),
            )
    return None


def coefficient_bytes(data: bytes, size: tuple[int, int], channels: int) -> int:
    """What libjpeg will keep of the file's coefficients. Where our parser does not find what Pillow's did
    (`size`, `channels`), it is as much as there can be."""
    frame = read_frame(data)
    if frame and (frame.width, frame.height) == size:
        return frame.coefficient_bytes()
    return 2 * channels * size[0] * size[1]


def without_refinements(data: bytes, shrink: int) -> bytes:
    """A progressive JPEG with only the scans that show at 1/4 or 1/8 (`shrink` 4 or 8) of its size.

    Kept are the DC scans and the first approximation of each component's lowest AC coefficients; at 1/8,
    where a block is one pixel, the AC coefficients only of the components that are subsampled. `data` itself
    comes back where that changes nothing, where it is not a Huffman-coded progressive JPEG, or where it does
    not end as it should (so that the decoder can complain). Raises Reject over _MAX_SCANS.
    """
    kept: list[bytes] = [data[:2]]
    tables: list[int] = []  # the places in `kept` of quantization tables
    finest: dict[int, int] = {}  # components of which a block becomes few pixels, and their tables
    scans = dropped = 0
    ended = wanted = False
    for segment in segments(data):
        body = data[segment.start : segment.end]
        if segment.marker in _FRAMES:
            if segment.marker != _PROGRESSIVE:
                return data
            finest = _finest(body)
        if segment.marker == START_OF_SCAN:
            scans += 1
            if scans > _MAX_SCANS:
                raise Reject(f"more than {_MAX_SCANS} scans in a progressive JPEG", "too-slow")
            wanted = _shows(body, finest.keys() if shrink == 8 else ())
            dropped += not wanted
        if segment.marker == _QUANTIZATION:
            tables.append(len(kept))
        if wanted or segment.marker not in (START_OF_SCAN, ENTROPY_CODED):
            kept.append(body)
        ended = segment.marker == _END_OF_IMAGE
    if not ended or not dropped:
        return data
    for place in tables:
        kept[place] = _never_smoothed(kept[place], set(finest.values()))
    return b"".join(kept)


def _never_smoothed(tables: bytes, names: set[int]) -> bytes:
    """A segment of quantization tables (T.81, B.2.4.1) with 0 for a coefficient nobody looks at.

    Where scans are missing, libjpeg guesses what they held from 25 blocks around, and blurs what is known.
    It does not where it would divide by zero (smoothing_ok in jdcoefct.c): decoding is 1.3 to 2.4 times as
    fast, and up to 1.7 dB closer at 1/8.
    """
    changed = bytearray(tables)
    place = 4
    while place < len(tables):
        size = 1 + (tables[place] >> 4)  # bytes a factor
        start = place + 1 + _UNUSED * size
        if tables[place] & 15 in names and start + size <= len(tables):
            changed[start : start + size] = bytes(size)
        place += 1 + 64 * size
    return bytes(changed)


def _shows(scan: bytes, one_pixel: Collection[int]) -> bool:
    """Whether a small picture needs the scan with this header: marker, length, count, then two bytes a
    component, the first and the last coefficient, and the bits it approximates (T.81, B.2.3)."""
    count = scan[4] if len(scan) > 4 else 0
    if len(scan) < 8 + 2 * count:
        return True
    first, refines = scan[5 + 2 * count], scan[7 + 2 * count] >> 4 > 0
    return first == 0 or (first == 1 and not refines and scan[5] not in one_pixel)


def _finest(frame: bytes) -> dict[int, int]:
    """The components in a frame's header with the largest sampling factors: identifier to table."""
    components = [frame[start : start + 3] for start in range(10, 10 + 3 * frame[9], 3)]
    sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in components if len(part) == 3}
    most = (
        max((h for h, _ in sampling.values()), default=0),
        max((v for _, v in sampling.values()), default=0),
    )
    return {part[0]: part[2] for part in components if len(part) == 3 and sampling[part[0]] == most}
