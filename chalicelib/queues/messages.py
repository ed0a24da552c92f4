"""Batch calls on a queue, entry by entry, with boto3: everywhere but on the way of every event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.errors import Retry
from chalicelib.queues import batching, letters

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def send(sqs: SQSClient, url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Put every message (`{"MessageBody": ..., "MessageAttributes": ...}`) on the queue.

    Tries all of them; then raises Retry when any was not confirmed.
    """
    refused = [why for why in try_to_send(sqs, url, messages) if why]
    if refused:
        raise Retry(f"{url} refused {len(refused)} of {len(messages)} messages: {_distinct(refused)}")


def try_to_send(sqs: SQSClient, url: str, messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each message why the queue has not confirmed it, one line; empty where it has.

    What is not confirmed may be there all the same. AWS's errors are answers here, not exceptions.
    """
    entries: list[Any] = [{"Id": str(number), **message} for number, message in enumerate(messages)]
    return [why for batch in batching.split(entries) for why in _sent(sqs, url, batch)]


def send_letters(sqs: SQSClient, url: str, those: Sequence[dict[str, Any]]) -> list[str]:
    """As `try_to_send`, of dead letters: one that the queue finds too long is cut and sent once more."""
    answers = try_to_send(sqs, url, those)
    for number, why in enumerate(answers):
        if why and batching.for_ever(why) and (short := letters.shorter(those[number])):
            (answers[number],) = try_to_send(sqs, url, [short])
    return answers


def try_to_delete(sqs: SQSClient, url: str, receipt_handles: Sequence[str]) -> list[str]:
    """For each received message why it may still be there, one line; empty where it is gone."""
    from botocore.exceptions import BotoCoreError, ClientError

    answers: list[str] = []
    for batch in batching.split([{"ReceiptHandle": handle} for handle in receipt_handles]):
        entries: Any = [{"Id": str(number), **message} for number, message in enumerate(batch)]
        try:
            answer = batching.outcomes(entries, sqs.delete_message_batch(QueueUrl=url, Entries=entries))
        except (ClientError, BotoCoreError) as e:
            answer = batching.all_refused(entries, str(e))
        # Gone already is what was wanted.
        answers += ["" if why.startswith(batching.GONE) else why for why in batching.reasons(answer, entries)]
    return answers


def delete(sqs: SQSClient, url: str, receipt_handles: Sequence[str]) -> None:
    """Delete received messages. Raises Retry when some may be left: they will come again."""
    left = [why for why in try_to_delete(sqs, url, receipt_handles) if why]
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


def _sent(sqs: SQSClient, url: str, batch: list[Any]) -> list[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = batching.outcomes(batch, sqs.send_message_batch(QueueUrl=url, Entries=batch))
    except ClientError as e:
        error = e.response.get("Error", {})
        why = f"{error.get('Code', 'unknown').rpartition('.')[2]}: {error.get('Message') or 'no message'}"
        if batching.for_ever(why) and len(batch) > 1:  # it is about one of them
            return [reason for entry in batch for reason in _sent(sqs, url, [entry])]
        answer = batching.all_refused(batch, why)
    except BotoCoreError as e:
        answer = batching.all_refused(batch, f"no answer: {e}")
    return batching.reasons(answer, batch)


def _distinct(reasons: Sequence[str]) -> str:
    return ", ".join(sorted(set(reasons)))
