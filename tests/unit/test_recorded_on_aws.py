"""What SQS itself was recorded to answer, by LocalStack's snapshots of real AWS: the fake answers the same.

Facts alone are taken over, from tests/aws/services/sqs/test_sqs.snapshot.json (recorded 2022 and 2023). The codes
there are the query protocol's, with a prefix that the JSON protocol has not. The limit of a message and of a
batch has grown since, from 256 KiB to 1 MiB.
"""

from __future__ import annotations

import botocore.session
import pytest

from chalicelib.queues import batching
from dev.fake_sqs.queues import Queues, Refused

MODEL = botocore.session.get_session().get_service_model("sqs")


def entry(number, text="a", **more):
    return {"Id": str(number), "MessageBody": text, **more}


def handle(entry_id):
    return {"Id": entry_id, "ReceiptHandle": "none"}


RECORDED = [
    (
        "SendMessageBatch",
        [entry(n) for n in range(20)],
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    ),
    (
        "SendMessageBatch",
        [entry(n, "a" * (batching.MAX_BYTES // 2 + 1)) for n in range(2)],
        "AWS.SimpleQueueService.BatchRequestTooLong",
    ),
    ("SendMessageBatch", [entry("invalid:id")], "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("DeleteMessageBatch", [handle("")], "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("DeleteMessageBatch", [handle("testLongId" * 10)], "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("DeleteMessageBatch", [handle("invalid:id")], "AWS.SimpleQueueService.InvalidBatchEntryId"),
]


@pytest.mark.parametrize(("action", "entries", "code"), RECORDED)
def test_a_batch_is_refused_whole_with_the_code_that_aws_gave(action, entries, code):
    queues = Queues()
    queues.create("any")
    with pytest.raises(Refused) as refused:
        queues.call(action, {"QueueUrl": "http://any/000000000000/any", "Entries": entries})
    assert refused.value.code == code.removeprefix("AWS.SimpleQueueService.")
    assert refused.value.code in MODEL.shape_names


def test_eleven_messages_may_not_be_asked_for_and_a_body_may_not_be_too_long():
    queues = Queues()
    queues.create("any")
    url = "http://any/000000000000/any"
    for action, request in (
        ("ReceiveMessage", {"MaxNumberOfMessages": 11}),
        ("SendMessage", {"MessageBody": "a" * (batching.MAX_BYTES + 1)}),
    ):
        with pytest.raises(Refused) as refused:
            queues.call(action, {"QueueUrl": url, **request})
        assert refused.value.code == "InvalidParameterValue"


def test_an_empty_receive_has_no_messages_field_and_a_received_message_these():
    queues = Queues()
    queues.put(queues.create("any"), "msg")
    url = "http://any/000000000000/any"
    answer = queues.call("ReceiveMessage", {"QueueUrl": url, "MessageAttributeNames": []})
    (message,) = answer["Messages"]
    assert {"Body", "MD5OfBody", "MessageId", "ReceiptHandle"} <= set(message)
    assert message["MD5OfBody"] == "6e2baaf3b97dbeef01c0043275f9a0e7", "as recorded, of the body `msg`"
    assert queues.call("ReceiveMessage", {"QueueUrl": url}) == {}


def test_every_code_of_a_batch_that_the_fake_gives_is_one_of_the_services():
    for name in ("EmptyBatchRequest", "TooManyEntriesInBatchRequest", "BatchEntryIdsNotDistinct"):
        assert name in MODEL.shape_names
