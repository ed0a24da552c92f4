"""The fakes of dev/fake_boto3.py answer as the local AWS does: one suite, two backends."""

import hashlib
import uuid
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from dev.fake_boto3 import FakeBotoSqs, FakeEvents, FakeS3
from dev.fake_sqs.queues import Queues

BACKENDS = [
    "fake",
    pytest.param("local aws", marks=[pytest.mark.aws, pytest.mark.xdist_group("deployed")]),
]


@pytest.fixture(params=BACKENDS)
def s3(request):
    """A client, and the name of an empty bucket."""
    name = f"contract-{uuid.uuid4()}"
    if request.param == "fake":
        return SimpleNamespace(client=FakeS3(name), bucket=name)
    request.getfixturevalue("aws")
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    return SimpleNamespace(client=client, bucket=name)


@pytest.fixture(params=BACKENDS)
def sqs(request):
    """A client, and the URL of an empty queue."""
    name = f"contract-{uuid.uuid4()}"
    if request.param == "fake":
        queues = Queues()
        queues.create(name)
        return SimpleNamespace(
            client=FakeBotoSqs(queues), url=f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"
        )
    request.getfixturevalue("aws")
    client = boto3.client("sqs")
    return SimpleNamespace(client=client, url=client.create_queue(QueueName=name)["QueueUrl"])


def put(s3, **more):
    return s3.client.put_object(Bucket=s3.bucket, Key="a b+ü.jpg", Body=b"contents", **more)


def test_an_object_reads_back_with_all_that_was_said_of_it(s3):
    etag = put(s3, ContentType="image/jpeg", Metadata={"source-etag": "abc"})["ETag"]
    assert etag == f'"{hashlib.md5(b"contents").hexdigest()}"'
    found = s3.client.get_object(Bucket=s3.bucket, Key="a b+ü.jpg")
    with found["Body"] as body:
        assert body.read() == b"contents"
    assert (found["ETag"], found["ContentLength"]) == (etag, 8)
    assert (found["ContentType"], found["Metadata"]) == ("image/jpeg", {"source-etag": "abc"})


def test_a_head_says_the_same_without_the_contents(s3):
    etag = put(s3, Metadata={"made-with": "x"})["ETag"]
    found = s3.client.head_object(Bucket=s3.bucket, Key="a b+ü.jpg")
    assert (found["ETag"], found["ContentLength"], found["Metadata"]) == (etag, 8, {"made-with": "x"})


def test_a_second_put_replaces_the_first(s3):
    put(s3, Metadata={"made-with": "x"})
    s3.client.put_object(Bucket=s3.bucket, Key="a b+ü.jpg", Body=b"")
    found = s3.client.head_object(Bucket=s3.bucket, Key="a b+ü.jpg")
    assert (found["ContentLength"], found["Metadata"]) == (0, {})


@pytest.mark.parametrize(
    ("call", "code"), [("get_object", "NoSuchKey"), ("head_object", "404")], ids=["get", "head"]
)
def test_an_object_that_is_not_there_is_an_error_of_this_code(s3, call, code):
    with pytest.raises(ClientError) as missing:
        getattr(s3.client, call)(Bucket=s3.bucket, Key="nothing")
    assert missing.value.response["Error"]["Code"] == code
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_deletes_take_what_is_there_and_pass_over_the_rest(s3):
    put(s3)
    asked = {"Objects": [{"Key": "a b+ü.jpg"}, {"Key": "nothing"}], "Quiet": True}
    assert not s3.client.delete_objects(Bucket=s3.bucket, Delete=asked).get("Errors")
    with pytest.raises(ClientError):
        s3.client.head_object(Bucket=s3.bucket, Key="a b+ü.jpg")


def test_a_bucket_that_is_not_there_is_an_error_of_its_own(s3):
    with pytest.raises(ClientError) as missing:
        s3.client.get_object(Bucket="nobodys-bucket", Key="a")
    assert missing.value.response["Error"]["Code"] == "NoSuchBucket"


def test_keys_are_listed_by_prefix_in_the_order_of_utf_8_page_by_page(s3):
    keys = ["a/1", "a/\ue000", "a/ü", "a/\U0001f600", "a/Z", "b/1"]
    for key in keys:
        s3.client.put_object(Bucket=s3.bucket, Key=key, Body=b"")
    first = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="a/", MaxKeys=3)
    assert ([one["Key"] for one in first["Contents"]], first["IsTruncated"]) == (["a/1", "a/Z", "a/ü"], True)
    token = first["NextContinuationToken"]
    second = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="a/", ContinuationToken=token)
    assert [one["Key"] for one in second["Contents"]] == ["a/\ue000", "a/\U0001f600"]
    assert second["IsTruncated"] is False
    assert "Contents" not in s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="c/")
    after = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="a/", StartAfter="a/ü")
    assert [one["Key"] for one in after["Contents"]] == ["a/\ue000", "a/\U0001f600"]


def test_a_paginator_gives_every_page(s3):
    for number in range(1001):
        s3.client.put_object(Bucket=s3.bucket, Key=f"{number:04d}", Body=b"")
    pages = list(s3.client.get_paginator("list_objects_v2").paginate(Bucket=s3.bucket, Prefix=""))
    assert [len(page["Contents"]) for page in pages] == [1000, 1]


def test_a_deleted_object_is_gone_and_to_delete_it_twice_is_no_error(s3):
    put(s3)
    for _ in range(2):
        s3.client.delete_object(Bucket=s3.bucket, Key="a b+ü.jpg")
    assert "Contents" not in s3.client.list_objects_v2(Bucket=s3.bucket)


