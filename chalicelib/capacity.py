"""How many events may move now. Arithmetic only: nothing here talks to anyone."""

from __future__ import annotations

MAX_CAPACITY = 1_000_000  # events a tick; docs/shards.md has what that takes


def share(capacity: int, shards: int, index: int) -> int:
    """The part of `capacity` that shard `index` of `shards` may forward; the parts sum to `capacity`.

    The remainder goes one each to the first shards: 10 over 4 is 3, 3, 2, 2.
    """
    if not 0 <= index < shards:
        raise ValueError(f"shard {index} of {shards}: expected 0 to {shards - 1}")
    whole, rest = divmod(capacity, shards)
    return whole + (index < rest)


def shard_names(shards: int) -> list[str]:
    """The function of each shard: `drain`, `drain-1`, ...

    Each has a reserved concurrency of 1, so no shard ever runs twice at once.
    """
    return ["drain", *(f"drain-{index}" for index in range(1, shards))]


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
