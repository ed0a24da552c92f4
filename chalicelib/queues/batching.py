"""SQS batch calls as arithmetic: how entries split into calls, and what each answer says of each entry.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

MAX_ENTRIES = 10
MAX_BYTES = 1_048_576  # of one message, and of all messages of one call together

Entry = TypeVar("Entry", bound=Mapping[str, Any])


@dataclass(frozen=True)
class BatchAnswer:
    """What a batch call did with each entry, by the entry's id."""

    confirmed: list[str]
    refused: dict[str, str]  # id -> why, one line
    unanswered: list[str]  # the answer does not mention them: they may have been taken


def split(
    entries: Iterable[Entry], max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
) -> Iterator[list[Entry]]:
    """The entries in their order, in lists that one batch call takes.

    An entry that is too big by itself gets a list of its own: refusing it is the queue's word, and costs
    the others nothing.
    """
    batch: list[Entry] = []
    room = max_bytes
    for entry in entries:
        size = size_bytes(entry)
        if batch and (len(batch) == max_entries or size > room):
            yield batch
            batch, room = [], max_bytes
        batch.append(entry)
        room -= size
    if batch:
        yield batch


def size_bytes(entry: Mapping[str, Any]) -> int:
    """What SQS counts: the body, and every attribute's name, type and value, in bytes of UTF-8."""
    size = _utf8(entry.get("MessageBody", ""))
    if attributes := entry.get("MessageAttributes"):
        for name, attribute in attributes.items():
            size += _utf8(name) + _utf8(attribute["DataType"])
            size += _utf8(attribute.get("StringValue", "")) + len(attribute.get("BinaryValue", b""))
    return size


def outcomes(batch: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> BatchAnswer:
    """The answer of SendMessageBatch, DeleteMessageBatch or ChangeMessageVisibilityBatch, entry by entry."""
    confirmed = {entry["Id"] for entry in answer.get("Successful") or ()}
    refused = {entry["Id"]: _why(entry) for entry in answer.get("Failed") or ()}
    ids = [entry["Id"] for entry in batch]
    return BatchAnswer(
        confirmed=[id_ for id_ in ids if id_ in confirmed],
        refused={id_: refused[id_] for id_ in ids if id_ in refused and id_ not in confirmed},
        unanswered=[id_ for id_ in ids if id_ not in confirmed and id_ not in refused],
    )


def all_refused(batch: Iterable[Mapping[str, Any]], why: str) -> BatchAnswer:
    return BatchAnswer([], {entry["Id"]: why for entry in batch}, [])


def all_unanswered(batch: Iterable[Mapping[str, Any]]) -> BatchAnswer:
    return BatchAnswer([], {}, [entry["Id"] for entry in batch])


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _why(failed: Mapping[str, Any]) -> str:
    return f"{failed.get('Code', 'unknown')}: {failed.get('Message') or 'no message'}"
