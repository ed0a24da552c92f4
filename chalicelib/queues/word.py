"""What the bus is told of each ending, EVENTS_BUS; docs/events-1.schema.json has its schema.

    Object Processed   an action is done with it; also when it found its work done before
    Object Rejected    it is a letter, from whatever source
    Object Ignored     the action table leaves it alone

`id` is the event's identity: by it consumers drop duplicates. Fields may be added within a version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VERSION = 1
PROCESSED, REJECTED, IGNORED = "Object Processed", "Object Rejected", "Object Ignored"
MOST_OUTPUTS = 50  # an event of more would not fit: AWS takes 256 KB
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
        "outputs": list(outputs[:MOST_OUTPUTS]),
        "code": code,
        "reason": reason,
        "tries": tries,
        "times": {name: times.get(name) for name in TIMES},
    }
