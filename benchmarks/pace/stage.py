"""A simulated stage that is asked one question, and what its downstream saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from chalicelib import events
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated
from dev.simulation.boundary import Boundary
from dev.simulation.census import GOOD, Census, Event
from dev.simulation.lambdas import SANDBOX
from dev.simulation.network import NO_FAULTS, Faults
from dev.simulation.scenario import Scenario
from dev.simulation.sqs import DELAYED, Message, Queue
from dev.simulation.world import BEGIN, World, base_config

MOST_AT_ONCE = 50_000  # of a backlog; the rest comes as it goes
LATE_S = 35.0

Handler = Callable[["Stage", Mapping[str, Any], Any], Any]


@dataclass(frozen=True)
class Contender:
    """An algorithm: settings that differ from a stage's defaults, and handlers in place of the app's."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    handlers: Mapping[str, Handler] = field(default_factory=dict)


class Sent(NamedTuple):
    """One event into the destination queue; seconds since 1970."""

    at: float
    due: float
    event: int


class Call(NamedTuple):
    """The downstream is called."""

    at: float
    ok: bool
    event: int


class Recording(Census):
    """Also keeps what came into the destination queue, and when it is due there."""

    world: Stage

    def added(self, message: Message) -> None:
        super().added(message)
        stage = self.world
        if message.queue is stage.destination and stage.caller is not None:
            now = stage.loop.now
            due = message.until if message.state == DELAYED else now
            stage.sent += [Sent(now, due, number) for number in message.events]


class Stage(World):
    """`downstream` says of a moment and a sandbox's number whether a call works; it takes `call_s`."""

    late_s = LATE_S
    census_type = Recording

    def __init__(
        self,
        boundary: Boundary,
        contender: Contender,
        seed: int,
        capacity: int,
        *,
        shards: int = 1,
        faults: Faults = NO_FAULTS,
        pollers: int = 100,
        call_s: float = 0.2,
        downstream: Callable[[float, int], bool] = lambda at, sandbox: True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        config = base_config()
        super().__init__(
            Scenario(
                seed=seed,
                capacity=capacity,
                workers=config.drain_workers,
                shards=shards,
                threads=config.consume_threads,
                pollers=pollers,
                max_in_destination=None,
                by_hour="",
                length_s=0.0,
                faults=faults,
                uploads=(),
                orders=(),
                second_life=False,
            )
        )
        chosen: dict[str, Any] = {**(settings or {}), **contender.settings}
        self.config = replace(self.config, **chosen)
        if not self.config.bulk_queue_url:
            self.lanes = (self.source,)
        if "max_tries" in contender.settings:  # counted by the queue
            self.destination.max_receives = self.config.max_tries
            self.filer.stop()  # letters stay in their queue
        self.contender = contender
        self.is_even = False  # what this measures is a number, not yes or no
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        self._call_s = call_s
        self._downstream = downstream
        boundary.world = self
        self.network.set_faults(faults)

    def handler(self, function: str) -> tuple[Callable[..., Any], float]:
        ours, limit_s = super().handler(function)
        other = self.contender.handlers.get(function.partition("-")[0])
        return (partial(other, self), limit_s) if other else (ours, limit_s)

    def violate(self, kind: str, text: str, event: Event | None = None) -> None:
        """The product's own code keeps its promises here, too; of the others nothing was promised."""
        if self.contender.handlers or self.contender.settings:
            return
        raise AssertionError(f"seed {self.scenario.seed}: {kind}: {text}")

    # the downstream

    def act(self, created: ObjectCreated, delivery: Delivery | None = None) -> ActionResult:
        """Raises ConnectionError where the downstream fails."""
        event = self.census.of_key(created.key)
        sandbox = SANDBOX.get()
        assert sandbox is not None
        number = int(sandbox.label.partition("/")[2])
        at = self.loop.now
        ok = self._downstream(at - BEGIN, number) and not self.network.strikes(self.network.faults.failing)
        self.calls.append(Call(at, ok, event.number))
        event.tries += 1
        sandbox.sleep(self._call_s)
        if not ok:
            if delivery:
                self.invariants.failed(sandbox, delivery)
            raise ConnectionError("the downstream does not answer")
        self.invariants.worked(sandbox)
        event.done += 1
        return ActionResult("made")

    # what comes in

    def wait(self, until_s: float) -> None:
        """Runs until so many seconds after the beginning."""
        self.loop.run(BEGIN + until_s)

    def upload(self, folder: str) -> Event:  # type: ignore[override]
        """One object, told by S3 to enqueue."""
        event = self._event(folder)
        self.events.send("enqueue", {"Records": [self._record(event)]}, "enqueue")
        return event

    def burst(self, folders: list[str], each: int, at_s: float, over_s: float) -> None:
        """Uploads of each folder in turn, evenly."""
        total = each * len(folders)

        def one(number: int) -> None:
            self.upload(folders[number % len(folders)])
            if number + 1 < total:
                self.loop.call_at(BEGIN + at_s + (number + 1) * over_s / total, one, number + 1)

        self.loop.call_at(BEGIN + at_s, one, 0)

    def arrive(self, queue: Queue, a_minute: float, from_s: float, to_s: float, folder: str = "live") -> None:
        """Messages that wait in a lane from then on, evenly."""

        def one(at_s: float) -> None:
            self._put(queue, folder)
            if (following := at_s + 60 / a_minute) < to_s:
                self.loop.call_at(BEGIN + following, one, following)

        self.loop.call_at(BEGIN + from_s, one, from_s)

    def backlog(self, queue: Queue, count: int, folder: str = "backlog") -> None:
        """So many wait. A drain cannot see how many: what it cannot reach in time is put there later."""

        def some(left: int) -> None:
            now = min(left, MOST_AT_ONCE - len(queue.by_id))
            for _ in range(now):
                self._put(queue, folder)
            if left > now:
                self.loop.call_later(60.0, some, left - max(0, now))

        some(count)

    def _put(self, queue: Queue, folder: str) -> None:
        (created,) = events.parse({"Records": [self._record(self._event(folder))]})
        self.sqs.put(queue, created.to_body())

    def _event(self, folder: str) -> Event:
        event = self.census.new(GOOD, "ok")
        event.folder = folder
        return event
