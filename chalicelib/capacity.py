"""How many events may move now. Arithmetic only: nothing here talks to anyone."""

from __future__ import annotations

import re

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


def bulk_share(percent: int, capacity: int, minute: int) -> int:
    """The least that bulk gets of a minute's capacity: exact over the minutes, however small the capacity.

    1 of 10 at 10 %; at a capacity of 3 none in most minutes, and 3 in ten of them.
    """
    part = percent * capacity
    return (minute + 1) * part // 100 - minute * part // 100


def capacity_of(text: str) -> int:
    """The parameter's value. Raises ValueError for what is no capacity."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_CAPACITY:
        raise ValueError(f"{text!r}: expected a whole number from 1 to {MAX_CAPACITY:,}")
    return int(text)
