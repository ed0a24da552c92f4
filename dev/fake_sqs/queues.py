"""Standard queues in memory, spoken to in the words of SQS's JSON protocol.

Behaviour: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.queues import batching

Answer = dict[str, Any]


_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Refused(Exception):
    """The call is refused as a whole, with SQS's error code."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(slots=True)
class Message:
    id: str
    body: str
    attributes: Mapping[str, Any] | None = None
    receives: int = 0
    visible_at: float = 0.0
    sent_at: float = 0.0
    handle: str = ""


@dataclass
class Queue:
    """One standard queue. Every method that depends on the time is given `now`, in seconds."""

    name: str
    visibility_s: float = 30.0
    max_receives: int = 0  # after which a message goes to `dead_letters`; 0 is never
    dead_letters: Queue | None = None
    max_bytes: int = batching.MAX_BYTES  # of one message
    ready: deque[Message] = field(default_factory=deque)
    in_flight: dict[str, Message] = field(default_factory=dict)  # by receipt handle
    delayed: list[tuple[float, int, Message]] = field(default_factory=list)  # by the time they are visible
    _timers: list[tuple[float, str]] = field(default_factory=list)

    def receive(self, most: int, now: float) -> list[Message]:
        self.expire(now)
        received: list[Message] = []
        while self.ready and len(received) < most:
            message = self.ready.popleft()
            if self.dead_letters and message.receives >= self.max_receives:
                self.dead_letters.ready.append(message)
                continue
            message.receives += 1
            message.handle = f"{message.id}#{message.receives}"
            self.in_flight[message.handle] = message
            self.hide(message.handle, self.visibility_s, now)
            received.append(message)
        return received

    def hide(self, handle: str, seconds: float, now: float) -> None:
        message = self.in_flight[handle]
        message.visible_at = now + seconds
        heapq.heappush(self._timers, (message.visible_at, handle))

    def expire(self, now: float) -> None:
        """Puts back what has been in flight for too long, and brings what was sent with a delay."""
        while self.delayed and self.delayed[0][0] <= now:
            self.ready.append(heapq.heappop(self.delayed)[2])
        while self._timers and self._timers[0][0] <= now:
            _, handle = heapq.heappop(self._timers)
            message = self.in_flight.get(handle)
            if message and message.visible_at <= now:
                del self.in_flight[handle]
                self.ready.append(message)

    def next_expiry(self) -> float | None:
        times = [self._timers[0][0]] if self._timers else []
        return min([*times, *(due for due, _, _ in self.delayed[:1])], default=None)

    def messages(self) -> list[Message]:
        """Every message, visible or not."""
        return [*self.ready, *(message for _, _, message in self.delayed), *self.in_flight.values()]

    def bodies(self) -> list[str]:
        """Every message's body, visible or not."""
        return [message.body for message in self.messages()]


