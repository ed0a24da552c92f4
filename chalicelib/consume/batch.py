"""A batch from the destination queue: the stage's action for each message, each settled when it ends.

done, or ignored  -> deleted
never works       -> a dead letter, then deleted
to be tried again -> sent back to the source queue with its number of tries, then deleted
never begun       -> sent back untried

Send first, delete after: a death in between repeats a message and loses none. Lambda deletes a whole batch
when the function returns and none of it when it raises (ReportBatchItemFailures is nothing Chalice sets), so
it returns only when every message is settled.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib import events, times
from chalicelib.aws import bus, clients
from chalicelib.config import Config
from chalicelib.config.stage import APP
from chalicelib.config.table import IGNORE
from chalicelib.consume import outcomes, settle
from chalicelib.consume.actions import Action
from chalicelib.consume.circuit import Circuit, wait_s
from chalicelib.consume.outcomes import (
    DONE,
    FINISHED,
    IGNORED,
    OUTCOMES,
    REJECTED,
    RETRY,
    UNTRIED,
    ActionResult,
    Delivery,
)
from chalicelib.consume.settle import Ended
from chalicelib.errors import Reject, Retry
from chalicelib.queues import word
from chalicelib.queues.letters import MAX_REASON
from chalicelib.queues.tries import Tries
from chalicelib.telemetry import logs, metrics

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

Item = TypeVar("Item")

# Kept back from the function's time for settling what has ended, or will not: a few calls of
# chalicelib/aws/clients.py's SQS client, each within its time limits.
MARGIN_S = 25.0
# With less than this left an action is not begun: one whose client gets no answer would run into the margin.
BEGIN_S = 50.0


_circuit = Circuit()  # as long as the process lives


@dataclass
class _Batch:
    """What the threads of one batch share."""

    action: Action
    config: Config
    remaining_s: Callable[[], float]
    whole_s: float  # the time there was at the beginning
    margin_s: float
    begin_s: float
    circuit: Circuit
    waiting: SimpleQueue[tuple[int, Mapping[str, Any]]] = field(default_factory=SimpleQueue)
    ended: SimpleQueue[tuple[int, Ended]] = field(default_factory=SimpleQueue)

    @classmethod
    def begun(
        cls,
        records: Sequence[Mapping[str, Any]],
        action: Action,
        config: Config,
        remaining_ms: Callable[[], int],
        circuit: Circuit,
    ) -> _Batch:
        """With its threads at work. They are daemons: one that hangs must not keep the process."""
        whole_s = remaining_ms() / 1000
        margin_s, begin_s = min(MARGIN_S, whole_s / 4), min(BEGIN_S, whole_s / 2)
        batch = cls(action, config, lambda: remaining_ms() / 1000, whole_s, margin_s, begin_s, circuit)
        for item in enumerate(records):
            batch.waiting.put(item)
        for _ in range(min(config.consume_threads, len(records))):
            threading.Thread(target=_work, args=(batch,), daemon=True).start()
        return batch

    def left_s(self) -> float:
        """Seconds until what has not ended is given up."""
        return self.remaining_s() - self.margin_s

    def next_ended(self) -> list[tuple[int, Ended]]:
        """Those that have ended by now, at least one; none when the margin is reached first."""
        try:
            first = self.ended.get(timeout=max(0.0, self.left_s()))
        except Empty:
            return []
        return [first, *_all_of(self.ended)]


def consume_batch(
    payload: Mapping[str, Any],
    action: Action,
    sqs: SQSClient,
    config: Config,
    remaining_ms: Callable[[], int],
    replace_process: Callable[[], object] | None = None,
    circuit: Circuit | None = None,
    events_client: Callable[[], EventBridgeClient] | None = None,
    sleep: Callable[[float], object] | None = None,
) -> dict[str, int]:
    """Do the action for every SQS record of the payload and settle each message when it ends.

    Returns the counts when all are settled. Raises Retry when a queue took a message neither back nor as a
    dead letter: it stays in the destination queue, and its visibility timeout brings it again.

    What has not ended when the margin is reached is given up as a try that failed; its thread may still run,
    and keeps its memory. So `replace_process` is called then, last of all: by default the process ends, and
    Lambda starts another one.
    """
    records: Sequence[Mapping[str, Any]] = payload["Records"]
    circuit = circuit or _circuit
    batch = _Batch.begun(records, action, config, remaining_ms, circuit)
    left = set(range(len(records)))
    all_ended: list[Ended] = []
    unsettled: list[str] = []
    for_lambda: list[Ended] = []  # done last of all: when the function returns, Lambda deletes them
    while left and (group := batch.next_ended()):
        left -= {number for number, _ in group}
        ended = [one for _, one in group]
        _tell(ended, events_client or clients.events, config)
        all_ended += ended
        for_lambda = [] if left else [one for one in ended if one.state in FINISHED]
        by_hand = [one for one in ended if one.state not in FINISHED] if not left else ended
        unsettled += settle.settle(by_hand, sqs, config, times.now())

    late = _late(batch, records, left)
    all_ended += late
    unsettled += settle.settle(late, sqs, config, times.now())
    if unsettled:
        unsettled += settle.settle(for_lambda, sqs, config, times.now())
    counts = Counter(one.state for one in all_ended)
    summary = {state: counts[state] for state in OUTCOMES}
    _measure(all_ended, summary, config, circuit)
    if any(one.state != UNTRIED for one in late):
        (replace_process or _end_process)()
    if unsettled:
        raise Retry(f"{len(unsettled)} of {len(records)} messages could not be settled: {unsettled[0]}")
    took_s = batch.whole_s - batch.remaining_s()
    if summary[UNTRIED] < len(records):
        circuit.batch_took(took_s)
    elif circuit.paused:  # all is settled: a death meanwhile costs nothing
        (sleep or time.sleep)(max(0.0, min(circuit.hold_s - took_s, batch.left_s())))
    return summary


def _late(batch: _Batch, records: Sequence[Mapping[str, Any]], left: set[int]) -> list[Ended]:
    """What has not ended at the margin: not begun, so untried, or begun, so a try that failed."""
    not_begun = {number for number, _ in _all_of(batch.waiting)}
    late = []
    for number in sorted(left):
        delivery, one = _opened(records[number], batch)
        if number in not_begun:
            one.not_tried("no time left in this run")
        else:
            created, reason = _first_event(one.body), "it did not end within the time of the function"
            one.line = batch.config.of_key(created.key).line if created else ""
            batch.circuit.of(one.line).failed(delivery.tries, reason)
            one.failed(reason, batch.config, delivery.started)
            _log_failure(created, delivery, one, "")
        late.append(one)
    return late


def _work(batch: _Batch) -> None:
    while True:
        try:
            number, record = batch.waiting.get_nowait()
        except Empty:
            return
        batch.ended.put((number, _attempt(record, batch)))


def _attempt(record: Mapping[str, Any], batch: _Batch) -> Ended:
    """Do the action for each event of one message, with a log line for each."""
    delivery, one = _opened(record, batch)
    created: events.ObjectCreated | None = None
    trace = ""
    try:
        for created in events.parse_body(one.body, batch.config.delete_with_original):
            if batch.config.is_own_output(created.bucket, created.key):
                continue
            of = batch.config.of_key(created.key)
            # Of a removal only thumbnails know what to do: to another action it would be one more upload.
            if of.action == IGNORE or (created.removed and of.action != "resize"):
                one.ignored = True
                one.words.append(_word(word.IGNORED, created, delivery, of, None))
                outcomes.line(created, delivery, IGNORED, times.now(), **_of_line(of.line))
                continue
            one.line = one.line or of.line
            circuit = batch.circuit.of(of.line)
            if not one.results and batch.remaining_s() < batch.begin_s:
                one.not_tried("no time left in this run")
                return one
            if not one.results and circuit.is_open:
                one.not_tried("the downstream fails: paused", wait_s)
                return one
            one.results.append(_result(batch.action(created, delivery)))
            circuit.succeeded()
            one.words.append(_word(word.PROCESSED, created, delivery, of, one.results[-1]))
            now = times.now()
            outcomes.line(created, delivery, DONE, now, one.results[-1], **_of_line(of.line))
            if (took := times.waited_s(created.event_time, now)) is not None:
                one.seconds.append(took)
    except Reject as e:
        one.rejected(e.code, e.reason)
    except BaseException as e:  # noqa: BLE001  SystemExit, too: only this message is held up, and it comes again
        trace = _trace(e)
        reason = _reason(e)
        batch.circuit.of(one.line).failed(delivery.tries, reason)
        after_s = e.after if isinstance(e, Retry) else 0.0
        one.failed(reason, batch.config, delivery.started, after_s)
    if one.state == DONE and one.ignored and not one.results:
        one.state = IGNORED
    elif one.state != DONE:
        _log_failure(created, delivery, one, trace)
    return one


def _result(returned: object) -> ActionResult:
    """What the action returned. Raises TypeError where that is neither an ActionResult nor nothing."""
    if returned is None:
        return ActionResult()
    if not isinstance(returned, ActionResult):
        kind = type(returned).__name__
        raise TypeError(f"the action returned {kind}: expected an ActionResult, or None")
    return returned


def _word(
    kind: str, created: events.ObjectCreated, delivery: Delivery, of: Config, result: ActionResult | None
) -> bus.Word:
    """What the bus is told of an event that has ended here."""
    told = word.detail(
        of.stage,
        id=created.identity,
        bucket=created.bucket,
        key=created.key,
        version_id=created.version_id,
        action=of.action,
        line=of.line or None,
        result=outcomes.short(result.result) if result else None,
        says=outcomes.short(result.says) or None if result else None,
        outputs=[asdict(output) for output in result.outputs] if result else (),
        tries=delivery.tries,
        times={
            "uploaded": created.event_time,
            "forwarded": times.iso(delivery.forwarded),
            "started": times.iso(delivery.started),
            "ended": times.iso(times.now()),
        },
    )
    return bus.Word(kind, told)


def _tell(ended: Sequence[Ended], client: Callable[[], EventBridgeClient], config: Config) -> None:
    """The bus first, then the delete. What the bus has not confirmed comes again, untried: its action finds
    its work done, and it is told once more."""
    finished = [one for one in ended if one.state in FINISHED]
    words = [(one, told) for one in finished for told in one.words]
    if not config.events_bus or not words:
        return
    answers = bus.tell(client(), config.events_bus, APP, [told for _, told in words])
    for (one, _), why in zip(words, answers, strict=True):
        if why:
            one.not_tried(f"the bus was not told: {outcomes.short(why)}", wait_s)
            logs.line("not told", bus=config.events_bus, reason=outcomes.short(why))


def _opened(record: Mapping[str, Any], batch: _Batch) -> tuple[Delivery, Ended]:
    tried = Tries.read(record.get("messageAttributes"))
    delivery = Delivery.of(record, tried.count, times.now(), batch.left_s)
    return delivery, Ended(record["receiptHandle"], record["body"], tried)


def _first_event(body: str) -> events.ObjectCreated | None:
    try:
        return next(iter(events.parse_body(body, removals=True)), None)
    except Reject:
        return None


def _log_failure(created: events.ObjectCreated | None, delivery: Delivery, one: Ended, trace: str) -> None:
    why: dict[str, Any] = {"reason": one.reason} | ({"trace": trace} if trace else {})
    if created:
        outcomes.line(created, delivery, one.state, times.now(), **why, **_of_line(one.line))
    else:  # unreadable: there is no object to name, and what it holds does not belong into a log
        size = len(one.body.encode(errors="replace"))
        logs.line("unreadable", outcome=one.state, message_id=delivery.message_id, bytes=size, **why)


def _of_line(line: str) -> dict[str, Any]:
    """The action table's line, in a log line; nothing of a stage without one."""
    return {"line": line} if line else {}


