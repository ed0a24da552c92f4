"""Messages cut into the batches that SQS takes. Pure.

Limits: 10 entries and 1 MiB (bodies and attributes) a batch,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_ENTRIES = 10
MAX_BYTES = 1_048_576


def split(
    entries: Iterable[Mapping[str, Any]], max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
) -> Iterator[list[Mapping[str, Any]]]:
    """The entries in order, in lists that fit one call. One too large for any batch comes alone."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for entry in entries:
        entry_size = _bytes(entry)
        if batch and (len(batch) == max_entries or size + entry_size > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry_size
    if batch:
        yield batch


def _bytes(entry: Mapping[str, Any]) -> int:
    attributes = entry.get("MessageAttributes") or {}
    return len(entry.get("MessageBody", "").encode()) + sum(
        len(name.encode()) + len(value["DataType"].encode()) + len(value.get("StringValue", "").encode())
        for name, value in attributes.items()
    )
