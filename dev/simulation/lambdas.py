"""Lambda and what calls it: sandboxes that end at their time limit, a schedule, a poller, async events.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit

from chalicelib.config import override
from dev.simulation.sqs import Message, Queue, system_attributes
from dev.simulation.surroundings import Surroundings

if TYPE_CHECKING:
    from chalicelib.config import Config

# In whose process the code runs that runs now.
SANDBOX: ContextVar[Sandbox | None] = ContextVar("SANDBOX", default=None)

# What has been forwarded and is not done; delayed messages are those that are not due.
IN_DESTINATION = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
FIRST_RETRY_S = 60  # after a function error; doubled for the second
POLLER_PATIENCE_S = 1.0  # between two tries of a throttled poller


class TimedOut(Exception):
    """Lambda ended the function at its time limit."""


@dataclass
class Invocation:
    """One run of a handler, and what the network saw of it."""

    function: str
    event: Mapping[str, Any]
    began: float
    deadline: float
    config: Config
    shard: int = 0
    received: list[Message] = field(default_factory=list)  # from any queue, whatever became of the answer
    there: int | None = None  # in the destination, not delayed, as it was told; None where it did not ask
    visible: int | None = None  # of these
    given: int = 0  # messages in answers that arrived
    sent: list[Message] = field(default_factory=list)  # what came into any queue by it
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # of its log

    def line(self, message: str) -> dict[str, Any] | None:
        return next((found for text, found in self.lines if text == message), None)


class Sandbox:
    """One process that runs one function, one event at a time."""

    def __init__(self, world: Surroundings, function: str, number: int) -> None:
        self.world = world
        self.function = function
        self.label = f"{function}/{number}"
        self.alive = True
        self.invocation: Invocation | None = None
        self.known: dict[str, Any] = {}  # module state that lives as long as the process
        self._on_end: Callable[[str], None] = lambda outcome: None

    def run(self, invocation: Invocation, handler: Callable[..., Any], on_end: Callable[[str], None]) -> None:
        self.invocation = invocation
        self._on_end = on_end
        world = self.world
        context = copy_context()
        context.run(SANDBOX.set, self)
        world.loop.call_at(invocation.deadline, self.kill_in, invocation, "timed out")
        world.loop.start(lambda: self._main(invocation, handler), context)

    def sleep(self, seconds: float) -> None:
        """Of code that runs in this process; it never comes back if the process dies meanwhile."""
        if self.alive:
            self.world.loop.sleep(seconds)
        if not self.alive:
            self.world.loop.forever()

    def exit(self, status: int) -> None:
        """os._exit: Lambda sees a runtime that ended, and starts another one for the next event."""
        self.kill(f"exited {status}")
        self.world.loop.forever()

    def kill(self, how: str) -> None:
        """The process is gone; what it still holds never goes on."""
        if not self.alive:
            return
        self.alive = False
        self.world.sandbox_died(self, how)
        if self.invocation is not None:
            self._end(how)

    def answered(self, action: str, status: int, answer: Mapping[str, Any]) -> None:
        """An answer arrived: what the code can know from now on."""
        invocation = self.invocation
        if invocation is None:
            return
        if action == "ReceiveMessage" and status == 200:
            invocation.given += len(answer.get("Messages") or ())
        elif action == "GetQueueAttributes" and status == 200:
            known = {name: int(one) for name, one in answer["Attributes"].items() if one.isdecimal()}
            invocation.there = sum(known.get(name, 0) for name in IN_DESTINATION)
            invocation.visible = known.get(IN_DESTINATION[0], 0)
        elif action == "GetParameter":
            if status == 200:
                self.known["override"] = override.read(answer["Parameter"]["Value"])
            elif answer["__type"].endswith("ParameterNotFound"):
                self.known["override"] = override.NONE

    def kill_in(self, invocation: Invocation, how: str = "killed") -> None:
        """Ends the process if it is still at this invocation."""
        if self.invocation is invocation:
            self.kill(how)

    def _main(self, invocation: Invocation, handler: Callable[..., Any]) -> None:
        try:
            self.world.app.config = invocation.config
            invocation_result = handler(invocation.event, Context(self.world, invocation))
            outcome = "ok"
        except GreenletExit:
            return
        except Exception as e:  # noqa: BLE001  Lambda, too, takes whatever a handler raises
            invocation_result, outcome = None, f"{type(e).__name__}: {e}"
        if self.alive and self.invocation is invocation:
            self.result = invocation_result
            self._end(outcome)

    def _end(self, outcome: str) -> None:
        invocation, self.invocation = self.invocation, None
        assert invocation is not None
        self.world.invocation_ended(self, invocation, outcome)
        self._on_end(outcome)


class Context:
    """Lambda's context, as far as the app asks it."""

    def __init__(self, world: Surroundings, invocation: Invocation) -> None:
        self._world = world
        self._invocation = invocation
        self.aws_request_id = f"r{invocation.began}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(1000 * (self._invocation.deadline - self._world.loop.now)))


