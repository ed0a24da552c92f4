"""An image's thumbnails, all sizes, into the thumbnails bucket.

Key layout: `{THUMBNAILS_PREFIX}{key}_{size}.{extension}`, such as `photos/cat.png_256.jpg`. It keeps the
whole name, so the thumbnails of `cat.png` and `cat.jpg` never meet. Each carries as metadata what it was
made from (`source-etag`, `source-sequencer`, `event-time`), with which settings, and when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import aws, logs, thumbnails
from chalicelib.actions.memory import MemoryBudget
from chalicelib.config import Config
from chalicelib.errors import Reject
from chalicelib.events import MAX_KEY_BYTES, ObjectCreated, is_later
from chalicelib.thumbnail_settings import ThumbnailSettings
from chalicelib.thumbnails import Thumbnail

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Under one key a thumbnail changes only when its source does.
CACHE_CONTROL = "public, max-age=86400"
# Enough of an image to find its width and height; a file that hides them further in is made alone.
HEAD_BYTES = 65_536


class Resize:
    """Makes one object's thumbnails after another's; may be called from several threads."""

    def __init__(self, s3: S3Client, config: Config) -> None:
        self._s3 = s3
        self._config = config
        self._memory = MemoryBudget(config.thumbnails.memory_budget)

    def __call__(self, created: ObjectCreated, message_id: str) -> None:
        resize(created, self._s3, self._config, self._memory)


def resize(created: ObjectCreated, s3: S3Client, config: Config, memory: MemoryBudget) -> str:
    """Write all the thumbnails of the object as it is now; returns `made`, or why that was not needed.

    The object's present contents count, not the event's version: whichever event comes last, the newest
    contents win. Raises Reject for what can never be made, Retry for what may be made later.
    """
    _check_size(created.size, config)
    with aws.errors_translated(f"thumbnails of {created.bucket}/{created.key}"):
        if created.etag and (known := _already_made(s3, config, created, created.etag)):
            return known
        source = s3.get_object(Bucket=created.bucket, Key=created.key)
        body, etag = source["Body"], source["ETag"].strip('"')
        with body:
            _check_size(source["ContentLength"], config)
            if etag != created.etag and (known := _already_made(s3, config, created, etag)):
                return known
            head = body.read(HEAD_BYTES)
            needed = source["ContentLength"] + thumbnails.estimate(head, config.thumbnails)
            with memory.reserved(needed):
                made = thumbnails.make(head + body.read(), config.thumbnails)
        metadata = _metadata(created, etag, config.thumbnails)
        for thumbnail in made:  # in the order of the settings: _already_made looks for the last
            s3.put_object(
                Bucket=config.thumbnails_bucket,
                Key=thumbnail_key(created.key, thumbnail.size, thumbnail.extension, config.thumbnails_prefix),
                Body=thumbnail.data,
                ContentType=thumbnail.content_type,
                CacheControl=CACHE_CONTROL,
                Metadata=metadata,
            )
    logs.line("thumbnails", key=created.key, sizes=[_dimensions(thumbnail) for thumbnail in made])
    return "made"


def thumbnail_key(key: str, size: int, extension: str, prefix: str = "") -> str:
    """Where the thumbnail is kept. Raises Reject when S3 would refuse so long a key."""
    result = f"{prefix}{key}_{size}.{extension}"
    if len(result.encode()) > MAX_KEY_BYTES:
        raise Reject(f"the thumbnail's key would be longer than the {MAX_KEY_BYTES} bytes S3 allows")
    return result


def _already_made(s3: S3Client, config: Config, created: ObjectCreated, etag: str) -> str:
    """`unchanged` or `superseded` when no thumbnail has to be made, else an empty string.

    Looks only at the last one written: when that is there, all are.
    """
    settings = config.thumbnails
    for extension in thumbnails.extensions(settings):
        key = thumbnail_key(created.key, settings.sizes[-1], extension, config.thumbnails_prefix)
        found = _metadata_of(s3, config.thumbnails_bucket, key)
        if found.get("source-etag") == etag and found.get("made-with") == _made_with(settings):
            return "unchanged"
        earlier, sequencer = found.get("source-sequencer"), created.sequencer
        if etag == created.etag and earlier and sequencer and is_later(earlier, than=sequencer):
            return "superseded"
    return ""


def _metadata_of(s3: S3Client, bucket: str, key: str) -> Mapping[str, str]:
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key)["Metadata"]
    except ClientError as e:
        # Without s3:ListBucket, which this function does not have, S3 says 403 for a key that is not there.
        if e.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (403, 404):
            return {}
        raise


def _metadata(created: ObjectCreated, etag: str, settings: ThumbnailSettings) -> dict[str, str]:
    same = etag == created.etag  # the sequencer and the time belong to the event's own contents
    known = {
        "source-etag": etag,
        "source-sequencer": created.sequencer if same else None,
        "event-time": created.event_time if same else None,
        "made-with": _made_with(settings),
        "made-at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return {name: value for name, value in known.items() if value}


def _made_with(settings: ThumbnailSettings) -> str:
    """The settings in eight characters: other settings make other thumbnails of the same object."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:8]


def _check_size(size: int | None, config: Config) -> None:
    if size is not None and size > config.max_image_bytes:
        raise Reject(f"too large: {size:,} bytes; MAX_IMAGE_BYTES allows {config.max_image_bytes:,}")


def _dimensions(thumbnail: Thumbnail) -> str:
    return f"{thumbnail.width}x{thumbnail.height}"
