"""Structured logs: one JSON object a line on standard output, which Lambda keeps."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from chalicelib import times


def line(message: str, **fields: Any) -> None:
    """Write one line, such as `{"at": "2026-01-31T12:00:00.000Z", "message": "tick", "forwarded": 10}`."""
    sys.stdout.write(
        json.dumps({"at": times.iso(times.now()), "message": message, **fields}, default=str) + "\n"
    )
    sys.stdout.flush()


def read(text: str) -> dict[str, Any] | None:
    """The fields of a line that `line` wrote; None for one that is no JSON object, such as Lambda's own."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # an own action may print what it likes
        return None
    return found if isinstance(found, dict) else None


Kinds = Mapping[str, type | tuple[type, ...]]  # of a line's fields
NUMBER = (int, float)


def is_one(line: Mapping[str, Any], message: str, kinds: Kinds) -> bool:
    """Whether the line has this message, and each of the fields in its kind.

    So what another version wrote, or an own action prints, is no trouble for who reads the log.
    """
    return line.get("message") == message and all(isinstance(line.get(name), kinds[name]) for name in kinds)


def read_one(text: str, message: str, kinds: Kinds) -> dict[str, Any] | None:
    """The fields of such a line; None for any other."""
    found = read(text)
    return found if found and is_one(found, message, kinds) else None
