"""Where one object is: thumbnails, the functions' logs and the dead letters, asked at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.aws import objects
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.errors import BadRequest
from chalicelib.events import MAX_KEY_BYTES, ObjectCreated
from chalicelib.letters import browse
from chalicelib.monitoring import log_search, object_state, parallel
from chalicelib.monitoring.object_state import Evidence
from chalicelib.thumbnails.stored import StoredThumbnail, thumbnails_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.aws.clients import Clients

# An event is in the log within this time before its object's own date.
EARLIER = timedelta(minutes=5)
A_SECOND = timedelta(seconds=1)


class SourceObject(TypedDict):
    exists: bool | None
    size: int | None
    etag: str | None
    last_modified: str | None


class MadeThumbnail(TypedDict):
    key: str
    size: int
    made_at: str | None
    of_this_version: bool | None


class ObjectTrace(TypedDict):
    version: Literal[1]
    key: str
    state: object_state.State
    known_from: str
    reason: str | None
    object: SourceObject
    thumbnails: list[MadeThumbnail]
    legs: object_state.Legs
    not_known: list[str]


def trace(
    key: str,
    clients: Clients,
    config: Config,
    now: datetime,
) -> ObjectTrace:
    """The answer of GET /objects/{key}; the key is decoded. Raises BadRequest for what can be no key."""
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        raise BadRequest("key", f"expected 1 to {MAX_KEY_BYTES} bytes")
    of = config.of_key(key)  # with the sizes of its line of the action table
    created = ObjectCreated(config.images_bucket, key)
    head = parallel.ask({"object": lambda: head_object(clients.s3(), config.images_bucket, key)})["object"]
    since = now - timedelta(days=1)
    if not parallel.failed(head) and head["exists"]:
        since = max(head["last_modified"] - EARLIER, now - timedelta(seconds=log_search.KEPT_S))

    def about(function: str) -> log_search.Read:
        group = log_search.log_group(config, function)
        return log_search.about(clients.cloudwatch_logs(), group, created.object_id, since, now)

    found = parallel.ask(
        {
            "thumbnails": lambda: thumbnails_of(clients.s3(), of, key),
            "consume": lambda: about("consume"),
            "enqueue": lambda: about("enqueue"),
            "letters": lambda: browse.of_object(clients.s3(), config, key),
        }
    )
    evidence = _evidence(key, head, found, since, config)
    decided = object_state.decide(evidence, now)
    return {
        "version": 1,
        "key": key,
        "state": decided.state,
        "known_from": decided.known_from,
        "reason": decided.reason,
        "object": _object(head),
        "thumbnails": [_thumbnail(one, evidence.etag) for one in evidence.thumbnails or ()],
        "legs": object_state.legs(decided.times),
        "not_known": decided.not_known,
    }


def head_object(s3: S3Client, bucket: str, key: str) -> dict[str, Any]:
    """Whether the object is there, with what S3 says of it."""
    found = objects.head(s3, bucket, key, absent=(404,))
    if found is None:
        return {"exists": False}
    return {
        "exists": True,
        "size": found["ContentLength"],
        "etag": found["ETag"].strip('"'),
        "last_modified": found["LastModified"],
    }


def _evidence(
    key: str, head: Mapping[str, Any], found: Mapping[str, Any], since: datetime, config: Config
) -> Evidence:
    def whole(answer: Any) -> Any:
        return None if parallel.failed(answer) else answer

    created = ObjectCreated(config.images_bucket, key, size=head.get("size"))
    of = config.of_key(key)
    letters, consumed, enqueued = (whole(found[name]) for name in ("letters", "consume", "enqueue"))
    lines = None if consumed is None else [line for line in consumed.lines if _is_outcome(line, key)]
    return Evidence(
        exists=None if parallel.failed(head) else head["exists"],
        etag=head.get("etag"),
        last_modified=head.get("last_modified"),
        ignored=config.why_ignored(created),
        folder_marker=created.is_folder_marker,
        thumbnails=whole(found["thumbnails"]),
        sizes=len(of.thumbnails.sizes) if of.action == "resize" else 0,
        outcomes=lines,
        read_since=consumed.since if consumed and consumed.since > since + A_SECOND else None,
        enqueued=None if enqueued is None else enqueued.lines,
        letters=None if letters is None else letters[0],
        letters_complete=bool(letters and letters[1]),
    )


def _is_outcome(line: Mapping[str, Any], key: str) -> bool:
    return outcomes.is_line(line) and line["key"] == key


def _object(head: Mapping[str, Any]) -> SourceObject:
    return {
        "exists": head.get("exists"),
        "size": head.get("size"),
        "etag": head.get("etag"),
        "last_modified": times.iso(head.get("last_modified")),
    }


def _thumbnail(one: StoredThumbnail, etag: str | None) -> MadeThumbnail:
    return {
        "key": one.key,
        "size": one.size,
        "made_at": one.made_at,
        "of_this_version": one.source_etag == etag if etag else None,
    }
