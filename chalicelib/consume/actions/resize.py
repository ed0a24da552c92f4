"""An image's thumbnails, all sizes, into the thumbnails bucket.

Each carries as metadata what it was made from (`source-etag`, `source-sequencer`, `event-time`, `upload-id`),
with which settings, when it was forwarded, started and made, and what a page needs besides the picture:
`width` and `height` in pixels and the `thumbhash`.

Requests for a new upload: GET, a PUT a size, one DELETE of what earlier contents had in other formats, and a
HEAD that shows whether the contents are still these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from chalicelib import times
from chalicelib.aws import clients, errors, objects
from chalicelib.config import Config
from chalicelib.consume.memory import MemoryBudget
from chalicelib.consume.outcomes import ActionResult, Delivery, Output
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated, is_later
from chalicelib.thumbnails import make
from chalicelib.thumbnails.formats import ALL_EXTENSIONS, extensions
from chalicelib.thumbnails.imaging.box import CENTRE
from chalicelib.thumbnails.keys import all_keys, thumbnail_key
from chalicelib.thumbnails.make import Source, Thumbnail
from chalicelib.thumbnails.stored import made_with

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from chalicelib.consume.actions import Action

NEEDS = {
    "s3:GetObject": ("IMAGES_BUCKET", "THUMBNAILS_BUCKET"),
    "s3:PutObject": "THUMBNAILS_BUCKET",
    "s3:DeleteObject": "THUMBNAILS_BUCKET",
}
# Contents that change this often while thumbnails are made of them are given to the next try.
MOST_LOOKS = 3


def action(config: Config) -> Action:
    return resizer(clients.s3(), config)


@cache
def _budgets(waiting: int, decoding: int) -> tuple[MemoryBudget, MemoryBudget]:
    """Of the process: all lines of an action table share them."""
    return MemoryBudget(waiting), MemoryBudget(decoding)


def resizer(s3: S3Client, config: Config) -> Action:
    """The action of this process. Calls may overlap: together they stay within the memory.

    Files wait in one budget and are decoded in the other. Whoever holds memory of the second needs no more
    of it, so threads cannot wait for each other for ever.
    """
    waiting, decoding = _budgets(config.thumbnails.waiting_budget, config.thumbnails.memory_budget)
    return partial(resize, s3=s3, config=config, waiting=waiting, decoding=decoding)


def resize(
    created: ObjectCreated,
    delivery: Delivery,
    s3: S3Client,
    config: Config,
    waiting: MemoryBudget,
    decoding: MemoryBudget,
) -> ActionResult:
    """Write all the thumbnails of the object as it is now, unless they are `unchanged` or `superseded`.

    The object's present contents count, not the event's version, and they are looked at again after the
    writes: whichever run ends last, and however runs interleave, it leaves thumbnails of the newest contents
    alone, all sizes in one format; with DELETE_WITH_ORIGINAL none of an object that is gone. Raises Reject
    for what can never be made, Retry for what may be later.
    """
    _check_size(created.size, config)
    # An upload's first delivery: nobody has made its thumbnails, but for a duplicate, which does no harm.
    fresh = delivery.tries == delivery.receives == 1 and created.sequencer is not None and not created.removed
    with errors.errors_translated(f"thumbnails of {created.bucket}/{created.key}"):
        for _ in range(MOST_LOOKS):
            source = _source(s3, config, created)
            if source is None:
                if gone := _taken_back(s3, config, created):
                    return gone
                fresh = False
                continue  # it is there again
            etag, focus = source["ETag"].strip('"'), focal_point(source["Metadata"])
            with source["Body"] as body:
                _check_size(source["ContentLength"], config)
                look = made_with(config.thumbnails, focus)
                if not (fresh and etag == created.etag) and (
                    known := _already_made(s3, config, created, etag, look)
                ):
                    return known
                with waiting.reserved(source["ContentLength"]):
                    data = body.read()
                    picture, made = _thumbnails(data, focus, config, decoding)
            outputs = _write(s3, config, created.key, made, _metadata(created, delivery, etag, look))
            now = objects.head(s3, created.bucket, created.key, _absent(config))
            if now and now["ETag"].strip('"') == etag:
                return ActionResult("made", outputs, len(data), *picture.size)
            fresh = False
    raise Retry("the object changed each time its thumbnails had been made")


def _absent(config: Config) -> tuple[int, ...]:
    """The answers that say that an object is gone. 403 never does: a permission may be missing."""
    return (404,) if config.delete_with_original else ()


def _source(s3: S3Client, config: Config, created: ObjectCreated) -> GetObjectOutputTypeDef | None:
    """The object as it is now; None where it is gone and its thumbnails are to go with it.

    A bucket that is not there is none of the stage's: the thumbnails are of another object.
    """
    from botocore.exceptions import ClientError

    try:
        return s3.get_object(Bucket=created.bucket, Key=created.key)
    except ClientError as e:
        gone = e.response["ResponseMetadata"]["HTTPStatusCode"] in _absent(config)
        if gone and e.response["Error"]["Code"] != "NoSuchBucket":
            return None
        raise


def _taken_back(s3: S3Client, config: Config, created: ObjectCreated) -> ActionResult | None:
    """Delete the thumbnails of an object that is gone; None where it is there again afterwards.

    One whose source is later than the event is left: a later event is about it. Between look and delete
    another run may write a thumbnail anew: then If-Match refuses, or, where it has the same bytes, the last
    look finds the object, and its thumbnails are made again.
    """
    for key in _all_layout_keys(created.key, config):
        there = objects.head(s3, config.thumbnails_bucket, key)
        made_of = there["Metadata"].get("source-sequencer", "") if there else ""
        later = made_of and created.sequencer and is_later(made_of, than=created.sequencer)
        if there and not later:
            _delete_as_seen(s3, config.thumbnails_bucket, key, there["ETag"])
    if objects.head(s3, created.bucket, created.key, _absent(config)):
        return None
    return ActionResult("removed", says="the object is gone, and its thumbnails with it")


def _all_layout_keys(key: str, config: Config) -> list[str]:
    """Of every size and format; none for a key so long that its thumbnails can have none."""
    try:
        return [one for extension in ALL_EXTENSIONS for one in all_keys(key, extension, config)]
    except Reject:
        return []


def _delete_as_seen(s3: S3Client, bucket: str, key: str, etag: str) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.delete_object(Bucket=bucket, Key=key, IfMatch=etag)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # somebody else has deleted it
            raise


def focal_point(metadata: Mapping[str, str]) -> tuple[float, float]:
    """What a cut is to keep in its middle, by the object's metadata `focal-point: 0.3,0.7`: shares of the
    upright width and height. The centre where it says nothing that makes sense."""
    try:
        left, top = (float(part) for part in metadata.get("focal-point", "").split(","))
    except ValueError:
        return CENTRE
    return (left, top) if 0 <= left <= 1 and 0 <= top <= 1 else CENTRE


def _thumbnails(
    data: bytes, focus: tuple[float, float], config: Config, decoding: MemoryBudget
) -> tuple[Source, list[Thumbnail]]:
    """Made within the memory; once more with all of it where an estimate proved too low."""
    picture = make.opened(data, config.thumbnails, focus=focus)
    with decoding.reserved(picture.bytes_needed), suppress(make.OutOfMemory):
        return picture, make.made(picture)
    with decoding.reserved(decoding.total):
        picture = make.opened(data, config.thumbnails, focus=focus)
        return picture, make.made(picture)


def _write(
    s3: S3Client, config: Config, key: str, made: Sequence[Thumbnail], metadata: Mapping[str, str]
) -> tuple[Output, ...]:
    """Put all sizes, and take away what other formats earlier contents or settings had."""
    outputs = []
    for thumbnail in made:
        name = thumbnail_key(key, thumbnail.name, thumbnail.extension, config.thumbnails_prefix)
        shown = {"width": thumbnail.width, "height": thumbnail.height, "thumbhash": thumbnail.thumbhash}
        s3.put_object(
            Bucket=config.thumbnails_bucket,
            Key=name,
            Body=thumbnail.data,
            ContentType=thumbnail.content_type,
            CacheControl=config.thumbnails.cache_control,
            Metadata={**metadata, **{field: str(value) for field, value in shown.items()}},
        )
        outputs.append(
            Output(
                config.thumbnails_bucket,
                name,
                thumbnail.name,
                thumbnail.width,
                thumbnail.height,
                len(thumbnail.data),
                thumbnail.thumbhash,
            )
        )
    others = [
        other
        for extension in ALL_EXTENSIONS
        if extension != made[0].extension
        for other in all_keys(key, extension, config)
    ]
    _delete(s3, config.thumbnails_bucket, others)
    return tuple(outputs)


def _delete(s3: S3Client, bucket: str, keys: Sequence[str]) -> None:
    """Raises Retry when one of them could not be deleted; one that is not there is none of those."""
    asked: Any = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    for failed in s3.delete_objects(Bucket=bucket, Delete=asked).get("Errors", []):
        raise Retry(f"{failed.get('Key')} could not be deleted: {failed.get('Code')}")


def _already_made(
    s3: S3Client, config: Config, created: ObjectCreated, etag: str, look: str
) -> ActionResult | None:
    """`unchanged` or, by a later event, `superseded` where every size is there, of the present contents."""
    for extension in extensions(config.thumbnails.output):
        outputs: list[Output] = []
        sequencer = ""
        keys = all_keys(created.key, extension, config)
        for size, key in zip(config.thumbnails.named_sizes, keys, strict=True):
            there = objects.head(s3, config.thumbnails_bucket, key)
            found = there["Metadata"] if there else {}
            if not there or (found.get("source-etag"), found.get("made-with")) != (etag, look):
                break
            sequencer = found.get("source-sequencer", "")
            outputs.append(_output(config.thumbnails_bucket, key, size.name, there["ContentLength"], found))
        else:
            later = created.sequencer and sequencer and is_later(sequencer, than=created.sequencer)
            others = created.etag and etag != created.etag
            result = "superseded" if later or others else "unchanged"
            return ActionResult(result, tuple(outputs), new=False)
    return None


def _output(bucket: str, key: str, size: str, length: int, metadata: Mapping[str, str]) -> Output:
    """What an earlier run wrote, as its metadata tells; a number that it does not tell is 0."""

    def pixels(name: str) -> int:
        value = metadata.get(name, "")
        return int(value) if value.isascii() and value.isdigit() else 0

    thumbhash = metadata.get("thumbhash", "")
    return Output(bucket, key, size, pixels("width"), pixels("height"), length, thumbhash)


def _metadata(created: ObjectCreated, delivery: Delivery, etag: str, look: str) -> dict[str, str]:
    same = etag == created.etag  # the sequencer and the times belong to the event's own contents
    known = {
        "source-etag": etag,
        "source-sequencer": created.sequencer if same else None,
        "event-time": created.event_time if same else None,
        "upload-id": created.identity if same else None,
        "forwarded-at": times.iso(delivery.forwarded) if same else None,
        "started-at": times.iso(delivery.started) if same else None,
        "made-with": look,
        "made-at": times.iso(times.now()),
    }
    return {name: value for name, value in known.items() if value}


def _check_size(size: int | None, config: Config) -> None:
    if size is not None and size > config.max_image_bytes:
        said = f"too large: {size:,} bytes; MAX_IMAGE_BYTES allows {config.max_image_bytes:,}"
        raise Reject(said, "too-large")
