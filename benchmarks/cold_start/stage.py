"""A stage on the local AWS to start functions in: three buckets, four queues, one photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev import photos
from dev.lambda_runtime.events import body
from dev.local_aws import LocalAws
from dev.workspace import ROOT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def settings_of(aws: LocalAws, s3: S3Client, sqs: SQSClient) -> dict[str, str]:
    """The functions' environment, once everything in it is made."""
    buckets = {f"{name.upper()}_BUCKET": f"bench-{name}" for name in ("images", "thumbnails", "reports")}
    for bucket in buckets.values():
        s3.create_bucket(Bucket=bucket)
    photograph = photos.photos(ROOT / ".cache") / "rocket.jpg"
    s3.put_object(Bucket="bench-images", Key="photo.jpg", Body=photograph.read_bytes())
    queues = {
        f"{name.upper()}_QUEUE_URL": sqs.create_queue(QueueName=f"bench-{name.lower()}")["QueueUrl"]
        for name in ("source", "bulk", "destination", "dead_letter")
    }
    access = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {
        **buckets,
        **queues,
        **{name: aws.environment()[name] for name in access},
        # A tick that finds less than its capacity asks once more, for a second.
        "CAPACITY": "1",
        "STAGE": "bench",
    }


def fill(sqs: SQSClient, queue_url: str, ticks: int) -> None:
    """As many messages as there will be ticks of capacity 1."""
    for number in range(ticks):
        sqs.send_message(QueueUrl=queue_url, MessageBody=body("bench-images", f"{number}.jpg"))


def forget_thumbnails(s3: S3Client, bucket: str) -> None:
    """The next consume makes them again."""
    for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=one["Key"])
