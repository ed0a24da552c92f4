"""A downstream that fails is left alone: this process pauses, and what comes meanwhile goes back untried.

Kept in the process's memory, without a signal to anybody: each sandbox finds out by itself within a few
calls, and one that is sick alone stops only itself. Only first tries count: events that fail time and again,
for reasons of their own, must not keep it open. Each line of an action table has a circuit of its own, for
its downstream is its own; events that come to a line that fails still use the stage's capacity.
What it does not do: it does not slow a downstream that is merely slow.

A process that sends everything back at once would be free again at once, and so be given most of what comes:
one that is sick alone would stop all. So while it pauses it keeps each batch longer than a working one takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Lock

OPENS_AFTER = 20  # first tries in a row that failed
RENEWS_AFTER = 2  # more of them, once a pause is over
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 120.0
HOLD = 2.0  # a batch of which nothing was tried is kept so many times as long as one in which something was
SHORTEST_HOLD_S, LONGEST_HOLD_S = 2.0, 30.0
NEWEST = 0.2  # of the mean time of a batch, what the latest one counts
JITTER = 0.3  # of a pause, either way: sandboxes that paused together do not try together again


class Circuit:
    """Whether the downstream is to be called now. Asked and told by several threads."""

    def __init__(
        self,
        clock: Callable[[], float] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`clock` gives seconds since 1970."""
        self._clock = clock or (lambda: time.time())
        self._uniform = uniform
        self._lock = Lock()
        self._failed = 0  # first tries in a row
        self._pause_s = FIRST_PAUSE_S
        self._batch_s = 0.0  # the mean of those in which something was tried
        self.until = 0.0  # when a pause ends; 0 where there is none
        self.why = ""  # the last failure that counted
        self._of_lines: dict[str, Circuit] = {}

    def of(self, line: str) -> Circuit:
        """That of a line of the action table, by its name; this one where there is no table."""
        if not line:
            return self
        with self._lock:
            return self._of_lines.setdefault(line, Circuit(self._clock, self._uniform))

    @property
    def paused(self) -> Circuit | None:
        """Of this one and those of the lines, the one that pauses longest now; None where none does."""
        with self._lock:
            those = [one for one in (self, *self._of_lines.values()) if one.is_open]
        return max(those, key=lambda one: one.until, default=None)

    @property
    def is_open(self) -> bool:
        """Whether it pauses now."""
        return self._clock() < self.until

    @property
    def hold_s(self) -> float:
        """How long a batch is kept of which nothing was tried."""
        return min(LONGEST_HOLD_S, max(SHORTEST_HOLD_S, HOLD * self._batch_s))

    def batch_took(self, seconds: float) -> None:
        """One in which something was tried."""
        with self._lock:
            self._batch_s += (seconds - self._batch_s) * (NEWEST if self._batch_s else 1.0)

    def succeeded(self) -> None:
        """A try of any number was done."""
        with self._lock:
            self._failed, self._pause_s, self.until = 0, FIRST_PAUSE_S, 0.0

    def failed(self, tries: int, why: str = "") -> None:
        """The try of that number failed in a way that may pass, and why, in one line."""
        with self._lock:
            if tries > 1 or self.is_open:  # those that were begun before the pause say nothing new
                return
            self._failed += 1
            self.why = why
            if self._failed >= OPENS_AFTER:
                self._failed = OPENS_AFTER - RENEWS_AFTER
                self.until = self._clock() + self._pause_s * self._uniform(1 - JITTER, 1 + JITTER)
                self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)


def wait_s(untried: int) -> float:
    """Seconds until an event comes again that is sent back untried for the n-th time in a row."""
    return min(300.0, 60.0 * untried)
