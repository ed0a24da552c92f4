"""A thumbnail's key: `{THUMBNAILS_PREFIX}{key}_{size}.{extension}`, such as `photos/cat.png_256.jpg`.

The whole name of the object is kept, so the thumbnails of `cat.png` and `cat.jpg` never meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import Reject
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.thumbnails.formats import ALL_EXTENSIONS

if TYPE_CHECKING:
    from chalicelib.config import Config


def thumbnail_key(key: str, size: str, extension: str, prefix: str = "") -> str:
    """Where the thumbnail is kept; `size` is a name. Raises Reject when S3 would refuse so long a key."""
    result = f"{prefix}{key}_{size}.{extension}"
    if len(result.encode()) > MAX_KEY_BYTES:
        said = f"the thumbnail's key would be longer than the {MAX_KEY_BYTES} bytes S3 allows"
        raise Reject(said, "key-too-long")
    return result


def has_layout(key: str, config: Config) -> bool:
    """Whether a thumbnail may have the key, by the settings that hold for its object."""
    prefix = config.thumbnails_prefix
    rest, _, extension = key.removeprefix(prefix).rpartition(".")
    name, _, size = rest.rpartition("_")
    sizes = {one.name for one in config.of_key(name).thumbnails.named_sizes}
    return key.startswith(prefix) and bool(name) and size in sizes and extension in ALL_EXTENSIONS


def all_keys(key: str, extension: str, config: Config) -> tuple[str, ...]:
    """Where all the thumbnails of one object are, in the order of THUMBNAIL_SIZES. Raises Reject."""
    prefix = config.thumbnails_prefix
    return tuple(thumbnail_key(key, size.name, extension, prefix) for size in config.thumbnails.named_sizes)
