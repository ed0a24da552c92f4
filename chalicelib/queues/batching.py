"""SQS batch calls as arithmetic: how entries split into calls, and what each answer says of each entry.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

MAX_ENTRIES = 10
MAX_BYTES = 1_048_576  # of one message, and of all messages of one call together

# All but the characters a message may hold. Compiled when it is needed, which is hardly ever: in 3 ms.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NOT_SENDABLE = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
# Refusals of one entry that no later try changes: it is too long, or holds what SQS does not take.
FOR_EVER = frozenset({"BatchRequestTooLong", "InvalidMessageContents", "InvalidParameterValue"})
# What a delete is answered by some implementations when the message is deleted already.
GONE = "ReceiptHandleIsInvalid"

Entry = TypeVar("Entry", bound=Mapping[str, Any])


class BatchAnswer(NamedTuple):
    """What a batch call did with each entry, by the entry's id."""

    confirmed: list[str]
    refused: dict[str, str]  # id -> why, one line that begins with AWS's code
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
    ids = [entry["Id"] for entry in batch]
    confirmed = _by_id(answer.get("Successful"))
    if confirmed.keys() >= set(ids):  # nearly always
        return BatchAnswer(ids, {}, [])
    refused = {id_: _why(entry) for id_, entry in _by_id(answer.get("Failed")).items()}
    return BatchAnswer(
        confirmed=[id_ for id_ in ids if id_ in confirmed],
        refused={id_: refused[id_] for id_ in ids if id_ in refused and id_ not in confirmed},
        unanswered=[id_ for id_ in ids if id_ not in confirmed and id_ not in refused],
    )


def reasons(answer: BatchAnswer, batch: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each entry why the answer does not confirm it, one line; empty where it does."""
    confirmed = set(answer.confirmed)
    return [
        "" if entry["Id"] in confirmed else answer.refused.get(entry["Id"], "no answer") for entry in batch
    ]


def all_refused(batch: Iterable[Mapping[str, Any]], why: str) -> BatchAnswer:
    return BatchAnswer([], {entry["Id"]: why for entry in batch}, [])


def all_unanswered(batch: Iterable[Mapping[str, Any]]) -> BatchAnswer:
    return BatchAnswer([], {}, [entry["Id"] for entry in batch])


def for_ever(why: str) -> bool:
    """Whether a refusal, as BatchAnswer has it, would be the same at every later try."""
    return why.partition(":")[0] in FOR_EVER


def sendable(text: str) -> str:
    """The text with `?` for each character that no message may hold."""
    return text if text.isascii() and text.isprintable() else re.sub(_NOT_SENDABLE, "?", text)


def plain(text: str) -> str:
    """One line of printable characters: a reason may quote anything."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _by_id(entries: Any) -> dict[str, Mapping[str, Any]]:
    """An answer's entries; what names none is as good as not there."""
    if not isinstance(entries, list):
        return {}
    return {one["Id"]: one for one in entries if isinstance(one, dict) and isinstance(one.get("Id"), str)}


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _why(failed: Mapping[str, Any]) -> str:
    return f"{failed.get('Code', 'unknown')}: {failed.get('Message') or 'no message'}"