class Functions:
    """Invokes handlers, in a warm sandbox where one is free."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._warm: dict[str, list[Sandbox]] = {}
        self._made = 0
        self.running: dict[str, int] = {}

    def forget(self, function: str) -> None:
        """New code or settings: the next invocation starts a new process."""
        self._warm.pop(function, None)

    def invoke(
        self, function: str, event: Mapping[str, Any], on_end: Callable[[Sandbox, str], None], shard: int = 0
    ) -> None:
        """Runs the handler soon. `on_end` is told `ok`, an error, `timed out` or `died`."""
        world = self._world
        loop, faults = world.loop, world.network.faults
        warm = self._warm.get(function)
        if warm and not world.network.strikes(faults.cold):
            sandbox, start_s = warm.pop(), 0.002
        else:
            if warm:  # the new process takes its place
                warm.pop()
            self._made += 1
            sandbox, start_s = Sandbox(world, function, self._made), 0.3
        handler, timeout_s = world.handler(function)
        self.running[function] = self.running.get(function, 0) + 1

        def begin() -> None:
            config = world.config_of(function)
            invocation = Invocation(function, event, loop.now, loop.now + timeout_s, config, shard)
            world.note(sandbox.label, "begins")
            sandbox.run(invocation, handler, ended)
            if world.network.strikes(faults.killed):
                # Most runs are over in a second: a moment drawn from the whole time limit would rarely hit.
                moment = world.network.chance.random() ** 3 * min(timeout_s, 20.0)
                loop.call_later(moment, sandbox.kill_in, invocation)

        def ended(outcome: str) -> None:
            self.running[function] -= 1
            if sandbox.alive:
                self._warm.setdefault(function, []).append(sandbox)
            on_end(sandbox, outcome)

        loop.call_later(start_s, begin)


class AsyncEvents:
    """Events that Lambda keeps until their function took them, or until it gives up."""

    def __init__(self, world: Surroundings, functions: Functions) -> None:
        self._world = world
        self._functions = functions
        self.waiting = 0

    def send(self, function: str, event: Mapping[str, Any], limits_of: str, shard: int = 0) -> None:
        """`limits_of` names the function whose settings hold: shards have those of the first."""
        world = self._world
        limits = world.limits.asynchronous[limits_of]
        world.census.hold(event)
        self.waiting += 1
        sent_at = world.loop.now
        state = {"attempts": 0, "throttles": 0}

        def attempt() -> None:
            old = world.loop.now - sent_at > limits.event_age_s
            if old:
                give_up("EventAgeExceeded", "")
            elif world.is_busy(function) or world.network.strikes(world.network.faults.not_started):
                state["throttles"] += 1
                world.loop.call_later(min(2.0 ** state["throttles"], 300.0), attempt)
            else:
                if state["attempts"]:
                    world.census.excuse_payload(event)
                state["attempts"] += 1
                self._functions.invoke(function, event, ended, shard)

        def ended(_: Sandbox, outcome: str) -> None:
            if outcome == "ok":
                done()
            elif state["attempts"] > limits.retries:
                give_up("RetriesExhausted", outcome)
            else:
                world.loop.call_later(FIRST_RETRY_S * state["attempts"], attempt)

        def give_up(condition: str, error: str) -> None:
            if limits.on_failure:
                world.census.excuse_payload(event)  # parts of it may have been taken
                record = {
                    "version": "1.0",
                    "timestamp": iso(world.loop.now),
                    "requestContext": {
                        "requestId": "r",
                        "functionArn": f"arn:aws:lambda:eu-central-1:123456789012:function:{function}",
                        "condition": condition,
                        "approximateInvokeCount": state["attempts"],
                    },
                    "requestPayload": event,
                    "responseContext": {
                        "statusCode": 200,
                        "executedVersion": "$LATEST",
                        "functionError": error,
                    },
                    "responsePayload": {"errorMessage": error},
                }
                world.sqs.put(world.dead_letters, json.dumps(record))
            world.note("lambda", f"gives up an event of {function}: {condition}")
            done()

        def done() -> None:
            self.waiting -= 1
            world.census.release(event)

        attempt()


class Poller:
    """The event source mapping: receives from a queue, invokes, deletes what the function answered for."""

    def __init__(
        self,
        world: Surroundings,
        functions: Functions,
        queue: Queue,
        function: str,
        most: int,
        window_s: float = 0.0,
    ) -> None:
        self._world = world
        self._functions = functions
        self._queue = queue
        self._function = function
        self._most = most  # at once
        self._window_s = window_s  # a batch that is not full waits so long
        self.running = 0
        self._next = float("inf")
        queue.on_visible = self._expect

    def stop(self) -> None:
        """Nothing is received until it goes on."""
        self._kept, self._most = self._most, 0

    def go_on(self) -> None:
        self._most = self._kept
        self._expect(self._world.loop.now)

    def _expect(self, at: float) -> None:
        full = len(self._queue.visible) >= self._world.limits.batch_size
        at = max(at, self._world.loop.now) + (0.02 if full else max(0.02, self._window_s))
        if at < self._next:
            self._next = at
            self._world.loop.call_at(at, self._poll, at)

    def _poll(self, at: float) -> None:
        if at != self._next:
            return
        self._next = float("inf")
        world = self._world
        sqs, faults, network = world.sqs, world.network.faults, world.network
        if self.running < self._most:
            request = {
                "QueueUrl": self._queue.url,
                "MaxNumberOfMessages": world.limits.batch_size,
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            }
            received: list[Message] = []
            sqs.given = received.extend
            try:
                sqs.call("ReceiveMessage", request)
            finally:
                sqs.given = world.census.given
            if received:
                self._invoke(received, throttled=network.strikes(faults.not_started))
            following = self._queue.next_visible(world.loop.now)
            if following is not None:
                self._expect(following)

    def _invoke(self, messages: list[Message], throttled: bool) -> None:
        world = self._world
        if throttled:  # received, counted, and hidden until the visibility timeout ends
            world.note("poller", "is throttled", messages=messages)
            return
        handles = [message.handle for message in messages]
        self.running += 1

        def ended(_: Sandbox, outcome: str) -> None:
            self.running -= 1
            if outcome == "ok":
                # AWS's own call, which can fail like any: the messages then come again.
                if world.network.strikes(world.network.faults.error_before):
                    world.census.excuse_messages(messages)
                else:
                    entries = [{"Id": str(i), "ReceiptHandle": handle} for i, handle in enumerate(handles)]
                    world.sqs.call("DeleteMessageBatch", {"QueueUrl": self._queue.url, "Entries": entries})
            else:
                world.census.excuse_messages(messages)
            following = self._queue.next_visible(world.loop.now)
            if following is not None:
                self._expect(following)

        self._functions.invoke(self._function, {"Records": [record(one) for one in messages]}, ended)


def record(message: Message) -> dict[str, Any]:
    """A message as the function is given it.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    return {
        "messageId": message.id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": system_attributes(message),
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "dataType": value["DataType"],
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in (message.attributes or {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": message.queue.arn,
        "awsRegion": "eu-central-1",
    }


class Schedule:
    """EventBridge's rule of one shard: an event each minute, at least once."""

    def __init__(self, world: Surroundings, events: AsyncEvents, function: str, shard: int) -> None:
        self._world = world
        self._events = events
        self.function = function
        self.shard = shard
        self._next = float("inf")
        self.ticks = 0

    def expect(self, at: float) -> None:
        """A minute with nothing to forward is left out, most of the time: it would only take time."""
        now = self._world.loop.now
        minute = max(at, now) // 60 * 60 + 60
        if minute < self._next:
            self._next = minute
            self._world.loop.call_at(minute, self._fire, minute)

    def _fire(self, minute: float) -> None:
        if minute != self._next:
            return
        self._next = float("inf")
        world = self._world
        network = world.network
        event = {
            "version": "0",
            "id": f"{self.function}-{minute:.0f}",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": datetime.fromtimestamp(minute, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "eu-central-1",
            "resources": [f"arn:aws:events:eu-central-1:123456789012:rule/{self.function}"],
            "detail": {},
        }
        for _ in range(1 + network.strikes(network.faults.invoked_twice)):
            self.ticks += 1
            late_s = network.chance.random() ** 4 * world.late_s
            world.loop.call_later(late_s, self._events.send, self.function, event, "drain", self.shard)
        for lane in world.lanes:
            if (following := lane.next_visible(world.loop.now)) is not None:
                self.expect(following)


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
