"""What the first bytes of a file say, before anything is decoded."""

from __future__ import annotations

import importlib
from typing import Any

from PIL import Image, ImageFile

from chalicelib.config.thumbnails import FORMATS
from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import bmff, gif, png
from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile

# The memory budget is the limit, in bytes and per format; Pillow's is in pixels, the same for all.
Image.MAX_IMAGE_PIXELS = None

_BEGINNINGS = {
    "jpeg": (b"\xff\xd8\xff",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "gif": (b"GIF87a", b"GIF89a"),
    "raw": (b"II*\0\x10\0\0\0CR", b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "bmp": (b"BM",),
    "psd": (b"8BPS",),
    "pdf": (b"%PDF-",),
    "jxl": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}


def sniff(data: bytes) -> str:
    """The format by content: one of the setting's FORMATS, another one we know by name, or ""."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    brands = bmff.brands(data)
    if brands & {b"avif", b"avis"}:
        return "avif"
    if brands & _HEIC:
        return "heic"
    if b"crx " in brands:
        return "raw"
    for form, beginnings in _BEGINNINGS.items():
        if data.startswith(beginnings):
            return form
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "svg" if start.startswith((b"<?xml", b"<!", b"<svg")) and b"<svg" in start else ""


def open_image(data: bytes, formats: tuple[str, ...], deadline: Deadline) -> ImageFile.ImageFile:
    """The image with its header read and no pixel decoded. Raises Reject, or what Pillow raises."""
    kind = sniff(data)
    if kind not in formats:
        hint = f"; add {kind} to THUMBNAIL_FORMATS" if kind in FORMATS else ""
        said = f"{kind or 'the content'} is not among the formats taken ({', '.join(formats)}){hint}"
        raise Reject(said, "not-an-image")
    if kind == "gif":
        return gif.GifPlayer(TimedFile(data, deadline))
    if kind == "tiff":
        from chalicelib.thumbnails.imaging import tiff

        return tiff.opened(TimedFile(data, deadline))
    if kind == "heic":
        from chalicelib.thumbnails.imaging import heic

        return heic.opened(data, deadline)
    plugin = load_plugin(kind)
    image: ImageFile.ImageFile
    if kind == "png":
        plugin.MAX_TEXT_CHUNK = png.MAX_PROFILE
        image = plugin.PngImageFile(TimedFile(png.without_text(data), deadline))
        png.mend_transparency(image, data)
        return image
    name = {"webp": "WebP", "bmp": "Bmp"}.get(kind, kind.capitalize())
    image = getattr(plugin, f"{name}ImageFile")(TimedFile(data, deadline))
    return image


def load_plugin(form: str) -> Any:
    """Makes Pillow know this format alone: importing all its plugins takes longer than a thumbnail."""
    name = "WebP" if form == "webp" else form.capitalize()
    return importlib.import_module(f"PIL.{name}ImagePlugin")


def frame_count(image: Image.Image) -> int:
    """How many moments the image shows. Reads the frames' headers, not their pixels. An APNG's default
    image, for programs that do not know APNG, is none of them."""
    if image.format not in ("GIF", "WEBP", "PNG", "AVIF"):
        return 1
    return int(getattr(image, "n_frames", 1)) - first_frame(image)


def first_frame(image: Image.Image) -> int:
    """The number of the first of them."""
    return int(bool(getattr(image, "default_image", False)))
