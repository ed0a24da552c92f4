"""Formats, their file extensions and media types."""

from __future__ import annotations

EXTENSION_OF = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}


def extension(form: str) -> str:
    """Without the dot."""
    return EXTENSION_OF[form]


CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}


# What a thumbnail's name may end in, by THUMBNAIL_OUTPUT.
EXTENSIONS = {
    "auto": ("jpg", "webp"),
    "jpeg": ("jpg",),
    "png": ("png",),
    "webp": ("webp",),
    "avif": ("avif",),
}
