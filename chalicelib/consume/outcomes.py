"""What became of one event, as one log line: consume writes it, GET /recent and GET /objects/{key} read it.

`id` is the upload's (events.ObjectCreated.identity) in every line of every function; `object` finds all
lines about one object, whatever characters its key has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib import times
from chalicelib.events import ObjectCreated
from chalicelib.telemetry import logs

MESSAGE = "event"
MOST_SAID = 1000  # characters of what an action says
MOST_LISTED = 50  # thumbnails in a line, which a log takes up to 256 KB long
DONE, REJECTED, RETRY, UNTRIED, IGNORED = "done", "rejected", "retry", "untried", "ignored"
OUTCOMES = (DONE, REJECTED, RETRY, UNTRIED, IGNORED)
FINISHED = (DONE, IGNORED)  # nothing is left to be done


@dataclass(frozen=True)
class Delivery:
    """How an event came to consume."""

    message_id: str
    tries: int  # of the event, this one included; a delivery that did not run was none
    forwarded: datetime | None  # when the drain put it on the destination queue
    started: datetime
    receives: int = 1  # of the message, this one included
    left_s: Callable[[], float] = field(default=lambda: 25.0, compare=False)  # for the action, from now on

    @classmethod
    def of(
        cls, record: Mapping[str, Any], earlier_tries: int, now: datetime, left_s: Callable[[], float]
    ) -> Delivery:
        """Of a record of Lambda's SQS event. A time that SQS does not tell stays unknown."""
        attributes = record.get("attributes", {})
        sent = attributes.get("SentTimestamp")  # milliseconds since 1970
        return cls(
            message_id=record["messageId"],
            tries=earlier_tries + 1,
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            forwarded=times.from_epoch(int(sent)) if sent else None,
            started=now,
            left_s=left_s,
        )


@dataclass(frozen=True)
class Output:
    """An object that an action wrote, or found written."""

    bucket: str
    key: str
    size: str = ""  # a thumbnail's name among THUMBNAIL_SIZES; empty for what is no thumbnail
    width: int = 0  # pixels; 0 for what is no picture
    height: int = 0
    bytes: int = 0
    thumbhash: str = ""  # in base64

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class ActionResult:
    """What an action did for one event: the one shape that log, metrics, trace and page read.

    Raises TypeError for a field of another kind: the action learns of it, and not what comes after.
    """

    result: str = "done"  # one word: made, unchanged, superseded, logged, started, or one's own
    outputs: Sequence[Output] = ()  # what is there now
    bytes_in: int = 0
    width: int = 0  # of the picture, upright, in pixels; 0 where none was looked at
    height: int = 0
    new: bool = True  # false where the outputs were there before
    says: str = ""  # one line for whoever asks what became of the object, such as the downstream's answer

    def __post_init__(self) -> None:
        _check(self)

    @property
    def thumbnails(self) -> tuple[str, ...]:
        """The thumbnails' keys."""
        return tuple(one.key for one in self.outputs if one.size)

    @property
    def bytes_out(self) -> int:
        """How much was written; what was there before was not."""
        return sum(one.bytes for one in self.outputs) if self.new else 0

    @property
    def thumbhash(self) -> str:
        return self.outputs[0].thumbhash if self.outputs else ""


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "Sequence[Output]": (tuple, list),
}
_NO_TEXT = re.compile("[\ud800-\udfff]")  # half a character, which no log, queue or bus takes
_EXPECTED = {"str": "str of whole characters", "int": "int from 0 to 2^63"}


def _check(made: Output | ActionResult) -> None:
    for name, kind in type(made).__annotations__.items():
        value: Any = getattr(made, name)
        right = isinstance(value, _KINDS[kind])
        if right and kind == "str":
            right = not _NO_TEXT.search(value)
        elif right and kind == "int":
            right = not isinstance(value, bool) and 0 <= value < 2**63
        elif right and name == "outputs":
            right = all(isinstance(one, Output) for one in value)
        if not right:
            expected = _EXPECTED.get(kind, kind)
            raise TypeError(f"{type(made).__name__}.{name} is {value!r:.100}: expected {expected}")


def line(
    created: ObjectCreated,
    delivery: Delivery,
    outcome: str,
    now: datetime,
    work: ActionResult | None = None,
    **more: Any,
) -> None:
    """Write the event's line; `more` is the reason and the like."""
    work = work or ActionResult("nothing")
    logs.line(
        MESSAGE,
        outcome=outcome,
        result=short(work.result),
        id=created.identity,
        object=created.object_id,
        bucket=created.bucket,
        key=created.key,
        version_id=created.version_id,
        size=created.size,
        message_id=delivery.message_id,
        tries=delivery.tries,
        uploaded=created.event_time,
        forwarded=times.iso(delivery.forwarded),
        started=times.iso(delivery.started),
        seconds=times.waited_s(created.event_time, now),
        thumbnails=[key[:MOST_SAID] for key in work.thumbnails[:MOST_LISTED]],
        bytes_in=work.bytes_in,
        bytes_out=work.bytes_out,
        width=work.width,
        height=work.height,
        thumbhash=work.thumbhash,
        says=short(work.says) or None,
        **more,
    )


def short(text: str) -> str:
    """One line of at most MOST_SAID characters; whatever else a downstream said is cut or escaped."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:MOST_SAID])
    return line[:MOST_SAID]


# What everybody may ask of such a line.
KINDS: logs.Kinds = {
    **dict.fromkeys(("at", "outcome", "id", "object", "key", "message_id"), str),
    "tries": int,
    "seconds": (*logs.NUMBER, type(None)),
    "thumbnails": list,
}


def is_line(found: Mapping[str, Any]) -> bool:
    """Whether the fields of a log line are an event's."""
    return logs.is_one(found, MESSAGE, KINDS) and found["outcome"] in OUTCOMES


def read(text: str) -> dict[str, Any] | None:
    """The line's fields; None for any other line of the log."""
    found = logs.read(text)
    return found if found and is_line(found) else None
