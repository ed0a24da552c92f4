"""The tick: at most `capacity` events from the source queue to the destination queue.

Workers receive, send and delete ten at a time, all in one thread. Each reserves capacity before it receives
and gives back what did not move, so a tick forwards exactly min(capacity, backlog) unless the deadline or
errors stop it, and then its result says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chalicelib import times
from chalicelib.aws.lean.connect import async_sqs, async_ssm
from chalicelib.aws.lean.http1 import ADMISSION
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.capacity import bulk_share
from chalicelib.drain.allowance import Allowance, AllowanceUnknown, allowed
from chalicelib.drain.clock import STOP_S as STOP_AT_S
from chalicelib.drain.clock import Bytes, Clock
from chalicelib.drain.forward import Lane, Tally, Timing, learn, make_visible, move, sent_at
from chalicelib.drain.ledger import Ledger
from chalicelib.drain.refusals import Refusals
from chalicelib.drain.room import Hold, Room
from chalicelib.errors import TickFailed
from chalicelib.queues import batching, retention
from chalicelib.queues.tries import BULK
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.aws.lean.ssm import AsyncSsm
    from chalicelib.config import Config

Result = TypeVar("Result")

# A long poll asks every SQS server; a short one only some, and its empty answer means nothing.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
LONG_POLL_S = 1
STOP_S = 5.0  # with less time than this left, nothing more is received
CUT_S = 2.0  # with less than this, calls are cut off, and the rest of the time gives messages back
# Where nothing may move, one minute of so many looks for what is old, the shards in turn: a receive more.
PAUSED_LOOKS = 60
RENEW_S = 55.0  # after the scheduled minute: nothing is sent anew any more, so that the next tick finds room
MOST_YOUNG = 200  # received among what is old, and held until the end, of one lane
LATE_S = 60.0  # a tick so long after its minute belongs to another, which has one of its own
FUTILE_CALLS = 5  # in a row: going on would only use up the messages' receives


class TickResult(NamedTuple):
    """received = forwarded + rejected + split + ignored + postponed + renewed + returned + failed."""

    capacity: int  # what it was allowed to forward
    received: int
    forwarded: int
    rejected: int  # to the dead-letter queue, with the reason
    split: int  # held several events, or unreadable ones beside good ones; put back as one message each
    ignored: int  # told of no object (test events, deletes, folder markers), or the action table ignores it
    postponed: int  # tries whose time has not come; sent on to the source queue
    returned: int  # made visible again untouched, because time was up
    failed: int  # still in the source queue: the next place refused them or did not answer
    letters: int  # dead letters written, those of parts of split messages too
    duplicates: int  # at most so many events arrive twice: an answer was lost, or a delete failed
    stopped: (
        str  # capacity, back_pressure, empty, paused, deadline, errors; repeated, late: no tick of its minute
    )
    seconds: float
    errors: tuple[str, ...]  # the first few distinct ones
    capacity_unread: str = ""  # why the capacity is the last known one, not the one that is set
    forwarded_bulk: int = 0  # of `forwarded`, those of the bulk lane
    oldest_s: float = 0.0  # age of the oldest message received, counted from when it first came
    stage_capacity: int = 0  # of all shards; 0 where it was not read, because nothing came
    renewed: int = 0  # sent anew to their lane, because SQS would have deleted them within a day

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()


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


@dataclass
class Process:
    """What one shard's process remembers from tick to tick."""

    clock: Clock
    refusals: Refusals = field(default_factory=Refusals)
    last_minute: str = ""  # the scheduled minute that was done last
    # Or not known yet, or there was no room: what is set is read before anything is received, for SQS counts
    # each receive, and dead-letters what was received a thousand times.
    paused: bool = True
    bytes: Bytes = field(default_factory=Bytes)
    turns: int = 0  # ticks in which a limit in bytes let something through: not every minute has one


_processes: dict[int, Process] = {}  # by shard


