"""What became of one event, as one log line: consume writes it, GET /recent and GET /objects/{key} read it.

`id` is the upload's (events.ObjectCreated.identity) in every line of every function; `object` finds all
lines about one object, whatever characters its key has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import times
from chalicelib.events import ObjectCreated
from chalicelib.telemetry import logs

MESSAGE = "event"
DONE, REJECTED, RETRY, UNTRIED = "done", "rejected", "retry", "untried"
OUTCOMES = (DONE, REJECTED, RETRY, UNTRIED)


@dataclass(frozen=True)
class Delivery:
    """How an event came to consume."""

    message_id: str
    tries: int  # of the event, this one included; a delivery that did not run was none
    forwarded: datetime | None  # when the drain put it on the destination queue
    started: datetime
    receives: int = 1  # of the message, this one included

    @classmethod
    def of(cls, record: Mapping[str, Any], earlier_tries: int, now: datetime) -> Delivery:
        """Of a record of Lambda's SQS event. A time that SQS does not tell stays unknown."""
        attributes = record.get("attributes", {})
        sent = attributes.get("SentTimestamp")  # milliseconds since 1970
        return cls(
            message_id=record["messageId"],
            tries=earlier_tries + 1,
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            forwarded=times.from_epoch(int(sent)) if sent else None,
            started=now,
        )


@dataclass(frozen=True)
class ActionResult:
    """What an action did for one event."""

    result: str  # made, unchanged, superseded, logged, started, nothing
    thumbnails: tuple[str, ...] = ()  # their keys, where they are there now
    bytes_in: int = 0
    bytes_out: int = 0
    width: int = 0  # of the picture, upright, in pixels; 0 where none was looked at
    height: int = 0
    thumbhash: str = ""  # in base64


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
        result=work.result,
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
        thumbnails=list(work.thumbnails),
        bytes_in=work.bytes_in,
        bytes_out=work.bytes_out,
        width=work.width,
        height=work.height,
        thumbhash=work.thumbhash,
        **more,
    )


def read(text: str) -> dict[str, Any] | None:
    """The line's fields; None for any other line of the log."""
    found = logs.read(text)
    mine = found and found.get("message") == MESSAGE and found.get("outcome") in OUTCOMES
    return found if mine else None
