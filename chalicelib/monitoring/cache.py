"""Answers that are asked for more often than they change, kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class TimedCache:
    """Keeps each answer by its name. An error is not kept: the next one who asks tries again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, tuple[float, float, Any]] = {}  # when asked, how long it took, the answer

    def __call__(self, name: str, seconds: float, ask: Callable[[], Answer], share: float = 0.0) -> Answer:
        """The answer kept under the name when it is not older than so many seconds, else a new one.

        `share` keeps an answer that is long in coming for longer: asking takes that share of the time.
        """
        with self._lock:
            asked, took, kept = self._kept.get(name, (float("-inf"), 0.0, None))
        now = self._clock()
        if now - asked <= max(seconds, took / share if share else 0.0):
            found: Answer = kept
            return found
        answer = ask()
        with self._lock:
            self._kept[name] = now, self._clock() - now, answer
        return answer
