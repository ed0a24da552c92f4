"""How much is in a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


# A queue's depth has three parts, each approximate; our name for it and SQS's.
DEPTHS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


class Depths(TypedDict):
    visible: int
    in_flight: int
    delayed: int


def depths(sqs: SQSClient, url: str) -> Depths:
    """The queue's messages, approximate as SQS counts them."""
    names: Any = list(DEPTHS.values())
    found: Mapping[Any, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    visible, in_flight, delayed = (int(found[name]) for name in names)
    return {"visible": visible, "in_flight": in_flight, "delayed": delayed}


def all_messages(sqs: SQSClient, url: str) -> int:
    """Everything that would be lost with the queue, approximate as SQS counts it."""
    found = depths(sqs, url)
    return found["visible"] + found["in_flight"] + found["delayed"]


def queue_arn(sqs: SQSClient, url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
