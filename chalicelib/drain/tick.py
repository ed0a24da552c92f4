"""The tick: at most `capacity` events from the source queue to the destination queue, at the queues' pace.

Workers receive, send and delete ten at a time, all in one thread. Each reserves capacity before it receives
and gives back what did not move, so a tick forwards exactly min(capacity, backlog) unless the deadline or
errors stop it, and then its result says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.aws.lean import connect
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain.allowance import AllowanceUnknown, allowed
from chalicelib.drain.forward import Tally, make_visible, move
from chalicelib.drain.ledger import Ledger
from chalicelib.errors import TickFailed
from chalicelib.queues import batching
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.config import Config

Result = TypeVar("Result")

# A long poll asks every SQS server; a short one only some, and its empty answer means nothing.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
LONG_POLL_S = 1
STOP_S = 5.0  # with less time than this left, nothing more is received
CUT_S = 2.0  # with less than this, calls are cut off, and the rest of the time gives messages back
FUTILE_CALLS = 5  # in a row: going on would only use up the messages' receives


@dataclass(frozen=True)
class TickResult:
    """received = forwarded + rejected + split + ignored + returned + failed."""

    capacity: int  # what it was allowed to forward
    received: int
    forwarded: int
    rejected: int  # to the dead-letter queue, with the reason
    split: int  # held several events; put back as one message each
    ignored: int  # told of no object: test events, deletes, folder markers
    returned: int  # made visible again untouched, because time was up
    failed: int  # still in the source queue: the next place refused them or did not answer
    duplicates: int  # events that may arrive twice, because an answer was lost or a delete failed
    stopped: str  # capacity, back_pressure, empty, deadline or errors
    seconds: float
    errors: tuple[str, ...]  # the first few distinct ones

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def not_begun(why: str) -> TickResult:
    """Of a tick that forwarded nothing because it did not know how much it may."""
    return TickResult(0, 0, 0, 0, 0, 0, 0, 0, 0, stopped="errors", seconds=0.0, errors=(why,))


def run(config: Config, remaining_ms: Callable[[], int], shard: int = 0) -> TickResult:
    """One tick of one shard. Logs its result as one line of JSON. Raises TickFailed after a tick with errors.

    `remaining_ms` is the Lambda context's get_remaining_time_in_millis.
    """

    async def connected() -> TickResult:
        sqs = connect.async_sqs(config.source_queue_url)
        ssm = connect.async_ssm(config.source_queue_url) if config.capacity_parameter else None
        try:
            pace = await allowed(sqs, ssm, config, shard)
            result = await tick(sqs, config, pace.events, lambda: remaining_ms() / 1000)
            if result.stopped == "capacity":
                result = replace(result, stopped=pace.limit)
            return result
        except AllowanceUnknown as e:
            return not_begun(str(e))
        finally:
            sqs.close()
            if ssm:
                ssm.close()

    result = in_loop(connected())
    _log(result, config, shard)
    if result.errors:
        raise TickFailed(result.as_dict())
    return result


def _log(result: TickResult, config: Config, shard: int) -> None:
    values = {
        "Received": result.received,
        "Forwarded": result.forwarded,
        "Rejected": result.rejected,
        "Failed": result.failed,
        "TickDuration": result.seconds,
    }
    metrics.line("tick", config.stage, "drain", values, shard=shard, **result.as_dict())


def in_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns, run in the drain's event loop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def tick(
    sqs: AsyncSqs,
    config: Config,
    capacity: int,
    remaining_s: Callable[[], float],
    *,
    stop_s: float = STOP_S,
    cut_s: float = CUT_S,
) -> TickResult:
    """Forwards min(capacity, backlog) events, or says why fewer. `remaining_s` is the time left to run."""
    began = remaining_s()
    state = _State(capacity, config.drain_workers, lambda: remaining_s() < stop_s)
    try:
        async with asyncio.timeout(max(0.0, began - cut_s)), asyncio.TaskGroup() as group:
            state.grow = lambda: group.create_task(_work(sqs, config, state))
            state.add_worker()
    except TimeoutError:
        state.cut = True
    await _return_untouched(sqs, config.source_queue_url, state.tally, within_s=cut_s / 2)
    tally = state.tally
    return TickResult(
        capacity=capacity,
        received=tally.received,
        forwarded=tally.forwarded,
        rejected=tally.rejected,
        split=tally.split,
        ignored=tally.ignored,
        returned=tally.returned,
        failed=tally.failed,
        duplicates=tally.duplicates,
        stopped=state.stopped(),
        seconds=round(began - remaining_s(), 3),
        errors=tuple(tally.errors),
    )


class _State:
    """What the workers of one tick share. They run in one thread, and change it only between two awaits."""

    def __init__(self, capacity: int, max_workers: int, is_late: Callable[[], bool]) -> None:
        self.ledger = Ledger(capacity)
        self.tally = Tally()
        self.empty = False
        self.late = False
        self.cut = False  # what workers had reserved then is not accounted for
        self.grow: Callable[[], object] = lambda: None
        self._is_late = is_late
        self._max_workers = max_workers
        self._workers = 0

    def goes_on(self) -> bool:
        """Whether to receive once more."""
        self.late = self.late or self._is_late()
        return not (self.late or self.empty or self._futile()) and self.ledger.left > 0

    def add_worker(self) -> None:
        if self._workers < self._max_workers and self.goes_on():
            self._workers += 1
            self.grow()

    def worker_ended(self) -> None:
        self._workers -= 1

    def stopped(self) -> str:
        if self._futile():
            return "errors"
        if self.ledger.left == 0 and not self.cut:
            return "capacity"
        return "deadline" if self.late or self.cut else "empty"

    def _futile(self) -> bool:
        return self.tally.futile >= FUTILE_CALLS


async def _work(sqs: AsyncSqs, config: Config, state: _State) -> None:
    ledger, tally = state.ledger, state.tally
    while state.goes_on():
        reserved = ledger.reserve(batching.MAX_ENTRIES)
        try:
            answer = await sqs.receive_message(
                QueueUrl=config.source_queue_url,
                MaxNumberOfMessages=reserved,
                WaitTimeSeconds=LONG_POLL_S,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        except CallFailed as e:
            ledger.give_back(reserved)
            tally.error(str(e))
            tally.futile += 1
            continue
        messages = answer.get("Messages") or []
        ledger.give_back(reserved - len(messages))
        if not messages:
            state.empty = True
            break
        state.add_worker()
        splits = tally.split
        taken = await move(sqs, config, messages, tally)
        ledger.give_back(len(messages) - taken)
        if tally.split > splits:
            state.empty = False  # there is something again
    state.worker_ended()


async def _return_untouched(sqs: AsyncSqs, queue_url: str, tally: Tally, within_s: float) -> None:
    """Lets the next tick have what this one received and could not begin to send."""
    handles = list(tally.untouched)
    most = batching.MAX_ENTRIES
    parts = [dict.fromkeys(handles[i : i + most], 0) for i in range(0, len(handles), most)]
    with contextlib.suppress(TimeoutError):  # the queue's visibility timeout brings them back as well
        async with asyncio.timeout(within_s):
            tally.returned += sum(
                await asyncio.gather(*(make_visible(sqs, queue_url, part) for part in parts))
            )
