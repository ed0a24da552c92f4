"""What the first bytes of a file say, before anything is decoded."""

from __future__ import annotations

import importlib
import io
import time
from collections.abc import Callable

from PIL import Image

from chalicelib.errors import Reject

# The budget below is the limit, in bytes and per format; Pillow's is in pixels, the same for all.
Image.MAX_IMAGE_PIXELS = None

# Frames of which the second is not another picture but the next moment.
_ANIMATED = ("gif", "webp", "png", "avif")


class Deadline:
    """`seconds` from now by `clock`; check() rejects once they are over."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def check(self) -> None:
        if self._clock() >= self._end:
            raise Reject(f"not done within {self._seconds:g} s")


class TimedFile(io.BytesIO):
    """A file over bytes (not copied) of which every read looks at the clock: Pillow reads JPEG, PNG, GIF and
    TIFF 64 kB at a time, so their decoders stop in the midst of a picture. WebP and AVIF are read whole."""

    def __init__(self, data: bytes, deadline: Deadline) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        self._deadline.check()
        return super().read(size)


def sniff(data: bytes) -> str:
    """The format by content, one of thumbnail_settings.FORMATS, or "" for none of them."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and b"avi" in data[8:40]:  # brands avif, avis
        return "avif"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    return ""


def open_image(data: bytes, formats: tuple[str, ...], deadline: Deadline) -> Image.Image:
    """The image with its header read and no pixel decoded. Raises Reject, or what Pillow raises."""
    kind = sniff(data)
    if kind not in formats:
        wanted = ", ".join(formats)
        raise Reject(f"{kind or 'the content'} is not among the formats taken ({wanted})")
    load_plugin(kind)
    return Image.open(TimedFile(data, deadline), formats=(kind.upper(),))


def load_plugin(form: str) -> None:
    """Makes Pillow know this format alone: importing all its plugins takes longer than a thumbnail."""
    name = "WebP" if form == "webp" else form.capitalize()
    importlib.import_module(f"PIL.{name}ImagePlugin")


def frame_count(image: Image.Image) -> int:
    """How many moments the image shows. Reads the frames' headers, not their pixels."""
    if (image.format or "").lower() not in _ANIMATED or not getattr(image, "is_animated", False):
        return 1
    return int(getattr(image, "n_frames", 1))


def webp_canvas(data: bytes) -> tuple[int, int]:
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