def test_a_delete_with_if_match_takes_only_what_was_seen(s3):
    seen = put(s3)["ETag"]
    with pytest.raises(ClientError) as refused:
        s3.client.delete_object(Bucket=s3.bucket, Key="a b+ü.jpg", IfMatch='"another"')
    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    s3.client.delete_object(Bucket=s3.bucket, Key="a b+ü.jpg", IfMatch=seen)
    with pytest.raises(ClientError):
        s3.client.head_object(Bucket=s3.bucket, Key="a b+ü.jpg")


def test_a_put_with_if_match_replaces_only_what_was_seen(s3):
    seen = put(s3)["ETag"]
    for condition in ({"IfMatch": '"another"'}, {"IfNoneMatch": "*"}):
        with pytest.raises(ClientError) as refused:
            s3.client.put_object(Bucket=s3.bucket, Key="a b+ü.jpg", Body=b"mine", **condition)
        assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    s3.client.put_object(Bucket=s3.bucket, Key="a b+ü.jpg", Body=b"mine", IfMatch=seen)
    assert s3.client.get_object(Bucket=s3.bucket, Key="a b+ü.jpg")["Body"].read() == b"mine"
    with pytest.raises(ClientError) as missing:
        s3.client.put_object(Bucket=s3.bucket, Key="nothing", Body=b"mine", IfMatch=seen)
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"
    s3.client.put_object(Bucket=s3.bucket, Key="nothing", Body=b"mine", IfNoneMatch="*")


@pytest.fixture(params=BACKENDS)
def bus(request):
    """A client, and the name of a bus."""
    name = f"contract-{uuid.uuid4()}"
    if request.param == "fake":
        return SimpleNamespace(client=FakeEvents(name), name=name)
    request.getfixturevalue("aws")
    client = boto3.client("events")
    client.create_event_bus(Name=name)
    return SimpleNamespace(client=client, name=name)


def test_each_event_that_is_put_is_confirmed_by_its_own_entry(bus):
    entry = {"EventBusName": bus.name, "Source": "us", "DetailType": "Object Processed", "Detail": "{}"}
    answer = bus.client.put_events(Entries=[entry, entry])
    assert answer["FailedEntryCount"] == 0
    assert len({one["EventId"] for one in answer["Entries"]}) == 2


def send(sqs, *bodies):
    entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
    return sqs.client.send_message_batch(QueueUrl=sqs.url, Entries=entries)


def receive(sqs):
    return sqs.client.receive_message(QueueUrl=sqs.url, MaxNumberOfMessages=10).get("Messages", [])


def depth(sqs):
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    delayed = "ApproximateNumberOfMessagesDelayed"
    found = sqs.client.get_queue_attributes(QueueUrl=sqs.url, AttributeNames=[*names, delayed])["Attributes"]
    assert found[delayed] == "0"
    return tuple(int(found[name]) for name in names)


def test_what_is_sent_is_confirmed_entry_by_entry_and_received_until_it_is_deleted(sqs):
    sent = send(sqs, "a", "b")
    assert sorted(entry["Id"] for entry in sent["Successful"]) == ["0", "1"]
    assert not sent.get("Failed")
    messages = receive(sqs)
    assert sorted(message["Body"] for message in messages) == ["a", "b"]
    assert depth(sqs) == (0, 2)
    assert receive(sqs) == []
    entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(messages)]
    deleted = sqs.client.delete_message_batch(QueueUrl=sqs.url, Entries=entries)
    assert sorted(entry["Id"] for entry in deleted["Successful"]) == ["0", "1"]
    assert depth(sqs) == (0, 0)


def test_a_visibility_of_nothing_shows_a_message_again_at_once(sqs):
    send(sqs, "a")
    (message,) = receive(sqs)
    entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
    sqs.client.change_message_visibility_batch(QueueUrl=sqs.url, Entries=[entry])
    assert [again["Body"] for again in receive(sqs)] == ["a"]


def test_attributes_travel_with_the_message(sqs):
    attributes = {"Reason": {"DataType": "String", "StringValue": "not an image"}}
    entry = {"Id": "0", "MessageBody": "a", "MessageAttributes": attributes}
    sqs.client.send_message_batch(QueueUrl=sqs.url, Entries=[entry])
    (message,) = sqs.client.receive_message(
        QueueUrl=sqs.url, MaxNumberOfMessages=1, MessageAttributeNames=["All"]
    )["Messages"]
    assert message["MessageAttributes"]["Reason"]["StringValue"] == "not an image"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([{"Id": "0", "MessageBody": "a"}, {"Id": "0", "MessageBody": "b"}], "BatchEntryIdsNotDistinct"),
        ([{"Id": str(i), "MessageBody": "a"} for i in range(11)], "TooManyEntriesInBatchRequest"),
    ],
)
def test_a_batch_sqs_would_refuse_is_refused_by_name(sqs, entries, code):
    with pytest.raises(ClientError) as refused:
        sqs.client.send_message_batch(QueueUrl=sqs.url, Entries=entries)
    assert refused.value.response["Error"]["Code"].rpartition(".")[2].startswith(code)


def test_a_queue_that_is_not_there_is_an_error(sqs):
    with pytest.raises(ClientError) as missing:
        sqs.client.get_queue_attributes(QueueUrl=f"{sqs.url}-not", AttributeNames=["All"])
    assert "QueueDoesNotExist" in str(missing.value) or "NonExistentQueue" in str(missing.value)
