"""Structured logs: one JSON object a line on standard output, which Lambda keeps."""

from __future__ import annotations

import json
import sys
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
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
