"""The one parser: every shape in which S3 tells of an object."""

import json
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import events
from chalicelib.errors import Reject
from chalicelib.events import ObjectCreated, parse, parse_body
from tests.support.events import notification, record

SAMPLES = Path(__file__).parents[1] / "samples"

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
    lambda key: not key.endswith("/") and len(key.encode()) <= 1024
)


def sample(name):
    return json.loads((SAMPLES / name).read_text())


def test_a_put_gives_everything_the_event_knows():
    assert parse(sample("s3-put.json")) == [
        ObjectCreated(
            bucket="b",
            key="dir one/ünï+code (1).jpg",
            size=1024,
            etag="0123456789abcdef0123456789abcdef",
            sequencer="0A1B2C3D4E5F678901",
            event_time="1970-01-01T00:00:00.000Z",
        )
    ]


def test_every_record_counts_not_only_the_first():
    assert [one.key for one in parse(notification(record("a"), record("b"), record("c")))] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
    ],
)
def test_every_way_of_creating_counts_with_and_without_the_prefix(name):
    assert len(parse(notification(record(name=name)))) == 1


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "s3:ObjectTagging:Put",
        "ObjectRestore:Completed",
        "LifecycleExpiration:Delete",
        "Replication:OperationFailedReplication",
        "ObjectAcl:Put",
    ],
)
def test_what_creates_nothing_gives_nothing(name):
    assert parse(notification(record(name=name))) == []


def test_a_delete_has_no_size_and_is_no_error():
    assert parse(sample("s3-delete.json")) == []


def test_the_test_event_gives_nothing():
    assert parse({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "images"}) == []


def test_a_folder_marker_gives_nothing_but_a_full_object_of_that_name_does():
    assert parse(notification(record("photos/", size=0))) == []
    assert len(parse(notification(record("photos/", size=5)))) == 1


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.6", "2.99"])
def test_any_minor_version_is_read(version):
    assert len(parse(notification(record(version=version)))) == 1


def test_another_major_version_is_rejected_by_name():
    with pytest.raises(Reject, match=r"S3 event version 3\.0, expected 2\.x"):
        parse(notification(record(version="3.0")))


def test_unknown_fields_are_ignored():
    assert parse(notification({**record(), "new": 1} | {"glacierEventData": {}}))[0].key == "a.jpg"


def sqs(body):
    return {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": body}]}


def sns_in_lambda(message):
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": message}}]}


def sns_in_sqs(message):
    return {"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": message}


def gave_up(payload):
    return {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": payload}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: event,
        lambda event: sqs(json.dumps(event)),
        lambda event: sns_in_lambda(json.dumps(event)),
        lambda event: sns_in_sqs(json.dumps(event)),
        lambda event: sqs(json.dumps(sns_in_sqs(json.dumps(event)))),
        gave_up,
    ],
    ids=["bare", "sqs", "sns", "sns body", "sns in sqs", "lambda failure"],
)
def test_every_wrapping_gives_the_same_event(wrap):
    event = sample("s3-put.json")
    assert parse(wrap(event)) == parse(event)


def test_eventbridge_keys_are_not_url_encoded():
    payload = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-01-31T12:00:00Z",
        "detail": {
            "bucket": {"name": "images"},
            "object": {"key": "100% a+b.jpg", "size": 7, "etag": "e", "version-id": "v", "sequencer": "0A"},
        },
    }
    assert parse(payload) == [
        ObjectCreated("images", "100% a+b.jpg", "v", "e", 7, "0A", "2026-01-31T12:00:00Z")
    ]
    assert parse({**payload, "detail-type": "Object Deleted"}) == []


def test_the_two_field_body_anyone_may_write_is_enough():
    assert parse_body('{"Bucket": "images", "Key": "a+b.jpg"}') == [ObjectCreated("images", "a+b.jpg")]


@given(KEYS)
def test_any_key_survives_both_encodings_of_s3(key):
    for encoded in (quote_plus(key), quote(key)):
        assert [one.key for one in parse(notification(record(encoded)))] == [key]


