"""Where every event is, at every moment, and whether what is promised of it holds.

A message may hold several events, an event may be in several messages. Each change in a queue is reported
here (sqs.Watcher), so a loss is seen when it happens, with the call that did it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dev.simulation.sqs import DELAYED, Message
from dev.simulation.surroundings import Surroundings

# In every key, and in every body that has no key; a percent-encoded key keeps it as it is.
NAMED = re.compile(r"ev-(\d+)-")

LETTERS = "letters/"  # what the keys of filed letters begin with
GOOD, UNREADABLE, IGNORED = "good", "unreadable", "ignored"


@dataclass(slots=True)
class Event:
    """One upload, or whatever else came into the pipeline."""

    number: int
    kind: str  # good, unreadable or ignored
    plan: str  # what the action does with it: ok, retry, poison, reject, slow, hang or crash
    bad_tries: int = 0  # how many tries fail before one works
    owed: bool = True  # False until a backfill's task has said that it is queued
    copies: int = 0  # messages and waiting events that hold it, letters included
    letters: int = 0
    done: int = 0
    told: set[str] = field(default_factory=set)  # what the bus has told of it
    tries: int = 0  # calls of the action since it was last redriven
    lives: int = 1  # and how often a copy of it was sent back meanwhile
    crashes: int = 0  # of these, those that ended the process
    failed_at: float = 0.0  # when the last try failed; 0 after one that ended the process
    lane: str = ""  # the queue in which it waited first, until it is redriven
    excuses: int = 0  # faults that met it, each of which may have doubled it
    at: float = 0.0
    beside: frozenset[int] = frozenset()  # in one message with these: where one of them fails, all come again
    folder: str = "photos"
    size: int | None = 1  # of the object, in bytes; None where whoever tells of it does not say

    @property
    def key(self) -> str:
        return f"{self.folder}/ev-{self.number}-.jpg"


class Census:
    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.events: list[Event] = []
        self.expired = 0

    def new(self, kind: str, plan: str, bad_tries: int = 0) -> Event:
        event = Event(len(self.events), kind, plan, bad_tries, at=self.world.loop.now)
        self.events.append(event)
        return event

    def of_key(self, key: str) -> Event:
        found = NAMED.search(key)
        if found is None:
            raise AssertionError(f"the action was called for {key!r}, which nobody uploaded")
        return self.events[int(found[1])]

    def named_in(self, text: str) -> tuple[int, ...]:
        found = NAMED.findall(text)
        return (int(found[0]),) if len(found) == 1 else tuple(sorted({int(one) for one in found}))

    # what happens to messages

    def added(self, message: Message) -> None:
        if not message.events:
            message.events = self.named_in(message.body)
        world = self.world
        caller = world.caller
        if caller is not None and caller.invocation is not None:
            caller.invocation.sent.append(message)
        for number in message.events:
            event = self.events[number]
            event.copies += 1
            if message.queue in world.lanes:
                if len(message.events) > 1:
                    event.beside = event.beside.union(message.events)
                if event.letters:  # a letter that is sent back begins anew
                    event.lives += 1
                    if event.copies - 1 == event.letters:  # no other copy is on its way
                        event.tries = event.crashes = 0
                        event.failed_at = 0.0
                        event.lives = 1
                        event.lane = ""
                event.lane = event.lane or message.queue.name
                world.invariants.lane(event, message)
            if message.queue is world.dead_letters:
                event.letters += 1
                world.invariants.letter(event, message)
        if message.queue is world.destination and caller is not None:
            world.invariants.forwarded(caller)
            due = message.until if message.state == DELAYED else world.loop.now
            world.invariants.due(due)
            world.invariants.due_bytes(caller, due, sum(self.events[one].size or 0 for one in message.events))

    def removed(self, message: Message, why: str) -> None:
        dead = message.queue is self.world.dead_letters
        for number in message.events:
            event = self.events[number]
            event.copies -= 1
            if dead:
                event.letters -= 1
            if why == "expired":
                self.world.invariants.expired(event, message)
            elif why != "moved":
                self.is_somewhere(event)

    def given(self, messages: list[Message]) -> None:
        caller = self.world.caller
        if caller is not None and caller.invocation is not None:
            caller.invocation.received += messages

    def hold(self, payload: Mapping[str, Any]) -> None:
        """Lambda keeps an event until its function took it."""
        for number in self.named_in(json.dumps(payload)):
            self.events[number].copies += 1

    def release(self, payload: Mapping[str, Any]) -> None:
        for number in self.named_in(json.dumps(payload)):
            event = self.events[number]
            event.copies -= 1
            self.is_somewhere(event)

    def is_somewhere(self, event: Event) -> None:
        """Nothing is lost: whoever has taken a copy away has left another, or the event is done."""
        if not event.copies and not event.done and event.owed and event.kind != IGNORED:
            self.world.violate("lost", f"event {event.number} is nowhere", event)

    def stored(self, key: str, before: bytes | None, body: bytes) -> None:
        """An object was written: a filed letter holds its event as a message does."""
        if key.startswith(LETTERS) and before is None:
            for number in self.named_in(body.decode()):
                self.events[number].copies += 1
                self.events[number].letters += 1

    def unstored(self, key: str, body: bytes) -> None:
        if key.startswith(LETTERS):
            for number in self.named_in(body.decode()):
                event = self.events[number]
                event.copies -= 1
                event.letters -= 1
                self.is_somewhere(event)

    def hidden(self, message: Message, seconds: float) -> None:
        self.world.invariants.hidden(message, seconds)

    # what faults explain

    def doubled(self, message: Message) -> None:
        self._excuse(message.events)

    def excuse_payload(self, payload: Mapping[str, Any]) -> None:
        """An event that a function is given once more."""
        self._excuse(self.named_in(json.dumps(payload)))

    def excuse(self, request: Mapping[str, Any]) -> None:
        """A call that fails, or whose answer is lost: what it was about may come twice."""
        for entry in request.get("Entries") or (request,):
            self.excuse_entry(entry)
        if key := request.get("Key"):
            stored = self.world.network.services["s3"].objects.get(key, b"")
            self._excuse(self.named_in(stored.decode()))

    def excuse_given(self, answer: Mapping[str, Any]) -> None:
        """A receive whose answer is lost."""
        for message in answer.get("Messages") or ():
            self._excuse(self.named_in(message["Body"]))

    def excuse_entry(self, entry: Mapping[str, Any]) -> None:
        if body := entry.get("MessageBody"):
            self._excuse(self.named_in(body))
        elif detail := entry.get("Detail"):  # of the bus: what it does not confirm comes again
            self._excuse(self.named_in(detail))
        elif handle := entry.get("ReceiptHandle"):
            id_ = handle.partition("#")[0]
            for queue in self.world.sqs.queues.values():
                if message := queue.by_id.get(id_):
                    self._excuse(message.events)

    def excuse_messages(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._excuse(message.events)

    def _excuse(self, numbers: Iterable[int]) -> None:
        for number in {one for named in numbers for one in self.events[named].beside or (named,)}:
            self.events[number].excuses += 1
