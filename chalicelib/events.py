"""One object-created event, and the one parser for every shape in which it arrives.

Sources: S3 notification https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
EventBridge https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
asynchronous invocation record https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.errors import Reject

# The longest key S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
# SNS in SQS in an invocation record is three; more is somebody's loop.
MAX_WRAPPINGS = 5


@dataclass(frozen=True)
class ObjectCreated:
    """An object that S3 says was created. Only bucket and key are always known."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None  # without quotes
    size: int | None = None  # bytes
    sequencer: str | None = None  # hexadecimal; orders the events of one key
    event_time: str | None = None  # ISO 8601, UTC

    def to_body(self) -> str:
        """The message body: `{"Bucket": ..., "Key": ...}` plus whatever else is known."""
        known = {
            "Bucket": self.bucket,
            "Key": self.key,
            "VersionId": self.version_id,
            "ETag": self.etag,
            "Size": self.size,
            "Sequencer": self.sequencer,
            "EventTime": self.event_time,
        }
        # ASCII only: SQS refuses some characters that a key may hold, such as U+FFFF.
        return json.dumps({name: value for name, value in known.items() if value is not None})

    @property
    def object_id(self) -> str:
        """Twelve hexadecimal digits for bucket and key: in a log they find all that became of the object."""
        return _digest([self.bucket, self.key])[:12]

    @property
    def upload_id(self) -> str:
        """Sixteen hexadecimal digits for this very upload, the same wherever its event is logged.

        They follow from what the event knows, so they need not be carried along. An event that knows only
        bucket and key has one for all uploads of the key.
        """
        what = [self.version_id, self.sequencer, self.etag, self.event_time]
        return _digest([self.bucket, self.key, *what])[:16]

    @property
    def is_folder_marker(self) -> bool:
        """The empty object `photos/` that the console makes for a folder."""
        return self.key.endswith("/") and not self.size


def parse_body(body: str) -> list[ObjectCreated]:
    """The objects a message body tells of; see parse. Raises Reject for a body that is not a JSON object."""
    return _parse(_json_object(body), 0)


def parse(payload: Mapping[str, Any]) -> list[ObjectCreated]:
    """The created objects in an S3 notification, or in its SQS, SNS, EventBridge or Lambda failure wrapping.

    Also takes the two-field body `{"Bucket": ..., "Key": ...}` that anyone may write.
    Test events, deletes, tagging and the like, and folder markers give nothing: there is nothing to do
    for them. Raises Reject for a payload that cannot be read.
    """
    return _parse(payload, 0)


