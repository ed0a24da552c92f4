"""What becomes of received messages: each is forwarded, rejected, split, ignored or postponed, and only then
deleted.

A message leaves the source queue only after the next place has confirmed it, entry by entry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib import events
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.config.stage import LONGEST_DELAY_S
from chalicelib.drain.clock import Bytes, CapacityAt, Clock, delay_s
from chalicelib.drain.refusals import Refusals
from chalicelib.queues import batching, letters, retention, tries
from chalicelib.queues.tries import Tries

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.config import Config

DELETE_TRIES = 2
MAX_ERRORS = 5  # distinct lines kept
UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass
class Tally:
    """What a tick has done so far. Every message received ends in one of the next seven, or stays."""

    received: int = 0
    forwarded: int = 0
    rejected: int = 0
    split: int = 0
    ignored: int = 0
    postponed: int = 0  # sent on to the source queue: their time has not come
    renewed: int = 0  # sent anew to their lane, before SQS deletes them
    returned: int = 0  # made visible again untouched, because time was up
    letters: int = 0  # dead letters written: of rejected messages, and of parts of split ones
    ambiguous: int = 0  # events sent without an answer, which come again
    futile: int = 0  # calls in a row that moved nothing
    failed_receive: bool = False  # the last receive was no answer
    forwarded_bulk: int = 0  # of `forwarded`, those of the bulk lane
    errors: dict[str, None] = field(default_factory=dict)
    oldest: int = 0  # milliseconds since 1970: when the oldest message received first came; 0 is not known
    began: float = 0.0  # seconds since 1970
    old: set[str] = field(default_factory=set)  # lanes that gave what SQS would delete within a day
    past_stop: bool = False  # the clock has come to the end of this tick
    untouched: dict[str, str] = field(
        default_factory=dict
    )  # handle -> lane, of what was not begun to be sent
    undeleted: dict[str, int] = field(
        default_factory=dict
    )  # receipt handle -> events of it that are elsewhere

    @property
    def failed(self) -> int:
        """Messages left in the source queue because the next place refused them or did not answer."""
        ended = self.forwarded + self.rejected + self.split + self.ignored + self.postponed + self.returned
        return self.received - ended - self.renewed

    @property
    def duplicates(self) -> int:
        """At most so many events arrive twice: those sent without an answer, and those not deleted."""
        return self.ambiguous + sum(self.undeleted.values())

    def saw(self, messages: Sequence[MessageTypeDef], lane: str = "") -> None:
        """These were received."""
        self.received += len(messages)
        self.untouched.update(dict.fromkeys([message["ReceiptHandle"] for message in messages], lane))
        sent = [sent_at(message) for message in messages]
        if self.began - min(sent) >= retention.RENEWED_S:
            self.old.update(lane for at in sent if retention.in_last_day(at, self.began))
        if any("MessageAttributes" in message for message in messages):
            sent = [_first_sent(message) for message in messages]
        first = int(1000 * min(sent))
        self.oldest = min(self.oldest, first) if self.oldest and first else self.oldest or first

    def oldest_s(self, now: float) -> float:
        """Seconds since the oldest message received first came; 0 where none was, or it is not known."""
        return round(max(0.0, now - self.oldest / 1000), 1) if self.oldest else 0.0

    def error(self, line: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors[line] = None


def sent_at(message: MessageTypeDef) -> float:
    """Seconds since 1970: since then SQS keeps it. 0 where that is not known."""
    return int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000


def _first_sent(message: MessageTypeDef) -> float:
    """As sent_at, but of a message that was sent anew the first time."""
    attributes = message.get("MessageAttributes")
    return (Tries.read(attributes).first_sent if attributes else 0.0) or sent_at(message)


class Outgoing(NamedTuple):
    """One message to send, without an entry id, and the received one that it comes from."""

    origin: MessageTypeDef
    message: dict[str, Any]
    size: int | None = None  # of the object, in bytes


class Lane(NamedTuple):
    """One of the two queues that the drain takes from: live, or bulk, which waits behind it."""

    queue_url: str
    name: str = ""  # carried by its messages, so that each comes back to its lane; live has none


class Timing(NamedTuple):
    """When forwarded events are due, evenly spread; nothing that is due at `stop` or later is forwarded."""

    clock: Clock
    capacity_at: CapacityAt
    stop: float  # seconds since 1970
    bytes: Bytes | None = None  # with a limit in bytes, too
    bytes_a_minute: float = 0.0

    def fit(self, now: float) -> int | None:
        """How many events may be received now; None where no limit in bytes says so."""
        return self.bytes.fit(self.clock.room_s(now, self.stop), self.bytes_a_minute) if self.bytes else None

    def due(self, now: float, size: int | None) -> float:
        """When an event of that size is due."""
        if not self.bytes:
            return self.clock.due(now, self.capacity_at)
        self.bytes.saw(size)
        return self.clock.due(now, self.capacity_at, self.bytes.takes_s(size, self.bytes_a_minute))


class Split(NamedTuple):
    """A received message that is not one event: its events go back as one message each."""

    origin: MessageTypeDef
    events: list[Outgoing]
    unreadable: list[Outgoing]  # parts of it that are dead letters


@dataclass(slots=True)
class Plan:
    """Received messages, sorted by what is to be done with them."""

    forward: list[Outgoing] = field(default_factory=list)
    reject: list[Outgoing] = field(default_factory=list)
    split: list[Split] = field(default_factory=list)
    ignore: list[MessageTypeDef] = field(default_factory=list)
    postpone: list[Outgoing] = field(default_factory=list)


@dataclass(slots=True)
class Sent:
    """Outgoing messages by what is known of them. An unanswered one may have arrived."""

    confirmed: list[Outgoing] = field(default_factory=list)
    refused: list[Outgoing] = field(default_factory=list)
    unanswered: list[Outgoing] = field(default_factory=list)
    impossible: list[tuple[Outgoing, str]] = field(default_factory=list)  # refused for ever, and why


def plan(
    messages: Iterable[MessageTypeDef],
    now: float,
    lane: str = "",
    ignores: Callable[[str], bool] | None = None,
    removals: bool = False,
    *,
    renew: bool = False,
) -> Plan:
    """One message is to be one event: what holds none is ignored, what holds several goes back as several.
    So is an event whose key the action table `ignores`, and one of a removal but with `removals`.

    `now` in seconds since 1970: a message that carries a later `NotBefore`, of what consume sets, is
    postponed. `lane` is carried on, and to `renew`, when the message first came. Raises nothing of a
    message's: it would end the tick, and every later one that receives it.
    """
    todo = Plan()
    for message in messages:
        try:
            body = message["Body"]
            attributes = message.get("MessageAttributes")
            earlier = Tries.read(attributes) if attributes else tries.NONE
            if now < earlier.not_before <= now + LONGEST_DELAY_S:  # later is nobody's
                later = tries.entry(body, earlier, earlier.not_before - now, now)
                if later:
                    todo.postpone.append(Outgoing(message, later))
                    continue
            created, unreadable, removed, whole = events.parse_parts(body)
            told = [*created, *removed] if removals else created
            if len(told) == 1 and not unreadable:
                (one,) = told
                if ignores and ignores(one.key):
                    todo.ignore.append(message)
                else:
                    todo.forward.append(
                        Outgoing(message, _forwarded(one, message, earlier, lane, renew), one.size)
                    )
            elif whole:
                why = unreadable[0][1]
                todo.reject.append(Outgoing(message, _letter(body, why.reason, why.code, earlier)))
            elif told or unreadable:
                # Stamped here: put back twice, each would else be an event of its own.
                parts = [
                    Outgoing(message, {"MessageBody": events.stamped(one, message["MessageId"]).to_body()})
                    for one in told
                ]
                for_nobody = [
                    Outgoing(message, _letter(text, why.reason, why.code)) for text, why in unreadable
                ]
                todo.split.append(Split(message, parts, for_nobody))
            else:
                todo.ignore.append(message)
        except UNFORESEEN as e:
            reason = f"the drain cannot handle it: {type(e).__name__}: {e}"
            todo.reject.append(Outgoing(message, _letter(message["Body"], reason, "unreadable")))
    return todo


def learn(sizes: Bytes, messages: Iterable[MessageTypeDef]) -> None:
    """The first sizes that a process sees, before it says how many events a tick may forward. Raises nothing
    of a message's, as plan."""
    for message in messages:
        with suppress(*UNFORESEEN):
            for created in events.parse_parts(message["Body"]).created:
                sizes.saw(created.size)


