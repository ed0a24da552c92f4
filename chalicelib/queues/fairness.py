"""Nobody waits behind somebody else's burst: beyond a few events a minute, a group's uploads go to the bulk
lane.

A group is who shares the first parts of a key's path. The guarantee is made where events come in, and each
process counts by itself: with N of them a group has up to N x FEW live events a minute; where many groups
burst at once N, for a process that has sent MANY sends only the first of each. Whoever stays below is
forwarded with the next tick, whatever waits in bulk; where N times the groups are more than the capacity,
with one soon after. Not guaranteed: order, and a share for each group within bulk.
"""

from __future__ import annotations

import re
from collections import Counter

FEW = 5  # live events of a group, a minute and process
MANY = 10  # of all groups; beyond them a group has but its first
MOST_GROUPS = 10_000  # counted at once; beyond that the minute begins anew
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_GROUP_ID = re.compile(r"[\x21-\x7e]{1,128}")


def group_of(key: str, parts: int) -> str:
    """The first `parts` folders of the key's path; empty for a key in none."""
    return "/".join(key.split("/")[:-1][:parts])


def group_id(group: str) -> str:
    """The group as SQS takes a MessageGroupId: as it is where that is allowed, else hashed."""
    if _GROUP_ID.fullmatch(group):
        return group
    import hashlib  # brings OpenSSL; app.py imports this module in every function

    return hashlib.sha256(group.encode()).hexdigest()[:32]


class Fairness:
    """Which lane each event goes to, in one process."""

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._minute = 0
        self._live: Counter[str] = Counter()

    def is_bulk(self, key: str, now: float) -> bool:
        """Whether the event goes to the bulk lane; else it counts as live. `now` in seconds since 1970."""
        if not self._parts:
            return False
        minute = int(now // 60)
        if minute != self._minute or len(self._live) > MOST_GROUPS:
            self._minute = minute
            self._live.clear()
        group = group_of(key, self._parts)
        few = FEW if self._live.total() < MANY else 1
        if self._live[group] >= few:
            return True
        self._live[group] += 1
        return False
