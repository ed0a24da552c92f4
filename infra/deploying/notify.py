"""Who S3 tells of an upload: the enqueue function (as Chalice asks for it), or the source queue.

A bucket refuses two overlapping notifications, so the change from one to the other is one call.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.events import notification_filter
from infra.errors import CommandError
from infra.eventually import settled
from infra.stage import Account, Stage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OLD_ID = "s3-event-scheduler"  # of any stage's, until 0.2.0
EVENTBRIDGE = "EventBridgeConfiguration"
# S3 sends the queue a test message, which its policy may not allow yet; nor may a function's be seen yet.
NOT_YET = ("InvalidArgument", "Unable to validate the following destination configurations")


@dataclass(frozen=True)
class Ours:
    """By what a stage knows its own notifications on a bucket that others use: other stages among them."""

    queue: str  # ARNs of its source queue and of its enqueue function
    enqueue: str

    @property
    def id(self) -> str:
        """Of the notification to the queue: the queue's name, for a bucket takes no two of the same id."""
        return self.queue.rpartition(":")[2]

    def to_queue(self, one: Mapping[str, Any]) -> bool:
        """Not one that somebody made by hand, with another id, for a part of the bucket more."""
        return one["QueueArn"] == self.queue and one.get("Id") in (self.id, OLD_ID)

    def to_function(self, one: Mapping[str, Any]) -> bool:
        return bool(one["LambdaFunctionArn"] == self.enqueue)


def of(stage: Stage, account: Account) -> Ours:
    """The stage's, also before it is deployed."""
    return Ours(
        account.arn("sqs", f"{stage.stack_name}-source"),
        account.arn("lambda", f"function:{stage.function_name('enqueue')}"),
    )


def point_at_queue(
    s3: S3Client,
    bucket: str,
    ours: Ours,
    *,
    prefix: str,
    suffix: str,
    events: Sequence[str] = ("s3:ObjectCreated:*",),
) -> None:
    """Make the bucket notify the queue, in place of the enqueue function if it did.

    Other people's notifications on the bucket, those to topics and EventBridge too, stay as they are.
    """
    present, wanted = _without_ours(s3, bucket, ours)
    filtered = _filtered(notification_filter(prefix), notification_filter(suffix))
    wanted["QueueConfigurations"].append(
        {"Id": ours.id, "QueueArn": ours.queue, "Events": list(events), **filtered}
    )
    _put(s3, bucket, present, wanted)


def notifies_queue(s3: S3Client, bucket: str, ours: Ours) -> bool:
    """Whether the bucket notifies the stage's queue; one that is not there, or not ours to read, does not."""
    try:
        present = s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError:
        return False
    return any(map(ours.to_queue, present.get("QueueConfigurations", [])))


def point_at_function(
    s3: S3Client, bucket: str, ours: Ours, events: list[str], prefix: str, suffix: str
) -> None:
    """Make the bucket call the enqueue function, in place of notifying the queue if it did: in one call.

    `prefix` and `suffix` are a filter's already.
    """
    present, wanted = _without_ours(s3, bucket, ours)
    wanted["LambdaFunctionConfigurations"].append(
        {"LambdaFunctionArn": ours.enqueue, "Events": events, **_filtered(prefix, suffix)}
    )
    _put(s3, bucket, present, wanted)


def forget_bucket(s3: S3Client, bucket: str, ours: Ours) -> None:
    """Leave no notification of ours on a bucket that stays; it may be gone already.

    With one to what is no longer there, S3 refuses every other that is added.
    """
    try:
        present, wanted = _without_ours(s3, bucket, ours)
    except s3.exceptions.NoSuchBucket:
        return
    _put(s3, bucket, present, wanted)


def switch_eventbridge(s3: S3Client, bucket: str, on: bool) -> None:
    """Whether the bucket, one of our own, tells EventBridge of all its events, which costs for each."""
    present: dict[str, Any] = dict(s3.get_bucket_notification_configuration(Bucket=bucket))
    present.pop("ResponseMetadata", None)
    wanted = {name: value for name, value in present.items() if name != EVENTBRIDGE}
    _put(s3, bucket, present, {**wanted, EVENTBRIDGE: {}} if on else wanted)


def refuse_silent_bucket(s3: S3Client, bucket: str) -> None:
    """Raises CommandError for a bucket that tells EventBridge nothing: whose it is switches that on."""
    if EVENTBRIDGE not in s3.get_bucket_notification_configuration(Bucket=bucket):
        of = f"bucket-notification-configuration --bucket {bucket}"
        raise CommandError(
            f"S3_NOTIFIES=eventbridge: the bucket {bucket} does not tell EventBridge of its events; "
            f"switch that on, beside the notifications it has: aws s3api get-{of} | "
            f"jq '. + {{{EVENTBRIDGE}: {{}}}}' > on.json && "
            f"aws s3api put-{of} --notification-configuration file://on.json"
        )


def _filtered(prefix: str, suffix: str) -> dict[str, Any]:
    """The filter as S3 answers it, names with a capital and none where it is empty: what is there already is
    then seen to be, and S3 sends the queue no test message with each deploy."""
    filters = {"Prefix": prefix, "Suffix": suffix}
    rules = [{"Name": name, "Value": value} for name, value in filters.items() if value]
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


def _without_ours(s3: S3Client, bucket: str, ours: Ours) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bucket's notifications, and those that are not ours."""
    present: dict[str, Any] = dict(s3.get_bucket_notification_configuration(Bucket=bucket))
    present.pop("ResponseMetadata", None)
    queues, functions = (
        present.get(kind, []) for kind in ("QueueConfigurations", "LambdaFunctionConfigurations")
    )
    others = {
        "QueueConfigurations": [one for one in queues if not ours.to_queue(one)],
        "LambdaFunctionConfigurations": [one for one in functions if not ours.to_function(one)],
    }
    return present, {**present, **others}


def _put(s3: S3Client, bucket: str, present: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A list without entries is none; an empty `EventBridgeConfiguration` switches EventBridge on."""
    configuration: Any = {name: value for name, value in wanted.items() if value != []}
    if configuration != present:
        settled(
            lambda: s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=configuration
            ),
            NOT_YET,
        )
