"""Who S3 tells of an upload: the enqueue function (Chalice sees to it), or the source queue (this does).

A bucket refuses two overlapping notifications, so the change from one to the other is one call.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ID = "s3-event-scheduler"


def point_bucket(
    s3: S3Client, bucket: str, queue_arn: str, enqueue_arn: str, *, prefix: str, suffix: str
) -> None:
    """Make the bucket notify the queue; with an empty `queue_arn` undo that, and leave the rest to Chalice.

    Other people's notifications on the bucket stay as they are.
    """
    present: dict[str, Any] = dict(s3.get_bucket_notification_configuration(Bucket=bucket))
    present.pop("ResponseMetadata", None)
    wanted = dict(present)
    others = [one for one in present.get("QueueConfigurations", []) if one.get("Id") != ID]
    if queue_arn:
        rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
        ours = {
            "Id": ID,
            "QueueArn": queue_arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [rule for rule in rules if rule["Value"]]}},
        }
        others.append(ours)
        wanted["LambdaFunctionConfigurations"] = [
            one
            for one in present.get("LambdaFunctionConfigurations", [])
            if one["LambdaFunctionArn"] != enqueue_arn
        ]
    wanted["QueueConfigurations"] = others
    if wanted != {"QueueConfigurations": [], **present}:
        configuration: Any = {name: value for name, value in wanted.items() if value}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
