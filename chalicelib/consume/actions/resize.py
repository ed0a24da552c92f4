"""An image's thumbnails, all sizes, into the thumbnails bucket.

Each carries as metadata what it was made from (`source-etag`, `source-sequencer`, `event-time`, `upload-id`),
with which settings, and when it was forwarded, started and made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib import times
from chalicelib.aws import errors
from chalicelib.config import Config
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.consume.actions.memory import MemoryBudget
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.errors import Reject
from chalicelib.events import ObjectCreated, is_later
from chalicelib.thumbnails import make
from chalicelib.thumbnails.formats import EXTENSIONS
from chalicelib.thumbnails.keys import all_keys, thumbnail_key
from chalicelib.thumbnails.stored import made_with, metadata_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Under one key a thumbnail changes only when its source does.
CACHE_CONTROL = "public, max-age=86400"
# Of the memory budget, what files may hold that wait for their turn to be decoded.
WAITING_SHARE = 4


class Resize:
    """Makes the thumbnails of one object a call. Calls may overlap: together they stay within the memory.

    Files wait in one part of the budget and are decoded in the other. Whoever holds memory of the second
    needs no more of it, so threads cannot wait for each other for ever.
    """

    def __init__(self, s3: S3Client, config: Config) -> None:
        total = config.thumbnails.memory_budget
        self._s3 = s3
        self._config = config
        self._waiting = MemoryBudget(total // WAITING_SHARE)
        self._decoding = MemoryBudget(total - total // WAITING_SHARE)

    def __call__(self, created: ObjectCreated, delivery: Delivery) -> ActionResult:
        return resize(created, delivery, self._s3, self._config, self._waiting, self._decoding)


def resize(
    created: ObjectCreated,
    delivery: Delivery,
    s3: S3Client,
    config: Config,
    waiting: MemoryBudget,
    decoding: MemoryBudget,
) -> ActionResult:
    """Write all the thumbnails of the object as it is now, unless they are `unchanged` or `superseded`.

    The object's present contents count, not the event's version: whichever event comes last, the newest
    contents win. Raises Reject for what can never be made, Retry for what may be made later.
    """
    _check_size(created.size, config)
    settings = replace(config.thumbnails, memory_budget=decoding.total)
    with errors.errors_translated(f"thumbnails of {created.bucket}/{created.key}"):
        if created.etag and (known := _already_made(s3, config, created, created.etag)):
            return known
        source = s3.get_object(Bucket=created.bucket, Key=created.key)
        etag = source["ETag"].strip('"')
        with source["Body"] as body:
            _check_size(source["ContentLength"], config)
            if etag != created.etag and (known := _already_made(s3, config, created, etag)):
                return known
            with waiting.reserved(source["ContentLength"]):
                data = body.read()
                with decoding.reserved(make.estimate(data, settings)):
                    made = make.make(data, settings)
        metadata = _metadata(created, delivery, etag, config.thumbnails)
        keys: list[str] = []
        for thumbnail in made:  # in the order of the settings: _already_made looks for the last
            keys.append(
                thumbnail_key(created.key, thumbnail.size, thumbnail.extension, config.thumbnails_prefix)
            )
            s3.put_object(
                Bucket=config.thumbnails_bucket,
                Key=keys[-1],
                Body=thumbnail.data,
                ContentType=thumbnail.content_type,
                CacheControl=CACHE_CONTROL,
                Metadata=metadata,
            )
    return ActionResult("made", tuple(keys), len(data), sum(len(thumbnail.data) for thumbnail in made))


def _already_made(s3: S3Client, config: Config, created: ObjectCreated, etag: str) -> ActionResult | None:
    """`unchanged` or `superseded` when no thumbnail has to be made.

    Looks only at the last one written: when that is there, all are.
    """
    settings = config.thumbnails
    for extension in EXTENSIONS[settings.output]:
        key = thumbnail_key(created.key, settings.sizes[-1], extension, config.thumbnails_prefix)
        found = metadata_of(s3, config.thumbnails_bucket, key)
        if found.get("source-etag") == etag and found.get("made-with") == made_with(settings):
            return ActionResult("unchanged", all_keys(created.key, extension, config))
        earlier, sequencer = found.get("source-sequencer"), created.sequencer
        if etag == created.etag and earlier and sequencer and is_later(earlier, than=sequencer):
            return ActionResult("superseded", all_keys(created.key, extension, config))
    return None


def _metadata(
    created: ObjectCreated, delivery: Delivery, etag: str, settings: ThumbnailSettings
) -> dict[str, str]:
    same = etag == created.etag  # the sequencer and the times belong to the event's own contents
    known = {
        "source-etag": etag,
        "source-sequencer": created.sequencer if same else None,
        "event-time": created.event_time if same else None,
        "upload-id": created.identity if same else None,
        "forwarded-at": times.iso(delivery.forwarded) if same else None,
        "started-at": times.iso(delivery.started) if same else None,
        "made-with": made_with(settings),
        "made-at": times.iso(times.now()),
    }
    return {name: value for name, value in known.items() if value}


def _check_size(size: int | None, config: Config) -> None:
    if size is not None and size > config.max_image_bytes:
        raise Reject(f"too large: {size:,} bytes; MAX_IMAGE_BYTES allows {config.max_image_bytes:,}")