def _time(forward: list[Outgoing], timing: Timing, now: float) -> bool:
    """Gives each its delay. Whether there are any due after the end of the tick: they are left out."""
    for number, one in enumerate(forward):
        if timing.bytes and timing.fit(now) == 0:  # what it would take is not to be charged before it goes
            del forward[number:]
            return True
        due = timing.due(now, one.size)
        if due >= timing.stop and due >= timing.stop + 60 / max(1, timing.capacity_at(due)):
            del forward[number:]
            return True
        if wait := delay_s(due, now):
            one.message["DelaySeconds"] = wait
    return False


def _forwarded(
    created: events.ObjectCreated, message: MessageTypeDef, earlier: Tries, lane: str, renew: bool
) -> dict[str, Any]:
    """The message for the next place: a plain body, its identity in it, its tries and its lane beside it."""
    body = message["Body"]
    if not (created.knows_itself and body.startswith('{"Bucket"')):
        body = events.stamped(created, message["MessageId"]).to_body()
    elif earlier is tries.NONE and not (lane or renew):  # most of them: as SQS gave it, so SQS takes it
        return {"MessageBody": body}
    carried = Tries(earlier.count, earlier.reason, earlier.first_failure, untried=earlier.untried, lane=lane)
    if renew:
        carried = replace(carried, first_sent=_first_sent(message))
    return tries.entry(body, carried, 0, 0) or {"MessageBody": message["Body"]}


