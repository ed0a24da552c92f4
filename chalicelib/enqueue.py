"""S3 says an object was created: put it on the source queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import events
from chalicelib.aws.lean.blocking import finish
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.config import Config
from chalicelib.errors import Retry
from chalicelib.queues import batching, letters
from chalicelib.queues.fairness import Fairness, group_id, group_of
from chalicelib.queues.tries import BULK
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from chalicelib.aws.lean.sqs import AsyncSqs


# S3 sends one record an event. Of a payload with very many, the log line names only the first.
MOST_NAMED = 100


def enqueue_events(
    payload: Mapping[str, Any], sqs: AsyncSqs, config: Config, fairness: Fairness, now: float
) -> dict[str, int]:
    """Every created object of the payload to the source queue, every unreadable record to the dead letters.

    `sqs` is a client that blocks; `fairness` counts in this process, and `now` is in seconds since 1970.
    Returns and logs the counts. Raises Retry when a queue refused any: Lambda then runs the whole event
    again, which may repeat some messages and loses none.
    """
    found = events.parts_of(payload)
    told = [*found.created, *(found.removed if config.delete_with_original else ())]
    ours = [one for one in told if not config.why_left_out(one) and not config.drops(one.key)]
    bulk = [bool(config.bulk_queue_url) and fairness.is_bulk(one.key, now) for one in ours]
    refused = [""] * len(ours)
    for lane in (False, True):
        numbers = [number for number, is_bulk in enumerate(bulk) if is_bulk == lane]
        going = [_message(ours[number], config) for number in numbers]
        answers = finish(_send(sqs, config.lane_url(BULK if lane else ""), going))
        for number, why in zip(numbers, answers, strict=True):
            refused[number] = why
    # Before any letter: Lambda runs it all again, and each would be written twice.
    _raise_for("the source queue", [why for why in refused if not batching.for_ever(why)])
    dead = [letters.message(text, why.reason, "enqueue", code=why.code) for text, why in found.unreadable]
    for one, why in zip(ours, refused, strict=True):
        if batching.for_ever(why):
            reason = f"the source queue refuses it: {why}"
            dead.append(letters.message(one.to_body(), reason, "enqueue", code="refused"))
    _raise_for("the dead-letter queue", finish(_send_letters(sqs, config.dead_letter_queue_url, dead)))
    counts = {
        "enqueued": len(ours) - sum(batching.for_ever(why) for why in refused),
        "rejected": len(dead),
        "ignored": len(told) - len(ours),
        "bulk": sum(bulk),
    }
    metrics.line(
        "enqueued",
        config.stage,
        "enqueue",
        {"Enqueued": counts["enqueued"], "Rejected": counts["rejected"], "EnqueuedBulk": counts["bulk"]},
        **counts,
        uploads=[{"id": one.identity, "object": one.object_id, "key": one.key} for one in ours[:MOST_NAMED]],
    )
    return counts


def _message(created: events.ObjectCreated, config: Config) -> dict[str, Any]:
    message: dict[str, Any] = {"MessageBody": created.to_body()}
    group = group_of(created.key, config.fair_by) if config.fair_by else ""
    if group and config.bulk_queue_url:  # a fair queue's, which SQS takes for what it is worth
        message["MessageGroupId"] = group_id(group)
    return message


async def _send(sqs: AsyncSqs, url: str, messages: Sequence[dict[str, Any]]) -> list[str]:
    """For each message why the queue has not confirmed it; empty where it has."""
    answers: list[str] = []
    for batch in batching.split([{"Id": str(number), **one} for number, one in enumerate(messages)]):
        answers += await _send_batch(sqs, url, batch)
    return answers


async def _send_batch(sqs: AsyncSqs, url: str, batch: list[Any]) -> list[str]:
    try:
        answer = batching.outcomes(batch, await sqs.send_message_batch(QueueUrl=url, Entries=batch))
    except CallFailed as e:
        why = f"{e.code or 'no answer'}: {e}"
        if len(batch) > 1 and batching.for_ever(why):  # it is about one of them
            return [one for entry in batch for one in await _send_batch(sqs, url, [entry])]
        return [why] * len(batch)
    return batching.reasons(answer, batch)


async def _send_letters(sqs: AsyncSqs, url: str, those: Sequence[dict[str, Any]]) -> list[str]:
    """As _send. A letter that the queue finds too long is cut and sent once more."""
    answers = await _send(sqs, url, those)
    for number, why in enumerate(answers):
        if batching.for_ever(why) and (short := letters.shorter(those[number])):
            (answers[number],) = await _send(sqs, url, [short])
    return answers


def _raise_for(queue: str, answers: Sequence[str]) -> None:
    refused = [why for why in answers if why]
    if refused:
        why = ", ".join(sorted(set(refused)))
        raise Retry(f"{queue} refused {len(refused)} of {len(answers)} messages: {why}")
