"""What the bus is told of each ending, EVENTS_BUS; docs/events-1.schema.json has its schema.

    Object Processed   an action is done with it; also when it found its work done before
    Object Rejected    it is a letter, from whatever source
    Object Ignored     the action table leaves it alone

`id` is the event's identity: by it and the kind consumers drop duplicates. Fields may be added within a
version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

VERSION = 1
PROCESSED, REJECTED, IGNORED = "Object Processed", "Object Rejected", "Object Ignored"
MOST_OUTPUTS = 50
MOST_OUTPUTS_BYTES = 100_000  # AWS takes 256 KB an event, and what it does not take would be told for ever
TIMES = ("uploaded", "forwarded", "started", "ended")


def detail(
    stage: str,
    *,
    id: str,
    bucket: str | None,
    key: str | None,
    version_id: str | None = None,
    times: Mapping[str, str | None],
    action: str | None = None,
    line: str | None = None,
    result: str | None = None,
    says: str | None = None,
    outputs: Sequence[Mapping[str, Any]] = (),
    code: str | None = None,
    reason: str | None = None,
    tries: int | None = None,
) -> dict[str, Any]:
    """The event's detail. A field that has no meaning for its kind is null, and none is missing."""
    return {
        "version": VERSION,
        "id": id,
        "stage": stage,
        "bucket": bucket,
        "key": key,
        "version_id": version_id,
        "action": action,
        "line": line,
        "result": result,
        "says": says,
        "outputs": _fitting(outputs[:MOST_OUTPUTS]),
        "code": code,
        "reason": reason,
        "tries": tries,
        "times": {name: times.get(name) for name in TIMES},
    }


def _fitting(outputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of them, as many as an event takes."""
    fitting, left = list[Mapping[str, Any]](), MOST_OUTPUTS_BYTES
    for one in outputs:
        left -= len(json.dumps(one))
        if left < 0:
            break
        fitting.append(one)
    return fitting
