"""One budget of memory shared by the images that are being made at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class MemoryBudget:
    """Holds threads back until what they need fits beside what the others use."""

    def __init__(self, total: int) -> None:
        self.total = total  # bytes
        self._used = 0
        self._freed = Condition()

    @property
    def free(self) -> int:
        return self.total - self._used

    @contextmanager
    def reserved(self, needed: int) -> Iterator[None]:
        """Wait until `needed` bytes are free and hold them. More than there is means: alone.

        Whoever holds a reservation must not ask the same budget for another.
        """
        needed = min(needed, self.total)
        with self._freed:
            self._freed.wait_for(lambda: self._used + needed <= self.total)
            self._used += needed
        try:
            yield
        finally:
            with self._freed:
                self._used -= needed
                self._freed.notify_all()