def run(config: Config, remaining_ms: Callable[[], int], shard: int = 0, scheduled: str = "") -> TickResult:
    """One tick of one shard. Logs its result as one line of JSON. Raises TickFailed after a tick with errors.

    `remaining_ms` is the Lambda context's get_remaining_time_in_millis, `scheduled` the event's `time`:
    EventBridge delivers at least once, and the same minute forwards once in one process. A second delivery
    that meets a new process forwards behind what is not due yet, as far as SQS has counted it. One that comes
    a minute late, such as Lambda's own second try, does nothing. A tick that nobody scheduled, called by
    hand, has none and always runs.
    """
    at = times.moment(scheduled)
    process = _processes.setdefault(shard, Process(Clock(shard, config.drain_shards)))
    if scheduled and process.last_minute == scheduled:
        result = not_begun("repeated")
    elif at and time.time() - at.timestamp() > LATE_S:
        result = not_begun("late")
    else:
        process.last_minute = scheduled
        result = in_loop(_connected(config, remaining_ms, shard, at, process))
    _log(result, config, shard, scheduled)
    if result.errors:
        raise TickFailed(result.as_dict())
    return result


async def _connected(
    config: Config, remaining_ms: Callable[[], int], shard: int, at: datetime | None, process: Process
) -> TickResult:
    sqs = async_sqs(config.source_queue_url)
    ssm = async_ssm(config.source_queue_url)
    try:
        minute = at.timestamp() if at else time.time() // 60 * 60
        return await paced(sqs, ssm, config, lambda: remaining_ms() / 1000, minute, process, shard)
    finally:
        sqs.close()
        ssm.close()