def _letter(body: str, reason: str, code: str, earlier: Tries = tries.NONE) -> dict[str, Any]:
    return letters.message(body, reason, "drain", code=code, tries=earlier)


async def move(
    sqs: AsyncSqs,
    config: Config,
    messages: Sequence[MessageTypeDef],
    tally: Tally,
    refusals: Refusals,
    clock: Callable[[], float] = time.time,
    lane: Lane | None = None,
    timing: Timing | None = None,
    *,
    renew: bool = False,
) -> int:
    """Does with each message what the plan says; to `renew` sends to the lane itself what it would forward.

    Returns the capacity it took: the events forwarded, and those that may have been.
    """
    lane = lane or Lane(config.source_queue_url)
    source = lane.queue_url
    ignores = config.drops if config.lines else None
    todo = plan(messages, clock(), lane.name, ignores, config.delete_with_original, renew=renew)
    if timing:
        tally.past_stop = _time(todo.forward, timing, clock()) or tally.past_stop

    counted = ("renewed",) if renew else ("forwarded", "forwarded_bulk") if lane.name else ("forwarded",)
    to = source if renew else config.destination_queue_url
    sent = await _send(sqs, to, todo.forward, tally, *counted)
    next_place = "source" if renew else "destination"
    no_use = [
        Outgoing(one.origin, _letter(one.origin["Body"], f"the {next_place} refuses it: {why}", "refused"))
        for one, why in sent.impossible
    ]
    lettered = await _send_letters(
        sqs, config.dead_letter_queue_url, todo.reject + no_use, tally, "letters", "rejected"
    )
    if todo.forward or todo.reject:
        tally.futile = 0 if sent.confirmed or lettered.confirmed else tally.futile + 1
    for message in todo.ignore:
        tally.untouched.pop(message["ReceiptHandle"], None)
    tally.ignored += len(todo.ignore)
    done = [one.origin for one in sent.confirmed + lettered.confirmed]
    await _delete(sqs, source, done + todo.ignore, tally)

    refused = [one.origin for one in sent.refused + lettered.refused]
    refused += await _postpone(sqs, source, todo.postpone, tally)
    for several in todo.split:
        refused += await _split(sqs, config, source, several, tally)
    if refused:
        come_back = {one["ReceiptHandle"]: refusals.backoff_s(one["MessageId"]) for one in refused}
        await make_visible(sqs, source, come_back)
    return len(sent.confirmed) + len(sent.unanswered)


