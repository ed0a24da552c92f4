"""When the backlog will be gone: arithmetic only, by what a tick takes and what arrives meanwhile.

Why the usual minute counts and not the mean: docs/decisions/0015-the-eta-counts-the-usual-minute.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import ceil
from typing import TypedDict

from chalicelib.monitoring.expiry import Expires
from chalicelib.queues.retention import KEPT
from chalicelib.times import duration

TICK_S = 60  # the schedule's rate
ARRIVALS_MINUTES = 15  # looked at to tell what arrives


@dataclass(frozen=True)
class Arrivals:
    """Events a minute: the `mean` of the last minutes, and the `usual` one, which a burst does not move."""

    mean: float
    usual: float

    @classmethod
    def of(cls, minutes: Sequence[float]) -> Arrivals | None:
        """Of the events that came in each minute; None when no minute is known."""
        return cls(statistics.fmean(minutes), statistics.median(minutes)) if minutes else None


class Drained(TypedDict):
    minutes: int | None
    says: str
    expires: Expires | None  # what will be lost before


@dataclass(frozen=True)
class Eta:
    """`minutes` until a tick leaves the source queue empty, in whole ticks; None with the reason."""

    minutes: int | None
    says: str  # one plain sentence part, such as `gone in about 3 min`

    def as_dict(self, expires: Expires | None = None) -> Drained:
        says = f"{self.says}; but {expires['says']}" if expires else self.says
        return {"minutes": self.minutes, "says": says, "expires": expires}


def eta(
    backlog: int | None,
    leaving: int | None,
    arriving: Arrivals | None,
    *,
    paused: bool = False,
    held_back: bool = False,
    next_tick_s: float = TICK_S,
    leaving_at: Callable[[int], int] | None = None,
) -> Eta:
    """How long a backlog lasts when each tick takes `leaving` events and the usual number comes each minute.

    What is claimed: while no further burst comes, and every tick takes all it may, the tick that empties the
    source queue is the predicted one or a neighbour of it. `arriving` None counts as 0 and is said, and so is
    a burst that was more than the ticks take.
    `next_tick_s` is when the next tick comes, which decides much when arrivals are near the capacity.
    `leaving_at` says what the n-th tick from now takes, where that is not always `leaving`: by the hour.
    `held_back` says that the destination's limit, not the capacity, is what `leaving` comes from.
    """
    if backlog is None:
        return Eta(None, "how long is not known, for the source queue does not tell its depth")
    if backlog == 0:
        return Eta(0, "nothing waits")
    if paused:
        return Eta(None, "not while the schedule is paused")
    if leaving is None:
        return Eta(None, "how long is not known, for the capacity is not known")
    if leaving <= 0:
        return Eta(None, "nothing leaves while the destination queue is full")
    usual = arriving.usual if arriving else 0.0
    phase = Fraction(next_tick_s) / TICK_S
    ticks = _ticks(backlog, leaving, Fraction(usual), phase)
    if leaving_at:
        ticks = _ticks_by_hour(backlog, leaving_at, usual, float(phase))
    if ticks is None:
        why = "it grows, held back by the destination queue" if held_back else "not at this capacity"
        return Eta(None, f"{why}: {_count(usual)} arrive a minute and {leaving:,} leave")
    says = f"gone in about {duration(60 * ticks)}"
    if arriving is None:
        return Eta(ticks, f"{says}, if nothing arrives: arrivals are not known")
    if arriving.mean > leaving:
        return Eta(ticks, f"{says}, unless a burst comes again like the one of the last quarter of an hour")
    return Eta(ticks, says)


def _ticks(backlog: int, leaving: int, arriving: Fraction, phase: Fraction) -> int | None:
    """The first tick, from 1, after which nothing is left; `phase` is the part of a minute until the first.

    Before tick k there were backlog + arriving * (k - 1 + phase) events, and the ticks took k * leaving.
    """
    waiting = backlog - arriving * (1 - phase)
    gain = leaving - arriving
    if gain > 0:
        return max(1, ceil(waiting / gain))
    return 1 if gain == 0 and waiting <= 0 else None


def _ticks_by_hour(
    backlog: int, leaving_at: Callable[[int], int], arriving: float, phase: float
) -> int | None:
    """As _ticks, one tick after the other, for as long as SQS keeps a message."""
    waiting = backlog + arriving * phase
    for tick in range(1, KEPT // timedelta(seconds=TICK_S) + 1):
        waiting -= leaving_at(tick)
        if waiting <= 0:
            return tick
        waiting += arriving
    return None


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:,.1f}"
