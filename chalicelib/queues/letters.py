"""A dead letter: what can never work, with the reason it cannot.

It keeps its body as it came; message attributes say the rest: `Code` (short, it groups), `Reason` (one line),
`Function` (which one gave it up), `RejectedAt` (ISO 8601, UTC), and where there were any `Tries` and
`FirstFailure`. A letter always fits into a message: a body too long beside its attributes is cut, and
`BodyBytes` and `BodySha256` are those of the whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib import times
from chalicelib.queues import batching
from chalicelib.queues.tries import NONE, Tries

# Long enough for a person, short against the 1 MiB of a message.
MAX_REASON = 1000
# What any queue takes: the longest message of a queue that was made before 2025, less the attributes.
SHORT_BYTES = 250_000


def message(
    body: str,
    reason: str,
    function: str,
    *,
    code: str = "rejected",
    tries: Tries = NONE,
    now: datetime | None = None,
    most_bytes: int = batching.MAX_BYTES,
) -> dict[str, Any]:
    """The message for the dead-letter queue, without an entry id, of at most `most_bytes`."""
    attributes = {
        "Code": code,
        "Reason": batching.plain(reason)[:MAX_REASON] or "no reason given",
        "Function": function,
        "RejectedAt": times.iso(now or times.now()),
        "FirstFailure": tries.first_failure,
    }
    letter: dict[str, Any] = {
        "MessageBody": batching.sendable(body),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    }
    if tries.count:
        letter["MessageAttributes"]["Tries"] = {"DataType": "Number", "StringValue": str(tries.count)}
    if batching.size_bytes(letter) > most_bytes:
        _cut(letter, most_bytes)
    return letter


def shorter(letter: dict[str, Any]) -> dict[str, Any] | None:
    """The letter for a queue that takes less than 1 MiB; None for one that is short already."""
    if batching.size_bytes(letter) <= SHORT_BYTES:
        return None
    short = {**letter, "MessageAttributes": {**letter["MessageAttributes"]}}
    _cut(short, SHORT_BYTES)
    return short


def _cut(letter: dict[str, Any], most_bytes: int) -> None:
    import hashlib  # brings OpenSSL; hardly ever needed

    whole = letter["MessageBody"].encode()
    # A body cut before keeps what was said of its whole.
    said = {
        "BodyBytes": ("Number", str(len(whole))),
        "BodySha256": ("String", hashlib.sha256(whole).hexdigest()),
    }
    for name, (kind, value) in said.items():
        letter["MessageAttributes"].setdefault(name, {"DataType": kind, "StringValue": value})
    room = most_bytes - batching.size_bytes({**letter, "MessageBody": ""})
    letter["MessageBody"] = whole[:room].decode(errors="ignore")
