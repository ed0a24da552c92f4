"""What is left of a tick's capacity."""

from __future__ import annotations


class Ledger:
    """A tick's capacity: reserved before a receive, given back for what did not move.

    Never negative and never above the start, so the events forwarded never exceed the capacity however
    the workers interleave. What was sent with an unknown outcome is not given back: it may have arrived.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 0:
            raise ValueError(f"capacity {capacity}: expected 0 or more")
        self._capacity = capacity
        self.left = capacity

    def reserve(self, wanted: int) -> int:
        """Takes up to `wanted` from what is left, and says how many; 0 when nothing is left."""
        granted = min(wanted, self.left)
        self.left -= granted
        return granted

    def give_back(self, count: int) -> None:
        """Returns part of a reservation. Raises ValueError for more than is out: that is a bug."""
        if not 0 <= count <= self._capacity - self.left:
            raise ValueError(f"giving back {count}, but {self._capacity - self.left} are out")
        self.left += count
