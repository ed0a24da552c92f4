"""A stage's whole life on LocalStack, which knows things that the local AWS of the other tests does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import boto3
import pytest

from chalicelib.config.stage import queue_name
from dev import photos
from dev.local_aws import client_environment
from dev.pipeline import SCHEDULED_EVENT
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.deploying import stack
from tests.support.deployment import (
    CACHE,
    deploy,
    inventory,
    nobody_consumes,
    quiet,
    redeploy,
    remains,
    targets,
    wait_for,
)

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

    kinds = {"queue": "QueueArn", "eventbridge": "", "lambda": "LambdaFunctionArn"}
    for notifies in ("queue", "lambda", "eventbridge", "queue", "eventbridge", "lambda"):
        pipeline.stage.record({"S3_NOTIFIES": notifies}, {})
        redeploy(pipeline)
        assert theirs() == before
        if not (kind := kinds[notifies]):
            assert ours() == []
            assert targets(f"{pipeline.stage.function_name('enqueue')}-event") == 1
            continue
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
    # Chalice leaves the function the permission of the rule that is gone: nobody can use it.
    assert {**inventory(pipeline), "may call them": made["may call them"]} == made

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


# The deployed code over LocalStack's queues and buckets: LocalStack itself runs functions only in Docker.
FUNCTIONS = """
import json, sys
import boto3
from chalice.local import LambdaContext
import app
from chalicelib.config import Config

def call(function, event):
    memory, seconds = given[function]
    return app.app.handler_map[function](event, LambdaContext(function, memory, 1000 * seconds))

config, given = Config.from_env(), json.loads(sys.argv[1])
tick = call("drain", given["scheduled"])
asked = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 5, "MessageAttributeNames": ["All"]}
sqs = boto3.client("sqs")
answer = sqs.receive_message(QueueUrl=config.destination_queue_url, **asked)
records = [
    {
        "messageId": one["MessageId"],
        "receiptHandle": one["ReceiptHandle"],
        "body": one["Body"],
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in one.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
    }
    for one in answer.get("Messages", [])
]
consumed = call("consume", {"Records": records})
for record in records:  # as Lambda does when the function returns
    sqs.delete_message(QueueUrl=config.destination_queue_url, ReceiptHandle=record["receiptHandle"])
print(json.dumps({"tick": tick, "consumed": consumed}), file=sys.stderr)
"""


def test_an_upload_goes_through_localstacks_queues_to_its_thumbnails(tmp_path):
    """S3's own message, our lean client's calls, consume's deletes."""
    pipeline = deploy(tmp_path, "through", S3_NOTIFIES="queue")
    key = "photos/a b+c.jpg"
    pipeline.upload(key, (photos.photos(CACHE) / "rocket.jpg").read_bytes())

    limits = {
        function: [
            pipeline.stage.function_setting(function, f"lambda_{name}") for name in ("memory_size", "timeout")
        ]
        for function in ("drain", "consume")
    }

    def made():
        """A tick and a batch: the first tick may find S3's test message alone."""
        done = subprocess.run(
            [sys.executable, "-c", FUNCTIONS, json.dumps({"scheduled": SCHEDULED_EVENT, **limits})],
            cwd=pipeline.stage.root,
            env={**os.environ, **pipeline.stage.environment()},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stderr.splitlines()[-1])
        assert said["tick"]["errors"] == [], said
        return said["consumed"]["done"]

    with nobody_consumes(pipeline):
        wait_for(made, "the upload to be done")
    assert list(pipeline.thumbnails_of(key)) == [f"{key}_64.jpg", f"{key}_256.jpg"]
    assert (pipeline.waiting(), pipeline.depth("destination"), pipeline.depth("dead_letter")) == (0, 0, 0)
    assert destroying.destroy(pipeline.stage, quiet, force=True) == []
