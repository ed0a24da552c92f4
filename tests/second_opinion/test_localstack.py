"""A stage's whole life on LocalStack, which knows things that the local AWS of the other tests does not."""

from __future__ import annotations

import json
import os
import time

import boto3
import pytest

from chalicelib.config.stage import queue_name
from dev.local_aws import client_environment
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.deploying import stack
from tests.support.deployment import deploy, inventory, quiet, redeploy, remains

URL = os.environ.get("SECOND_OPINION_LOCALSTACK", "")
pytestmark = [
    pytest.mark.aws,
    pytest.mark.skipif(not URL, reason="make test-second-opinion starts LocalStack"),
]
BUCKET, PREFIX = "somebody-elses-bucket", "my photos/year=2026/"


@pytest.fixture(autouse=True)
def on_localstack(tmp_path, monkeypatch):
    for name, value in client_environment(URL, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)


def notifications():
    found = boto3.client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
    found.pop("ResponseMetadata")
    return found


def theirs():
    found = notifications()
    for kind in ("QueueConfigurations", "LambdaFunctionConfigurations"):
        kept = [one for one in found.pop(kind, []) if "s3-event-scheduler" not in json.dumps(one)]
        found |= {kind: kept} if kept else {}
    return found


def ours():
    found = notifications()
    configurations = [*found.get("QueueConfigurations", []), *found.get("LambdaFunctionConfigurations", [])]
    return [one for one in configurations if "s3-event-scheduler" in json.dumps(one)]


def somebody_elses_bucket():
    """With EventBridge on, and a queue of theirs."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    url = sqs.create_queue(QueueName="theirs")["QueueUrl"]
    queue = {
        "Id": "theirs",
        "QueueArn": f"arn:aws:sqs:us-east-1:000000000000:{queue_name(url)}",
        "Events": ["s3:ObjectRemoved:*"],
    }
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"EventBridgeConfiguration": {}, "QueueConfigurations": [queue]},
    )
    return theirs()


def test_localstack_takes_a_stages_whole_life(tmp_path):
    before = somebody_elses_bucket()
    assert before["EventBridgeConfiguration"] == {}
    pipeline = deploy(tmp_path, "opinion", IMAGES_BUCKET=BUCKET, IMAGES_PREFIX=PREFIX)
    made = inventory(pipeline)
    assert (made["mappings"], made["rules"], len(made["functions"])) == (2, 1, 6)
    assert theirs() == before

    redeploy(pipeline)
    assert inventory(pipeline) == made

    for notifies, kind in (("queue", "QueueArn"), ("lambda", "LambdaFunctionArn")):
        pipeline.stage.record({"S3_NOTIFIES": notifies}, {})
        redeploy(pipeline)
        assert theirs() == before
        (one,) = ours()
        assert kind in one
        rules = {rule["Name"].lower(): rule["Value"] for rule in one["Filter"]["Key"]["FilterRules"]}
        assert rules == {"prefix": "my+photos/year%3D2026/"}

    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    pipeline.stage.record({"KMS_KEY_ARN": key}, {})
    redeploy(pipeline)
    url = pipeline.settings["SOURCE_QUEUE_URL"]
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
    assert attributes["Attributes"]["KmsMasterKeyId"] == key
    assert inventory(pipeline) == made

    assert destroying.destroy(pipeline.stage, quiet, force=True) == []
    assert remains(pipeline.stage) == 0
    assert notifications() == before

    began, told = time.monotonic(), []
    again = deploy_again(pipeline, told)
    assert time.monotonic() - began > stack.QUEUE_NAME_FREE_AFTER_S - 30, "it waited"
    assert len([line for line in told if "is free 60 seconds after" in line]) == 1, told
    assert inventory(again)["functions"] == made["functions"]
    assert destroying.destroy(again.stage, quiet, force=True) == []
    assert destroying.destroy(again.stage, quiet, force=True) == []


def deploy_again(pipeline, told):
    pipeline.stage.record({"KMS_KEY_ARN": ""}, {})
    deploying.deploy(pipeline.stage, told.append, tls_only=False)
    return pipeline
