"""What must hold at every moment, and what at rest. Each is checked where it can first be seen."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from chalicelib.capacity import share
from chalicelib.config import override
from chalicelib.consume.circuit import OPENS_AFTER
from chalicelib.consume.outcomes import Delivery
from chalicelib.drain.clock import RECENT_S
from chalicelib.queues import retention
from dev.simulation.census import GOOD, IGNORED, UNREADABLE, Event
from dev.simulation.lambdas import Invocation, Sandbox
from dev.simulation.sqs import Message
from dev.simulation.surroundings import Surroundings

MAX_BACKOFF_S = 900  # docs/decisions/0004-refused-entries.md
WIRE_S = 0.2  # what a call takes on its way, two of them at most
EARLY_S = 2.0  # a delay is carried in whole seconds
OWED = 3.0  # events: a share is of whole ones, and the capacity may change between two ticks
# A tick's numbers, each message received being in one of them.
PARTS = ("forwarded", "rejected", "split", "ignored", "postponed", "renewed", "returned", "failed")


class Invariants:
    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self._dues: list[tuple[float, int]] = []  # when, and what the capacity is then
        self._owed: dict[str, float] = {}  # by drain: events that bulk got fewer than its share
        self._bytes: dict[Sandbox, list[tuple[float, int]]] = {}  # of each process when, and how many

    def forwarded(self, sandbox: Sandbox) -> None:
        """Never more than the capacity that the tick knew, whatever was answered; by nobody but a tick."""
        invocation = sandbox.invocation
        world = self.world
        if invocation is None:
            return
        if not sandbox.function.startswith("drain"):
            world.violate("capacity", f"{sandbox.label} sends to the destination, past every capacity")
            return
        # EventBridge delivers at least once; a process knows which minute it has done.
        minute = invocation.event["time"]
        if sandbox.known.setdefault("forwarded in", {}).setdefault(minute, invocation) is not invocation:
            world.violate("capacity", f"{sandbox.label} forwards a second time in the minute {minute}")
        arrived = sum(message.queue is world.destination for message in invocation.sent)
        known = sandbox.known.get("override")
        config = invocation.config
        allowed = 0  # as long as the process does not know what people have set
        if known is not None and not known.paused:
            capacity = override.capacity_at(config, known, world.loop.now)
            allowed = share(capacity, config.drain_shards, invocation.shard)
            room = self._room(invocation, capacity)
            if room is not None and arrived > share(room, config.drain_shards, invocation.shard):
                world.violate("window", f"{sandbox.label} forwarded {arrived}, where {room} had room")
        if arrived > allowed:
            world.violate("capacity", f"{sandbox.label} forwarded {arrived}, allowed are {allowed}")

    def _room(self, invocation: Invocation, capacity: int) -> int | None:
        """What MAX_IN_DESTINATION lets a tick forward, by what it was told; None where nothing limits it."""
        config = invocation.config
        most = 2 * capacity if config.max_in_destination is None else config.max_in_destination
        if not most or invocation.there is None or config.capacity_by_hour:
            return None
        return max(0, most - invocation.there)

    def due(self, at: float) -> None:
        """What the downstream feels: in any 60 seconds at most CAPACITY and a sixtieth, one at the least.

        Kept where people leave the capacity as it is, and where no call takes seconds on its way. Where it
        changes by the hour an event weighs what it takes of its own minute.
        """
        world = self.world
        if not world.is_even:
            return
        dues, config = self._dues, world.config
        bisect.insort(dues, (at, override.capacity_at(config, override.NONE, at)))
        near = dues[bisect.bisect(dues, (at - 60, 0)) : bisect.bisect(dues, (at + 60, 0))]
        total, first = 0.0, 0
        for last, (one, capacity) in enumerate(near):
            total += 1 / capacity
            while one - near[first][0] >= 60 - WIRE_S:
                total -= 1 / near[first][1]
                first += 1
            if total <= 1:
                continue
            # Each change of the capacity may round up by one event, and each shard where the parts differ:
            # like ones are due one after the other.
            capacities = {capacity for _, capacity in near[first : last + 1]}
            least, uneven = min(capacities), any(one % config.drain_shards for one in capacities)
            more = len(capacities) - 1 + uneven * (config.drain_shards - 1)
            rounded = max(1.0, least / 60)
            if config.drain_shards > 1:  # which carry their delays in whole seconds, each of its own tick
                rounded = math.ceil(rounded)
            most = 1 + (rounded + more) / least
            if total > most + 1e-9:
                text = f"{last - first + 1} events due within 60 s, {total:.3f} of the capacity"
                world.violate("too fast", text)
                return

    def due_bytes(self, sandbox: Sandbox, at: float, size: int) -> None:
        """Of what one process hands out at most CAPACITY_BYTES, a sixtieth, and one object in 60 seconds.

        A new process does not know what the last one charged, and what takes seconds on its way comes late.
        """
        world = self.world
        limit = world.config.capacity_bytes / world.config.drain_shards
        if not limit or world.scenario.faults.slow:
            return
        dues = self._bytes.setdefault(sandbox, [])
        bisect.insort(dues, (at, size))
        near = dues[bisect.bisect(dues, (at - 60, 0)) : bisect.bisect(dues, (at + 60, 0))]
        total, first = 0, 0
        for one, its_size in near:
            total += its_size
            while one - near[first][0] >= 60 - WIRE_S:
                total -= near[first][1]
                first += 1
            if total > limit * (1 + 1 / 60) + max(size for _, size in near):
                world.violate("too many bytes", f"{total:,} bytes of {limit:,.0f} due within 60 s")
                return

    def failed(self, sandbox: Sandbox, delivery: Delivery) -> None:
        """A try fails in a way that may pass, or hangs, which is found out later."""
        if delivery.tries == 1:
            sandbox.known["failed"] = sandbox.known.get("failed", 0) + 1

    def worked(self, sandbox: Sandbox) -> None:
        sandbox.known["failed"] = 0

    def _circuit(self, sandbox: Sandbox, invocation: Invocation) -> None:
        """Nobody pauses but for first tries in a row that failed."""
        line = invocation.line("consumed")
        failed = sandbox.known.get("failed", 0)
        if line and line["paused_until"] and failed < OPENS_AFTER:
            self.world.violate("circuit", f"{sandbox.label} pauses after {failed} failures in a row")

    def lane(self, event: Event, message: Message) -> None:
        """An event keeps its lane on every return."""
        if event.lane != message.queue.name and not event.excuses and not event.letters:
            text = f"event {event.number} came from {event.lane}, and is in {message.queue.name}"
            self.world.violate("lane", text, event)

    def letter(self, event: Event, message: Message) -> None:
        """Nothing is given up but what never works, and what was really tried."""
        world = self.world
        reason = (message.attributes or {}).get("Reason", {}).get("StringValue")
        by_lambda = '"requestContext"' in message.body
        if event.kind == IGNORED and not by_lambda:  # Lambda keeps the whole notification
            world.violate("letter", f"event {event.number} asks for nothing, and is dead-lettered", event)
        if not reason and not by_lambda and not message.moved_from:
            world.violate("reason", f"the letter of event {event.number} has no reason", event)
        if event.kind != GOOD or event.plan == "reject" or by_lambda:
            return
        if event.tries < world.config.max_tries:
            how = f"moved by the policy of {message.moved_from}" if message.moved_from else repr(reason)
            world.violate("given up untried", f"event {event.number} after {event.tries} tries: {how}", event)

    def tried(self, event: Event) -> None:
        """The delays between tries are kept, and tries end."""
        world = self.world
        most = (world.config.max_tries + event.crashes) * (1 + event.excuses) * event.lives
        if event.tries > most:
            world.violate("tried too often", f"event {event.number}: {event.tries} tries", event)
        if event.failed_at and not event.excuses:
            wait_s = world.config.retry_delay_s(event.tries - 1)
            waited_s = world.loop.now - event.failed_at
            if waited_s < wait_s - EARLY_S:
                text = f"event {event.number}: try {event.tries} after {waited_s:.0f} s instead of {wait_s} s"
                world.violate("tried too early", text, event)

    def hidden(self, message: Message, seconds: float) -> None:
        """What was refused is to move again within a quarter of an hour once it can."""
        if message.queue in self.world.lanes and seconds > MAX_BACKOFF_S:
            text = f"event {message.events} is hidden for {seconds:.0f} s"
            self.world.violate("hidden too long", text)

    def expired(self, event: Event, message: Message) -> None:
        self.world.violate("expired", f"event {event.number} was too old for {message.queue.name}", event)

    def ended(self, sandbox: Sandbox, invocation: Invocation, outcome: str) -> None:
        """The numbers that a run reports are what the network saw."""
        if outcome == "timed out" and invocation.function == "consume" and self.world.is_prompt:
            self.world.violate("time limit", f"{sandbox.label} is ended by Lambda, and answers for nothing")
        if outcome in ("died", "killed", "timed out"):
            return
        if invocation.function == "consume":
            self._circuit(sandbox, invocation)
        if invocation.function.startswith("drain"):
            self._tick(sandbox, invocation, outcome)

    def _tick(self, sandbox: Sandbox, invocation: Invocation, outcome: str) -> None:
        world = self.world
        result = invocation.line("tick")
        if result is None:
            world.violate("crashed", f"{sandbox.label} ended without a result: {outcome}")
            return

        def wrong(what: str) -> None:
            told = {name: result.get(name) for name in ("received", *PARTS, "duplicates", "stopped")}
            world.violate("numbers", f"{sandbox.label}: {what}; {told} {list(result.get('errors', ()))}")

        if not outcome.startswith(("ok", "TickFailed")):
            world.violate("crashed", f"{sandbox.label}: {outcome}")
        if any(result[name] < 0 for name in ("received", *PARTS, "duplicates")):
            wrong("a number below 0")
        if result["received"] != sum(result[name] for name in PARTS):
            wrong("received is not the sum")
        if result["received"] != invocation.given:
            wrong(f"received {invocation.given} messages")
        arrived = sum(message.queue is world.destination for message in invocation.sent)
        if result["forwarded"] > arrived:
            wrong(f"{arrived} came into the destination")
        if result["stopped"] == "errors" and not result["errors"]:
            wrong("stopped by errors, and names none")
        self._uses_its_capacity(sandbox, invocation, result)
        self._bulk_gets_its_share(sandbox, invocation, result)
        if (old := self._old(invocation)) < result["renewed"]:
            text = f"{sandbox.label} sends {result['renewed']} anew, of which {old} are old"
            world.violate("renewed young", text)
        doubled = self._doubled(invocation)
        if doubled > result["duplicates"]:
            wrong(f"{doubled} events may come twice")

    def _uses_its_capacity(self, sandbox: Sandbox, invocation: Invocation, result: Mapping[str, Any]) -> None:
        """What may be forwarded is, where it waits and nothing is in the way."""
        world, config = self.world, invocation.config
        told, stopped = result["stopped"], f"{sandbox.label} stopped by {result['stopped']}"
        # What waits in the destination takes places on the clock, and once more in the next tick.
        now, waited = world.loop.now, sandbox.known.get("waited", 0.0)
        if invocation.visible:
            sandbox.known["waited"] = now
        if result["errors"] or result["failed"] or not world.is_prompt or config.capacity_bytes:
            return
        in_vain = sum(result[name] for name in ("rejected", "split", "ignored", "postponed"))
        old = (
            world.scenario.kept_s
        )  # while it sends anew, a tick does the rest as well, and gives the young back
        if told == "capacity" and in_vain and not result["forwarded"] and not old:
            world.violate("idle", f"{stopped}, which {in_vain} took that were not forwarded")
        if told == "empty" and result["returned"] and not old:
            world.violate("idle", f"{stopped}, and gave {result['returned']} back")
        if told == "back_pressure" and invocation.visible == 0 and now - waited > 2 * RECENT_S:
            capacity = override.capacity_at(config, sandbox.known["override"], now)
            room = self._room(invocation, capacity)
            if room is not None and result["capacity"] < share(room, config.drain_shards, invocation.shard):
                world.violate("window", f"{stopped}, where {room} had room")

    def _bulk_gets_its_share(
        self, sandbox: Sandbox, invocation: Invocation, result: Mapping[str, Any]
    ) -> None:
        """As long as both lanes have something for it, bulk gets BULK_SHARE of what is forwarded."""
        world, name = self.world, sandbox.function
        waits = bool(world.bulk.visible) and result["stopped"] == "capacity" and not result["errors"]
        if not waits or world.config.capacity_bytes or world.scenario.faults.unseen:
            self._owed.pop(name, None)
            return
        owed = self._owed.get(name, 0.0) + result["forwarded"] * world.config.bulk_share / 100
        self._owed[name] = max(0.0, owed - result["forwarded_bulk"])
        if self._owed[name] > OWED:
            world.violate("bulk waits", f"{name} owes the bulk lane {self._owed[name]:.1f} events")

    def _old(self, invocation: Invocation) -> int:
        """How many messages a tick received that SQS would soon delete."""
        now = self.world.loop.now
        return sum(
            message.sent < invocation.began and retention.in_last_day(message.sent, now)
            for message in invocation.received
        )

    def _doubled(self, invocation: Invocation) -> int:
        """Events of which this tick made one copy too many."""
        received = {message.id: message for message in invocation.received}
        copies: Counter[int] = Counter()
        for message in invocation.sent:
            copies.update(message.events)
        before: Counter[int] = Counter()
        for message in invocation.received:  # SQS may give one twice: that copy is not the tick's
            before.update(message.events)
        for message in received.values():
            still_there = bool(message.state) and message.state != "gone" and not message.undeleted
            for number in message.events:
                if number in copies and still_there and message.queue in self.world.lanes:
                    copies[number] += 1
        return sum(max(0, count - before[number]) for number, count in copies.items() if before[number])

    def at_rest(self) -> None:
        """Faults are over, nothing moves any more: every event has its one end."""
        for event in self.world.census.events:
            if problem := self._end_of(event):
                self.world.violate(
                    "end", f"event {event.number} ({event.kind}, {event.plan}): {problem}", event
                )
                return

    def _end_of(self, event: Event) -> str:
        if event.kind == IGNORED:
            return ""
        if not event.owed:
            return ""
        if event.kind == UNREADABLE or event.plan in ("reject", "poison"):
            if event.done:
                return "done, though it never can be"
            if not event.letters:
                return "no letter"
        elif not event.done and not event.letters:
            return "neither done nor a letter"
        # A redrive that overlaps another may send a letter that the other has sent: one more each. And a tick
        # whose calls take seconds ends before it has deleted all that it forwarded.
        slow = bool(self.world.scenario.faults.slow)
        if event.letters > slow + event.excuses + max(1, event.lives):
            return f"{event.letters} letters"
        if event.done and event.letters and not event.excuses:
            return "done, and a letter"
        return ""

    def waits_too_long(self) -> None:
        """After the faults end all is done within the time that the numbers imply."""
        world = self.world
        for queue in (*world.lanes, world.destination):
            for message in queue.by_id.values():
                for number in message.events:
                    event = world.census.events[number]
                    hours = (world.loop.now - world.quiet_since) / 3600
                    world.violate(
                        "too late",
                        f"event {number} ({event.plan}) still waits in {queue.name}, {hours:.1f} hours after "
                        f"the last fault; {message.state} until {world.clock_text(message.until)}",
                        event,
                    )
                    return