async def paced(
    sqs: AsyncSqs,
    ssm: AsyncSsm,
    config: Config,
    remaining_s: Callable[[], float],
    minute: float,
    process: Process,
    shard: int = 0,
    clock: Callable[[], float] = time.time,
) -> TickResult:
    """The tick of the scheduled `minute` (seconds since 1970), by what is set and as the clock lets it.

    An idle tick is a call for each lane: what is set is read when something came, and before anything is
    received only by a process that does not know it, or to which nothing was allowed.
    """
    began = remaining_s()
    lanes = [
        Lane(config.source_queue_url),
        *([Lane(config.bulk_queue_url, BULK)] if config.bulk_queue_url else []),
    ]
    tally = Tally(began=clock())
    hands: dict[str, list[MessageTypeDef]] = {}
    stop, a_minute = minute + STOP_AT_S, config.capacity_bytes / config.drain_shards
    fit = process.bytes.fit(process.clock.room_s(clock(), stop), a_minute) if a_minute else None
    if fit == 0:  # a large event takes its time still
        return _result(0, tally, "capacity", began - remaining_s(), clock())
    try:
        allowance = (
            await _allowed(sqs, ssm, config, shard, minute, process, clock) if process.paused else None
        )
        if not allowance or allowance.events:
            hands = await _first(sqs, lanes, tally, fit)
            if not any(hands.values()):
                process.paused = False
                return _result(
                    0, tally, "errors" if tally.errors else "empty", began - remaining_s(), clock()
                )
            allowance = allowance or await _allowed(sqs, ssm, config, shard, minute, process, clock)
    except AllowanceUnknown as e:
        tally.error(str(e))
        await _return_untouched(sqs, lanes, tally)
        return _result(0, tally, "errors", began - remaining_s(), clock())
    process.paused = not allowance.events
    looks = int(minute // 60) % (PAUSED_LOOKS * config.drain_shards) == PAUSED_LOOKS * shard
    if process.paused and not looks:
        await _return_untouched(sqs, lanes, tally)
        held = _result(0, tally, allowance.limit, began - remaining_s(), clock())
        return held._replace(stage_capacity=allowance.of_stage, capacity_unread=allowance.problem)
    timing = None
    budget, turn = allowance.events, int(minute // 60)
    sharing: int | None = None  # with a limit in bytes: what the tick will forward, by the mean
    if process.paused:  # nothing is forwarded, but what waits is not to expire
        hands = hands or await _first(sqs, lanes, tally, fit)
    elif config.spread:
        sizes = process.bytes if a_minute else None
        timing = Timing(process.clock, allowance.capacity_at, stop, sizes, a_minute)
        budget = min(budget, process.clock.slots(clock(), stop, allowance.capacity_at))
        if sizes:
            if not sizes.seen:
                learn(sizes, chain.from_iterable(hands.values()))
            sharing = min(budget, timing.fit(clock()) or 0)
            turn, process.turns = process.turns, process.turns + 1
    result = await tick(
        sqs,
        config,
        budget,
        remaining_s,
        refusals=process.refusals,
        clock=clock,
        lanes=lanes,
        bulk_first=bulk_share(config.bulk_share, budget if sharing is None else sharing, turn),
        hands=hands,
        tally=tally,
        timing=timing,
        renew_until=minute + RENEW_S,
    )
    stopped = allowance.limit if result.stopped == "capacity" else result.stopped
    return result._replace(
        capacity=allowance.events,
        stage_capacity=allowance.of_stage,
        stopped=stopped,
        seconds=round(began - remaining_s(), 3),
        capacity_unread=allowance.problem,
    )


async def _allowed(
    sqs: AsyncSqs,
    ssm: AsyncSsm,
    config: Config,
    shard: int,
    minute: float,
    process: Process,
    clock: Callable[[], float],
) -> Allowance:
    """What this tick may forward: nothing where what piled up in the destination takes all of its time."""
    found = await allowed(sqs, ssm, config, shard, clock())
    if not config.spread or found.paused:
        return found
    now = clock()
    process.clock.begin(minute, now, found.capacity_at, found.not_due)
    if not process.clock.sees(found.waiting, now, found.capacity_at):
        return found
    slots = process.clock.slots(now, minute + STOP_AT_S, found.capacity_at)
    return found._replace(events=min(found.events, slots), limit="back_pressure")


async def _first(
    sqs: AsyncSqs, lanes: Sequence[Lane], tally: Tally, fit: int | None = None
) -> dict[str, list[MessageTypeDef]]:
    """One call for each lane, all at once, for what fits in bytes."""
    most = batching.MAX_ENTRIES if fit is None else min(fit, batching.MAX_ENTRIES)
    found = await asyncio.gather(*(_receive(sqs, lane, most, tally) for lane in lanes))
    return {lane.name: messages for lane, messages in zip(lanes, found, strict=True)}


def _log(result: TickResult, config: Config, shard: int, scheduled: str) -> None:
    values = {
        "Received": result.received,
        "Forwarded": result.forwarded,
        "ForwardedBulk": result.forwarded_bulk,
        "Rejected": result.letters,
        "Failed": result.failed,
        "CapacityUnread": int(bool(result.capacity_unread)),
        "TickDuration": result.seconds,
        "OldestReceived": result.oldest_s,
        "Renewed": result.renewed,
    }
    if result.stage_capacity:
        values["Capacity"] = result.stage_capacity
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
    refusals: Refusals | None = None,
    clock: Callable[[], float] = time.time,
    lanes: Sequence[Lane] = (),
    bulk_first: int = 0,
    hands: Mapping[str, list[MessageTypeDef]] | None = None,
    tally: Tally | None = None,
    timing: Timing | None = None,
    renew_until: float = math.inf,
) -> TickResult:
    """Forwards min(capacity, backlog) events, or says why fewer. `remaining_s` is the time left to run.

    First `bulk_first` of the bulk lane, its least share; then the live lane; then bulk with what is left.
    `hands` are messages received already, by lane; `clock` gives seconds since 1970. What is left of the
    time, until `renew_until` at most, goes to what SQS would soon delete.
    """
    began = remaining_s()
    lanes = lanes or [Lane(config.source_queue_url)]
    live, bulk = lanes[0], lanes[1:]
    phases = [(lane, bulk_first) for lane in bulk if bulk_first]
    phases += [(live, capacity), *((lane, capacity) for lane in bulk)]
    state = _State(
        capacity,
        1 if timing and timing.bytes else config.drain_workers,  # what others hold would not be known
        lambda: remaining_s() < stop_s,
        tally or Tally(began=clock()),
        hands or {},
    )
    how = _How(sqs, config, refusals or Refusals(), clock, timing)
    try:
        async with asyncio.timeout(max(0.0, began - cut_s)):
            for lane, most in phases:
                await _phase(how, state, lane, most)
            for lane in lanes:
                await _renew(how, state, lane, renew_until)
    except TimeoutError:
        state.cut = True
    await _return_untouched(sqs, lanes, state.tally, cut_s / 2)
    return _result(capacity, state.tally, state.stopped(), began - remaining_s(), clock())


def _result(capacity: int, tally: Tally, stopped: str, seconds: float, now: float) -> TickResult:
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
        stopped=stopped,
        seconds=round(seconds, 3),
        errors=tuple(tally.errors),
        oldest_s=tally.oldest_s(now),
        forwarded_bulk=tally.forwarded_bulk,
        renewed=tally.renewed,
    )


