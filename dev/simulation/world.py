"""One simulated stage: queues, functions and people, from the first upload until nothing moves any more."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote_plus

from chalicelib.capacity import shard_names
from chalicelib.config import Config, override
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.control import capacity_override
from chalicelib.errors import Reject, RestError, Retry
from chalicelib.events import ObjectCreated
from chalicelib.letters import runs
from dev.fake_sqs.queues import Refused
from dev.simulation import deployed
from dev.simulation.census import GOOD, IGNORED, UNREADABLE, Census, Event
from dev.simulation.clock import VirtualLoop
from dev.simulation.invariants import Invariants
from dev.simulation.lambdas import SANDBOX, AsyncEvents, Functions, Invocation, Poller, Sandbox, Schedule, iso
from dev.simulation.network import NO_FAULTS, Network
from dev.simulation.s3 import S3
from dev.simulation.scenario import Order, Scenario, Upload
from dev.simulation.sqs import Message, Queue, Sqs
from dev.workspace import ROOT

BEGIN = 1_800_000_000.0  # 2027-01-15T08:00:00Z
REST_SLACK_S = 1800.0
LANES = ("source", "bulk")
ROUGHLY = 8  # where messages grow old: best-effort ordering, as SQS calls it


@dataclass(frozen=True)
class Violation:
    kind: str
    text: str
    at: float
    event: Event | None = None


@dataclass(frozen=True)
class Outcome:
    """What one seed came to."""

    scenario: Scenario
    violation: Violation | None
    ticks: int
    events: int
    deaths: int
    story: list[str]


class Ssm:
    """Parameters."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.values: dict[str, str] = {}

    @property
    def override(self) -> override.Override:
        """What people have set."""
        return next((override.read(value) for value in self.values.values()), override.NONE)

    def resume(self) -> None:
        """Nobody forgets for ever that a stage is paused."""
        if self.override.paused:
            (name,) = self.values
            self.values[name] = replace(self.override, paused=False).to_text()

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["Name"]
        if action == "PutParameter":
            self.values[name] = request["Value"]
            return {}
        if name not in self.values:
            raise Refused("ParameterNotFound", name)
        if action == "DeleteParameter":
            del self.values[name]
            return {}
        return {"Parameter": {"Name": name, "Value": self.values[name]}}


class Lambda:
    """Functions called asynchronously by the REST API."""

    def __init__(self, world: World) -> None:
        self._world = world

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self._world.events.send("letters", json.loads(request["Payload"]), "letters")
        return {}


@cache
def base_config() -> Config:
    from infra.stage import Stage

    settings = Stage(ROOT, deployed.STAGE).environment()
    return Config.from_env({**settings, "ACTION": "log"})


