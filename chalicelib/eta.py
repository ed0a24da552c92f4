"""When the backlog will be gone: arithmetic only, by what a tick takes and what arrives meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

TICK_S = 60  # the schedule's rate


@dataclass(frozen=True)
class Eta:
    """`minutes` until a tick leaves the source queue empty, in whole ticks; None with the reason."""

    minutes: int | None
    says: str  # one plain sentence part, such as `gone in about 3 minutes`

    def as_dict(self) -> dict[str, object]:
        return {"minutes": self.minutes, "says": self.says}


def eta(
    backlog: int | None,
    leaving: int | None,
    arriving: float | None,
    *,
    paused: bool = False,
    held_back: bool = False,
    next_tick_s: float = TICK_S,
) -> Eta:
    """How long a backlog lasts when each tick takes `leaving` events and `arriving` come each minute.

    What is claimed: while exactly that many arrive, evenly, and every tick takes all it may, the tick that
    empties the source queue is the predicted one or a neighbour of it. `arriving` None counts as 0 and is
    said; `next_tick_s` is when the next tick comes, which decides much when arrivals are near the capacity.
    `held_back` says that the destination's limit, not the capacity, is what `leaving` comes from.
    """
    if backlog is None:
        return Eta(None, "not known: the source queue does not tell its depth")
    if backlog == 0:
        return Eta(0, "nothing waits")
    if paused:
        return Eta(None, "not while the schedule is paused")
    if leaving is None:
        return Eta(None, "not known: the capacity is not")
    if leaving <= 0:
        return Eta(None, "not now: the destination is full, and nothing leaves")
    ticks = _ticks(backlog, leaving, Fraction(arriving or 0), Fraction(next_tick_s) / TICK_S)
    if ticks is None:
        why = "while the destination holds it back" if held_back else "at this capacity"
        return Eta(None, f"not {why}: {_count(arriving or 0)} arrive a minute and {leaving:,} leave")
    says = f"gone in about {ticks:,} minute{'' if ticks == 1 else 's'}"
    return Eta(ticks, says if arriving is not None else f"{says}, if nothing arrives: arrivals are not known")


def _ticks(backlog: int, leaving: int, arriving: Fraction, phase: Fraction) -> int | None:
    """The first tick, from 1, after which nothing is left; `phase` is the part of a minute until the first.

    Before tick k there were backlog + arriving * (k - 1 + phase) events, and the ticks took k * leaving.
    """
    waiting = backlog - arriving * (1 - phase)
    gain = leaving - arriving
    if gain > 0:
        return max(1, ceil(waiting / gain))
    return 1 if gain == 0 and waiting <= 0 else None


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:,.1f}"
