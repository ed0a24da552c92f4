"""How much is in a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


# A queue's depth has three parts, each approximate; our name for it and SQS's.
DEPTHS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


def depths(sqs: SQSClient, url: str) -> dict[str, int]:
    """The queue's messages, approximate as SQS counts them."""
    attributes: Any = list(DEPTHS.values())
    found: Mapping[Any, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"]
    return {name: int(found[attribute]) for name, attribute in DEPTHS.items()}


def queue_count(sqs: SQSClient, url: str) -> int:
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in found.values())


def queue_arn(sqs: SQSClient, url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
