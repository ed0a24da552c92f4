"""What becomes of received messages: each is forwarded, rejected, split or ignored, and only then deleted.

A message leaves the source queue only after the next place has confirmed it, entry by entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.errors import Reject
from chalicelib.events import parse_body
from chalicelib.queues import batching, letters

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.config import Config

FIRST_COME_BACK_S = 60
MAX_VISIBILITY_S = 12 * 3600 - 60  # SQS allows 12 hours from the receive on
DELETE_TRIES = 2
MAX_ERRORS = 5  # distinct lines kept


@dataclass
class Tally:
    """What a tick has done so far. Every message received ends in one of the next five, or stays."""

    received: int = 0
    forwarded: int = 0
    rejected: int = 0
    split: int = 0
    ignored: int = 0
    returned: int = 0  # made visible again untouched, because time was up
    duplicates: int = 0  # events that may arrive twice
    futile: int = 0  # calls in a row that moved nothing
    errors: dict[str, None] = field(default_factory=dict)
    untouched: dict[str, None] = field(default_factory=dict)  # receipt handles of which nothing was sent yet

    @property
    def failed(self) -> int:
        """Messages left in the source queue because the next place refused them or did not answer."""
        return self.received - self.forwarded - self.rejected - self.split - self.ignored - self.returned

    def error(self, line: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors[line] = None


class Outgoing(NamedTuple):
    """One message to send, and the received one that it comes from."""

    origin: MessageTypeDef
    body: str
    attributes: Mapping[str, MessageAttributeValueTypeDef] | None = None

    def entry(self, id_: str) -> SendMessageBatchRequestEntryTypeDef:
        entry: SendMessageBatchRequestEntryTypeDef = {"Id": id_, "MessageBody": self.body}
        if self.attributes:
            entry["MessageAttributes"] = self.attributes
        return entry


@dataclass(frozen=True)
class Plan:
    """Received messages, sorted by what is to be done with them."""

    forward: list[Outgoing] = field(default_factory=list)
    reject: list[Outgoing] = field(default_factory=list)
    split: list[list[Outgoing]] = field(default_factory=list)  # of one message each
    ignore: list[MessageTypeDef] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """Letters by what is known of them. An unanswered one may have arrived."""

    confirmed: list[Outgoing] = field(default_factory=list)
    refused: list[Outgoing] = field(default_factory=list)
    unanswered: list[Outgoing] = field(default_factory=list)


def plan(messages: Iterable[MessageTypeDef]) -> Plan:
    """One message is to be one event: what holds none is ignored, what holds several goes back as several."""
    todo = Plan()
    for message in messages:
        body = message["Body"]
        try:
            created = parse_body(body)
        except Reject as e:
            attributes = letters.message(body, e.reason, "drain")["MessageAttributes"]
            todo.reject.append(Outgoing(message, body, attributes))
            continue
        if not created:
            todo.ignore.append(message)
        elif len(created) > 1:
            todo.split.append([Outgoing(message, one.to_body()) for one in created])
        elif body.startswith('{"Bucket"'):  # plain already: its writer's own fields stay with it
            todo.forward.append(Outgoing(message, body))
        else:
            todo.forward.append(Outgoing(message, created[0].to_body()))
    return todo


async def move(sqs: AsyncSqs, config: Config, messages: Sequence[MessageTypeDef], tally: Tally) -> int:
    """Does with each message what the plan says.

    Returns the capacity it took: the events forwarded, and those that may have been.
    """
    tally.received += len(messages)
    tally.untouched.update((message["ReceiptHandle"], None) for message in messages)
    todo = plan(messages)

    sent = await _send(sqs, config.destination_queue_url, todo.forward, tally)
    tally.forwarded += len(sent.confirmed)
    dead_lettered = await _send(sqs, config.dead_letter_queue_url, todo.reject, tally)
    tally.rejected += len(dead_lettered.confirmed)
    if todo.forward or todo.reject:
        tally.futile = 0 if sent.confirmed or dead_lettered.confirmed else tally.futile + 1
    done = [letter.origin for letter in sent.confirmed + dead_lettered.confirmed]
    await _delete(sqs, config.source_queue_url, done + todo.ignore, tally)
    tally.ignored += len(todo.ignore)

    refused = [letter.origin for letter in sent.refused + dead_lettered.refused]
    for parts in todo.split:
        put_back = await _send(sqs, config.source_queue_url, parts, tally)
        if len(put_back.confirmed) == len(parts):
            tally.split += 1
            await _delete(sqs, config.source_queue_url, [parts[0].origin], tally)
        else:
            tally.duplicates += len(put_back.confirmed)  # the whole message will be split once more
            refused.append(parts[0].origin)
    if refused:
        come_back = {one["ReceiptHandle"]: backoff_s(_receives(one)) for one in refused}
        await make_visible(sqs, config.source_queue_url, come_back)
    return len(sent.confirmed) + len(sent.unanswered)


def backoff_s(receives: int) -> int:
    """After how many seconds a message refused on its n-th receive is visible again: 60, 120, 240, ...

    Not at once: one tick would use up its receives, and the redrive policy would dead-letter it. Not after
    the queue's visibility timeout: it would wait six ticks for a single refusal
    (docs/decisions/0004-refused-entries.md).
    """
    return min(FIRST_COME_BACK_S << (receives - 1), MAX_VISIBILITY_S)


async def make_visible(sqs: AsyncSqs, queue_url: str, after_s: Mapping[str, int]) -> int:
    """Makes messages, by receipt handle, visible again after so many seconds.

    Returns for how many the queue confirmed it. Where it does not, the queue's own visibility timeout does
    the same, only at another time: so that is no error.
    """
    confirmed = 0
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
        for i, (handle, seconds) in enumerate(after_s.items())
    ]
    for batch in batching.split(entries):
        try:
            answer = await sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=batch)
        except CallFailed:
            continue
        confirmed += len(batching.outcomes(batch, answer).confirmed)
    return confirmed


def _receives(message: MessageTypeDef) -> int:
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))


async def _send(sqs: AsyncSqs, queue_url: str, letters: Sequence[Outgoing], tally: Tally) -> Sent:
    sent = Sent()
    entries = [letter.entry(str(i)) for i, letter in enumerate(letters)]
    for batch in batching.split(entries):
        for entry in batch:
            tally.untouched.pop(letters[int(entry["Id"])].origin["ReceiptHandle"], None)
        try:
            answer = await sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)
        except CallFailed as e:
            tally.error(str(e))
            tally.duplicates += len(batch) * e.unknown
            outcomes = batching.all_unanswered(batch) if e.unknown else batching.all_refused(batch, str(e))
        except asyncio.CancelledError:
            tally.duplicates += len(batch)
            raise
        else:
            outcomes = batching.outcomes(batch, answer)
            for why in outcomes.refused.values():
                tally.error(f"SendMessageBatch entry: {why}")
            attempts: Mapping[str, Any] = answer["ResponseMetadata"]
            tally.duplicates += len(batch) * attempts["UnknownAttempts"]
            tally.duplicates += len(outcomes.unanswered)
        sent.confirmed.extend(letters[int(id_)] for id_ in outcomes.confirmed)
        sent.refused.extend(letters[int(id_)] for id_ in outcomes.refused)
        sent.unanswered.extend(letters[int(id_)] for id_ in outcomes.unanswered)
    return sent


async def _delete(sqs: AsyncSqs, queue_url: str, messages: Sequence[MessageTypeDef], tally: Tally) -> None:
    """Deletes what the next place has, ten messages or fewer. What stays will come, and arrive, again."""
    left = {str(i): message["ReceiptHandle"] for i, message in enumerate(messages)}
    tries = DELETE_TRIES
    try:
        while left and tries:
            tries -= 1
            batch: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": id_, "ReceiptHandle": handle} for id_, handle in left.items()
            ]
            try:
                answer = await sqs.delete_message_batch(QueueUrl=queue_url, Entries=batch)
            except CallFailed as e:
                why = str(e)
                continue
            outcomes = batching.outcomes(batch, answer)
            # A delete repeated because its answer was lost may find nothing: the message is gone.
            gone = [
                id_ for id_, line in outcomes.refused.items() if line.startswith("ReceiptHandleIsInvalid")
            ]
            for id_ in outcomes.confirmed + gone:
                tally.untouched.pop(left.pop(id_), None)
            why = f"DeleteMessageBatch entry: {next(iter(outcomes.refused.values()), 'no answer')}"
    finally:
        tally.duplicates += len(left)
    if left:
        tally.error(why)
