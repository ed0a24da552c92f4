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

from chalicelib import dead_letters, events, logs, queues
from chalicelib.actions import Action
from chalicelib.config import Config
from chalicelib.errors import Reject, Retry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_DELAY = 15  # seconds; doubles with each try
LONGEST_DELAY = 900  # seconds
# Kept back from the function's time for the deletes, the dead letters and the delays.
MARGIN_MS = 10_000


@dataclass(frozen=True)
class Outcome:
    """What became of one message: `done`, `rejected` (never works) or `retry` (comes again)."""

    receipt_handle: str
    body: str
    tries: int  # how often the message was received, this time included
    state: str
    reason: str = ""


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
        outcomes = list(pool.map(lambda record: _attempt(record, action, config, remaining_ms), records))
    counts = Counter(outcome.state for outcome in outcomes)
    summary = {state: counts[state] for state in ("done", "rejected", "retry")}
    logs.line("consumed", **summary)
    _settle(outcomes, sqs, config)
    return summary


def _attempt(
    record: Mapping[str, Any], action: Action, config: Config, remaining_ms: Callable[[], int]
) -> Outcome:
    state, reason = "done", ""
    tries = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    try:
        for created in events.parse_body(record["body"]):
            if config.is_own_output(created.bucket, created.key):
                continue
            if remaining_ms() < MARGIN_MS:
                raise Retry("no time left in this run")
            action(created, record["messageId"])
    except Reject as e:
        state, reason = "rejected", e.reason
    except Exception as e:  # noqa: BLE001  whatever it is, only this message is held up, and it comes again
        state, reason = "retry", f"{type(e).__name__}: {e}"
        logs.line("action failed", reason=reason, tries=tries, trace=_trace(e), body=record["body"])
        if tries >= config.max_tries:
            state, reason = "rejected", f"gave up after {tries} tries; the last: {reason}"
    return Outcome(record["receiptHandle"], record["body"], tries, state, reason)


def _settle(outcomes: Sequence[Outcome], sqs: SQSClient, config: Config) -> None:
    """Dead letters first, deletes after they are confirmed; raises Retry when any message must come again."""
    rejected = [outcome for outcome in outcomes if outcome.state == "rejected"]
    retry = [outcome for outcome in outcomes if outcome.state == "retry"]
    for outcome in rejected:
        logs.line("rejected", reason=outcome.reason, body=outcome.body)
    queues.send(
        sqs,
        config.dead_letter_queue_url,
        [dead_letters.message(outcome.body, outcome.reason, "consume") for outcome in rejected],
    )
    if not retry:
        return  # Lambda deletes the batch
    settled = [outcome.receipt_handle for outcome in outcomes if outcome.state != "retry"]
    queues.delete(sqs, config.destination_queue_url, settled)
    delays = {outcome.receipt_handle: back_off(outcome.tries) for outcome in retry}
    queues.delay(sqs, config.destination_queue_url, delays)
    raise Retry(f"{len(retry)} of {len(outcomes)} messages come again: {retry[0].reason}")


def back_off(tries: int) -> int:
    """Seconds before the next try: 15, 30, 60 ... 900."""
    return int(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(tries - 1, 10)))


def _trace(error: BaseException) -> str:
    if isinstance(error, Retry):
        return ""
    return "".join(traceback.format_exception(error, limit=-5))
