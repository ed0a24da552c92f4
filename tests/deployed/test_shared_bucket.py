"""A bucket of the user's own that others have notifications on: a stage comes, changes and goes, theirs stay."""

from __future__ import annotations

import json

import boto3
import pytest

from chalicelib.config.stage import queue_name
from infra.deploying import destroy as destroying
from infra.deploying import notify
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
        kept = [one for one in found.pop(kind, []) if "s3-event-scheduler-shared" not in json.dumps(one)]
        found |= {kind: kept} if kept else {}
    return found


def of_every_kind(sqs):
    """What others have on the bucket: a queue, a topic and a function of theirs, and EventBridge.

    The function and its filter look much like ours: another stage's.
    """
    url = sqs.create_queue(QueueName="somebody-elses-queue")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{queue_name(url)}"
    topic = boto3.client("sns").create_topic(Name="somebody-elses-topic")["TopicArn"]
    may_send = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def below(prefix, suffix):
        rules = [{"Name": "Prefix", "Value": prefix}, {"Name": "Suffix", "Value": suffix}]
        return {"Filter": {"Key": {"FilterRules": rules}}}

    return {
        "EventBridgeConfiguration": {},
        "QueueConfigurations": [
            {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]},
            {"Id": notify.OLD_ID, "QueueArn": arn, "Events": ["s3:ObjectTagging:Put"]},
        ],
        "TopicConfigurations": [
            {"Id": "a topic", "TopicArn": topic, "Events": ["s3:ObjectRestore:*"], **below("a+b/", ".tar")}
        ],
        "LambdaFunctionConfigurations": [
            {
                "Id": "another stage",
                "LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:s3-event-scheduler-other-enqueue",
                "Events": ["s3:ObjectCreated:*"],
                **below("other/my+photos%3D/", ".jpg"),
            }
        ],
    }


def test_a_prefix_with_special_characters_gets_its_events_and_others_keep_theirs(aws, tmp_path, photographs):
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=of_every_kind(sqs))
    before = theirs(s3)
    assert {kind: len(found) for kind, found in before.items()} == {
        kind: len(given) for kind, given in of_every_kind(sqs).items()
    }
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
    # Every change there is, from each of the three to each other.
    for turn, notifies in enumerate(("queue", "eventbridge", "queue", "lambda", "eventbridge", "lambda")):
        pipeline.stage.record({"S3_NOTIFIES": notifies, "CONSUME_CONCURRENCY": ""}, {})
        redeploy(pipeline)
        assert theirs(s3) == before
        works(pipeline, f"{turn} by {notifies}")
    assert not any(one.get("ScalingConfig") for one in mappings(pipeline))
    assert destroying.destroy(pipeline.stage, quiet, force=True) == []
    assert notifications(s3) == before
    assert s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}5 by lambda.jpg")
