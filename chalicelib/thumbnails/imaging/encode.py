"""The thumbnail's bytes. Nothing of the original's metadata goes along, least of all where it was taken."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.imaging import colour
from chalicelib.thumbnails.imaging.header import load_plugin

# Huffman tables of its own are half of a JPEG's time to encode. They save a smooth picture 5 to 38 % of its
# bytes, a busy one 1 to 3 %. Which it is, the bytes of its smallest thumbnail tell, beyond so many for the
# headers and for few pixels.
_ANYWAY = 900


def format_for(image: Image.Image, settings: ThumbnailSettings) -> str:
    """The format of a straight image's thumbnail."""
    if settings.output != "auto":
        return settings.output
    return "jpeg" if colour.is_opaque(image) else "webp"


def still(
    image: Image.Image, form: str, settings: ThumbnailSettings, profile: bytes, smooth: bool | None
) -> tuple[bytes, bool | None]:
    """A straight L, LA, RGB or RGBA image in format `form`, with `profile` unless it is empty; and whether
    the picture is smooth, as a smaller size of it has told (`smooth`), or as this one does."""
    if colour.is_opaque(image):
        mode = "L" if image.mode in ("L", "LA") else "RGB"
        image = image if image.mode == mode else image.convert(mode)
    elif form == "jpeg":
        image = colour.flattened(image, settings.background)
    if form != "jpeg":
        return _saved(image, form, settings, profile, {}), smooth
    data = _saved(image, form, settings, profile, {"optimize": smooth is not False})
    if smooth is None:
        # The power, because the larger a picture, the less there is in a pixel. Fitted to fifty photographs.
        smooth = len(data) - len(profile) < _ANYWAY + 1.4 * (image.width * image.height) ** 0.8
    return data, smooth


def moving(
    frames: Sequence[Image.Image],
    durations: Sequence[int],
    loop: int,
    form: str,
    settings: ThumbnailSettings,
    profile: bytes,
) -> bytes:
    """Frames of one size, each shown for its duration in milliseconds, `loop` times (0: for ever, as is more
    than WebP's 16 bits can say)."""
    loop = loop if loop < 1 << 16 else 0
    first, *rest = (frame.convert("RGBA") for frame in frames)
    options: dict[str, object] = {"append_images": rest, "duration": list(durations), "loop": loop}
    return _saved(first, form, settings, profile, {"save_all": True, **options})


def _saved(
    image: Image.Image, form: str, settings: ThumbnailSettings, profile: bytes, options: dict[str, object]
) -> bytes:
    load_plugin(form)
    quality = {
        "jpeg": settings.jpeg_quality,
        "webp": settings.webp_quality,
        "avif": settings.avif_quality,
    }.get(form)
    image.info = {}  # Pillow would write comments, resolutions and transparency it finds here
    out = io.BytesIO()
    if quality is not None:
        options = {"quality": quality, **options}
    if profile:
        options = {"icc_profile": profile, **options}
    image.save(out, form.upper(), **options)
    return out.getvalue()
