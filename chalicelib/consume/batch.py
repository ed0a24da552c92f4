"""A batch from the destination queue: the stage's action for each message, each with its own outcome.

Lambda deletes a whole batch when the function returns and none of it when the function raises
(unless ReportBatchItemFailures is set, which Chalice does not do). So what is done is deleted here,
by hand, before raising for what is not: a batch-mate is never done twice, and nothing is deleted
that was not done. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib import events, times
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.consume.actions import Action
from chalicelib.consume.outcomes import DONE, OUTCOMES, REJECTED, RETRY, ActionResult, Delivery
from chalicelib.errors import Reject, Retry
from chalicelib.queues import letters, messages
from chalicelib.telemetry import logs, metrics

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_DELAY = 15  # seconds; doubles with each try
LONGEST_DELAY = 900  # seconds
# Kept back from the function's time for the deletes, the dead letters and the delays.
MARGIN_MS = 10_000


@dataclass(frozen=True)
class Settled:
    """What became of one message: `done`, `rejected` (never works) or `retry` (comes again)."""

    receipt_handle: str
    body: str
    tries: int  # how often the message was received, this time included
    state: str
    reason: str = ""
    works: tuple[ActionResult, ...] = ()  # one for each event that was done
    seconds: tuple[float, ...] = ()  # from upload to done, of those that know


def consume_batch(
    payload: Mapping[str, Any],
    action: Action,
    sqs: SQSClient,
    config: Config,
    remaining_ms: Callable[[], int],
) -> dict[str, int]:
    """Do the action for every SQS record of the payload and settle each message by itself.

    Returns the counts when all are settled: done, or in the dead-letter queue. Raises Retry when
    some must come again; those that need not are deleted by then.
    """
    records: Sequence[Mapping[str, Any]] = payload["Records"]
    with ThreadPoolExecutor(max_workers=config.consume_threads) as pool:
        ended = list(pool.map(lambda record: _attempt(record, action, config, remaining_ms), records))
    counts = Counter(outcome.state for outcome in ended)
    summary = {state: counts[state] for state in OUTCOMES}
    _measure(ended, summary, config)
    _settle(ended, sqs, config)
    return summary


def _attempt(
    record: Mapping[str, Any], action: Action, config: Config, remaining_ms: Callable[[], int]
) -> Settled:
    """Do the action for each event of one message, with a log line for each."""
    delivery = Delivery.of(record, times.now())
    works: list[ActionResult] = []
    seconds: list[float] = []
    created: events.ObjectCreated | None = None
    state, reason, trace = DONE, "", ""
    try:
        for created in events.parse_body(record["body"]):
            if config.is_own_output(created.bucket, created.key):
                continue
            if remaining_ms() < MARGIN_MS:
                raise Retry("no time left in this run")
            works.append(action(created, delivery))
            now = times.now()
            outcomes.line(created, delivery, DONE, now, works[-1])
            if (took := times.seconds_between(created.event_time, now)) is not None:
                seconds.append(took)
    except Reject as e:
        state, reason = REJECTED, e.reason
    except Exception as e:  # noqa: BLE001  whatever it is, only this message is held up, and it comes again
        state, reason, trace = RETRY, f"{type(e).__name__}: {e}", _trace(e)
        if delivery.tries >= config.max_tries:
            state, reason = REJECTED, f"gave up after {delivery.tries} tries; the last: {reason}"
    if state != DONE:
        _log_failure(created, delivery, state, reason, trace, record["body"])
    handle, body = record["receiptHandle"], record["body"]
    return Settled(handle, body, delivery.tries, state, reason, tuple(works), tuple(seconds))


def _log_failure(
    created: events.ObjectCreated | None, delivery: Delivery, state: str, reason: str, trace: str, body: str
) -> None:
    why: dict[str, Any] = {"reason": reason} | ({"trace": trace} if trace else {})
    if created:
        outcomes.line(created, delivery, state, times.now(), **why)
    else:  # unreadable: there is no object to name
        logs.line("unreadable", outcome=state, message_id=delivery.message_id, body=body, **why)


def _measure(ended: Sequence[Settled], summary: Mapping[str, int], config: Config) -> None:
    works = [work for outcome in ended for work in outcome.works]
    made = [work for work in works if work.result == "made"]
    values: dict[str, metrics.Value] = {
        "Done": summary[DONE],
        "Rejected": summary[REJECTED],
        "Retried": summary[RETRY],
        "Thumbnails": sum(len(work.thumbnails) for work in made),
        "BytesIn": sum(work.bytes_in for work in works),
        "BytesOut": sum(work.bytes_out for work in works),
    }
    if took := [seconds for outcome in ended for seconds in outcome.seconds]:
        values["UploadToDone"] = took[: metrics.MOST_VALUES]
    metrics.line("consumed", config.stage, "consume", values, **summary)


def _settle(ended: Sequence[Settled], sqs: SQSClient, config: Config) -> None:
    """Dead letters first, deletes after they are confirmed; raises Retry when any message must come again."""
    rejected = [outcome for outcome in ended if outcome.state == REJECTED]
    retry = [outcome for outcome in ended if outcome.state == RETRY]
    messages.send(
        sqs,
        config.dead_letter_queue_url,
        [letters.message(outcome.body, outcome.reason, "consume") for outcome in rejected],
    )
    if not retry:
        return  # Lambda deletes the batch
    settled = [outcome.receipt_handle for outcome in ended if outcome.state != RETRY]
    messages.delete(sqs, config.destination_queue_url, settled)
    delays = {outcome.receipt_handle: back_off(outcome.tries) for outcome in retry}
    messages.delay(sqs, config.destination_queue_url, delays)
    raise Retry(f"{len(retry)} of {len(ended)} messages come again: {retry[0].reason}")


def back_off(tries: int) -> int:
    """Seconds before the next try: 15, 30, 60 ... 900."""
    return int(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(tries - 1, 10)))


def _trace(error: BaseException) -> str:
    if isinstance(error, Retry):
        return ""
    return "".join(traceback.format_exception(error, limit=-5))
