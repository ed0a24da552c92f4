"""Where everything stands: the snapshot behind GET /status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import aws
from chalicelib.config import Config
from chalicelib.errors import Reject, Retry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

VERSION = 1  # of the answer's shape; a field is added without a new number, never renamed

_DEPTHS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


def snapshot(sqs: SQSClient, config: Config) -> dict[str, Any]:
    """The queues' depths (messages, approximate as SQS counts them), the settings, the time to drain.

    A queue that does not answer has `{"error": ...}` in its place.
    """
    queues = {
        "source": config.source_queue_url,
        "destination": config.destination_queue_url,
        "dead_letter": config.dead_letter_queue_url,
    }
    depths = {name: _depth(sqs, url) for name, url in queues.items()}
    backlog = depths["source"].get("visible")
    return {
        "version": VERSION,
        "queues": depths,
        "capacity": config.capacity,
        "action": config.action,
        "minutes_to_drain": None if backlog is None else -(-backlog // config.capacity),
    }


def _depth(sqs: SQSClient, url: str) -> dict[str, Any]:
    try:
        with aws.errors_translated("reading the queue's attributes"):
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS.values()))  # type: ignore[arg-type]
    except (Reject, Retry) as e:
        return {"error": str(e)}
    return {name: int(found["Attributes"][attribute]) for name, attribute in _DEPTHS.items()}  # type: ignore[index]
