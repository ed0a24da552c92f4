"""How long SQS keeps a message, and when that becomes a danger.

It counts from the last send: a message that is sent anew is kept as long again. What is older, SQS deletes
without a word.
"""

from __future__ import annotations

from datetime import timedelta

KEPT = timedelta(days=14)  # MessageRetentionPeriod of infra/deploying/template.yaml: the most SQS allows
# Before that, somebody is told; a day before, the drain sends anew what it still sees.
LAST_DAY, LAST_HOUR = timedelta(days=1), timedelta(hours=1)
RENEWED_S = (KEPT - LAST_DAY).total_seconds()  # a message of this age is sent anew
SLACK = timedelta(hours=1)  # clocks differ, and SQS deletes when it comes to it


def in_last_day(sent_at: float, now: float) -> bool:
    """Whether a message that was sent then, in seconds since 1970, is deleted within a day.

    One that is older than SQS keeps any was not dated by SQS, and sending it anew would not make it younger.
    """
    return RENEWED_S <= now - sent_at < (KEPT + SLACK).total_seconds()
