"""What can go wrong with a call, each with its own probability, from one seeded generator."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Faults:
    """Every probability is 0..1, per call unless it says otherwise."""

    error_before: float = 0.0  # HTTP 500 and nothing done
    error_after: float = 0.0  # HTTP 500 although it was done
    drop_after: float = 0.0  # the connection is closed after the effect, without an answer
    expired: float = 0.0  # ExpiredTokenException
    slow: float = 0.0  # the answer comes a byte at a time, one each `slow_s`
    slow_s: float = 0.2
    refuse_entry: float = 0.0  # per entry of a send or a delete
    refuse_for_ever: float = 0.0  # share of bodies that the destination refuses while this is so
    same_again: float = 0.0  # a receive gives its first message twice
    down: tuple[str, ...] = ()  # queues whose sends are answered 503
    seed: int = 1
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def strikes(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def refuse(self, queue: str, entry: Mapping[str, Any]) -> str:
        """The error code for an entry that is to be refused, or ""."""
        body = entry.get("MessageBody")
        if body is not None and queue == "destination" and _point(body) < self.refuse_for_ever:
            return "InternalError"
        is_move = body is not None or "VisibilityTimeout" not in entry
        return "InternalError" if is_move and self.strikes(self.refuse_entry) else ""


def _point(body: str) -> float:
    """Where in 0..1 a body falls: always at one place."""
    digest = hashlib.md5(body.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
