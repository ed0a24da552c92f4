"""A stage on the local AWS to start functions in: three buckets, three queues, one photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev import photos
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
        for name in ("source", "destination", "dead_letter")
    }
    access = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    # Each start makes the thumbnails anew: none it finds is of these settings.
    return {**buckets, **queues, **{name: aws.environment()[name] for name in access}}