def separate(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One payload per record, so that an unreadable record costs only itself."""
    records = payload.get("Records")
    return [{"Records": [record]} for record in records] if isinstance(records, list) else [payload]


def is_later(sequencer: str, than: str) -> bool:
    """Whether one event of a key came after another. Sequencers have no fixed length.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    width = max(len(sequencer), len(than))
    return sequencer.rjust(width, "0").upper() > than.rjust(width, "0").upper()


def _digest(parts: list[str | None]) -> str:
    import hashlib  # brings OpenSSL; every function imports this module

    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _parse(payload: Mapping[str, Any], depth: int) -> list[ObjectCreated]:
    if depth > MAX_WRAPPINGS:
        raise Reject(f"unreadable: wrapped more than {MAX_WRAPPINGS} times")
    if "Bucket" in payload and "Key" in payload:
        return _only_objects([_from_body(payload)])
    if payload.get("Event") == "s3:TestEvent":
        return []
    if isinstance(payload.get("Records"), list):
        return [created for record in payload["Records"] for created in _from_record(record, depth)]
    if payload.get("Type") == "Notification":  # SNS delivered to SQS
        return _parse(_json_object(payload.get("Message")), depth + 1)
    if payload.get("source") == "aws.s3":
        return _only_objects(_from_eventbridge(payload))
    if "requestContext" in payload and isinstance(payload.get("requestPayload"), dict):
        return _parse(payload["requestPayload"], depth + 1)
    fields = ", ".join(sorted(payload)[:5]) or "none"
    raise Reject(f"unreadable: neither an S3 event nor Bucket and Key; its fields: {fields}")


def _from_record(record: Any, depth: int) -> list[ObjectCreated]:
    if not isinstance(record, dict):
        raise Reject("unreadable: Records holds something that is not an object")
    source = record.get("eventSource") or record.get("EventSource")
    if source == "aws:sqs":
        return _parse(_json_object(record.get("body")), depth + 1)
    if source == "aws:sns":
        return _parse(_json_object(_section(record, "Sns").get("Message")), depth + 1)
    if source not in ("aws:s3", None):
        raise Reject(f"unreadable: a record from {source}, expected aws:s3, aws:sqs or aws:sns")
    major = str(record.get("eventVersion", "2")).partition(".")[0]
    if major != "2":
        raise Reject(f"unreadable: S3 event version {record['eventVersion']}, expected 2.x")
    name = record.get("eventName")
    if not isinstance(name, str):
        raise Reject("unreadable: an S3 record without eventName")
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return []
    s3 = _section(record, "s3")
    item = _section(s3, "object")
    return _only_objects(
        [
            ObjectCreated(
                bucket=_text(_section(s3, "bucket"), "name"),
                key=_key(_unquoted(_text(item, "key"))),
                version_id=_optional_text(item, "versionId"),
                etag=_etag(item, "eTag"),
                size=_optional_size(item, "size"),
                sequencer=_optional_text(item, "sequencer"),
                event_time=_optional_text(record, "eventTime"),
            )
        ]
    )


def _from_eventbridge(payload: Mapping[str, Any]) -> list[ObjectCreated]:
    if payload.get("detail-type") != "Object Created":
        return []
    detail = _section(payload, "detail")
    item = _section(detail, "object")
    return [
        ObjectCreated(
            bucket=_text(_section(detail, "bucket"), "name"),
            key=_key(_text(item, "key")),  # EventBridge does not URL-encode keys
            version_id=_optional_text(item, "version-id"),
            etag=_etag(item, "etag"),
            size=_optional_size(item, "size"),
            sequencer=_optional_text(item, "sequencer"),
            event_time=_optional_text(payload, "time"),
        )
    ]


def _from_body(body: Mapping[str, Any]) -> ObjectCreated:
    return ObjectCreated(
        bucket=_text(body, "Bucket"),
        key=_key(_text(body, "Key")),
        version_id=_optional_text(body, "VersionId"),
        etag=_etag(body, "ETag"),
        size=_optional_size(body, "Size"),
        sequencer=_optional_text(body, "Sequencer"),
        event_time=_optional_text(body, "EventTime"),
    )


def _only_objects(created: list[ObjectCreated]) -> list[ObjectCreated]:
    return [one for one in created if not one.is_folder_marker]


def _json_object(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as e:
        raise Reject(f"unreadable: not JSON ({e.__class__.__name__})") from e
    if not isinstance(value, dict):
        raise Reject(f"unreadable: JSON, but a {type(value).__name__} and not an object")
    return value


def _section(record: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise Reject(f"unreadable: {field} is missing or not an object")
    return value


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise Reject(f"unreadable: {field} is missing, empty or not a string")
    return value


def _unquoted(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as e:
        raise Reject("unreadable: the key is not URL-encoded UTF-8") from e


def _key(key: str) -> str:
    try:
        length = len(key.encode())
    except UnicodeEncodeError as e:
        raise Reject("unreadable: the key is not UTF-8") from e
    if length > MAX_KEY_BYTES:
        raise Reject(f"unreadable: the key has {length} bytes, S3 allows {MAX_KEY_BYTES}")
    return key


def _optional_text(record: Mapping[str, Any], field: str) -> str | None:
    value = record.get(field)
    return value if isinstance(value, str) and value else None


def _optional_size(record: Mapping[str, Any], field: str) -> int | None:
    value = record.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _etag(record: Mapping[str, Any], field: str) -> str | None:
    value = _optional_text(record, field)
    return value.strip('"') if value else None