class _How(NamedTuple):
    """What every worker of a tick works with."""

    sqs: AsyncSqs
    config: Config
    refusals: Refusals
    clock: Callable[[], float]
    timing: Timing | None


class _State:
    """What the workers of one tick share. They run in one thread, and change it only between two awaits."""

    def __init__(
        self,
        capacity: int,
        max_workers: int,
        is_late: Callable[[], bool],
        tally: Tally,
        hands: Mapping[str, list[MessageTypeDef]],
    ) -> None:
        self.ledger = Ledger(capacity)  # of the whole tick
        self.phase = Ledger(0)  # of the phase that runs
        self.room = Room()
        self.tally = tally
        self.hands = dict(hands)
        self.empty = False
        self.late = False
        self.cut = False  # what workers had reserved then is not accounted for
        self._is_late = is_late
        self._max_workers = max_workers
        self._workers = 0

    def begin(self, most: int) -> None:
        """A phase begins: one lane, and at most so many events."""
        self.empty = False
        self._workers = 0
        self.phase = Ledger(min(most, self.ledger.left))

    def reserve(self, wanted: int) -> int:
        return self.ledger.reserve(self.phase.reserve(wanted))

    def give_back(self, count: int) -> None:
        self.ledger.give_back(count)
        self.phase.give_back(count)

    def goes_on(self) -> bool:
        """Whether to receive once more."""
        self.late = self.late or self._is_late()
        ended = self.late or self.empty or self.tally.past_stop or self._futile()
        return not ended and self.phase.left > 0

    def renews(self) -> bool:
        """Whether there is time for what is old."""
        self.late = self.late or self._is_late()
        return not self.late and not self._futile()

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
        if (self.ledger.left == 0 or self.tally.past_stop) and not self.cut:
            return "capacity"
        return "deadline" if self.late or self.cut else "empty"

    def _futile(self) -> bool:
        return self.tally.futile >= FUTILE_CALLS


async def _phase(how: _How, state: _State, lane: Lane, most: int) -> None:
    """One lane, until it is empty or has had its part."""
    state.begin(most)
    async with asyncio.TaskGroup() as group:

        async def work() -> None:
            await _work(how, state, lane, lambda: group.create_task(work()))

        if state.takes_worker():
            group.create_task(work())


