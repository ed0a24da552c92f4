"""A still, opaque WebP, reduced by libwebp while it decodes, or handed over in planes.

Pillow decodes every WebP whole, through two canvases of 4 bytes a pixel, and has no way to ask for less.
Asked directly, the libwebp that Pillow brings takes two thirds of the time, and a fiftieth of the memory
where it reduces: a few rows exist at a time. Planes are 1.5 bytes a pixel.
Whatever is not as expected here is left to Pillow: no such library, alpha (libwebp would let colours nobody
sees bleed), animation, a file cut short.

Container: https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from PIL import Image, ImageFile

from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile
from chalicelib.thumbnails.imaging.resample import resized

if TYPE_CHECKING:
    from chalicelib.thumbnails.imaging import libwebp

_HEADER = 12  # bytes before the first chunk: RIFF, size, WEBP
_LOSSY, _LOSSLESS = 1, 2  # libwebp's formats
_HAS_ICC, _HAS_EXIF = 0x20, 0x08  # among the flags of VP8X


class ReducibleWebp(ImageFile.ImageFile):
    """Opened: its size, profile and Exif. Its pixels come by reduced() alone."""

    format = "WEBP"
    data: bytes
    simple: bool  # a picture is there, and neither alpha nor animation
    lossless: bool
    _end = 0  # of the picture: what comes after it is not for its decoder

    def _open(self) -> None:
        assert self.fp is not None
        self.data = self.fp.read()
        features = _libwebp().features(self.data)
        self._mode = "RGB"
        self._size = features.width, features.height
        plain = features.format in (_LOSSY, _LOSSLESS)
        self.simple = plain and not features.has_alpha and not features.has_animation
        self.lossless = features.format == _LOSSLESS
        flags = self.data[20] if self.data[12:16] == b"VP8X" else 0
        for kind, start, end in _chunks(self.data):
            if kind in (b"VP8 ", b"VP8L") and not self._end:
                self._end = end
            elif kind == b"ICCP" and flags & _HAS_ICC:
                self.info["icc_profile"] = self.data[start:end]
            elif kind == b"EXIF" and flags & _HAS_EXIF:
                self.info["exif"] = self.data[start:end]

    def reduced(self, size: tuple[int, int], deadline: Deadline) -> Image.Image:
        """All of it at `size`, which is no larger, averaged. Raises OSError where it is damaged."""
        return Image.frombytes("RGB", size, _libwebp().decoded(self.data, self._end, size, deadline.check))

    def reduced_in_planes(self, size: tuple[int, int], deadline: Deadline) -> Image.Image:
        """The same of a lossy picture with vectors, its colours at half of `size`, as a JPEG keeps them."""
        from chalicelib.thumbnails.imaging.libwebp import plane_sizes

        library = _libwebp()
        planes = library.planes(self.data, self._end, self.size, deadline.check)
        smaller = []
        for there, wanted, plane in zip(plane_sizes(self.size), plane_sizes(size), planes, strict=True):
            buffer = cast("bytes", plane)  # Pillow 12's types know no other buffer; 13's do
            image = Image.frombuffer("L", there, buffer, "raw", "L", 0, 1)
            smaller.append(resized(image, wanted, soft=True).tobytes())
        return Image.frombuffer("RGB", size, library.bgrx(smaller, size), "raw", "BGRX", 0, 1)


def opened(data: bytes, deadline: Deadline) -> ReducibleWebp | None:
    """None where it is no WebP, or Pillow has to do it."""
    if data[8:12] != b"WEBP" or int.from_bytes(data[4:8], "little") + 8 > len(data):
        return None
    try:
        image = ReducibleWebp(TimedFile(data, deadline))
    except (OSError, SyntaxError):
        return None
    return image if image.simple else None


def _libwebp() -> libwebp.Library:
    """Loaded with the first WebP: ctypes is not imported for a JPEG."""
    from PIL import WebPImagePlugin  # noqa: F401  brings libwebp in, with what it needs itself

    from chalicelib.thumbnails.imaging import libwebp

    return libwebp.library()


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's body, up to the end of the container."""
    place, last = _HEADER, int.from_bytes(data[4:8], "little") + 8
    while place + 8 <= last:
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], place + 8, min(place + 8 + size, last)
        place += 8 + size + size % 2  # padded to an even length


def canvas_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a WebP file from its first 30 bytes; (0, 0) where they are none.

    Pillow's decoder asks for two canvases of 4 bytes a pixel on opening, so the size has to be known before.
    Layout: https://developers.google.com/speed/webp/docs/riff_container and RFC 6386 section 9.1.
    """
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0
