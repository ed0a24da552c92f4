"""What was there before the scheduler flows through it at the pace of what is new: job, ticks, thumbnails."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.consume.actions.resize import resizer
from chalicelib.consume.batch import consume_batch
from chalicelib.drain.tick import run
from chalicelib.jobs import batch_jobs, commands
from dev import template
from tests.support.jobs import ACCOUNT, Batch, Stage

pytestmark = pytest.mark.aws

IMAGES = 500
CAPACITY = 100


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), (number % 256, number // 256, 99)).save(file, "JPEG")
    return file.getvalue()


def records(stage: Stage) -> list[dict[str, Any]]:
    """Up to ten messages of the destination queue as Lambda hands them over."""
    got = stage.sqs.receive_message(
        QueueUrl=stage.config.destination_queue_url,
        MaxNumberOfMessages=10,
        AttributeNames=["ApproximateReceiveCount"],
    ).get("Messages", [])
    return [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "eventSource": "aws:sqs",
        }
        for message in got
    ]


def test_five_hundred_images_at_a_capacity_of_a_hundred_are_made_once(
    stage: Stage,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": stage.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    queues = {
        f"{kind.replace('-', '_')}_queue_url": stage.sqs.create_queue(
            QueueName=f"{kind}-{stage.config.images_bucket}",
            Attributes={"VisibilityTimeout": str(template.visibility_s(kind))},
        )["QueueUrl"]
        for kind in ("destination", "dead-letter")
    }
    settings = ThumbnailSettings(sizes=(16,))
    # All of a minute is due at once; and nobody here deletes what was consumed, so it stays in flight.
    stage = replace(
        stage,
        config=replace(
            stage.config, capacity=CAPACITY, thumbnails=settings, spread=False, max_in_destination=0, **queues
        ),
    )
    config = stage.config
    for n in range(IMAGES):
        stage.s3.put_object(Bucket=config.images_bucket, Key=f"old/{n:03} é.jpg", Body=picture(n))

    written: Counter[str] = Counter()

    def count(params: dict[str, Any], **_: Any) -> None:
        if params["Bucket"] == config.thumbnails_bucket:
            written[params["Key"]] += 1

    stage.s3.meta.events.register("provide-client-params.s3.PutObject", count)
    resize = resizer(stage.s3, config)

    def backfill_and_drain() -> list[int]:
        """How many each tick forwarded; all that it forwarded is consumed before the next."""
        body = {"kind": "backfill", "manifest": {"list": {"prefix": "old/"}}}
        created = commands.create_job(body, stage.s3, batch.s3control, config)
        batch.run(created["id"])
        job = batch_jobs.describe(batch.s3control, ACCOUNT, created["id"])
        assert (job.outcome, job.succeeded) == ("succeeded", IMAGES)
        forwarded: list[int] = []
        while not forwarded or forwarded[-1]:
            forwarded.append(run(config, lambda: 60_000).forwarded)
            consumed = 0
            while got := records(stage):
                consumed += consume_batch({"Records": got}, resize, stage.sqs, config, lambda: 60_000)["done"]
            assert consumed == forwarded[-1]
        return forwarded

    assert backfill_and_drain() == [100, 100, 100, 100, 100, 0]
    assert len(written) == IMAGES
    assert set(written.values()) == {1}
    # The same again: every event flows, and nothing is made.
    assert backfill_and_drain() == [100, 100, 100, 100, 100, 0]
    assert set(written.values()) == {1}