class World:
    late_s = 30.0
    census_type = Census

    def __init__(self, scenario: Scenario, tracing: bool = False) -> None:
        self.scenario = scenario
        self.limits = deployed.limits()
        self.app = deployed.app()
        self.tracing = tracing
        self.story: list[tuple[float, str, str, tuple[int, ...]]] = []
        self.log: list[dict[str, Any]] = []  # the functions' log lines
        self.violation: Violation | None = None
        self.caller: Sandbox | None = None
        self.graveyard: list[Any] = []
        self.deaths = 0
        self.quiet_since = float("inf")
        self.chance = random.Random(scenario.seed + 1)
        self._sizes = random.Random(f"sizes {scenario.seed}")
        self.loop = VirtualLoop(BEGIN)
        self.census = self.census_type(self)
        self.asked: Counter[str] = Counter()
        self.invariants = Invariants(self)
        self.sqs = Sqs(self.loop.time, random.Random(scenario.seed + 2), self.census)
        self.dead_letters = self._queue("dead-letter", None)
        self.source = self._queue("source", self.dead_letters)
        self.bulk = self._queue("bulk", self.dead_letters)
        self.lanes: tuple[Queue, ...] = (self.source, self.bulk)
        self.destination = self._queue("destination", self.dead_letters)
        self.sqs.given = self.census.given
        self.network = Network(self, random.Random(scenario.seed + 3))
        self.sqs.entry_refused = self.network.entry_refused
        self.ssm = Ssm(self)
        self.network.services = {
            "AmazonSQS": self.sqs,
            "sqs": self.sqs,
            "AmazonSSM": self.ssm,
            "ssm": self.ssm,
            "s3": S3(self),
            "lambda": Lambda(self),
        }
        self.config = replace(
            base_config(),
            source_queue_url=self.source.url,
            bulk_queue_url=self.bulk.url,
            destination_queue_url=self.destination.url,
            dead_letter_queue_url=self.dead_letters.url,
            capacity=scenario.capacity,
            drain_workers=scenario.workers,
            drain_shards=scenario.shards,
            consume_threads=scenario.threads,
            max_in_destination=scenario.max_in_destination,
            capacity_by_hour=scenario.by_hour,
            capacity_bytes=scenario.capacity_bytes,
        )
        self.functions = Functions(self)
        self.events = AsyncEvents(self, self.functions)
        pollers = min(scenario.pollers, self.limits.concurrency or scenario.pollers)
        window_s = self.limits.batching_window_s
        self.poller = Poller(self, self.functions, self.destination, "consume", pollers, window_s)
        self.filer = Poller(self, self.functions, self.dead_letters, "letters", scenario.pollers)
        self.schedules: dict[str, Schedule] = {}
        self._handlers: dict[str, Callable[..., Any]] = {}  # what people call, beside the functions
        for shard, name in enumerate(shard_names(scenario.shards)):
            self._schedule(name, shard)
        for lane in self.lanes:
            lane.on_visible = self._expect_ticks
        faults = scenario.faults
        # Whether every call is answered soon.
        self.is_prompt = not (faults.slow or faults.late)
        slow = faults.slow or faults.twice
        # The second delivery of a minute to another process forwards beside what the first handed out.
        ends = faults.cold or faults.killed or faults.dies_before or faults.dies_after or faults.late
        another = faults.invoked_twice and ends
        changes = {"capacity", "capacity back", "deploy"}
        random.seed(scenario.seed)  # whoever draws without a generator of his own
        self.is_even = not slow and not another and not any(one.action in changes for one in scenario.orders)

    # parts

    def _queue(self, name: str, dead: Queue | None) -> Queue:
        limits = self.limits.queues[name]
        kept_s = self.scenario.kept_s if name in LANES else 0.0
        return self.sqs.create(
            name,
            visibility_s=limits.visibility_s,
            retention_s=kept_s or limits.retention_s,
            max_receives=limits.max_receives,
            dead_letters=dead,
            tried=ROUGHLY if kept_s else 1,
        )

    def _schedule(self, name: str, shard: int) -> None:
        self.schedules[name] = Schedule(self, self.events, name, shard)

    def _expect_ticks(self, at: float) -> None:
        for one in self.schedules.values():
            one.expect(at)

    def config_of(self, function: str) -> Config:
        return self.config

    def handler(self, function: str) -> tuple[Callable[..., Any], float]:
        base = function.partition("-")[0]
        if function in self._handlers:
            return self._handlers[function], self.limits.timeouts_s["api_handler"]
        return getattr(self.app, function.replace("-", "_")), self.limits.timeouts_s[base]

    def is_busy(self, function: str) -> bool:
        """Whether the function's reserved concurrency is used up: one, for a drain."""
        return function.startswith("drain") and self.functions.running.get(function, 0) > 0

    # what is told

    def note(
        self,
        who: str,
        what: str,
        request: Mapping[str, Any] | None = None,
        answer: Mapping[str, Any] | None = None,
        messages: list[Message] | None = None,
    ) -> None:
        if not self.tracing:
            return
        told = what
        numbers: set[int] = set()
        if request is not None:
            name = request.get("QueueUrl", "").rpartition("/")[2]
            numbers.update(self.census.named_in(json.dumps(request, default=str)))
            for entry in request.get("Entries") or ():
                if handle := entry.get("ReceiptHandle"):
                    for queue in self.sqs.queues.values():
                        if found := queue.by_id.get(handle.partition("#")[0]):
                            numbers.update(found.events)
            told = f"{what} {name}"
            if delays := [
                e["VisibilityTimeout"] for e in request.get("Entries") or () if "VisibilityTimeout" in e
            ]:
                told += f" in {delays} s"
        for given in (answer or {}).get("Messages") or ():
            numbers.update(self.census.named_in(given["Body"]))
        if failed := (answer or {}).get("Failed"):
            told += f" refused: {[one['Code'] for one in failed]}"
        for message in messages or ():
            numbers.update(message.events)
        self.story.append((self.loop.now, who, told, tuple(sorted(numbers))))

    def violate(self, kind: str, text: str, event: Event | None = None) -> None:
        """Ends the run: what follows would only follow from it."""
        if self.violation is None:
            self.violation = Violation(kind, text, self.loop.now, event)
            self.loop.stopped = True
            if self.tracing:
                numbers = (event.number,) if event else ()
                self.story.append((self.loop.now, "VIOLATION", f"{kind}: {text}", numbers))

    def sandbox_died(self, sandbox: Sandbox, how: str) -> None:
        self.deaths += 1
        self.note(sandbox.label, how)
        if sandbox.invocation is not None:
            self.census.excuse_messages(sandbox.invocation.received)
            self.census.excuse_messages(sandbox.invocation.sent)

    def invocation_ended(self, sandbox: Sandbox, invocation: Invocation, outcome: str) -> None:
        self.note(sandbox.label, f"ends: {outcome}")
        self.invariants.ended(sandbox, invocation, outcome)

    def clock_text(self, at: float) -> str:
        seconds = at - BEGIN
        return f"{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:06.3f}"

    # the action

    def act(self, created: ObjectCreated, delivery: Delivery) -> ActionResult:
        """Does what the event's plan says, and counts the try."""
        event = self.census.of_key(created.key)
        sandbox = SANDBOX.get()
        assert sandbox is not None
        event.tries += 1
        self.note(sandbox.label, f"try {event.tries} of event {event.number} ({event.plan})")
        self.invariants.tried(event)
        bad = event.plan == "poison" or event.tries <= event.bad_tries
        event.failed_at = self.loop.now
        sandbox.sleep(self.chance.random() * (30 if event.plan == "slow" else 0.5))
        if event.plan == "reject":
            raise Reject("the plan says never")
        if bad and event.plan == "hang":
            self.invariants.failed(sandbox, delivery)
            self.loop.forever()
        if bad and event.plan == "crash":
            event.failed_at = 0.0
            event.crashes += 1
            sandbox.exit(139)
        event.failed_at = self.loop.now
        if bad and event.plan in ("retry", "poison"):
            self.invariants.failed(sandbox, delivery)
            raise Retry("the plan says later")
        if self.network.strikes(self.network.faults.failing):
            self.invariants.failed(sandbox, delivery)
            raise ConnectionError("the downstream does not answer")
        self.invariants.worked(sandbox)
        event.done += 1
        event.failed_at = 0.0
        return ActionResult("made")

    # uploads

    def upload(self, upload: Upload) -> None:
        shape = upload.shape
        events = [self._new_event(shape, plan) for plan in upload.plans[: upload.count]]
        if shape in ("many", "mixed"):
            records = [self._record(event) for event in events]
            self._deliver({"Records": records})
        elif shape == "queue":
            for event in events:
                self.sqs.put(self.source, json.dumps({"Records": [self._record(event)]}))
        elif shape == "plain":
            for event in events:
                body = {"Bucket": "images", "Key": event.key, "Own": "field"}
                size = {"Size": event.size} if event.size and self.config.capacity_bytes else {}
                self.sqs.put(self.source, json.dumps(body | size))
        elif shape == "unreadable":
            for event in events:
                self.sqs.put(self.source, f"no JSON at all, ev-{event.number}- \\x07")
        elif shape == "ignored":
            for event in events:
                body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": f"ev-{event.number}-"}
                self.sqs.put(self.source, json.dumps(body))
        elif shape == "wrapped":
            inner = json.dumps({"Records": [self._record(event) for event in events]})
            self.sqs.put(self.source, json.dumps({"Type": "Notification", "Message": inner}))
        else:
            for event in events:
                self._deliver({"Records": [self._record(event)]})

    def _new_event(self, shape: str, plan: str) -> Event:
        kind = {"unreadable": UNREADABLE, "ignored": IGNORED}.get(shape, GOOD)
        if shape == "mixed" and self.chance.random() < 0.3:
            kind = self.chance.choice((UNREADABLE, IGNORED))
        bad = 0
        if plan in ("retry", "hang", "crash"):
            bad = self.chance.randint(1, 3)
        event = self.census.new(kind, plan if kind == GOOD else "ok", bad)
        event.size = self._size()
        return event

    def _size(self) -> int | None:
        """Most objects are small; some take minutes of a limit in bytes, of some nobody says how large."""
        limit = self.scenario.capacity_bytes
        if not limit:
            return 1
        drawn, part = self._sizes.random(), self._sizes.random()
        if drawn < 0.1:
            return None
        share = 0.01 if drawn < 0.6 else 0.2 if drawn < 0.85 else 1 if drawn < 0.95 else 4
        return 1 + int(limit * share * part)

    def _record(self, event: Event) -> dict[str, Any]:
        key = event.key
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put" if event.kind != IGNORED else "ObjectRemoved:Delete",
            "eventTime": iso(self.loop.now),
            "s3": {
                "bucket": {"name": self.config.images_bucket},
                "object": {"key": quote_plus(key), "size": event.size, "sequencer": f"{event.number:010X}"},
            },
        }
        if event.kind == UNREADABLE:
            record["eventVersion"] = "9.0"
        return record

    def _deliver(self, payload: dict[str, Any]) -> None:
        """S3 tells enqueue, once or twice; a stage whose bucket notifies the queue has no such function."""
        self.events.send("enqueue", payload, "enqueue")
        if self.network.strikes(self.network.faults.invoked_twice):
            self.census.excuse_payload(payload)
            self.events.send("enqueue", payload, "enqueue")

    # people

    def order(self, order: Order) -> None:
        perform = {
            "pause": lambda boto: self._set_paused(True, boto("ssm")),
            "resume": lambda boto: self._set_paused(False, boto("ssm")),
            "capacity": lambda boto: self._set_capacity(order.argument, boto("ssm")),
            "capacity back": lambda boto: self._set_capacity(None, boto("ssm")),
            "redrive": lambda boto: self._redrive({"all": True}, boto),
            "redrive by code": lambda boto: self._redrive({"code": "gave-up"}, boto),
            "redrive in the console": lambda boto: self._redrive_in_console(boto("sqs")),
        }.get(order.action)
        if order.action == "deploy":
            self._deploy(order)
        elif order.action == "backfill":
            self._backfill(min(order.argument, 10))
        elif perform:
            self._by_hand(order.action, perform)

    def _set_paused(self, paused: bool, ssm: Any) -> None:
        now = datetime.fromtimestamp(self.loop.now, UTC)
        capacity_override.set_paused(paused, None, ssm, self.config, "somebody", now)

    def _set_capacity(self, capacity: int | None, ssm: Any) -> None:
        now = datetime.fromtimestamp(self.loop.now, UTC)
        capacity_override.put_capacity({"capacity": capacity}, ssm, self.config, "somebody", now)

    def _by_hand(self, what: str, perform: Callable[[Callable[[str], Any]], Any]) -> None:
        """One request of the REST API, in a sandbox of its function; its errors are the caller's."""

        def handler(event: Mapping[str, Any], context: Any) -> Any:
            from chalicelib.aws import clients

            try:
                return perform(lambda service: getattr(clients, service)())
            except (RestError, Retry) as e:
                return str(e)

        self._handlers[what] = handler
        self.functions.invoke(what, {}, lambda sandbox, outcome: None)

    def _redrive(self, body: Any, boto: Callable[[str], Any]) -> None:
        now = datetime.fromtimestamp(self.loop.now, UTC)
        runs.start("redrive", body, "somebody", boto("s3"), boto("functions"), self.config, now)

    def _redrive_in_console(self, sqs: Any) -> None:
        """SQS's own move, as somebody starts it in the console: letters that are not filed yet."""
        sqs.start_message_move_task(SourceArn=self.dead_letters.arn, DestinationArn=self.source.arn)
        self._move()

    def _move(self) -> None:
        if self.sqs.move_some():
            self.loop.call_later(0.5, self._move)

    def _deploy(self, order: Order) -> None:
        """New settings: every function gets a new process."""
        self.config = replace(self.config, capacity=order.argument, drain_workers=1 + order.argument % 16)
        self.note("deploy", f"capacity {order.argument}")
        for name in (*self.schedules, "enqueue", "consume", "backfill"):
            self.functions.forget(name)

    def _backfill(self, count: int) -> None:
        for _ in range(count):
            event = self.census.new(GOOD, "ok")
            event.owed = False
            self._task(event, tries=3)

    def _task(self, event: Event, tries: int) -> None:
        """S3 Batch Operations asks once more after a failure that may pass."""
        payload = {
            "invocationSchemaVersion": "1.0",
            "invocationId": f"i{event.number}",
            "job": {"id": "job", "userArguments": {"operation": "backfill"}},
            "tasks": [
                {
                    "taskId": f"t{event.number}",
                    "s3Key": quote_plus(event.key),
                    "s3VersionId": None,
                    "s3BucketArn": f"arn:aws:s3:::{self.config.images_bucket}",
                }
            ],
        }

        def ended(sandbox: Sandbox, outcome: str) -> None:
            result = sandbox.result["results"][0] if outcome == "ok" else None
            if result and result["resultCode"] == "Succeeded":
                event.owed = True
                self.census.is_somewhere(event)
            elif tries > 1 and (result is None or result["resultCode"] == "TemporaryFailure"):
                event.excuses += 1
                self.loop.call_later(5.0, self._task, event, tries - 1)

        self.functions.invoke("backfill", payload, ended)

    # the run

    def run(self) -> Outcome:
        with deployed.kept(self.scenario.kept_s), deployed.in_parts(self.scenario.in_parts):
            return self._run()

    def _run(self) -> Outcome:
        scenario = self.scenario
        self.network.set_faults(scenario.faults)
        for upload in scenario.uploads:
            self.loop.call_at(BEGIN + upload.at, self.upload, upload)
        for order in scenario.orders:
            self.loop.call_at(BEGIN + order.at, self.order, order)
        self.loop.run(BEGIN + scenario.length_s)
        if not self.loop.stopped:
            self._come_to_rest()
        ticks = sum(one.ticks for one in self.schedules.values())
        return Outcome(scenario, self.violation, ticks, len(self.census.events), self.deaths, self.told())

    def _come_to_rest(self) -> None:
        self.network.set_faults(NO_FAULTS)
        self.note("world", "no more faults")
        self._rest()
        if self.scenario.second_life and not self.loop.stopped:
            # What people do when all is quiet: they look at the letters, and send them back.
            self.note("world", "the letters go back, and faults begin again")
            self.network.set_faults(self.scenario.faults)
            self.order(Order(0.0, "redrive"))
            self.loop.run(self.loop.now + self.scenario.length_s)
            self.network.set_faults(NO_FAULTS)
            if not self.loop.stopped:
                self._rest()

    def _rest(self) -> None:
        """Until nothing moves any more; then all must have ended, and in time."""
        self.loop.run(self.loop.now + 2 * self.limits.timeouts_s["api_handler"])  # nobody's pause comes later
        self.quiet_since = self.loop.now
        self.ssm.resume()
        self._expect_ticks(self.loop.now)
        self.loop.run(self.loop.now + self._implied_s())
        if not self.loop.stopped:
            self.invariants.waits_too_long()
        if not self.loop.stopped:
            self.invariants.at_rest()

    def _implied_s(self) -> float:
        """Within what time all is done once nothing goes wrong any more.

        Whoever is tried to the end waits for every delay, and passes the capacity each time; whoever hangs or
        kills its process also waits until it is visible again.
        """
        config = self.config
        capacity = min(
            override.capacity_at(config, self.ssm.override, self.loop.now + 600 * later) for later in range(7)
        )
        # What faults have doubled waits as well.
        passes = sum((1 + config.max_tries) * max(1, event.copies) for event in self.census.events)
        delays: float = sum(config.retry_delay_s(count) for count in range(1, config.max_tries))
        hidden = max(one.visibility_s for one in (*self.lanes, self.destination))
        if config.capacity_bytes:
            largest = max((event.size or 0 for event in self.census.events), default=0)
            total = sum((event.size or 0) * max(1, event.copies) for event in self.census.events)
            unknown = sum(event.size is None for event in self.census.events)
            minutes = (1 + config.max_tries) * (total + unknown * largest) / config.capacity_bytes
            delays += 60 * minutes * config.drain_shards
        return REST_SLACK_S + delays + 60 * passes / capacity + config.max_tries * hidden

    def told(self) -> list[str]:
        """The story: what met the event that the violation is about, and what happened to all."""
        about = self.violation.event.number if self.violation and self.violation.event else None
        lines = []
        for at, who, what, numbers in self.story:
            if about is not None and numbers and about not in numbers:
                continue
            shown = f" [{', '.join(map(str, numbers))}]" if numbers else ""
            lines.append(f"{self.clock_text(at)} {who:14} {what}{shown}")
        return lines
