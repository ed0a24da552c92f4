"""One object-created event, and the one parser for every shape in which it arrives.

Sources: S3 notification https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
EventBridge https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
asynchronous invocation record https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from chalicelib.errors import Reject

# The longest key S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
# The largest object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_SIZE = 50 * 2**40
# An SNS message in an SQS message in an invocation record is wrapped three times.
MAX_WRAPPINGS = 5
# The fields of a body that are ours; whoever writes a body may add any other.
_FIELDS = ("Bucket", "Key", "VersionId", "ETag", "Size", "Sequencer", "EventTime", "Id", "Removed")
_KNOWN = frozenset(_FIELDS)
# Deleted, a delete marker put over it, an old version or a delete marker taken away; or by a lifecycle.
_REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:")
# What a key, or a writer's own field, may hold and SQS refuses beyond what JSON escapes anyway.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NOT_FOR_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")


def notification_filter(text: str) -> str:
    """A key's prefix or suffix as the filter of a bucket's notification wants it; S3 compares it decoded.

    A space is `+`, other characters but S3's safe ones and the slash are percent-encoded:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
    """
    return quote_plus(text, safe="/!-_.*'()").replace("~", "%7E")


class ObjectCreated(NamedTuple):
    """An object that S3 says was created. Only bucket and key are always known."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None  # without quotes
    size: int | None = None  # bytes
    sequencer: str | None = None  # hexadecimal; orders the events of one key
    event_time: str | None = None  # ISO 8601, UTC
    removed: bool = False  # S3 says that something of it was taken away; whether it is gone, looking tells
    id: str | None = None  # what its maker calls it: a backfill its job, another writer what it likes
    own_fields: str = ""  # a JSON object: what else its writer put into the body

    def to_body(self) -> str:
        """The message body: `{"Bucket": ..., "Key": ...}` plus whatever else is known."""
        values = (
            self.bucket,
            self.key,
            self.version_id,
            self.etag,
            self.size,
            self.sequencer,
            self.event_time,
            self.id,
            self.removed or None,
        )
        known = {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
        return json_text({**known, **(json.loads(self.own_fields) if self.own_fields else {})})

    @property
    def object_id(self) -> str:
        """Twelve hexadecimal digits for bucket and key: in a log they find all that became of the object."""
        return _digest([self.bucket, self.key])[:12]

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal digits for this very event, the same in every copy of it, wherever it is.

        They follow from what S3 said of it, or from the `Id` that its maker gave it, never from the message
        that carries it. A body of nothing but bucket and key has one for all uploads of the key; the drain
        gives such a body an `Id` (docs/decisions/0016-one-identity.md).
        """
        if self.id:
            return _digest([self.bucket, self.key, self.version_id, self.id])[:16]
        known = [self.version_id, self.sequencer, self.etag, self.event_time]
        known += ["removed"] if self.removed else []
        return _digest([self.bucket, self.key, *known, *([self.own_fields] if self.own_fields else [])])[:16]

    @property
    def knows_itself(self) -> bool:
        """Whether two uploads of the key cannot have the same identity."""
        return bool(self.id or self.version_id or self.sequencer)

    @property
    def is_folder_marker(self) -> bool:
        """The empty object `photos/` that the console makes for a folder. Of unknown size it is none."""
        return self.size == 0 and self.key.endswith("/")


def json_text(value: Any) -> str:
    """JSON that SQS takes: UTF-8 as it is, but for the few characters that SQS refuses."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_FOR_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def stamped(created: ObjectCreated, carrier: str) -> ObjectCreated:
    """The event with an `Id` of its own, where it cannot be told from a later one of its key.

    `carrier` is the id of the message in which its writer sent it: what is sent once has one identity,
    however often it is delivered, and what is sent anew is a new event.
    """
    if created.knows_itself:
        return created
    return created._replace(id=_digest([carrier, created.identity])[:16])


def parse_body(body: str, removals: bool = False) -> list[ObjectCreated]:
    """The objects a message body tells of; see parse. Raises Reject for a body that is not a JSON object.

    With `removals` those too of which something was taken away.
    """
    return [one for one in _parse(_json_object(body), 0) if removals or not one.removed]


def parse(payload: Mapping[str, Any]) -> list[ObjectCreated]:
    """The created objects in an S3 notification, or in its SQS, SNS, EventBridge or Lambda failure wrapping.

    Also takes the two-field body `{"Bucket": ..., "Key": ...}` that anyone may write.
    Test events, deletes, tagging and the like, and folder markers give nothing: there is nothing to do
    for them. Raises Reject for a payload that cannot be read.
    """
    return [one for one in _parse(payload, 0) if not one.removed]


class Parts(NamedTuple):
    """What a body or payload holds, read record by record: an unreadable one costs only itself."""

    created: Sequence[ObjectCreated]
    unreadable: Sequence[tuple[str, Reject]]  # each record's text, and why
    removed: Sequence[ObjectCreated] = ()  # of these something was taken away
    whole: bool = False  # nothing of it is readable, and it is one thing: the text is the body's own


def parse_parts(body: str) -> Parts:
    """The objects a message body tells of, and what of it cannot be read. Raises nothing."""
    try:
        payload = _json_object(body)
        if "Bucket" in payload and "Key" in payload:  # nearly all that the drain sees
            one = _from_body(payload)
            told = () if one.is_folder_marker else (one,)
            return Parts((), (), told) if one.removed else Parts(told, ())
        records_of: list[tuple[str, Reject]] = []
        found = _parse(payload, 0, records_of)
    except Reject as e:
        return Parts([], [(body, e)], whole=True)
    unreadable = [(text or body, why) for text, why in records_of]
    created, removed = _apart(found)
    records = payload.get("Records")
    if len(unreadable) == 1 and not found and isinstance(records, list) and len(records) == 1:
        return Parts([], [(body, unreadable[0][1])], whole=True)
    return Parts(created, unreadable, removed)


def parts_of(payload: Mapping[str, Any]) -> Parts:
    """The same of a payload that is read already. Raises RecursionError for one that JSON cannot hold."""
    unreadable: list[tuple[str, Reject]] = []
    try:
        created, removed = _apart(_parse(payload, 0, unreadable))
    except Reject as e:
        return Parts([], [(json_text(payload), e)], whole=True)
    return Parts(created, [(text or json_text(payload), why) for text, why in unreadable], removed)


def _apart(found: list[ObjectCreated]) -> tuple[list[ObjectCreated], list[ObjectCreated]]:
    return [one for one in found if not one.removed], [one for one in found if one.removed]


def is_later(sequencer: str, than: str) -> bool:
    """Whether one event of a key came after another. Sequencers have no fixed length: the shorter one is
    filled up with zeros on the right, and both are compared as text.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    width = max(len(sequencer), len(than))
    return sequencer.ljust(width, "0").upper() > than.ljust(width, "0").upper()


def _unreadable(reason: str) -> Reject:
    return Reject(reason, "unreadable")


def _digest(parts: list[str | None]) -> str:
    import hashlib  # brings OpenSSL; every function imports this module

    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _parse(
    payload: Mapping[str, Any], depth: int, unreadable: list[tuple[str, Reject]] | None = None
) -> list[ObjectCreated]:
    """With `unreadable` a record that cannot be read goes there, and does not raise Reject.

    Without a text where it is nested too deeply to be written again.
    """
    if depth > MAX_WRAPPINGS:
        raise _unreadable(f"unreadable: wrapped more than {MAX_WRAPPINGS} times")
    if "Bucket" in payload and "Key" in payload:
        return _only_objects([_from_body(payload)])
    if payload.get("Event") == "s3:TestEvent":
        return []
    if isinstance(payload.get("Records"), list):
        return [one for record in payload["Records"] for one in _from_record(record, depth, unreadable)]
    if payload.get("Type") == "Notification":  # SNS delivered to SQS
        return _parse(_json_object(payload.get("Message")), depth + 1, unreadable)
    if payload.get("source") == "aws.s3":
        return _only_objects(_from_eventbridge(payload))
    if "requestContext" in payload and isinstance(payload.get("requestPayload"), dict):
        return _parse(payload["requestPayload"], depth + 1, unreadable)
    fields = ", ".join(name[:40] for name in sorted(payload)[:5]) or "none"  # no more: it gets into logs
    raise _unreadable(f"unreadable: neither an S3 event nor Bucket and Key; its fields: {fields}")


def _from_record(record: Any, depth: int, unreadable: list[tuple[str, Reject]] | None) -> list[ObjectCreated]:
    try:
        return _read_record(record, depth, unreadable)
    except Reject as e:
        if unreadable is None:
            raise
        try:
            text = json_text({"Records": [record]})
        except RecursionError:  # by a level or two: it was read
            text = ""
        unreadable.append((text, e))
        return []


def _read_record(record: Any, depth: int, unreadable: list[tuple[str, Reject]] | None) -> list[ObjectCreated]:
    if not isinstance(record, dict):
        raise _unreadable("unreadable: Records holds something that is not an object")
    source = record.get("eventSource") or record.get("EventSource")
    if source == "aws:sqs":
        return _parse(_json_object(record.get("body")), depth + 1, unreadable)
    if source == "aws:sns":
        return _parse(_json_object(_section(record, "Sns").get("Message")), depth + 1, unreadable)
    if source not in ("aws:s3", None):
        raise _unreadable(f"unreadable: a record from {_said(source)}, expected aws:s3, aws:sqs or aws:sns")
    version = _said(record.get("eventVersion", "2"))
    if version.partition(".")[0] != "2":
        raise _unreadable(f"unreadable: S3 event version {version}, expected 2.x")
    name = record.get("eventName")
    if not isinstance(name, str):
        raise _unreadable("unreadable: an S3 record without eventName")
    kind = name.removeprefix("s3:")
    if not kind.startswith(("ObjectCreated:", *_REMOVALS)):
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
                removed=kind.startswith(_REMOVALS),
            )
        ]
    )


def _from_eventbridge(payload: Mapping[str, Any]) -> list[ObjectCreated]:
    if payload.get("detail-type") not in ("Object Created", "Object Deleted"):
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
            removed=payload["detail-type"] == "Object Deleted",
        )
    ]


def _from_body(body: Mapping[str, Any]) -> ObjectCreated:
    # Once an event, in every function: by position, and without a call for each field.
    bucket, key, version_id, etag, size, sequencer, event_time, id_, removed = map(body.get, _FIELDS)
    if not (bucket and key and type(bucket) is str and type(key) is str):
        bucket, key = _text(body, "Bucket"), _text(body, "Key")  # one of them raises
    return ObjectCreated(
        bucket,
        _key(key),
        version_id if version_id and type(version_id) is str else None,
        etag.strip('"') if etag and type(etag) is str else None,
        size if type(size) is int and 0 <= size <= MAX_SIZE else None,
        sequencer if sequencer and type(sequencer) is str else None,
        event_time if event_time and type(event_time) is str else None,
        removed is True,
        id_ if id_ and type(id_) is str else None,
        "" if _KNOWN.issuperset(body) else _own_json(body),
    )


def _own_json(body: Mapping[str, Any]) -> str:
    """What else its writer put into the body, as ObjectCreated.own_fields has it."""
    own = {name: body[name] for name in body if name not in _KNOWN}
    try:
        try:
            return json.dumps(own, sort_keys=True, allow_nan=False)
        except ValueError:
            return json.dumps(_finite(own), sort_keys=True)
    except RecursionError as e:
        raise _unreadable("unreadable: its own fields are nested too deeply") from e


def _finite(value: Any) -> Any:
    """The value with text for each number that no float holds, such as 1e999: JSON has no infinity."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _only_objects(created: list[ObjectCreated]) -> list[ObjectCreated]:
    return [one for one in created if not one.is_folder_marker]


_decoded = json.JSONDecoder().raw_decode


def _json_object(text: Any) -> dict[str, Any]:
    try:
        value, end = _decoded(text) if isinstance(text, str) and text[:1] == "{" else (None, -1)
        if end != (len(text) if end >= 0 else 0):  # white space around it, more behind it, or another kind
            value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as e:
        raise _unreadable(f"unreadable: not JSON ({e.__class__.__name__})") from e
    if not isinstance(value, dict):
        raise _unreadable(f"unreadable: JSON, but a {type(value).__name__} and not an object")
    return value


def _section(record: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise _unreadable(f"unreadable: {field} is missing or not an object")
    return value


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise _unreadable(f"unreadable: {field} is missing, empty or not a string")
    return value


def _said(value: Any) -> str:
    """For a reason, which gets into logs: no more of a value than tells what is wrong."""
    return value[:40] if isinstance(value, str) else f"that is {type(value).__name__}"


def _unquoted(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as e:
        raise _unreadable("unreadable: the key is not URL-encoded UTF-8") from e


def _key(key: str) -> str:
    try:
        length = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError as e:
        raise _unreadable("unreadable: the key is not UTF-8") from e
    if length > MAX_KEY_BYTES:
        raise _unreadable(f"unreadable: the key has {length} bytes, S3 allows {MAX_KEY_BYTES}")
    return key


def _optional_text(record: Mapping[str, Any], field: str) -> str | None:
    value = record.get(field)
    return value if isinstance(value, str) and value else None


def _optional_size(record: Mapping[str, Any], field: str) -> int | None:
    value = record.get(field)
    return value if type(value) is int and 0 <= value <= MAX_SIZE else None


def _etag(record: Mapping[str, Any], field: str) -> str | None:
    value = _optional_text(record, field)
    return value.strip('"') if value else None
