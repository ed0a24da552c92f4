"""One budget of memory shared by the images that are being made at once, and the end of all budgets."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

# Of the function's memory, what the kernel keeps for the process besides its pages.
_MARGIN = 16 * 1024 * 1024


def limit_process(function_bytes: int) -> None:
    """Make an allocation that would take the process beyond `function_bytes` fail instead.

    Lambda kills a function that outgrows its memory, with everything it was doing. A decoder whose malloc()
    fails says so, and only its image is lost. 0 is no limit; nor is there one without Linux's /proc.
    """
    status = Path("/proc/self/status")
    if not function_bytes or not status.exists():
        return
    # RLIMIT_DATA counts what may be written, resident or not (getrlimit(2), since Linux 4.7).
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    resident, data = (1024 * int(lines[name].split()[0]) for name in ("VmRSS", "VmData"))  # from kB
    most = data + max(function_bytes - resident, 0) - _MARGIN
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


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