def _measure(ended: Sequence[Ended], summary: Mapping[str, int], config: Config, circuit: Circuit) -> None:
    results = [result for one in ended for result in one.results]
    values: dict[str, metrics.Value] = {
        "Done": summary[DONE],
        "Rejected": summary[REJECTED],
        "Retried": summary[RETRY],
        "Untried": summary[UNTRIED],
        "CircuitOpen": int(circuit.paused is not None),
        "Thumbnails": sum(len(result.thumbnails) for result in results if result.new),
        "BytesIn": sum(result.bytes_in for result in results),
        "BytesOut": sum(result.bytes_out for result in results),
    }
    if took := [seconds for one in ended for seconds in one.seconds]:
        values["UploadToDone"] = took[: metrics.MOST_VALUES]
    told: dict[str, Any] = {**summary, "paused_until": None}
    if paused := circuit.paused:
        told |= {"paused_until": times.iso(times.from_epoch(paused.until * 1000)), "paused_why": paused.why}
    metrics.line("consumed", config.stage, "consume", values, **told)
    for of in config.each if config.lines else ():
        states = Counter(one.state for one in ended if one.line == of.line)
        if states[DONE] or states[REJECTED]:
            counted = {"Done": states[DONE], "Rejected": states[REJECTED]}
            metrics.line_of_table(config.stage, "consume", of.line, counted)


def _all_of(queue: SimpleQueue[Item]) -> list[Item]:
    found: list[Item] = []
    with suppress(Empty):
        while True:
            found.append(queue.get_nowait())
    return found


def _end_process() -> None:
    """At once, whatever threads do: all messages are settled, and an ordinary exit would wait for them."""
    sys.stdout.flush()
    os._exit(1)


def _reason(error: BaseException) -> str:
    """Its class, and what it says, if that can be asked; of a Retry what it says is enough."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001  an error of its own making
        said = "it cannot be put into words"
    return (said if isinstance(error, Retry) and said else f"{type(error).__name__}: {said}")[:MAX_REASON]


def _trace(error: BaseException) -> str:
    """Where it happened, of a length that a log takes."""
    if isinstance(error, Retry):
        return ""
    return "".join(part[:1000] for part in traceback.format_exception(error, limit=-5))[:8000]
