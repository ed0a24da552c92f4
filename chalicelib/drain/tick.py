"""The tick: at most `capacity` events from the source queue to the destination queue.

Workers receive, send and delete ten at a time, all in one thread. Each reserves capacity before it receives
and gives back what did not move, so a tick forwards exactly min(capacity, backlog) unless the deadline or
errors stop it, and then its result says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.aws.lean.connect import async_sqs, async_ssm
from chalicelib.aws.lean.http1 import ADMISSION
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain.allowance import AllowanceUnknown, allowed
from chalicelib.drain.forward import Tally, make_visible, move
from chalicelib.drain.ledger import Ledger
from chalicelib.drain.refusals import Refusals
from chalicelib.drain.room import Hold, Room
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
    """received = forwarded + rejected + split + ignored + postponed + returned + failed."""

    capacity: int  # what it was allowed to forward
    received: int
    forwarded: int
    rejected: int  # to the dead-letter queue, with the reason
    split: int  # held several events, or unreadable ones beside good ones; put back as one message each
    ignored: int  # told of no object: test events, deletes, folder markers
    postponed: int  # tries whose time has not come; sent on to the source queue
    returned: int  # made visible again untouched, because time was up
    failed: int  # still in the source queue: the next place refused them or did not answer
    letters: int  # dead letters written, those of parts of split messages too
    duplicates: int  # at most so many events arrive twice: an answer was lost, or a delete failed
    stopped: (
        str  # capacity, back_pressure, empty, deadline, errors, or repeated: this minute was done already
    )
    seconds: float
    errors: tuple[str, ...]  # the first few distinct ones
    capacity_unread: str = ""  # why the capacity is the last known one, not the one that is set
    oldest_s: float = 0.0  # age of the oldest message received, counted from when it was sent

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def not_begun(stopped: str, *errors: str) -> TickResult:
    """Of a tick that received nothing."""
    return TickResult(
        capacity=0,
        received=0,
        forwarded=0,
        rejected=0,
        split=0,
        ignored=0,
        postponed=0,
        returned=0,
        failed=0,
        letters=0,
        duplicates=0,
        stopped=stopped,
        seconds=0.0,
        errors=errors,
    )


_refusals = Refusals()
_last_minute: dict[int, str] = {}  # by shard: the scheduled minute that this process has done


def run(config: Config, remaining_ms: Callable[[], int], shard: int = 0, scheduled: str = "") -> TickResult:
    """One tick of one shard. Logs its result as one line of JSON. Raises TickFailed after a tick with errors.

    `remaining_ms` is the Lambda context's get_remaining_time_in_millis, `scheduled` the event's `time`:
    EventBridge delivers at least once, and the same minute forwards once in one process. (A second delivery
    to a new process forwards again.) A tick that nobody scheduled, called by hand, has none and always runs.
    """

    async def connected() -> TickResult:
        sqs = async_sqs(config.source_queue_url)
        ssm = async_ssm(config.source_queue_url)
        try:
            allowance = await allowed(sqs, ssm, config, shard)
            result = await tick(sqs, config, allowance.events, lambda: remaining_ms() / 1000)
            if result.stopped == "capacity":
                result = replace(result, stopped=allowance.limit)
            return replace(result, capacity_unread=allowance.problem)
        except AllowanceUnknown as e:
            return not_begun("errors", str(e))
        finally:
            sqs.close()
            ssm.close()

    if scheduled and _last_minute.get(shard) == scheduled:
        result = not_begun("repeated")
    else:
        _last_minute[shard] = scheduled
        result = in_loop(connected())
    _log(result, config, shard, scheduled)
    if result.errors:
        raise TickFailed(result.as_dict())
    return result


def _log(result: TickResult, config: Config, shard: int, scheduled: str) -> None:
    values = {
        "Received": result.received,
        "Forwarded": result.forwarded,
        "Rejected": result.letters,
        "Failed": result.failed,
        "CapacityUnread": int(bool(result.capacity_unread)),
        "TickDuration": result.seconds,
        "OldestReceived": result.oldest_s,
    }
    fields = {"shard": shard, "scheduled": scheduled, **result.as_dict()}
    metrics.line("tick", config.stage, "drain", values, **fields)


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
    refusals: Refusals = _refusals,
    clock: Callable[[], float] = time.time,
) -> TickResult:
    """Forwards min(capacity, backlog) events, or says why fewer. `remaining_s` is the time left to run.

    `clock` gives seconds since 1970.
    """
    began = remaining_s()
    state = _State(capacity, config.drain_workers, lambda: remaining_s() < stop_s)
    try:
        async with asyncio.timeout(max(0.0, began - cut_s)), asyncio.TaskGroup() as group:

            async def work() -> None:
                await _work(sqs, config, state, refusals, clock, lambda: group.create_task(work()))

            if state.takes_worker():
                group.create_task(work())
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
        postponed=tally.postponed,
        returned=tally.returned,
        failed=tally.failed,
        letters=tally.letters,
        duplicates=tally.duplicates,
        stopped=state.stopped(),
        seconds=round(began - remaining_s(), 3),
        errors=tuple(tally.errors),
        oldest_s=tally.oldest_s(clock()),
    )


class _State:
    """What the workers of one tick share. They run in one thread, and change it only between two awaits."""

    def __init__(self, capacity: int, max_workers: int, is_late: Callable[[], bool]) -> None:
        self.ledger = Ledger(capacity)
        self.room = Room()
        self.tally = Tally()
        self.empty = False
        self.late = False
        self.cut = False  # what workers had reserved then is not accounted for
        self._is_late = is_late
        self._max_workers = max_workers
        self._workers = 0

    def goes_on(self) -> bool:
        """Whether to receive once more."""
        self.late = self.late or self._is_late()
        return not (self.late or self.empty or self._futile()) and self.ledger.left > 0

    def takes_worker(self) -> bool:
        """Whether one more may begin; it is counted then."""
        if self._workers >= self._max_workers or not self.goes_on():
            return False
        self._workers += 1
        return True

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


async def _work(
    sqs: AsyncSqs,
    config: Config,
    state: _State,
    refusals: Refusals,
    clock: Callable[[], float],
    add_worker: Callable[[], object],
) -> None:
    ledger, tally, hold = state.ledger, state.tally, Hold(state.room)
    ADMISSION.set(hold.admit)  # each worker is a task, and has a context, of its own
    while state.goes_on():
        reserved = ledger.reserve(batching.MAX_ENTRIES)
        try:
            answer = await sqs.receive_message(
                QueueUrl=config.source_queue_url,
                MaxNumberOfMessages=reserved,
                WaitTimeSeconds=LONG_POLL_S,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        except CallFailed as e:
            hold.release()
            ledger.give_back(reserved)
            tally.error(str(e))
            tally.futile += 1
            continue
        messages = answer.get("Messages") or []
        ledger.give_back(reserved - len(messages))
        if not messages:
            state.empty = True
            break
        if state.takes_worker():
            add_worker()
        splits = tally.split
        taken = await move(sqs, config, messages, tally, refusals, clock)
        ledger.give_back(len(messages) - taken)
        hold.release()
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