async def _postpone(
    sqs: AsyncSqs, source: str, those: Sequence[Outgoing], tally: Tally
) -> list[MessageTypeDef]:
    """On to the source queue once more: no delay of SQS is long enough. Returns the refused ones."""
    if not those:
        return []
    sent = await _send(sqs, source, those, tally, "postponed")
    await _delete(sqs, source, [one.origin for one in sent.confirmed], tally)
    return [one.origin for one in sent.refused]


async def _split(
    sqs: AsyncSqs, config: Config, lane_url: str, message: Split, tally: Tally
) -> list[MessageTypeDef]:
    """Its events back to their lane, its unreadable parts to the dead letters; returns it if any was
    refused.

    Where some were not taken, a message of those and of the unreadable parts goes back in its place: else
    one of very many events would hardly ever be split, and leave most of them twice each time. Where that is
    not taken either, the whole message comes again, and its other events twice: they are counted.
    """
    put_back = await _send(sqs, lane_url, message.events, tally)
    if put_back.refused or put_back.unanswered:  # before any letter: they would be written twice
        if not await _rest_is_back(sqs, lane_url, message, put_back, tally):
            return [message.origin] if put_back.refused else []
        tally.split += 1
        await _delete(sqs, lane_url, [message.origin], tally)
        return []
    unreadable = message.unreadable + [
        Outgoing(one.origin, _letter(one.message["MessageBody"], f"the source refuses it: {why}", "refused"))
        for one, why in put_back.impossible
    ]
    lettered = await _send_letters(sqs, config.dead_letter_queue_url, unreadable, tally, "letters")
    if len(lettered.confirmed) < len(unreadable):
        return [message.origin] if lettered.refused else []
    tally.split += 1
    await _delete(sqs, lane_url, [message.origin], tally)
    return []


async def _rest_is_back(sqs: AsyncSqs, lane_url: str, message: Split, put_back: Sent, tally: Tally) -> bool:
    """Whether the lane has confirmed one message of all that it has not confirmed singly."""
    left = [*put_back.refused, *put_back.unanswered, *(one for one, _ in put_back.impossible)]
    bodies = [one.message["MessageBody"] for one in left + message.unreadable]
    rest = {
        "MessageBody": events.json_text({"Records": [{"eventSource": "aws:sqs", "body": b} for b in bodies]})
    }
    if not put_back.confirmed or batching.size_bytes(rest) > batching.MAX_BYTES:
        return False
    more = len(bodies) - 1  # arrive twice with it, if its answer is lost, or the message cannot be deleted
    tally.ambiguous += more
    sent = await _send(sqs, lane_url, [Outgoing(message.origin, rest)], tally)
    if not sent.unanswered:
        tally.ambiguous -= more
    if sent.confirmed:
        tally.undeleted[message.origin["ReceiptHandle"]] += more
    return bool(sent.confirmed)


def _is_elsewhere(sent: Sequence[Outgoing], tally: Tally) -> None:
    """The next place has these: until they are deleted here they may arrive twice."""
    for one in sent:
        handle = one.origin["ReceiptHandle"]
        tally.undeleted[handle] = tally.undeleted.get(handle, 0) + 1


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