async def _work(how: _How, state: _State, lane: Lane, add_worker: Callable[[], object]) -> None:
    tally, hold = state.tally, Hold(state.room)
    ADMISSION.set(hold.admit)  # each worker is a task, and has a context, of its own
    while state.goes_on():
        fit = how.timing.fit(how.clock()) if how.timing else None
        if fit == 0:
            tally.past_stop = True
            break
        reserved = state.reserve(batching.MAX_ENTRIES if fit is None else min(fit, batching.MAX_ENTRIES))
        in_hand = state.hands.pop(lane.name, [])
        if len(in_hand) > reserved:  # the rest is for a later phase, or goes back
            state.hands[lane.name] = in_hand[reserved:]
        messages = in_hand[:reserved] or await _receive(how.sqs, lane, reserved, tally)
        state.give_back(reserved - len(messages))
        if not messages:
            hold.release()
            if tally.failed_receive:
                tally.failed_receive = False
                continue
            state.empty = True
            tally.old.discard(lane.name)
            break
        if state.takes_worker():
            add_worker()
        splits = tally.split
        taken = await move(how.sqs, how.config, messages, tally, how.refusals, how.clock, lane, how.timing)
        state.give_back(len(messages) - taken)
        hold.release()
        if tally.split > splits:
            state.empty = False  # there is something again
    state.worker_ended()


async def _renew(how: _How, state: _State, lane: Lane, until: float) -> None:
    """Sends anew what SQS would delete within a day, where a lane gave such in this tick.

    Ends when the lane is empty, or has given many that are younger: in what order SQS gives them is not
    known. It renews what SQS shows it: a message that is in flight or delayed, or comes behind very many, is
    not seen. What it sends is young, so it ends.
    """
    young, tally = 0, state.tally

    def old(message: MessageTypeDef) -> bool:
        return retention.in_last_day(sent_at(message), how.clock())

    def goes_on() -> bool:
        return state.renews() and young < MOST_YOUNG and how.clock() < until

    async def work() -> None:
        nonlocal young
        hold = Hold(state.room)
        ADMISSION.set(hold.admit)
        while goes_on():
            messages = state.hands.pop(lane.name, None)
            messages = messages or await _receive(how.sqs, lane, batching.MAX_ENTRIES, tally)
            those = [message for message in messages if old(message)]
            young += len(messages) - len(those)  # they go back at the end
            if those:
                await move(how.sqs, how.config, those, tally, how.refusals, how.clock, lane, renew=True)
            elif not messages and not tally.failed_receive:
                young = MOST_YOUNG
            tally.failed_receive = False
            hold.release()

    if lane.name in tally.old and goes_on():
        async with asyncio.TaskGroup() as group:
            for _ in range(how.config.drain_workers):
                group.create_task(work())


async def _receive(sqs: AsyncSqs, lane: Lane, most: int, tally: Tally) -> list[MessageTypeDef]:
    """Up to `most` messages of the lane; none where it is empty, or the call failed, which is then noted."""
    try:
        answer = await sqs.receive_message(
            QueueUrl=lane.queue_url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=LONG_POLL_S,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
    except CallFailed as e:
        tally.error(str(e))
        tally.futile += 1
        tally.failed_receive = True
        return []
    messages = answer.get("Messages") or []
    if messages:
        tally.saw(messages, lane.name)
    return messages


async def _return_untouched(
    sqs: AsyncSqs, lanes: Sequence[Lane], tally: Tally, within_s: float = CUT_S / 2
) -> None:
    """Lets the next tick have what this one received and could not begin to send."""

    async def back(lane: Lane, handles: Sequence[str]) -> None:
        confirmed = await make_visible(sqs, lane.queue_url, dict.fromkeys(handles, 0))
        tally.returned += confirmed  # not in one line: others add to it meanwhile

    with contextlib.suppress(TimeoutError):  # the queue's visibility timeout brings them back as well
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            for lane in lanes:
                handles = [handle for handle, name in tally.untouched.items() if name == lane.name]
                for start in range(0, len(handles), batching.MAX_ENTRIES):
                    group.create_task(back(lane, handles[start : start + batching.MAX_ENTRIES]))
