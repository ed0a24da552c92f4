"""What the first bytes of a file say, before anything is decoded."""

from __future__ import annotations

import importlib

from PIL import Image

from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile

# The limit is the budget of memory (cost.peak_bytes), in bytes; Pillow counts pixels, whatever they take.
Image.MAX_IMAGE_PIXELS = None

# Frames of which the second is not another picture but the next moment.
_ANIMATED = ("gif", "webp", "png", "avif")


def sniff(data: bytes) -> str:
    """The format by content, one of config.thumbnails.FORMATS, or "" for none of them."""
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
