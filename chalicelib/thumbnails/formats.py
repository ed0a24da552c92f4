"""The formats of thumbnails: their file extensions, media types, and what a name may end in."""

from __future__ import annotations

from types import MappingProxyType

_EXTENSIONS = MappingProxyType({"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"})
_MEDIA_TYPES = MappingProxyType({extension: f"image/{form}" for form, extension in _EXTENSIONS.items()})

# Formats an output can animate; the others show the first frame.
ANIMATED = ("webp", "avif")
# Whatever the settings are or have been.
ALL_EXTENSIONS = tuple(_MEDIA_TYPES)


def extension(form: str) -> str:
    """Without the dot."""
    return _EXTENSIONS[form]


def media_type(extension: str) -> str:
    """By the extension; empty for one that no thumbnail has."""
    return _MEDIA_TYPES.get(extension, "")


def extensions(output: str) -> tuple[str, ...]:
    """What a thumbnail's name may end in, by THUMBNAIL_OUTPUT: `auto` depends on the picture."""
    return ("jpg", "webp") if output == "auto" else (_EXTENSIONS[output],)
