"""Small pictures made for the tests: one scene in every mode, orientation and format."""

from __future__ import annotations

import functools
import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.float64]  # height x width x channels, 0 to 255

# How a camera lays down the scene for each Exif orientation: undone by the same number.
LAID_DOWN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int = 600, height: int = 400) -> Image.Image:
    """RGB, different in every corner, with soft and with fine detail."""
    return _scene(width, height).copy()


@functools.lru_cache(maxsize=16)
def _scene(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / width
    green = 255 * y / height
    blue = 127 + 100 * np.sin(x / 23) * np.cos(y / 17)
    pixels = np.stack([red, green, blue], axis=-1)
    pixels[: height // 4, : width // 4] = (220, 30, 40)
    pixels[-height // 4 :, : width // 4] = (30, 60, 200)
    noise = np.random.default_rng(7).normal(0, 12, (height, width, 1))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8), "RGB")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def oriented(number: int, form: str = "jpeg", image: Image.Image | None = None, **options: object) -> bytes:
    """The scene as a camera held so would store it, with the tag that says so."""
    image = image or scene()
    if number in LAID_DOWN:
        image = image.transpose(LAID_DOWN[number])
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(image, form, exif=exif, **options)


def array(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float64)


def psnr(one: Pixels, other: Pixels) -> float:
    """Decibels; the larger the more alike, 99 for equal ones."""
    error = float(np.mean((one - other) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def light(pixels: Pixels) -> Pixels:
    """sRGB's values as linear light, 0 to 1 (IEC 61966-2-1)."""
    value = pixels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def unlight(linear: Pixels) -> Pixels:
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def lanczos(pixels: Pixels, width: int, height: int) -> Pixels:
    """A separable Lanczos-3 reduction in double precision, independent of Pillow's."""
    rows = np.tensordot(_weights(pixels.shape[0], height), pixels, axes=1)
    return np.tensordot(_weights(pixels.shape[1], width), rows, axes=(1, 1)).transpose(1, 0, 2)


def _weights(before: int, after: int) -> Pixels:
    ratio = before / after
    centres = (np.arange(after)[:, None] + 0.5) * ratio
    distance = (np.arange(before)[None, :] + 0.5 - centres) / ratio
    weights = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
    normalised: Pixels = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int, colour_type: int = 6) -> bytes:
    """A PNG whose header promises far more pixels than it holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def webp_claiming(width: int, height: int) -> bytes:
    """34 bytes: a lossless WebP of one colour, as large as its 14-bit fields can say."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + bits.to_bytes(4, "little") + b"\x88\x88\x08\x00\x00\x00\x00\x00\x00"[:9]
    payload = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(payload)) + payload
