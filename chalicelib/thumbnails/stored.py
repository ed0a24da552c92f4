"""Thumbnails as they are in their bucket, and what each says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.config import Config
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import NotFound, Reject, TooLarge
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.thumbnails.formats import extensions, media_type
from chalicelib.thumbnails.keys import all_keys, has_layout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Lambda answers at most 6 MB, and base64 makes four of three.
MAX_SHOWN = 4_500_000


ABSENT = (403, 404)


def thumbnail(key: str, s3: S3Client, config: Config) -> tuple[bytes, str]:
    """GET /thumbnails/{key}: its bytes and media type. Raises NotFound, and TooLarge.

    Only what consume has put there is served: a key of its prefix and layout, as the image that it is named.
    """
    media = media_type(key.rpartition(".")[2])
    if not media or not has_layout(key, config) or len(key.encode()) > MAX_KEY_BYTES:
        raise NotFound("no thumbnail of this stage's settings has such a key")
    try:
        found = s3.get_object(Bucket=config.thumbnails_bucket, Key=key)
    except s3.exceptions.NoSuchKey as e:
        raise NotFound("there is no such thumbnail") from e
    with found["Body"] as body:
        if found["ContentLength"] > MAX_SHOWN:
            raise TooLarge(f"it has {found['ContentLength']:,} bytes; up to {MAX_SHOWN:,} are shown here")
        return body.read(), media


def thumbnails_of(s3: S3Client, config: Config, key: str) -> list[StoredThumbnail]:
    """Those that are there, smallest setting first, in whatever format."""
    there = []
    for extension in extensions(config.thumbnails.output):
        for name in _keys(key, extension, config):
            head = _head(s3, config.thumbnails_bucket, name)
            if head:
                there.append(head)
    return there


def _keys(key: str, extension: str, config: Config) -> tuple[str, ...]:
    try:
        return all_keys(key, extension, config)
    except Reject:
        return ()  # a key so long that its thumbnails could have no name


def _head(s3: S3Client, bucket: str, name: str) -> StoredThumbnail | None:
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=name)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] in ABSENT:
            return None
        raise
    made = head["Metadata"]
    return StoredThumbnail(
        key=name,
        size=head["ContentLength"],
        made_at=made.get("made-at"),
        source_etag=made.get("source-etag"),
        event_time=made.get("event-time"),
        forwarded=made.get("forwarded-at"),
        started=made.get("started-at"),
    )


@dataclass(frozen=True)
class StoredThumbnail:
    """One thumbnail, by its own metadata."""

    key: str
    size: int
    made_at: str | None
    source_etag: str | None
    event_time: str | None = None
    forwarded: str | None = None
    started: str | None = None


def made_with(settings: ThumbnailSettings, focus: tuple[float, float]) -> str:
    """The settings in eight characters: other settings make other thumbnails of the same object, and so does
    another focal point."""
    # These change nothing that is seen.
    looks = replace(settings, memory_budget=0, process_limit=0, time_limit=0)
    return hashlib.sha256(repr((looks, focus)).encode()).hexdigest()[:8]
