"""S3 says an object was created: put it on the source queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import events
from chalicelib.config import Config
from chalicelib.errors import Reject
from chalicelib.queues import letters, messages
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


# S3 sends one record an event; whoever sends more than these is not helped by a line of megabytes.
MOST_NAMED = 100


def enqueue_events(payload: Mapping[str, Any], sqs: SQSClient, config: Config) -> dict[str, int]:
    """Every created object of the payload to the source queue, every unreadable record to the dead letters.

    Returns and logs the counts. Raises Retry when a queue refused any: Lambda then runs the whole
    event again, which may repeat some messages and loses none.
    """
    created: list[events.ObjectCreated] = []
    unreadable: list[dict[str, Any]] = []
    for part in events.separate(payload):
        try:
            created += events.parse(part)
        except Reject as e:
            unreadable.append(letters.message(json.dumps(part), e.reason, "enqueue"))
    ours = [one for one in created if not config.is_own_output(one.bucket, one.key)]
    messages.send(sqs, config.source_queue_url, [{"MessageBody": one.to_body()} for one in ours])
    messages.send(sqs, config.dead_letter_queue_url, unreadable)
    counts = {
        "enqueued": len(ours),
        "rejected": len(unreadable),
        "own_output": len(created) - len(ours),
    }
    metrics.line(
        "enqueued",
        config.stage,
        "enqueue",
        {"Enqueued": len(ours), "Rejected": len(unreadable)},
        **counts,
        uploads=[{"id": one.upload_id, "object": one.object_id, "key": one.key} for one in ours[:MOST_NAMED]],
    )
    return counts
