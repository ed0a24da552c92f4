"""What can never work, with the reason it cannot.

A dead letter keeps its body as it came; three message attributes (strings) say the rest:
`Reason` (one line), `Function` (which one gave it up) and `RejectedAt` (ISO 8601, UTC).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib import times

# Long enough for a person, short against the 1 MiB of a message.
MAX_REASON = 1000


def message(body: str, reason: str, function: str, now: datetime | None = None) -> dict[str, Any]:
    """The message for the dead-letter queue, without an entry id."""
    # A reason may quote the message, and SQS refuses control characters and the like:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    line = "".join(c if c.isprintable() else "?" for c in reason[:MAX_REASON]) or "no reason given"
    at = times.iso(now or times.now())
    attributes = {"Reason": line, "Function": function, "RejectedAt": at}
    return {
        "MessageBody": body,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }
