"""Where one object is: thumbnails, the functions' logs and the dead letters, asked at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib import logs, outcomes, redrive
from chalicelib.config import Config
from chalicelib.errors import BadRequest, NotFound, Reject, TooLarge
from chalicelib.events import MAX_KEY_BYTES, ObjectCreated
from chalicelib.seeing import log_reader, together, whereabouts
from chalicelib.seeing.whereabouts import Known, Thumbnail
from chalicelib.thumbnail_keys import CONTENT_TYPES, EXTENSIONS, all_keys

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Lambda answers at most 6 MB, and base64 makes four of three.
MAX_SHOWN = 4_500_000
# An event is in the log within this time before its object's own date.
EARLIER = timedelta(minutes=5)
ABSENT = (403, 404)
A_SECOND = timedelta(seconds=1)


def trace(
    key: str,
    s3: Callable[[], S3Client],
    sqs: Callable[[], SQSClient],
    client: Callable[[], CloudWatchLogsClient],
    config: Config,
    now: datetime,
) -> dict[str, Any]:
    """The answer of GET /objects/{key}; the key is decoded. Raises BadRequest for what can be no key."""
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        raise BadRequest("key", f"expected 1 to {MAX_KEY_BYTES} bytes")
    created = ObjectCreated(config.images_bucket, key)
    head = together.ask({"object": lambda: head_object(s3(), config.images_bucket, key)})["object"]
    since = now - timedelta(days=1)
    if not together.failed(head) and head["exists"]:
        since = max(head["last_modified"] - EARLIER, now - timedelta(seconds=log_reader.KEPT_S))
    found = together.ask(
        {
            "thumbnails": lambda: thumbnails_of(s3(), config, key),
            "consume": lambda: log_reader.about(client(), config, "consume", created.object_id, since, now),
            "enqueue": lambda: log_reader.about(client(), config, "enqueue", created.object_id, since, now),
            "letters": lambda: redrive.letters({"limit": str(redrive.MAX_READ)}, sqs(), config),
        }
    )
    known = _known(key, head, found, since, config)
    decided = whereabouts.decide(known, now)
    return {
        "version": 1,
        "key": key,
        "state": decided.state,
        "known_from": decided.known_from,
        "reason": decided.reason,
        "object": _object(head),
        "thumbnails": [_thumbnail(one, known.etag) for one in known.thumbnails or ()],
        "legs": whereabouts.legs(decided.times),
        "not_known": decided.not_known,
    }


def thumbnail(key: str, s3: S3Client, config: Config) -> tuple[bytes, str]:
    """GET /thumbnails/{key}: its bytes and media type. Raises NotFound, and TooLarge.

    Only what consume has put there is served: a key of its prefix and layout, as the image that it is named.
    """
    media = CONTENT_TYPES.get(key.rpartition(".")[2])
    if not media or not key.startswith(config.thumbnails_prefix) or len(key.encode()) > MAX_KEY_BYTES:
        raise NotFound("no thumbnail has such a key")
    try:
        found = s3.get_object(Bucket=config.thumbnails_bucket, Key=key)
    except s3.exceptions.NoSuchKey as e:
        raise NotFound("there is no such thumbnail") from e
    with found["Body"] as body:
        if found["ContentLength"] > MAX_SHOWN:
            raise TooLarge(f"it has {found['ContentLength']:,} bytes; up to {MAX_SHOWN:,} are shown here")
        return body.read(), media


def head_object(s3: S3Client, bucket: str, key: str) -> dict[str, Any]:
    """Whether the object is there, with what S3 says of it."""
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return {"exists": False}
        raise
    return {
        "exists": True,
        "size": head["ContentLength"],
        "etag": head["ETag"].strip('"'),
        "last_modified": head["LastModified"],
    }


def thumbnails_of(s3: S3Client, config: Config, key: str) -> list[Thumbnail]:
    """Those that are there, smallest setting first, in whatever format."""
    there = []
    for extension in EXTENSIONS[config.thumbnails.output]:
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


def _head(s3: S3Client, bucket: str, name: str) -> Thumbnail | None:
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=name)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] in ABSENT:
            return None
        raise
    made = head["Metadata"]
    return Thumbnail(
        key=name,
        size=head["ContentLength"],
        made_at=made.get("made-at"),
        source_etag=made.get("source-etag"),
        event_time=made.get("event-time"),
        forwarded=made.get("forwarded-at"),
        started=made.get("started-at"),
    )


def _known(
    key: str, head: Mapping[str, Any], found: Mapping[str, Any], since: datetime, config: Config
) -> Known:
    def whole(answer: Any) -> Any:
        return None if together.failed(answer) else answer

    letters, consumed, enqueued = (whole(found[name]) for name in ("letters", "consume", "enqueue"))
    lines = None if consumed is None else [line for line in consumed.lines if _is_outcome(line, key)]
    return Known(
        exists=None if together.failed(head) else head["exists"],
        etag=head.get("etag"),
        last_modified=head.get("last_modified"),
        handled=key.startswith(config.images_prefix) and key.endswith(config.images_suffix),
        thumbnails=whole(found["thumbnails"]),
        sizes=len(config.thumbnails.sizes) if config.action == "resize" else 0,
        outcomes=lines,
        read_since=consumed.since if consumed and consumed.since > since + A_SECOND else None,
        enqueued=None if enqueued is None else enqueued.lines,
        letters=None if letters is None else [one for one in letters["letters"] if one["key"] == key],
        letters_complete=bool(letters and letters["complete"]),
    )


def _is_outcome(line: Mapping[str, Any], key: str) -> bool:
    return line.get("message") == outcomes.MESSAGE and line.get("key") == key


def _object(head: Mapping[str, Any]) -> dict[str, Any]:
    changed = head.get("last_modified")
    return {
        "exists": head.get("exists"),
        "size": head.get("size"),
        "etag": head.get("etag"),
        "last_modified": logs.iso(changed) if changed else None,
    }


def _thumbnail(one: Thumbnail, etag: str | None) -> dict[str, Any]:
    return {
        "key": one.key,
        "size": one.size,
        "made_at": one.made_at,
        "of_this_version": one.source_etag == etag if etag else None,
    }
