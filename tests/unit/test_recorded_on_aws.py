"""What AWS itself was recorded to answer, by LocalStack's snapshots of real AWS: our fakes answer the same, and
our readers read it.

Facts alone are taken over: names of fields, codes and messages, from files below tests/aws/services there. SQS's
(sqs/test_sqs.snapshot.json, recorded 2022 and 2023) are of the query protocol, whose codes have a prefix that the
JSON protocol has not; the limit of a message and of a batch has grown since, from 256 KiB to 1 MiB.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import botocore.session
import pytest

from chalicelib import events
from chalicelib.errors import AwsFailed
from chalicelib.letters import filing
from chalicelib.monitoring import cloudwatch
from chalicelib.queues import batching
from dev.fake_sqs.queues import Queues, Refused
from infra.deploying import notify, stack
from infra.errors import CommandError
from tests.support.events import record

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


# s3/test_s3_notifications_sqs.snapshot.json, 2025: the fields of a record, and of its object by what happened.
RECORD = {"eventVersion", "eventSource", "awsRegion", "eventTime", "eventName", "userIdentity"}
RECORD |= {"requestParameters", "responseElements", "s3"}
OBJECT = {
    "ObjectCreated:Put": {"key", "size", "eTag", "sequencer"},
    "ObjectCreated:Copy": {"key", "size", "eTag", "sequencer"},
    "ObjectCreated:CompleteMultipartUpload": {"key", "size", "eTag", "sequencer"},
    "ObjectRemoved:Delete": {"key", "sequencer"},
    "ObjectTagging:Put": {"key", "eTag"},  # eventVersion 2.3
    "ObjectAcl:Put": {"key", "eTag"},  # 2.3
    "ObjectRestore:Completed": {"key", "size", "eTag", "sequencer"},
}
VALUES = {"key": "a%40b", "size": 9, "eTag": "437b930db84b8079c2dd804a71936b5f", "sequencer": "0065A1"}


def recorded(name):
    version = "2.3" if name in ("ObjectTagging:Put", "ObjectAcl:Put") else "2.1"
    bucket = {"name": "images", "arn": "arn:aws:s3:::images", "ownerIdentity": {"principalId": "A"}}
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2025-01-21T23:21:29.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "A"},
        "requestParameters": {"sourceIPAddress": "192.0.2.1"},
        "responseElements": {"x-amz-request-id": "1", "x-amz-id-2": "2"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": bucket,
            "object": {field: VALUES[field] for field in OBJECT[name]},
        },
    }


@pytest.mark.parametrize("name", OBJECT)
def test_a_record_as_s3_sends_it_is_an_event_or_nothing_by_its_name(name):
    assert set(recorded(name)) == RECORD
    found = events.parse_parts(json.dumps({"Records": [recorded(name)]}))
    assert found.unreadable == []
    kind = name.partition(":")[0]
    assert (len(found.created), len(found.removed)) == (kind == "ObjectCreated", kind == "ObjectRemoved")
    for one in (*found.created, *found.removed):
        assert (one.bucket, one.key, one.sequencer) == ("images", "a@b", "0065A1")
        assert one.size == (9 if kind == "ObjectCreated" else None)
    ours = record()  # what our tests send
    assert set(ours) <= RECORD
    assert set(ours["s3"]["object"]) <= OBJECT["ObjectCreated:Put"]


# lambda_/test_lambda_destinations.snapshot.json, 2025: what an on-failure destination is sent.
@pytest.mark.parametrize(("condition", "count"), [("RetriesExhausted", 3), ("EventAgeExceeded", 1)])
def test_lambdas_record_of_a_failed_call_is_a_letter_of_its_upload(condition, count):
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:s3-event-scheduler-prod-enqueue:$LATEST"
    body = {
        "version": "1.0",
        "timestamp": "2025-11-24T23:14:10.000Z",
        "requestContext": {
            "requestId": "1",
            "functionArn": arn,
            "condition": condition,
            "approximateInvokeCount": count,
        },
        "requestPayload": {"Records": [recorded("ObjectCreated:Put")]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {
            "errorMessage": "intentional failure",
            "errorType": "Exception",
            "requestId": "1",
            "stackTrace": ['  File "handler.py", line 7'],
        },
    }
    # event_source_mapping/test_lambda_integration_sqs.snapshot.json: how Lambda hands a message over.
    handed = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1764025450000",
            "SenderId": "s",
            "ApproximateFirstReceiveTimestamp": "1764025450001",
        },
        "messageAttributes": {},
        "md5OfMessageAttributes": None,
        "md5OfBody": "5",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:dead",
        "awsRegion": "eu-central-1",
    }
    found = filing.letter_of(handed, datetime(2026, 1, 31, tzinfo=UTC))
    assert (found["code"], found["key"]) == ("enqueue-failed", "a@b")
    assert found["reason"].startswith(f"{condition} after {count} tries: intentional failure")


def test_a_filter_is_sent_to_s3_as_it_answers_it_names_with_a_capital_and_none_where_it_is_empty():
    """s3/test_s3_notifications_sqs.snapshot.json, 2025."""
    puts = []
    s3 = SimpleNamespace(
        get_bucket_notification_configuration=lambda **asked: {"ResponseMetadata": {}},
        put_bucket_notification_configuration=lambda **given: puts.append(given["NotificationConfiguration"]),
    )
    for prefix, suffix in (("testupload/", "testfile.txt"), ("", "")):
        ours = notify.Ours("arn:aws:sqs:q", "arn:aws:lambda:f")
        notify.point_at_queue(s3, "b", ours, prefix=prefix, suffix=suffix)
    (filtered,), (plain,) = (put["QueueConfigurations"] for put in puts)
    rules = [{"Name": "Prefix", "Value": "testupload/"}, {"Name": "Suffix", "Value": "testfile.txt"}]
    assert filtered["Filter"] == {"Key": {"FilterRules": rules}}
    assert "Filter" not in plain


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (
            "The submitted information didn't contain changes. Submit different information to create a change set.",
            False,
        ),
        ("Template format error: Parameter name AWS::NoValue is non alphanumeric.", None),
    ],
)
def test_a_change_set_without_changes_is_known_by_cloudformations_own_words(reason, changes):
    """cloudformation/api/test_changesets.snapshot.json, 2025."""

    def wait(**asked):
        raise stack.WaiterError("change_set_create_complete", "failed", {"Status": "FAILED"})

    client = SimpleNamespace(
        get_waiter=lambda name: SimpleNamespace(wait=wait),
        describe_change_set=lambda **asked: {"Status": "FAILED", "StatusReason": reason},
    )
    if changes is None:
        with pytest.raises(CommandError, match="Template format error"):
            stack._changes_anything(client, "c")
    else:
        assert stack._changes_anything(client, "c") is changes


def test_an_answer_of_get_metric_data_is_read_with_its_messages_and_labels():
    """cloudwatch/test_cloudwatch.snapshot.json, 2025."""
    minute = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    result = {
        "Id": "m0",
        "Label": "metric1",
        "StatusCode": "Complete",
        "Timestamps": [minute],
        "Values": [66.0],
    }
    page = {"Messages": [], "MetricDataResults": [result]}
    client = SimpleNamespace(get_paginator=lambda name: SimpleNamespace(paginate=lambda **asked: [page]))
    at = cloudwatch.minute_of(minute)
    wanted = {"done": [cloudwatch.Metric("N", "Done", ())]}
    assert cloudwatch.ask(client, wanted, at, at + 1) == {"done": {at: 66.0}}
    result |= {
        "StatusCode": "InternalError",
        "Values": [],
        "Timestamps": [],
    }  # of the API's page: not recorded
    with pytest.raises(AwsFailed, match="could not work out Done: InternalError"):
        cloudwatch.ask(client, wanted, at, at + 1)
