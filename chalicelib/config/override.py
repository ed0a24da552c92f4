"""What people set at run time, in one SSM parameter: capacity, until when, pause, who, when, and a note.

The parameter's value is a JSON object; a plain number, as it was before, is a capacity.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib import times
from chalicelib.capacity import MAX_CAPACITY, capacity_of
from chalicelib.config import hours

if TYPE_CHECKING:
    from chalicelib.config.stage import Config

MAX_NOTE = 500
_hours = cache(hours.parse)


@dataclass(frozen=True)
class Override:
    """In place of what is deployed. The default is that nobody has set anything."""

    capacity: int | None = None
    by_hour: str = ""  # in place of CAPACITY_BY_HOUR
    until: str | None = None  # ISO 8601: then the deployed capacity holds again
    paused: bool = False
    who: str = ""
    when: str | None = None
    note: str = ""

    def to_text(self) -> str:
        """The parameter's value."""
        known = {name: value for name, value in vars(self).items() if value not in (None, "", False)}
        return json.dumps(known, ensure_ascii=False)

    def by(self, who: str, now: datetime, note: str) -> Override:
        """The same, said by somebody at some time."""
        return replace(self, who=who, when=times.iso(now), note=note)

    def holds(self, at: float) -> bool:
        """Whether its capacity counts at a moment in seconds since 1970."""
        end = times.moment(self.until)
        return end is None or at < end.timestamp()


NONE = Override()


def read(text: str) -> Override:
    """The parameter's value. Raises ValueError for what is none."""
    if not text.startswith("{"):
        return Override(capacity=capacity_of(text))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("no JSON object") from None
    capacity = found.get("capacity")
    if capacity is not None and (
        isinstance(capacity, bool) or not isinstance(capacity, int) or not 1 <= capacity <= MAX_CAPACITY
    ):
        raise ValueError(f"capacity {capacity!r}: expected a whole number from 1 to {MAX_CAPACITY:,}")
    by_hour = _text(found, "by_hour")
    if by_hour:
        _hours(by_hour)
    until = found.get("until")
    if until is not None and times.moment(until) is None:
        raise ValueError(f"until {until!r}: expected a time such as 2026-01-31T12:00:00Z")
    if found.get("paused") not in (None, True, False):
        raise ValueError(f"paused {found['paused']!r}: expected true or false")
    return Override(
        capacity=capacity,
        by_hour=by_hour,
        until=until,
        paused=bool(found.get("paused")),
        who=_text(found, "who"),
        when=found.get("when") if isinstance(found.get("when"), str) else None,
        note=_text(found, "note"),
    )


def capacity_at(config: Config, override: Override, at: float) -> int:
    """Events a minute of the whole stage, at a moment in seconds since 1970: as set, else as deployed."""
    if override.holds(at):
        if override.capacity is not None:
            return override.capacity
        if override.by_hour:
            return _hours(override.by_hour).capacity_at(at)
    return _hours(config.capacity_by_hour).capacity_at(at) if config.capacity_by_hour else config.capacity


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} {value!r}: expected text")  # noqa: TRY004  read() promises it
    return value
