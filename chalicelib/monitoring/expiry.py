"""Whether what waits will be lost: SQS deletes a message that it has kept for its retention, without a word.

Arithmetic only. What is known of a lane is how much waits, how old the oldest is, and what usually arrives.
So what the arrivals of that time do not explain is taken to have come at once, with the oldest: that is the
worst that fits. The drain sends anew what it sees in the last day, and then the ages begin again; this does
not count on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, inf
from typing import TypedDict

from chalicelib import times
from chalicelib.queues.retention import KEPT, LAST_DAY

MINUTE = timedelta(minutes=1)
KEPT_MINUTES, SPARE_MINUTES = KEPT / MINUTE, LAST_DAY / MINUTE


@dataclass(frozen=True)
class Waiting:
    """One queue: events in it, minutes that the oldest has waited (None: not known), arrivals a minute."""

    events: int
    oldest: float | None = None
    arriving: float = 0.0

    @property
    def age(self) -> float:
        return self.oldest or 0.0

    @property
    def at_once(self) -> float:
        """Events that came with the oldest: those that the arrivals since do not explain."""
        return max(0.0, self.events - self.arriving * self.age)


class Expires(TypedDict):
    """What will be lost unless something is done."""

    queue: str  # source, bulk or destination
    kept_days: int
    lost_from: str | None  # the first; null: not known
    needed: (
        int | None
    )  # the least capacity a minute that saves all; null where it is not the capacity that lacks
    says: str


def expires(
    live: Waiting,
    bulk: Waiting,
    destination: Waiting,
    leaving: float,
    share: int,
    now: datetime,
) -> Expires | None:
    """Of the queue that loses first; None where nothing will be lost.

    A tick takes `leaving` events, at least `share` percent of them from bulk while it has any; 0 where
    nothing leaves, which counts only in the last day, as it may be a pause of an hour.
    """
    least = leaving * share / 100 if bulk.events else 0.0
    found = {
        "source": _lost_in(live, lambda events: _divided(events, leaving - least), leaving),
        "bulk": _lost_in(bulk, lambda events: _bulk_wait(events, live, leaving, least), leaving),
        "destination": _lost_in(destination, lambda events: 0.0, 0.0),  # consume's pace is not known
    }
    losing = {name: minutes for name, minutes in found.items() if minutes is not None}
    if not losing:
        return None
    queue = min(losing, key=lambda name: losing[name])
    known = {"source": live, "bulk": bulk, "destination": destination}[queue].oldest is not None
    lost_from = now + losing[queue] * MINUTE if known else None
    needed = _needed(live, bulk, share) if leaving > 0 and queue != "destination" else None
    return {
        "queue": queue,
        "kept_days": KEPT.days,
        "lost_from": times.iso(lost_from),
        "needed": needed,
        "says": _says(queue, lost_from, needed),
    }


def _lost_in(queue: Waiting, wait: Callable[[float], float], leaving: float) -> float | None:
    """Minutes until the first event of it is deleted; None where each leaves in time.

    `wait` says how many minutes the event waits that has so many before it.
    """
    left = max(0.0, KEPT_MINUTES - queue.age)  # of the oldest
    if not queue.events:
        return None
    if left <= SPARE_MINUTES or leaving <= 0:
        return left if left <= SPARE_MINUTES else None
    oldest, youngest = queue.age + wait(queue.at_once), wait(queue.events)
    if oldest > KEPT_MINUTES:
        return left
    if youngest <= KEPT_MINUTES:
        return None
    if youngest == inf:
        return KEPT_MINUTES
    # Between the two the age at which one leaves grows evenly.
    part = (KEPT_MINUTES - oldest) / (youngest - oldest)
    return KEPT_MINUTES - queue.age * (1 - part)


def _bulk_wait(events: float, live: Waiting, leaving: float, least: float) -> float:
    """Minutes until so many of bulk have left: its least share while live has any, then all that is left."""
    until = _divided(live.events, leaving - least - live.arriving)
    if events <= least * until:
        return _divided(events, least)
    return until + _divided(events - least * until, max(least, leaving - live.arriving))


def _needed(live: Waiting, bulk: Waiting, share: int) -> int:
    """The least capacity at which everything leaves with a day to spare, or half of what time there is."""
    live_alone = _pace(live.events, live) + live.arriving
    everything = _pace(live.events + bulk.events, bulk if bulk.events else live)
    everything += live.arriving + bulk.arriving
    if bulk.events and share < 100:
        live_alone /= 1 - share / 100
    return max(1, ceil(max(live_alone, everything)))


def _pace(events: int, queue: Waiting) -> float:
    """Events a minute at which so many leave before the oldest of the queue is deleted."""
    left = max(2.0, KEPT_MINUTES - queue.age)
    soonest = max(0.0, queue.at_once + events - queue.events) / (left - min(SPARE_MINUTES, left / 2))
    return max(soonest, events / (KEPT_MINUTES - SPARE_MINUTES))


def _divided(events: float, pace: float) -> float:
    return 0.0 if not events else events / pace if pace > 0 else inf


def _says(queue: str, lost_from: datetime | None, needed: int | None) -> str:
    when = f" from {lost_from:%a %d %b, %H:%M} UTC" if lost_from else ""
    what = f"events older than {KEPT.days} days will be lost{when}"
    if queue == "destination":
        return f"{what}: consume does not take them"
    return f"{what}; at least {needed:,} a minute are needed" if needed else f"{what}: nothing leaves"
