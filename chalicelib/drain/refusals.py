"""How long a message waits that the next place has refused: longer each time, a quarter of an hour at most.

Counted here, in the process: SQS's receive count also counts what was received and never sent. Another
process begins at one minute again, which does no harm.
"""

from __future__ import annotations

FIRST_S, LONGEST_S = 60, 900
MOST_KEPT = 10_000


class Refusals:
    """How often each was refused, by message id; of the last MOST_KEPT messages."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def backoff_s(self, message_id: str) -> int:
        """Seconds until it is to be visible again, after one refusal more: 60, 120, 240, 480, 900.

        Not at once: one tick would receive it again and again. Not after hours: when the queue takes messages
        again, all that waits is to move within a quarter of an hour (docs/decisions/0004-refused-entries.md).
        """
        count = self._counts.pop(message_id, 0)
        self._counts[message_id] = count + 1
        if len(self._counts) > MOST_KEPT:
            del self._counts[next(iter(self._counts))]
        return min(FIRST_S << min(count, 8), LONGEST_S)
