"""SQS as its manual describes it at its least helpful: no order, hidden messages, delays, retention, limits.

Only effects, no failures: those are network.py's. Time is an argument, chance a seeded generator.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.queues import batching
from dev.fake_sqs.queues import Refused

Answer = dict[str, Any]

MAX_DELAY_S = 900
MAX_HIDDEN_S = 43_200  # from the receive on
MAX_IN_FLIGHT = 120_000
MAX_ATTRIBUTES = 10
REFUSED_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
VISIBLE, HIDDEN, DELAYED, GONE = "visible", "hidden", "delayed", "gone"


@dataclass(slots=True, eq=False)
class Message:
    """One message, wherever it is. Times are seconds since 1970."""

    id: str
    body: str
    attributes: Mapping[str, Any] | None
    group: str | None
    sent: float  # what retention counts from; a move by a redrive policy keeps it
    events: tuple[int, ...]  # the simulated events that the body tells of
    queue: Queue
    state: str = VISIBLE
    index: int = 0  # among the visible ones
    until: float = 0.0  # hidden or delayed so long
    receives: int = 0
    first_received: float = 0.0
    received: float = 0.0
    handle: str = ""
    moved_from: str = ""  # ARN of the queue whose redrive policy moved it
    undeleted: bool = False  # a deletion that is confirmed may not last


class Watcher(Protocol):
    """Who is told of every message that comes and goes."""

    def added(self, message: Message) -> None: ...

    def removed(self, message: Message, why: str) -> None: ...

    def hidden(self, message: Message, seconds: float) -> None:
        """Its visibility was changed."""

    def doubled(self, message: Message) -> None:
        """SQS itself gives it once more than it need."""


@dataclass(eq=False)
class Queue:
    """One standard queue, with the settings that CloudFormation gives it."""

    name: str
    url: str
    arn: str
    visibility_s: float
    retention_s: float
    max_receives: int = 0  # more than these, and the message goes to `dead_letters`; 0 is never
    dead_letters: Queue | None = None
    tried: int = 1  # of so many that are drawn the oldest is given: 1 is no order at all
    visible: list[Message] = field(default_factory=list)
    in_flight: int = 0
    delayed: int = 0
    timers: list[tuple[float, int, Message]] = field(default_factory=list)
    by_id: dict[str, Message] = field(default_factory=dict)
    on_visible: Callable[[float], None] = lambda at: None  # told when a message is to be visible

    def next_visible(self, now: float) -> float | None:
        """When the next message can be received; None when none waits."""
        if self.visible:
            return now
        while self.timers and self._stale(self.timers[0]):
            heapq.heappop(self.timers)
        return self.timers[0][0] if self.timers else None

    def _stale(self, timer: tuple[float, int, Message]) -> bool:
        at, _, message = timer
        return message.queue is not self or message.state not in (HIDDEN, DELAYED) or message.until != at


class Sqs:
    """All queues, and the calls by their action's name. Raises Refused as SQS refuses."""

    def __init__(self, clock: Callable[[], float], chance: random.Random, watcher: Watcher) -> None:
        self.clock = clock
        self.chance = chance
        self.watcher = watcher
        self.queues: dict[str, Queue] = {}  # by URL
        self.max_in_flight = MAX_IN_FLIGHT
        self._numbers = itertools.count(1)
        self.tasks: list[dict[str, Any]] = []  # StartMessageMoveTask's, the latest first
        self.given: Callable[[list[Message]], None] = lambda messages: None
        # Chances that belong to no call but to SQS itself; see Faults.
        self.fewer = self.unseen = self.twice = self.undelete = 0.0
        self._calls: dict[str, Callable[[Queue, Mapping[str, Any]], Answer]] = {
            "ReceiveMessage": self._receive,
            "SendMessage": self._send_one,
            "SendMessageBatch": self._send,
            "DeleteMessage": self._delete_one,
            "DeleteMessageBatch": self._delete,
            "ChangeMessageVisibility": self._hide_one,
            "ChangeMessageVisibilityBatch": self._hide,
            "GetQueueAttributes": self._attributes,
        }
        self.entry_refused: Callable[[str, Mapping[str, Any]], str] = lambda action, entry: ""

    def create(self, name: str, **settings: Any) -> Queue:
        queue = Queue(
            name,
            f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}",
            f"arn:aws:sqs:eu-central-1:123456789012:{name}",
            **settings,
        )
        self.queues[queue.url] = queue
        return queue

    def call(self, action: str, request: Mapping[str, Any]) -> Answer:
        if action == "StartMessageMoveTask":
            return self._start_move(request)
        if action == "ListMessageMoveTasks":
            return {"Results": [dict(task) for task in self.tasks[: request.get("MaxResults", 1)]]}
        queue = self.queues.get(request["QueueUrl"])
        if queue is None:
            raise Refused("QueueDoesNotExist", f"The specified queue does not exist: {request['QueueUrl']}")
        try:
            perform = self._calls[action]
        except KeyError:
            raise Refused("InvalidAction", action) from None
        return perform(queue, request)

    # messages

    def put(
        self,
        queue: Queue,
        body: str,
        attributes: Mapping[str, Any] | None = None,
        delay_s: float = 0.0,
        group: str | None = None,
        events: tuple[int, ...] = (),
    ) -> Message:
        number = next(self._numbers)
        message = Message(f"m{number}", body, attributes, group, self.clock(), events, queue)
        queue.by_id[message.id] = message
        self._show_at(message, message.sent + delay_s, DELAYED)
        self.watcher.added(message)
        return message

    def remove(self, message: Message, why: str) -> None:
        self._take(message)
        message.state = GONE
        del message.queue.by_id[message.id]
        self.watcher.removed(message, why)

    def expire(self, queue: Queue) -> list[Message]:
        """Deletes what is older than the queue keeps."""
        now = self.clock()
        old = [one for one in queue.by_id.values() if one.sent + queue.retention_s <= now]
        for message in old:
            self.remove(message, "expired")
        return old

    def _show_at(self, message: Message, at: float, state: str) -> None:
        queue = message.queue
        if at <= self.clock():
            message.state = VISIBLE
            message.index = len(queue.visible)
            queue.visible.append(message)
            at = self.clock()
        else:
            message.state, message.until = state, at
            if state == HIDDEN:
                queue.in_flight += 1
            else:
                queue.delayed += 1
            heapq.heappush(queue.timers, (at, next(self._numbers), message))
        queue.on_visible(at)

    def _take(self, message: Message) -> None:
        """Out of whatever state it is in."""
        queue = message.queue
        if message.state == VISIBLE:
            last = queue.visible.pop()
            if last is not message:
                queue.visible[message.index] = last
                last.index = message.index
        elif message.state == HIDDEN:
            queue.in_flight -= 1
        elif message.state == DELAYED:
            queue.delayed -= 1
        message.state = ""

    def _wake(self, queue: Queue, now: float) -> None:
        timers = queue.timers
        while timers and timers[0][0] <= now:
            timer = heapq.heappop(timers)
            if not queue._stale(timer):
                self._take(timer[2])
                self._show_at(timer[2], now, VISIBLE)

    # calls

    def _receive(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        most = int(request.get("MaxNumberOfMessages") or 1)
        if not 1 <= most <= batching.MAX_ENTRIES:
            raise Refused("InvalidParameterValue", f"MaxNumberOfMessages {most}: from 1 to 10")
        now = self.clock()
        self._wake(queue, now)
        chance = self.chance
        if not queue.visible or (self.unseen and chance.random() < self.unseen):
            return {}
        if self.fewer and chance.random() < self.fewer:
            most = chance.randint(1, most)
        hidden_s = float(request.get("VisibilityTimeout", queue.visibility_s))
        received: list[Message] = []
        most = min(most, self.max_in_flight - queue.in_flight)
        while queue.visible and len(received) < most:
            message = self._drawn(queue)
            if message.sent + queue.retention_s <= now:
                self.remove(message, "expired")
                continue
            if queue.dead_letters and message.receives >= queue.max_receives:
                self._move_by_policy(message, queue.dead_letters)
                continue
            self._take(message)
            message.receives += 1
            message.received = now
            message.first_received = message.first_received or now
            message.handle = f"{message.id}#{next(self._numbers)}"
            received.append(message)
        for message in received:
            if self.twice and chance.random() < self.twice:
                message.undeleted = True  # whoever deletes it by this receipt may come too late
                self.watcher.doubled(message)
                self._show_at(message, now + chance.random(), HIDDEN)
            else:
                self._show_at(message, now + hidden_s, HIDDEN)
        self.given(received)
        system = request.get("MessageSystemAttributeNames") or request.get("AttributeNames") or ()
        own = request.get("MessageAttributeNames") or ()
        return {"Messages": [described(one, system, own) for one in received]} if received else {}

    def _drawn(self, queue: Queue) -> Message:
        chance, visible = self.chance, queue.visible
        drawn = visible[int(chance.random() * len(visible))]
        for _ in range(queue.tried - 1):
            drawn = min(drawn, visible[int(chance.random() * len(visible))], key=_sent)
        return drawn

    def _move_by_policy(self, message: Message, to: Queue) -> None:
        came_from = message.queue
        self._take(message)
        del came_from.by_id[message.id]
        self.watcher.removed(message, "moved")
        message.queue, message.moved_from = to, came_from.arn
        to.by_id[message.id] = message
        self._show_at(message, self.clock(), VISIBLE)
        self.watcher.added(message)

    def _send_one(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        if batching.size_bytes(request) > batching.MAX_BYTES:
            raise Refused("InvalidParameterValue", "One or more parameters are invalid. Reason: too long")
        return self._sent(queue, request)

    def _sent(self, queue: Queue, entry: Mapping[str, Any]) -> Answer:
        attributes = entry.get("MessageAttributes") or {}
        texts = [entry["MessageBody"], *(one.get("StringValue", "x") for one in attributes.values())]
        if any(REFUSED_CHARACTERS.search(text) for text in texts):
            raise Refused("InvalidMessageContents", "The message contains characters outside the allowed set")
        if not all(texts) or len(attributes) > MAX_ATTRIBUTES:
            raise Refused("InvalidParameterValue", "an empty value, or too many message attributes")
        delay = entry.get("DelaySeconds", 0)
        if not isinstance(delay, int) or not 0 <= delay <= MAX_DELAY_S:
            raise Refused("InvalidParameterValue", f"DelaySeconds {delay}: from 0 to {MAX_DELAY_S}")
        message = self.put(
            queue,
            entry["MessageBody"],
            entry.get("MessageAttributes"),
            delay,
            entry.get("MessageGroupId"),
        )
        return {"MessageId": message.id}

    def _send(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        entries = checked(request["Entries"])
        if sum(map(batching.size_bytes, entries)) > batching.MAX_BYTES:
            raise Refused("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes.")
        return self._each("SendMessageBatch", entries, lambda entry: self._sent(queue, entry))

    def _delete_one(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        message = self._held(queue, request["ReceiptHandle"])
        if message:  # an older handle succeeds, and deletes nothing
            if self.undelete and self.chance.random() < self.undelete:
                message.undeleted = True
                self.watcher.doubled(message)
            else:
                self.remove(message, "deleted")
        return {}

    def _delete(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        entries = checked(request["Entries"])
        return self._each("DeleteMessageBatch", entries, lambda entry: self._delete_one(queue, entry))

    def _hide_one(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        now, seconds = self.clock(), request["VisibilityTimeout"]
        self._wake(queue, now)
        message = self._held(queue, request["ReceiptHandle"])
        if not message or message.state != HIDDEN:
            raise Refused("MessageNotInflight", "The specified message isn't in flight.")
        if not isinstance(seconds, int) or seconds < 0 or now + seconds > message.received + MAX_HIDDEN_S:
            raise Refused("InvalidParameterValue", f"VisibilityTimeout {seconds}: 12 hours from the receive")
        self._take(message)
        self._show_at(message, now + seconds, HIDDEN)
        self.watcher.hidden(message, seconds)
        return {}

    def _hide(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        entries = checked(request["Entries"])
        return self._each("ChangeMessageVisibilityBatch", entries, lambda entry: self._hide_one(queue, entry))

    def _held(self, queue: Queue, handle: str) -> Message | None:
        """The message, if this is its latest receipt handle."""
        message = queue.by_id.get(handle.partition("#")[0])
        return message if message and message.handle == handle else None

    def _attributes(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        self._wake(queue, self.clock())
        attributes = {
            "QueueArn": queue.arn,
            "ApproximateNumberOfMessages": str(len(queue.visible)),
            "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight),
            "ApproximateNumberOfMessagesDelayed": str(queue.delayed),
            "VisibilityTimeout": str(int(queue.visibility_s)),
        }
        names = request.get("AttributeNames") or []
        return {
            "Attributes": {
                name: value for name, value in attributes.items() if name in names or "All" in names
            }
        }

    def _each(
        self, action: str, entries: list[Mapping[str, Any]], perform: Callable[[Mapping[str, Any]], Answer]
    ) -> Answer:
        done: list[Answer] = []
        failed: list[Answer] = []
        for entry in entries:
            fault = self.entry_refused(action, entry)
            if fault == "unmentioned":  # and not done
                continue
            try:
                if fault == "refused":
                    raise Refused("InternalError", "refused")
                answer = perform(entry)
            except Refused as e:
                by_sender = e.code != "InternalError"
                failed.append(
                    {"Id": entry["Id"], "SenderFault": by_sender, "Code": e.code, "Message": e.message}
                )
                continue
            if fault != "done unmentioned":
                done.append({"Id": entry["Id"], **answer})
        return {**({"Successful": done} if done else {}), **({"Failed": failed} if failed else {})}

    def _start_move(self, request: Mapping[str, Any]) -> Answer:
        by_arn = {queue.arn: queue for queue in self.queues.values()}
        source, to = by_arn[request["SourceArn"]], by_arn[request["DestinationArn"]]
        if any(task["Status"] == "RUNNING" for task in self.tasks):
            raise Refused("UnsupportedOperation", "there is already a message movement task running")
        task = {
            "TaskHandle": f"task{next(self._numbers)}",
            "Status": "RUNNING",
            "SourceArn": source.arn,
            "DestinationArn": to.arn,
            "ApproximateNumberOfMessagesMoved": 0,
            "ApproximateNumberOfMessagesToMove": len(source.visible),
            "StartedTimestamp": int(self.clock() * 1000),
        }
        self.tasks.insert(0, task)
        return {"TaskHandle": task["TaskHandle"]}

    def move_some(self, most: int = 10) -> bool:
        """One step of the running move task: new messages, whose age begins again. Whether it goes on."""
        task = next((task for task in self.tasks if task["Status"] == "RUNNING"), None)
        if task is None:
            return False
        by_arn = {queue.arn: queue for queue in self.queues.values()}
        source, to = by_arn[task["SourceArn"]], by_arn[task["DestinationArn"]]
        self._wake(source, self.clock())
        for message in source.visible[:most]:
            self.put(to, message.body, message.attributes, group=message.group)
            self.remove(message, "redriven")
            task["ApproximateNumberOfMessagesMoved"] += 1
        if not source.visible:
            task["Status"] = "COMPLETED"
        return bool(task["Status"] == "RUNNING")


def _sent(message: Message) -> float:
    return message.sent


def described(message: Message, system: Any, own: Any) -> Answer:
    """As ReceiveMessage gives it: only the attributes that were asked for."""
    answer: Answer = {"MessageId": message.id, "ReceiptHandle": message.handle, "Body": message.body}
    if system:
        attributes = system_attributes(message)
        answer["Attributes"] = (
            attributes
            if "All" in system
            else {name: attributes[name] for name in system if name in attributes}
        )
    if message.attributes and own:
        chosen = {
            name: value
            for name, value in message.attributes.items()
            if "All" in own or ".*" in own or name in own
        }
        if chosen:
            answer["MessageAttributes"] = chosen
    return answer


def system_attributes(message: Message) -> dict[str, str]:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received * 1000)),
        "SenderId": "AIDAEXAMPLE",
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if message.moved_from:
        attributes["DeadLetterQueueSourceArn"] = message.moved_from
    return attributes


def checked(entries: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The entries of a batch call. Raises Refused for what no such call may hold."""
    if not entries:
        raise Refused("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > batching.MAX_ENTRIES:
        raise Refused("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused("BatchEntryIdsNotDistinct", "Id repeated.")
    return entries
