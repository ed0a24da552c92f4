"""Who fills the queues: the largest groups of what was uploaded last, by enqueue's own log lines.

A sample of the newest uploads, so it costs the same however many groups there are; of metrics there would
be one for each.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from chalicelib import times
from chalicelib.monitoring.log_search import Wanted, enqueued, log_group, newest
from chalicelib.queues.fairness import group_of

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from chalicelib.config import Config

SAMPLE = 1000  # log lines; S3 tells of one upload in each
SPANS = (15, 60, 300, 900)  # seconds back
WITHIN_S = 2.0
SHOWN = 3


class Group(TypedDict):
    group: str  # the first folders of the keys; empty for those in none
    uploads: int
    percent: float  # of the sample


class Groups(TypedDict):
    since: str
    uploads: int  # of the sample
    bulk: int  # of them to the bulk lane
    largest: list[Group]


def largest(client: CloudWatchLogsClient, config: Config, now: datetime) -> Groups | None:
    """The largest groups of the last uploads, of a quarter of an hour at most, largest first.

    None where S3 writes to the queue itself, and so nobody has seen the keys.
    """
    if config.s3_notifies != "lambda":
        return None
    wanted = Wanted(log_group(config, "enqueue"), "enqueued", enqueued, SAMPLE, SPANS)
    found = newest(client, wanted, now, within_s=WITHIN_S)
    keys = [str(upload["key"]) for line in found.lines for upload in line.get("uploads", ())]
    counted = Counter(group_of(key, config.fair_by or 1) for key in keys)
    first = counted.most_common(SHOWN)
    return {
        "since": times.iso(times.moment(found.lines[-1]["at"]) or found.since)
        if found.lines
        else times.iso(now),
        "uploads": len(keys),
        "bulk": sum(line["bulk"] for line in found.lines if isinstance(line.get("bulk"), int)),
        "largest": [
            {"group": group, "uploads": count, "percent": round(100 * count / len(keys), 1)}
            for group, count in first
        ],
    }
