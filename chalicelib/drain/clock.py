"""When the next event is due: evenly, and never sooner than the capacity allows.

One number in the process, `free_at`: an event is due at the later of now and `free_at`, which then moves on
by 60 s / capacity. So whatever the ticks' lateness, in any 60 seconds at most CAPACITY and one more are due.
Slots counted from each scheduled minute do not hold that: a late tick's and the next one's meet.

With a limit in bytes a large event moves it on by what its bytes take, where that is more: it is let through
when the clock is free, and those behind it wait for the rest. What is received and does not fit is not to be
put back minute after minute, for SQS counts each receive; so nothing is received while the clock is not free,
and then what fits by the mean size, and always one.

What it does not know is what another process of the same shard handed out. A tick hands out nothing that is
due later than STOP_S after its scheduled minute, and a new process begins COLD_S after it, where the last
one's end; or as much later as what the destination says is not due yet would take: a tick of this same minute
may have died, or be delivered twice.

Nor does it see when a consumer that stood still takes all that waited at once. So a tick says what waits
(`sees`), and that has its places first, and once more with the next tick, by which it may have gone at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

STOP_S = 80.0  # after the scheduled minute: nothing later is handed out
COLD_S = STOP_S - 60.0  # after the scheduled minute: where the clock of a new process begins

ON_GRID = 1e-3  # of a step: as near as numbers of today's seconds can tell

RECENT_S = 120.0  # the last tick, whatever both ticks' lateness

CapacityAt = Callable[[float], int]  # events a minute of this shard, at a moment in seconds since 1970


class Clock:
    """The clock of one shard, as long as its process lives."""

    def __init__(self, shard: int = 0, shards: int = 1) -> None:
        self._phase = shard / shards  # of a step: shards that begin together are not due together
        self._shards = shards
        self._free_at: float | None = None
        self._piled = (0, 0.0)  # so many waited, and when they were seen

    def begin(self, scheduled: float, now: float, capacity_at: CapacityAt, not_due: int = 0) -> None:
        """A tick of this minute begins; both in seconds since 1970. `not_due`: the shard's delayed events."""
        if self._free_at is None:
            # The last process may have handed out what is due just before. What one of this minute did begins
            # there at the earliest, so its end is estimated rather too late, by a third of a minute.
            behind = max(now, scheduled + COLD_S) + not_due * 60 / max(1, capacity_at(now))
            end = min(behind, scheduled + STOP_S)
            self._free_at = max(now, end + min(1.0, 60 / max(1, capacity_at(end))))

    def sees(self, waiting: int, now: float, capacity_at: CapacityAt) -> bool:
        """So many are due in the destination and not taken; whether that holds up what comes after them.

        A quarter of a minute's may wait for a moment, one at the least.
        """
        capacity = max(1, capacity_at(now))
        before, at = self._piled
        behind = max(waiting, before if now - at < RECENT_S else 0)
        self._piled = waiting, now
        if behind <= max(1, capacity / 4):
            return False
        self._free_at = max(self._free_at or 0.0, now + behind * 60 / capacity)
        return True

    def slots(self, now: float, stop: float, capacity_at: CapacityAt) -> int:
        """How many events may be due from now on and before `stop`."""
        first = self._next(now, capacity_at)
        capacity = capacity_at(first)
        if capacity == capacity_at(stop):
            return max(0, math.ceil((stop - first) * capacity / 60))
        count, due = 0, first
        while due < stop:
            due += 60 / max(1, capacity_at(due))
            count += 1
        return count

    def due(self, now: float, capacity_at: CapacityAt, takes_s: float = 0.0) -> float:
        """When the next event is due; its place is taken, for `takes_s` at least."""
        due = self._next(now, capacity_at)
        step = 60 / (capacity_at(due) or 1)
        self._free_at = due + (takes_s if takes_s > step else step)
        return due

    def room_s(self, now: float, stop: float) -> float:
        """Seconds from when the next event is due until `stop`; 0 where the clock is not free before."""
        return max(0.0, stop - max(now, self._free_at or 0.0))

    def _next(self, now: float, capacity_at: CapacityAt) -> float:
        free_at = self._free_at
        at = free_at if free_at and free_at > now else now
        if self._shards == 1:
            return at
        # On the shard's own grid: at most a step later, and never at the moment of another shard. All shards'
        # new processes begin at the same moment, and would stay together.
        step = 60 / max(1, capacity_at(now))
        return (math.ceil(at / step - self._phase - ON_GRID) + self._phase) * step


class Bytes:
    """What a limit in bytes knows of sizes, as long as its process lives."""

    WEIGHT = 0.05  # of the newest size in the mean

    def __init__(self) -> None:
        self.mean = 0.0  # 0: no size was known yet
        self.seen = False  # an event

    def saw(self, size: int | None) -> None:
        """An event's size, or None where it is not known."""
        self.seen = True
        if size is not None:
            self.mean += (size - self.mean) * (self.WEIGHT if self.mean else 1.0)

    def takes_s(self, size: int | None, a_minute: float) -> float:
        """How long an event's bytes take. An unknown size counts as the mean of those that are known."""
        return 60 * (self.mean if size is None else size) / a_minute

    def fit(self, room_s: float, a_minute: float) -> int:
        """How many events of the mean size fit into so many seconds: one at least, where there are any."""
        if room_s <= 0:
            return 0
        if not self.mean:
            return 1_000_000 if self.seen else 1  # no size is known: only the number counts
        return max(1, int(room_s * a_minute / 60 / self.mean))


def delay_s(due: float, now: float) -> int:
    """Whole seconds, as SQS delays a message, so that it is there no sooner than it is due."""
    return max(0, math.ceil(due - now - 1e-6))
