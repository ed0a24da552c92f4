"""A bucket of the user's own that others have notifications on: a stage comes, changes and goes, theirs stay."""

from __future__ import annotations

import json

import boto3
import pytest

from chalicelib.config.stage import queue_name
from infra.deploying import destroy as destroying
from tests.support.deployment import deploy, finish, mappings, only_our_ticks, quiet, redeploy

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long]
BUCKET, PREFIX = "somebody-elses-bucket", "my photos/year=2026/"


def notifications(s3):
    found = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    found.pop("ResponseMetadata")
    return found


def theirs(s3):
    """Without ours, and without empty lists."""
    found = notifications(s3)
    for kind in ("QueueConfigurations", "LambdaFunctionConfigurations"):
        kept = [one for one in found.pop(kind, []) if "s3-event-scheduler" not in json.dumps(one)]
        found |= {kind: kept} if kept else {}
    return found


def test_a_prefix_with_special_characters_gets_its_events_and_others_keep_theirs(aws, tmp_path, photographs):
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    url = sqs.create_queue(QueueName="somebody-elses-queue")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{queue_name(url)}"
    may_send = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "EventBridgeConfiguration": {},
            "QueueConfigurations": [
                {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]},
            ],
        },
    )
    before = theirs(s3)
    assert "EventBridgeConfiguration" in before
    contents = (photographs / "rocket.jpg").read_bytes()

    def works(pipeline, name):
        inside, outside = pipeline.upload(f"{PREFIX}{name}.jpg", contents), f"my photos/{name}.jpg"
        pipeline.upload(outside, contents)
        with only_our_ticks(pipeline):
            finish(pipeline, [inside])
        assert len(inside.thumbnails) == 2
        assert not pipeline.thumbnails_of(outside)

    width = {"CONSUME_CONCURRENCY": "7"}
    pipeline = deploy(tmp_path, "shared", IMAGES_BUCKET=BUCKET, IMAGES_PREFIX=PREFIX, **width)
    assert theirs(s3) == before
    assert [one["ScalingConfig"] for one in mappings(pipeline)] == [{"MaximumConcurrency": 7}]
    works(pipeline, "by enqueue")
    for notifies in ("queue", "lambda"):
        pipeline.stage.record({"S3_NOTIFIES": notifies, "CONSUME_CONCURRENCY": ""}, {})
        redeploy(pipeline)
        assert theirs(s3) == before
        works(pipeline, f"by {notifies}")
    assert not any(one.get("ScalingConfig") for one in mappings(pipeline))
    assert destroying.destroy(pipeline.stage, quiet, force=True) == []
    assert notifications(s3) == before
    assert s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}by lambda.jpg")