class Queues:
    """The calls, by action name: `Queues().call("SendMessageBatch", {...})`. Counts them in `calls`.

    `refuse(queue's name, entry)` gives the error code for an entry to be refused, or "".
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        refuse: Callable[[str, Mapping[str, Any]], str] = lambda name, entry: "",
    ) -> None:
        self.clock = clock
        self.refuse = refuse
        self.calls: Counter[str] = Counter()
        self._queues: dict[str, Queue] = {}
        self._ids = itertools.count(1)

    def create(self, name: str, **options: Any) -> Queue:
        queue = Queue(name, **options)
        self._queues[name] = queue
        return queue

    def queue(self, url: str) -> Queue:
        try:
            return self._queues[url.rpartition("/")[2]]
        except KeyError:
            raise Refused("QueueDoesNotExist", f"The specified queue does not exist: {url}") from None

    def put(
        self, queue: Queue, body: str, attributes: Mapping[str, Any] | None = None, delay_s: float = 0
    ) -> Message:
        number = next(self._ids)
        message = Message(
            f"{number:08x}-0000-4000-8000-{number:012x}", body, attributes, sent_at=self.clock()
        )
        if delay_s:
            heapq.heappush(queue.delayed, (self.clock() + delay_s, number, message))
        else:
            queue.ready.append(message)
        return message

    def call(self, action: str, request: Mapping[str, Any]) -> Answer:
        """The answer. Raises Refused."""
        self.calls[action] += 1
        calls: dict[str, Callable[[Queue, Mapping[str, Any]], Answer]] = {
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibilityBatch": self._change_visibility_batch,
            "GetQueueAttributes": self._attributes,
        }
        if action not in calls:
            raise Refused("InvalidAction", action)
        return calls[action](self.queue(request["QueueUrl"]), request)

    def _receive(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        most = int(request.get("MaxNumberOfMessages") or 1)
        if not 1 <= most <= batching.MAX_ENTRIES:
            raise Refused("InvalidParameterValue", f"MaxNumberOfMessages {most}: from 1 to 10")
        received = queue.receive(most, self.clock())
        asked = request.get("MessageAttributeNames") or []
        return {"Messages": [_described(message, asked) for message in received]} if received else {}

    def _send(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        if code := self.refuse(queue.name, request):
            raise Refused(code, "refused")
        return self._put_checked(queue, request)

    def _put_checked(self, queue: Queue, entry: Mapping[str, Any]) -> Answer:
        """One message as SQS takes it: long enough, short enough, and of characters that it knows."""
        attributes = entry.get("MessageAttributes") or {}
        if not entry["MessageBody"]:
            raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
        if batching.size_bytes(entry) > queue.max_bytes:
            raise Refused("InvalidParameterValue", f"Message must be shorter than {queue.max_bytes} bytes.")
        if len(attributes) > 10:
            raise Refused(
                "InvalidParameterValue", f"Number of message attributes [{len(attributes)}] exceeds 10."
            )
        texts = [entry["MessageBody"], *(one.get("StringValue") or "" for one in attributes.values())]
        if any(batching.sendable(text) != text for text in texts):
            raise Refused(
                "InvalidMessageContents", "The message contains characters outside the allowed set."
            )
        delay = int(entry.get("DelaySeconds") or 0)
        if not 0 <= delay <= 900:
            raise Refused("InvalidParameterValue", f"Value {delay} for parameter DelaySeconds is invalid.")
        message = self.put(queue, entry["MessageBody"], attributes or None, delay)
        return {"MessageId": message.id, "MD5OfMessageBody": _md5(message.body)}

    def _send_batch(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        entries = _checked(request["Entries"])
        if sum(map(batching.size_bytes, entries)) > batching.MAX_BYTES:
            raise Refused("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes.")
        return self._each(queue, entries, lambda entry: self._put_checked(queue, entry))

    def _delete(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        queue.in_flight.pop(request["ReceiptHandle"], None)
        return {}

    def _delete_batch(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        def delete(entry: Mapping[str, Any]) -> Answer:
            queue.in_flight.pop(entry["ReceiptHandle"], None)  # twice is no error
            return {}

        return self._each(queue, _checked(request["Entries"]), delete)

    def _change_visibility_batch(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        now = self.clock()

        def change(entry: Mapping[str, Any]) -> Answer:
            if entry["ReceiptHandle"] not in queue.in_flight:
                raise Refused("MessageNotInflight", "not in flight")
            queue.hide(entry["ReceiptHandle"], float(entry["VisibilityTimeout"]), now)
            return {}

        return self._each(queue, _checked(request["Entries"]), change)

    def _attributes(self, queue: Queue, request: Mapping[str, Any]) -> Answer:
        queue.expire(self.clock())
        attributes = {
            "QueueArn": f"arn:aws:sqs:eu-central-1:123456789012:{queue.name}",
            "ApproximateNumberOfMessages": str(len(queue.ready)),
            "ApproximateNumberOfMessagesNotVisible": str(len(queue.in_flight)),
            "ApproximateNumberOfMessagesDelayed": str(len(queue.delayed)),
            "VisibilityTimeout": str(int(queue.visibility_s)),
        }
        names = request.get("AttributeNames") or []
        return {
            "Attributes": {
                name: value for name, value in attributes.items() if name in names or "All" in names
            }
        }

    def _each(
        self,
        queue: Queue,
        entries: list[Mapping[str, Any]],
        do: Callable[[Mapping[str, Any]], Answer],
    ) -> Answer:
        done: list[Answer] = []
        failed: list[Answer] = []
        for entry in entries:
            code = self.refuse(queue.name, entry)
            try:
                if code:
                    raise Refused(code, "refused")
                done.append({"Id": entry["Id"], **do(entry)})
            except Refused as e:
                failed.append({"Id": entry["Id"], "SenderFault": True, "Code": e.code, "Message": e.message})
        return {"Successful": done, **({"Failed": failed} if failed else {})}


def _checked(entries: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not entries:
        raise Refused("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > batching.MAX_ENTRIES:
        raise Refused("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
    if not all(_ENTRY_ID.fullmatch(entry["Id"]) for entry in entries):
        raise Refused("InvalidBatchEntryId", "An id has at most 80 letters, digits, hyphens and underscores.")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused("BatchEntryIdsNotDistinct", "Id repeated.")
    return entries


def _described(message: Message, asked: Sequence[str]) -> Answer:
    answer: Answer = {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": _md5(message.body),
        "Body": message.body,
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
    }
    attributes = {
        name: value
        for name, value in (message.attributes or {}).items()
        if name in asked or "All" in asked or ".*" in asked
    }
    if attributes:
        answer["MessageAttributes"] = attributes
    return answer


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
