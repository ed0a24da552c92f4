"""Capacity by the hour: `Mon-Fri 08:00-18:00=200, Sat 10:00-14:00=1000, else=5000; Europe/Berlin`.

Days, a span of the day, or both, and what holds then; the first that fits counts, `else` where none does, and
it must be there. Days are `Mon` or `Mon-Fri`; a span that ends before it begins ends on the next day. The
zone's own clock counts, daylight saving and all; UTC where none is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from chalicelib.capacity import MAX_CAPACITY

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_PARTS = 20
EXPECTED = "`Mon-Fri 08:00-18:00=200, else=5000; Europe/Berlin`"
_PART = re.compile(
    r"(?:(?P<first>Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(?P<last>Mon|Tue|Wed|Thu|Fri|Sat|Sun))?)?\s*"
    r"(?:(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d))?"
)


@dataclass(frozen=True)
class Span:
    """Some days, from `begin` to `end` in minutes of the day, and the capacity then."""

    days: frozenset[int]
    begin: int
    end: int
    capacity: int

    def holds(self, day: int, minute: int) -> bool:
        """On a day of the week (Monday is 0), at a minute of the day."""
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or (
            (day - 1) % 7 in self.days and minute < self.end
        )


@dataclass(frozen=True)
class Hours:
    """The capacity at each moment of the week."""

    text: str
    spans: tuple[Span, ...]
    otherwise: int
    zone: tzinfo

    def capacity_at(self, at: float) -> int:
        """Events a minute, at a moment in seconds since 1970."""
        local = datetime.fromtimestamp(at, self.zone)
        minute = local.hour * 60 + local.minute
        return next(
            (span.capacity for span in self.spans if span.holds(local.weekday(), minute)), self.otherwise
        )

    @property
    def most(self) -> int:
        return max([self.otherwise, *(span.capacity for span in self.spans)])


def parse(text: str) -> Hours:
    """Raises ValueError with what would be right."""
    parts, _, zone = text.partition(";")
    spans: list[Span] = []
    otherwise = 0
    names = [part.strip() for part in parts.split(",")]
    if len(names) > MOST_PARTS:
        raise ValueError(f"at most {MOST_PARTS} parts, such as {EXPECTED}")
    for place, name in enumerate(names, 1):
        when, _, number = name.rpartition("=")
        capacity = _capacity(number)
        if when.strip() == "else":
            otherwise = capacity
            if place < len(names):
                raise ValueError(f"`else` as the last part, such as {EXPECTED}")
        else:
            spans.append(_span(when.strip(), capacity))
    if not otherwise:
        raise ValueError(f"`else=` and a number as the last part, such as {EXPECTED}")
    return Hours(text, tuple(spans), otherwise, _zone(zone.strip()))


def _span(when: str, capacity: int) -> Span:
    found = _PART.fullmatch(when)
    if not when or not found:
        raise ValueError(f"days and hours before each number, such as {EXPECTED}")
    first = DAYS.index(found["first"]) if found["first"] else 0
    last = DAYS.index(found["last"]) if found["last"] else first if found["first"] else 6
    days = frozenset((first + i) % 7 for i in range((last - first) % 7 + 1))
    begin, end = (_minute(found[name]) if found["begin"] else None for name in ("begin", "end"))
    if begin is None or end is None:
        return Span(days, 0, 24 * 60, capacity)
    if begin == end or begin == 24 * 60:
        raise ValueError(f"hours that end at another time than they begin, such as {EXPECTED}")
    return Span(days, begin, end, capacity)


def _minute(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise ValueError("times from 00:00 to 24:00")
    return hours * 60 + minutes


def _capacity(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text.strip()) or not 1 <= int(text) <= MAX_CAPACITY:
        raise ValueError(f"a whole number from 1 to {MAX_CAPACITY:,} after each `=`, such as {EXPECTED}")
    return int(text)


def _zone(name: str) -> tzinfo:
    if not name or name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"a time zone such as Europe/Berlin after the `;`, not {name!r}") from None
