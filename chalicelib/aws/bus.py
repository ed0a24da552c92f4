"""Events on an EventBridge bus, each confirmed by the answer's own entry: the call may succeed and one not.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

MOST_ENTRIES = 10
MOST_BYTES = 200_000  # of AWS's 256 KB a call: it counts the other fields of an entry too
AGAIN = {"ThrottlingException", "InternalException", "InternalFailure", "ServiceUnavailable"}
ROUNDS, PAUSE_S = 2, 0.2


@dataclass(frozen=True)
class Word:
    """One event to tell: its detail-type, and its detail."""

    kind: str
    detail: Mapping[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.detail, ensure_ascii=False)


def tell(
    events: EventBridgeClient,
    bus: str,
    source: str,
    words: Sequence[Word],
    sleep: Callable[[float], object] | None = None,
) -> list[str]:
    """For each why the bus has not confirmed it, in one line; empty where it has. Raises nothing of AWS's.

    What was throttled, or failed inside, is tried once more. One that was sent without an answer may have
    arrived: consumers drop duplicates (chalicelib/queues/word.py).
    """
    why = ["not told yet"] * len(words)
    for number in range(ROUNDS):
        left = [index for index, text in enumerate(why) if text and (not number or _may_pass(text))]
        if not left:
            break
        if number:
            (sleep or time.sleep)(PAUSE_S)
        for batch in _batches(left, words):
            for index, answer in zip(
                batch, _put(events, bus, source, [words[i] for i in batch]), strict=True
            ):
                why[index] = answer
    return why


def _may_pass(why: str) -> bool:
    return why.partition(":")[0] in AGAIN


def _batches(indexes: Sequence[int], words: Sequence[Word]) -> list[list[int]]:
    batches: list[list[int]] = []
    size = 0
    for index in indexes:
        length = len(words[index].text.encode()) + 500
        if not batches or len(batches[-1]) == MOST_ENTRIES or size + length > MOST_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(index)
        size += length
    return batches


def _put(events: EventBridgeClient, bus: str, source: str, words: Sequence[Word]) -> list[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    entries: list[PutEventsRequestEntryTypeDef] = [
        {"EventBusName": bus, "Source": source, "DetailType": word.kind, "Detail": word.text}
        for word in words
    ]
    try:
        answer = events.put_events(Entries=entries)
    except ClientError as e:
        error = e.response.get("Error", {})
        return [f"{error.get('Code', 'unknown')}: {error.get('Message', '')}"] * len(words)
    except BotoCoreError as e:
        return [f"no answer: {e}"] * len(words)
    told = answer["Entries"]
    return [
        "" if entry.get("EventId") else f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
        for entry in told
    ] + ["no answer: the entry is missing"] * (len(words) - len(told))
