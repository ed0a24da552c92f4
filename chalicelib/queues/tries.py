"""What a message carries of its earlier tries, as message attributes.

A try is one run of the action that failed in a way that may pass. SQS's receive count is no count of tries:
it also counts deliveries that never ran. So the number travels with the message: consume sends a failed
message back to the source queue with it, and the drain carries it on.

`Tries` (Number) real tries so far; `LastReason`, one line; `FirstFailure`, ISO 8601 in UTC; `NotBefore`
(Number), seconds since 1970, where the wait is longer than a delay of SQS can be; `Untried` (Number), how
often it came back without a try; `Lane`, `bulk` for what is to come back to the bulk queue; `FirstSent`
(Number), seconds since 1970, when it first came, of what the drain has sent anew before SQS deleted it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.queues import batching

# The longest DelaySeconds: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
MAX_DELAY_S = 900
MAX_REASON, MAX_TIME = 500, 40  # characters
BULK = "bulk"
Attributes = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Tries:
    """Earlier tries of one message; none of a message that carries nothing, or nothing readable."""

    count: int = 0
    reason: str = ""
    first_failure: str = ""
    not_before: float = 0.0
    untried: int = 0  # how often it came back in a row without a try
    lane: str = ""  # BULK, or live
    first_sent: float = 0.0  # of what was sent anew while it waited

    @classmethod
    def read(cls, attributes: Mapping[str, Any] | None) -> Tries:
        """Of `MessageAttributes` as SQS gives them, or `messageAttributes` as Lambda does.

        A dead letter that was sent back begins anew, whoever sent it: SQS's own redrive leaves all attributes
        on it.
        """
        if not attributes or "RejectedAt" in attributes:
            return NONE
        return cls(
            count=int(_number(attributes, "Tries")),
            reason=_text(attributes, "LastReason"),
            first_failure=_text(attributes, "FirstFailure")[:MAX_TIME],
            not_before=_number(attributes, "NotBefore"),
            untried=int(_number(attributes, "Untried")),
            lane=BULK if _text(attributes, "Lane") == BULK else "",
            first_sent=_number(attributes, "FirstSent"),
        )

    def attributes(self) -> Attributes:
        """The message attributes; empty where there is nothing to tell."""
        known = {
            "Tries": ("Number", str(self.count) if self.count else ""),
            "LastReason": ("String", batching.plain(self.reason)[:MAX_REASON]),
            "FirstFailure": ("String", self.first_failure),
            "NotBefore": ("Number", f"{self.not_before:.0f}" if self.not_before else ""),
            "Untried": ("Number", str(self.untried) if self.untried else ""),
            "Lane": ("String", self.lane),
            "FirstSent": ("Number", f"{self.first_sent:.0f}" if self.first_sent else ""),
        }
        return {
            name: {"DataType": kind, "StringValue": value} for name, (kind, value) in known.items() if value
        }


NONE = Tries()


def entry(body: str, tries: Tries, wait_s: float, now: float) -> dict[str, Any] | None:
    """The message to send, to be handled not before `wait_s` seconds from `now` (seconds since 1970).

    The reason is cut to what fits beside the body. None where not even the number does.
    """
    due = now + wait_s
    late = replace(tries, not_before=due if wait_s > MAX_DELAY_S else 0.0)
    attributes = late.attributes()
    message: dict[str, Any] = {"MessageBody": body}
    if attributes:
        message["MessageAttributes"] = attributes
    if wait_s > 0:
        message["DelaySeconds"] = min(MAX_DELAY_S, -int(-wait_s // 1))
    for dropped in ("LastReason", "FirstFailure", "FirstSent"):
        if batching.size_bytes(message) <= batching.MAX_BYTES:
            break
        attributes.pop(dropped, None)
    return message if batching.size_bytes(message) <= batching.MAX_BYTES else None


def _text(attributes: Mapping[str, Any], name: str) -> str:
    found = attributes.get(name) or {}
    value = found.get("StringValue") or found.get("stringValue") or ""
    return value if isinstance(value, str) else ""


def _number(attributes: Mapping[str, Any], name: str) -> float:
    value = _text(attributes, name)
    return float(value) if re.fullmatch(r"\d{1,12}", value, re.ASCII) else 0.0
