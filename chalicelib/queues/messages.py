"""Batch calls on a queue, entry by entry, where boto3 is fast enough: everywhere but the drain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.errors import Retry
from chalicelib.queues import batching

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def send(sqs: SQSClient, url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Put every message (`{"MessageBody": ..., "MessageAttributes": ...}`) on the queue.

    Tries all of them; then raises Retry when any was not confirmed.
    """
    refused: list[str] = []
    for batch in batching.split(messages):
        entries: Any = [{"Id": str(number), **message} for number, message in enumerate(batch)]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        refused += _unconfirmed(batching.outcomes(entries, answer))
    if refused:
        raise Retry(f"{url} refused {len(refused)} of {len(messages)} messages: {_distinct(refused)}")


def delete(sqs: SQSClient, url: str, receipt_handles: Sequence[str]) -> None:
    """Delete received messages. Raises Retry when some may be left: they will come again."""
    left: list[str] = []
    for batch in batching.split([{"ReceiptHandle": handle} for handle in receipt_handles]):
        entries: Any = [{"Id": str(number), **message} for number, message in enumerate(batch)]
        answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        # Gone already is what was wanted.
        reasons = _unconfirmed(batching.outcomes(entries, answer))
        left += [reason for reason in reasons if not reason.startswith("ReceiptHandleIsInvalid")]
    if left:
        raise Retry(f"{url} did not delete {len(left)} of {len(receipt_handles)} messages: {_distinct(left)}")


def delay(sqs: SQSClient, url: str, seconds_by_receipt_handle: Mapping[str, int]) -> None:
    """Let received messages come again after so many seconds.

    A refusal is no error: the message then comes again when its visibility timeout ends.
    """
    for batch in batching.split([{"ReceiptHandle": handle} for handle in seconds_by_receipt_handle]):
        entries: Any = [
            {
                "Id": str(number),
                "VisibilityTimeout": seconds_by_receipt_handle[message["ReceiptHandle"]],
                **message,
            }
            for number, message in enumerate(batch)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _unconfirmed(outcomes: batching.BatchAnswer) -> list[str]:
    """One reason for each entry that the answer does not confirm."""
    return [*outcomes.refused.values(), *("no answer" for _ in outcomes.unanswered)]


def _distinct(reasons: Sequence[str]) -> str:
    return ", ".join(sorted(set(reasons)))
