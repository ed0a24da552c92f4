"""What must hold at every moment, and what at rest. Each is checked where it can first be seen."""

from __future__ import annotations

from collections import Counter

from chalicelib.capacity import share
from dev.simulation.census import GOOD, IGNORED, UNREADABLE, Event
from dev.simulation.lambdas import Invocation, Sandbox
from dev.simulation.sqs import Message
from dev.simulation.surroundings import Surroundings

MAX_BACKOFF_S = 900  # docs/decisions/0004-refused-entries.md
EARLY_S = 2.0  # a delay is carried in whole seconds
# A tick's numbers, each message received being in one of them.
PARTS = ("forwarded", "rejected", "split", "ignored", "postponed", "returned", "failed")


class Invariants:
    def __init__(self, world: Surroundings) -> None:
        self.world = world

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
        capacity = sandbox.known.get("capacity")
        allowed = 0 if capacity is None else share(capacity, invocation.config.drain_shards, invocation.shard)
        if arrived > allowed:
            world.violate("capacity", f"{sandbox.label} forwarded {arrived}, allowed are {allowed}")

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
        most = (world.config.max_tries + event.crashes) * (1 + event.excuses)
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
        if message.queue is self.world.source and seconds > MAX_BACKOFF_S:
            text = f"event {message.events} is hidden for {seconds:.0f} s"
            self.world.violate("hidden too long", text)

    def expired(self, event: Event, message: Message) -> None:
        self.world.violate("expired", f"event {event.number} was too old for {message.queue.name}", event)

    def ended(self, sandbox: Sandbox, invocation: Invocation, outcome: str) -> None:
        """The numbers that a run reports are what the network saw."""
        if outcome in ("died", "killed", "timed out"):
            return
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
        doubled = self._doubled(invocation)
        if doubled > result["duplicates"]:
            wrong(f"{doubled} events may come twice")

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
                if number in copies and still_there and message.queue is self.world.source:
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
        if event.letters > 1 + event.excuses:
            return f"{event.letters} letters"
        if event.done and event.letters and not event.excuses:
            return "done, and a letter"
        return ""

    def waits_too_long(self) -> None:
        """After the faults end all is done within the time that the numbers imply."""
        world = self.world
        for queue in (world.source, world.destination):
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
