"""What became of the last events, and beside it what was uploaded last and has no end yet: GET /recent.

SQS cannot be searched, so what waits is known from the logs alone: of the newest uploads that enqueue has
named, those of which consume has logged no end. Not guaranteed: an event that ends elsewhere, such as one
that the drain has rejected, is among them for as long as it is among the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.consume import outcomes
from chalicelib.fields import Query, schema
from chalicelib.monitoring import parallel
from chalicelib.monitoring.log_search import SPANS, Wanted, enqueued, log_group, newest
from chalicelib.monitoring.parallel import Failed

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from chalicelib.config import Config

MOST = 100
# A pattern may have 1,024 characters, and each id takes 18: https://docs.aws.amazon.com/AmazonCloudWatchLogs/
# latest/APIReference/API_FilterLogEvents.html
MOST_WAITING = 50
WITHIN_S = 2.0  # for each of the two questions about what waits
ENDED = ("done", "rejected", "ignored")


class RecentQuery(TypedDict, total=False):
    limit: Annotated[int, schema(minimum=1, maximum=MOST)]


class RecentObject(TypedDict):
    id: str
    at: str
    key: str
    outcome: Literal["done", "rejected", "retry", "untried", "ignored"]
    reason: str | None
    seconds: float | None
    thumbnails: list[str]


class WaitingObject(TypedDict):
    id: str
    at: str  # when enqueue put it on its lane
    key: str


class WaitingObjects(TypedDict):
    since: str  # of the uploads since then, these have no end yet
    uploads: int  # that were looked at
    objects: list[WaitingObject]


class Recent(TypedDict):
    version: Literal[1]
    since: str
    objects: list[RecentObject]
    waiting: WaitingObjects | Failed | None  # null where S3 writes to the queue itself


def recent(
    query: Mapping[str, Any] | None, client: CloudWatchLogsClient, config: Config, now: datetime
) -> Recent:
    """GET /recent?limit=20: what consume did last, and what waits, newest first. Raises BadRequest."""
    limit = Query.of(query, "limit").whole("limit", 1, MOST, 20)
    questions = {"waiting": lambda: waiting(client, config, now, min(limit, MOST_WAITING))}
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(parallel.ask, questions)
        found = newest(client, Wanted(log_group(config, "consume"), "outcome", outcomes.read, limit), now)
        waits = beside.result()["waiting"]
    return {
        "version": 1,
        "since": times.iso(found.since),
        "objects": [
            {
                "id": f"{line['message_id']}-{line['tries']}-{line['object']}",
                "at": line["at"],
                "key": line["key"],
                "outcome": line["outcome"],
                "reason": line.get("reason"),
                "seconds": line["seconds"],
                "thumbnails": line["thumbnails"],
            }
            for line in found.lines
        ],
        "waiting": waits,
    }


def waiting(client: CloudWatchLogsClient, config: Config, now: datetime, limit: int) -> WaitingObjects | None:
    """Of the newest uploads, at most `limit`, those that have no end in consume's log."""
    if config.s3_notifies != "lambda":
        return None
    wanted = Wanted(log_group(config, "enqueue"), "enqueued", enqueued, limit, SPANS)
    found = newest(client, wanted, now, within_s=WITHIN_S)
    uploads: dict[str, WaitingObject] = {}
    for line in found.lines:
        for one in line.get("uploads", ()):
            uploads.setdefault(one["id"], {"id": one["id"], "at": line["at"], "key": one["key"]})
    newest_uploads = list(uploads.values())[:limit]
    if not newest_uploads:
        return {"since": times.iso(found.since), "uploads": 0, "objects": []}
    first = times.moment(newest_uploads[-1]["at"]) or found.since
    back = max((now - first + times.CLOCKS_APART) / timedelta(seconds=1), 1.0)
    terms = " ".join(f"?{one['id']}" for one in newest_uploads)
    ends = newest(
        client,
        Wanted(log_group(config, "consume"), terms, outcomes.read, 20 * limit, (back,)),
        now,
        within_s=WITHIN_S,
    )
    ended = {line["id"] for line in ends.lines if line["outcome"] in ENDED}
    since = max(first, ends.since)  # of what is older, an end may not have been read
    known = [one for one in newest_uploads if (times.moment(one["at"]) or first) >= since]
    return {
        "since": times.iso(since),
        "uploads": len(known),
        "objects": [one for one in known if one["id"] not in ended],
    }