async def _send_letters(
    sqs: AsyncSqs, queue_url: str, those: Sequence[Outgoing], tally: Tally, *counted: str
) -> Sent:
    """As _send. A letter that the queue finds too long is cut and sent once more."""
    if not those:
        return Sent()
    sent = await _send(sqs, queue_url, those, tally, *counted)
    again = [
        Outgoing(one.origin, short)
        for one, _ in sent.impossible
        if (short := letters.shorter(one.message)) is not None
    ]
    shortened = {id(one.origin) for one in again}
    never = [(one, why) for one, why in sent.impossible if id(one.origin) not in shortened]
    if again:
        second = await _send(sqs, queue_url, again, tally, *counted)
        sent.confirmed.extend(second.confirmed)
        sent.unanswered.extend(second.unanswered)
        sent.refused.extend(second.refused)
        never += second.impossible
    for one, why in never:
        tally.error(f"the dead-letter queue refuses a letter: {why}")
        sent.refused.append(one)
    return sent


async def _send(
    sqs: AsyncSqs, queue_url: str, those: Sequence[Outgoing], tally: Tally, *counted: str
) -> Sent:
    """What is confirmed is told to the tally call by call, in the numbers that are `counted`: what follows
    may be cut off.
    """
    sent = Sent()
    by_id = {str(i): one for i, one in enumerate(those)}
    entries: list[Any] = [{"Id": id_, **one.message} for id_, one in by_id.items()]
    waiting = list(batching.split(entries))
    while waiting:
        batch = waiting.pop(0)
        for entry in batch:
            tally.untouched.pop(by_id[entry["Id"]].origin["ReceiptHandle"], None)
        try:
            answer = await sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)
        except CallFailed as e:
            if len(batch) > 1 and not e.unknown and batching.for_ever(f"{e.code}:"):
                waiting = [[entry] for entry in batch] + waiting  # it is about one of them
                continue
            if not batching.for_ever(f"{e.code}:"):
                tally.error(str(e))
            outcomes = (
                batching.all_unanswered(batch) if e.unknown else batching.all_refused(batch, f"{e.code}: {e}")
            )
        except asyncio.CancelledError:
            tally.ambiguous += len(batch)
            raise
        else:
            outcomes = batching.outcomes(batch, answer)
            for why in outcomes.refused.values():
                if not batching.for_ever(why):  # that becomes a dead letter, with its reason
                    tally.error(f"SendMessageBatch entry: {why}")
            if outcomes.unanswered:
                tally.error(f"SendMessageBatch: the answer does not name {len(outcomes.unanswered)} entries")
            tally.ambiguous += len(batch) * answer["ResponseMetadata"]["UnknownAttempts"]  # type: ignore[typeddict-item]
        tally.ambiguous += len(outcomes.unanswered)
        confirmed = [by_id[id_] for id_ in outcomes.confirmed]
        sent.confirmed.extend(confirmed)
        _is_elsewhere(confirmed, tally)
        for number in counted:
            setattr(tally, number, getattr(tally, number) + len(confirmed))
        sent.unanswered.extend([by_id[id_] for id_ in outcomes.unanswered])
        for id_, why in outcomes.refused.items():
            if batching.for_ever(why):
                sent.impossible.append((by_id[id_], why))
            else:
                sent.refused.append(by_id[id_])
    return sent


async def _delete(sqs: AsyncSqs, queue_url: str, messages: Sequence[MessageTypeDef], tally: Tally) -> None:
    """Deletes what the next place has, ten messages or fewer. What stays will come, and arrive, again."""
    left = {str(i): message["ReceiptHandle"] for i, message in enumerate(messages)}
    why = ""
    for _ in range(DELETE_TRIES):
        if not left:
            return
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
        gone = [id_ for id_, line in outcomes.refused.items() if line.startswith(batching.GONE)]
        for id_ in outcomes.confirmed + gone:
            tally.undeleted.pop(left.pop(id_), None)
        why = f"DeleteMessageBatch entry: {next(iter(outcomes.refused.values()), 'no answer')}"
    if left:
        tally.error(why)
