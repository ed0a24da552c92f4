"""Pixels that may be averaged, and colours that mean the same everywhere."""

from __future__ import annotations

import io
import struct
from functools import lru_cache

from PIL import Image, ImageChops, ImageCms

from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import resample

# In an image's info, where its lowest value is white: Pillow inverts 8 bits, but no more.
MIN_IS_WHITE = "min_is_white"
# What ICC calls the space of each of our modes (ICC.1:2022, table 19).
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_SAME = 2  # of 255: what sRGB's profiles of different makers differ by
# Red, green and blue of BT.2020 and Display P3 under D50 (as ICC profiles have them), XYZ, by H.273's number.
_COLORANTS = {
    9: ((0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_HDR = {16: "PQ", 18: "HLG"}


def has_alpha(image: Image.Image) -> bool:
    """Whether some pixel may let something through. Raises ValueError for indices without a palette."""
    if image.mode == "P" and image.palette is None:
        raise ValueError("a palette image without its palette")
    return image.has_transparency_data


def plain(image: Image.Image) -> Image.Image:
    """The image as L, RGB, CMYK or LAB, or with (straight) alpha as LA or RGBA."""
    if image.mode.startswith("I;16"):
        return _sixteen_bits(image)
    if has_alpha(image):
        mode = "LA" if image.mode in ("L", "LA", "La") else "RGBA"
        return image if image.mode == mode else image.convert(mode)
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode in ("I", "F"):
        # 32-bit values have no fixed white: the darkest becomes black, the brightest white.
        low, high = image.convert("F").getextrema()
        assert isinstance(low, float)
        assert isinstance(high, float)
        return levelled(image, *((high, low) if image.info.get(MIN_IS_WHITE) else (low, high)))
    return image.convert("L" if image.mode == "1" else "RGB")


def _sixteen_bits(image: Image.Image) -> Image.Image:
    values = image.convert("I")
    grey = levelled(values, *((65535, 0) if image.info.get(MIN_IS_WHITE) else (0, 65535)))
    hidden = image.info.get("transparency")
    if hidden is not None:
        grey.putalpha(values.point([255 * (value != hidden) for value in range(65536)], "L"))
    return grey


def levelled(image: Image.Image, black: float, white: float) -> Image.Image:
    """Values from `black` to `white` as L, rounded: Pillow's own conversion clips them at 255."""
    scale = 255 / (white - black) if white != black else 0.0
    return image.convert("F").point(lambda value: value * scale + (0.5 - black * scale)).convert("L")


def premultiplied(image: Image.Image) -> Image.Image:
    """A plain image as its pixels may be averaged: the colour of a transparent pixel must not bleed into its
    neighbours."""
    if image.mode == "RGBA" and resample.has_vectors():
        from cykooz_resizer import AlphaMulDiv

        return AlphaMulDiv().multiply_alpha_pil(image)
    return image.convert({"LA": "La", "RGBA": "RGBa"}[image.mode]) if image.mode in ("LA", "RGBA") else image


def straight(image: Image.Image) -> Image.Image:
    """Premultiplied alpha undone; other modes as they are."""
    if image.mode == "RGBa" and resample.has_vectors():
        from cykooz_resizer import AlphaMulDiv

        return AlphaMulDiv().divide_alpha_pil(image)
    if image.mode == "RGBa":
        return image.convert("RGBA")
    return image.convert("LA") if image.mode == "La" else image


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A straight image's colours in sRGB, as L, LA, RGB or RGBA. An unreadable profile, or one of another
    colour space than the pixels, counts as none."""
    if image.mode == "LAB":
        return _apply(image, _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB"))
    colours = image.mode.removesuffix("A") if image.mode in ("LA", "RGBA") else image.mode
    transform = _to_srgb(profile, colours) if profile else None
    if transform is None:
        return image.convert("RGB") if image.mode == "CMYK" else image
    if colours == image.mode:
        return _apply(image, transform)
    alpha = image.getchannel("A")
    flat = _apply(image.convert(colours), transform)
    flat.putalpha(alpha)
    return flat


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is for inPlace
    return converted.convert("L") if image.mode == "L" else converted


# A camera's pictures carry the same profile: building a transform takes 1 to 30 ms, as much as a thumbnail.
@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile leaves colours as they are, is of another space than `mode`, or unreadable."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES.get(mode):
            return None
        transform = _transform(source, mode)
        return None if mode != "CMYK" and _changes_nothing(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether colours all over the cube keep their values: what a profile is, whatever it calls itself."""
    levels = range(0, 256, 15)
    colours = bytes(part for r in levels for g in levels for b in levels for part in (r, g, b))
    before = Image.frombytes("RGB", (len(levels) ** 2, len(levels)), colours).convert(mode)
    after = _apply(before, transform)
    return max(ImageChops.difference(before, after).convert("RGB").tobytes()) <= _SAME


def profile_of(image: Image.Image) -> bytes:
    """The image's ICC profile, b"" without one."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""


@lru_cache(maxsize=4)
def coded_profile(primaries: int, transfer: int) -> bytes:
    """The ICC profile of an AVIF's or a HEIC's colours by their code points (ITU-T H.273, tables 2 and 3);
    b"" for sRGB and what is taken for it. Raises Reject for HDR, which would need a tone curve."""
    if transfer in _HDR:
        raise Reject(f"{_HDR[transfer]} (HDR) is not supported", "unsupported")
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, colorant in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _COLORANTS.get(primaries, ()), strict=False):
        entry = profile.index(tag, 128)
        start = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        profile[start : start + 12] = struct.pack(">3i", *(round(65536 * value) for value in colorant))
    return bytes(profile) if primaries in _COLORANTS else b""


@lru_cache(maxsize=16)
def is_rgb(profile: bytes) -> bool:
    """Whether it is a readable profile of RGB colours."""
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() == "RGB"
    except (ImageCms.PyCMSError, OSError):
        return False


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def flattened(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """A straight image laid on `background` (sRGB); opaque ones as they are."""
    if image.mode not in ("LA", "RGBA"):
        return image
    canvas = Image.new("RGBA", image.size, (*background, 255))
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def is_opaque(image: Image.Image) -> bool:
    """Whether no pixel of a straight image lets anything through."""
    if image.mode not in ("LA", "RGBA"):
        return True
    return image.getchannel("A").getextrema() == (255, 255)