@given(
    st.builds(
        lambda **known: ObjectCreated(**known),
        bucket=st.just("images"),
        key=KEYS,
        version_id=st.none() | st.just("v1"),
        etag=st.none() | st.just("abc"),
        size=st.none() | st.integers(1, 10**13),
        sequencer=st.none() | st.just("0A"),
        event_time=st.none() | st.just("2026-01-31T12:00:00Z"),
    )
)
def test_a_body_reads_back_as_it_was_written_and_holds_nothing_that_sqs_refuses(created):
    body = created.to_body()
    assert not re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", body)
    assert parse_body(body) == [created]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "unreadable: not JSON"),
        ("Hello from SQS!", "unreadable: not JSON"),
        ("[]", "JSON, but a list"),
        ("null", "JSON, but a NoneType"),
        ("[" * 100_000, "unreadable: not JSON"),
        ("{}", "neither an S3 event nor Bucket and Key; its fields: none"),
        ('{"Bucket": "images"}', "its fields: Bucket"),
        ('{"Bucket": "images", "Key": ""}', "Key is missing, empty or not a string"),
        ('{"Bucket": 7, "Key": "a"}', "Bucket is missing, empty or not a string"),
        ('{"Bucket": "images", "Key": "\\ud800"}', "the key is not UTF-8"),
        (json.dumps({"Bucket": "images", "Key": "a" * 1025}), "the key has 1025 bytes, S3 allows 1024"),
        ('{"Records": [7]}', "Records holds something that is not an object"),
        ('{"Records": [{"eventSource": "aws:kinesis"}]}', "a record from aws:kinesis"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "an S3 record without eventName"),
        (json.dumps(notification(record("%ff"))), "the key is not URL-encoded UTF-8"),
        (json.dumps(notification({**record(), "s3": {}})), "object is missing"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_the_field(body, reason):
    with pytest.raises(Reject) as rejected:
        parse_body(body)
    assert reason in rejected.value.reason
    assert "\n" not in rejected.value.reason


def test_endless_wrapping_is_rejected():
    payload = sample("s3-put.json")
    for _ in range(9):
        payload = gave_up(payload)
    with pytest.raises(Reject, match="wrapped more than 5 times"):
        parse(payload)


FIELDS = [
    "Records",
    "s3",
    "object",
    "key",
    "body",
    "Bucket",
    "Key",
    "eventSource",
    "Message",
    "Type",
    "detail",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_the_json_the_parser_answers_or_rejects(value):
    try:
        assert isinstance(parse_body(json.dumps(value)), list)
    except Reject:
        return


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        ("0B", "0A", True),
        ("0A", "0B", False),
        ("0A", "0A", False),
        ("FF", "100", True),
        ("0062E99A88DC4075", "0062E99A88DC407460", True),
        ("0A0", "0A", False),
        ("0a", "09", True),
    ],
)
def test_sequencers_are_filled_up_on_the_right_and_compared_as_text(one, other, later):
    assert events.is_later(one, than=other) is later


def test_a_record_nested_as_deeply_as_can_be_read_costs_only_itself():
    """Read, it may be too deep by a level to be written again: its text is the whole body then."""
    whole = set()
    for depth in range(900, 1000):
        deep = '{"Records": [{"eventSource": ' + "[" * depth + "]" * depth + "}, GOOD]}"
        body = deep.replace("GOOD", json.dumps(record("good.jpg")))
        parts = events.parse_parts(body)
        if not parts.whole:  # else not even that
            assert [one.key for one in parts.created] == ["good.jpg"]
            ((text, why),) = parts.unreadable
            assert (why.code, "[[" in why.reason) == ("unreadable", False)
            whole.add(text == body)
    assert whole == {False, True}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_json_cannot_write_is_text_in_the_body_that_goes_on(number):
    (one,) = parse_body(f'{{"Bucket": "b", "Key": "k", "order": [{{"sum": {number}}}], "n": 1.5}}')

    def refuse(constant):
        raise AssertionError(constant)

    sent = json.loads(one.to_body(), parse_constant=refuse)
    assert (type(sent["order"][0]["sum"]), sent["n"]) == (str, 1.5)
    assert parse_body(one.to_body()) == [one]  # and so is its identity


@pytest.mark.parametrize(
    "size", [-1, 50 * 2**40 + 1, 10**300, 10**4000, True, "5", 1.5, None], ids=lambda size: str(size)[:9]
)
def test_a_size_that_no_object_has_is_not_known(size):
    sized = record("k")
    sized["s3"]["object"]["size"] = size
    eventbridge = {"source": "aws.s3", "detail-type": "Object Created"}
    eventbridge["detail"] = {"bucket": {"name": "b"}, "object": {"key": "k", "size": size}}
    for payload in ({"Bucket": "b", "Key": "k", "Size": size}, notification(sized), eventbridge):
        assert [one.size for one in parse(payload)] == [None]


def test_what_a_writer_calls_a_record_gets_into_no_log():
    for name in ("eventSource", "eventVersion"):
        with pytest.raises(Reject) as told:
            parse({"Records": [{**record("k"), name: "secret" * 100}]})
        assert len(told.value.reason) < 150
