"""Dead letters filed: the store's keys, what each letter says, how they are counted and listed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.config import Config
from chalicelib.errors import BadRequest, NotFound, NotSetUp, Retry
from chalicelib.letters import browse, filing, gauge, store
from chalicelib.letters.store import Filed
from chalicelib.queues import letters
from chalicelib.queues.tries import Tries
from dev.fake_boto3 import FakeBotoSqs, FakeS3, client_error
from tests.support.letters import event, filed_keys, put_letter, records
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod", "REPORTS_BUCKET": "reports"})
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAILURE = {
    "version": "1.0",
    "timestamp": "2026-01-31T11:59:00.000Z",
    "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
    "requestPayload": {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "images"}, "object": {"key": "a.jpg", "sequencer": "1"}},
            }
        ]
    },
    "responsePayload": {"errorType": "Retry", "errorMessage": "the queue refused 1 of 1: AccessDenied"},
}


@pytest.fixture
def s3():
    return FakeS3("reports")


@pytest.fixture
def sqs(queues):
    return FakeBotoSqs(queues)


@pytest.fixture
def file(s3, sqs, queues):
    """Files messages as Lambda hands them over, received from the dead-letter queue."""

    def filed(*messages, **system):
        for message in messages:
            queues.put(queues.queue("dead"), message["MessageBody"], message.get("MessageAttributes"))
        batch = records(queues, **system)
        return filing.file_batch(batch, s3, sqs, CONFIG)

    return filed


def letter(key="a.jpg", reason="not an image", code="not-an-image", now=NOW, **more):
    return letters.message(event(key), reason, "consume", code=code, now=now, **more)


def test_a_letter_is_filed_whole_under_its_code_time_identity_and_key(file, s3):
    assert file(letter("photos/a b.jpg", tries=Tries(6, "down", "2026-01-31T11:00:00.000Z"))) == {"filed": 1}
    (key,) = s3.buckets["reports"]
    found = store.get(s3, "reports", key)
    assert key == f"letters/not-an-image/2026-01-31T12:00:00.000Z~{found['identity']}~photos%2Fa%20b.jpg"
    assert (found["code"], found["reason"], found["function"]) == ("not-an-image", "not an image", "consume")
    assert (found["bucket"], found["key"], found["body"]) == (
        "images",
        "photos/a b.jpg",
        event("photos/a b.jpg"),
    )
    assert (found["tries"], found["first_failure"]) == (6, "2026-01-31T11:00:00.000Z")
    assert found["attributes"]["Code"] == "not-an-image"
    assert found["body_bytes"] is None


def test_the_same_letter_twice_is_one_object_and_a_later_rejection_another(file, s3):
    file(letter())
    file(letter())
    assert len(s3.buckets["reports"]) == 1
    file(letter(now=NOW.replace(hour=13)))
    assert len(s3.buckets["reports"]) == 2
    listed = store.newest_of_each(store.listing(s3, "reports", within_s=9).letters)
    assert [one.rejected_at for one in listed] == ["2026-01-31T13:00:00.000Z"]


def test_the_same_text_twice_that_is_no_event_is_two_letters(file, s3):
    file({"MessageBody": "Hello"}, {"MessageBody": "Hello"})
    assert len(store.newest_of_each(store.listing(s3, "reports", within_s=9).letters)) == 2


def test_one_that_s3_refuses_comes_again_and_the_filed_ones_do_not(file, s3, queues):
    def refuse(action, request):
        if action == "PutObject" and "b.jpg" in request["Key"]:
            raise client_error("SlowDown", "Reduce your request rate.", 503, action)

    s3.before = refuse
    with pytest.raises(Retry, match=r"1 of 3 letters could not be filed: ClientError.*SlowDown"):
        file(letter("a.jpg"), letter("b.jpg"), letter("c.jpg"))
    assert [json.loads(body)["Key"] for body in queues.queue("dead").bodies()] == ["b.jpg"]
    assert filed_keys(s3) == ["a.jpg", "c.jpg"]


def test_with_s3_down_every_letter_stays_in_the_queue(file, s3, queues):
    def down(action, request):
        raise client_error("InternalError", "We encountered an internal error.", 500, action)

    s3.before = down
    with pytest.raises(Retry, match="3 of 3"):
        file(letter("a.jpg"), letter("b.jpg"), letter("c.jpg"))
    assert len(queues.queue("dead").bodies()) == 3


def test_the_gauge_says_how_many_there_are_after_each_batch(file, capsys):
    file(letter("a.jpg"), letter("b.jpg"))
    file(letter("b.jpg", now=NOW.replace(hour=13)))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["Letters"], line["filed"]) for line in lines] == [(2, 2), (2, 1)]
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Letters", "Unit": "Count"}]


def of(body, attributes=None, **system):
    return filing.letter_of(
        {"messageId": "m", "body": body, "attributes": system, "messageAttributes": attributes or {}}, NOW
    )


def test_a_letter_that_a_redrive_policy_moved_is_called_what_it_is():
    arn = "arn:aws:sqs:eu-central-1:123456789012:s3-event-scheduler-prod-destination"
    found = of(event("a.jpg"), DeadLetterQueueSourceArn=arn, SentTimestamp="1769860800000")
    assert (found["code"], found["queue"]) == ("received-too-often", "s3-event-scheduler-prod-destination")
    assert "s3-event-scheduler-prod-destination moved it" in found["reason"]
    assert found["rejected_at"] == "2026-01-31T12:00:00.000Z"


def test_lambdas_record_of_a_failed_upload_event_has_its_own_code_reason_and_time():
    found = of(json.dumps(FAILURE), SentTimestamp="1769860800000")
    assert (found["code"], found["function"], found["key"]) == ("enqueue-failed", "enqueue", "a.jpg")
    assert found["reason"] == "RetriesExhausted after 3 tries: the queue refused 1 of 1: AccessDenied"
    assert found["rejected_at"] == "2026-01-31T11:59:00.000Z"


def test_what_somebody_else_wrote_is_a_letter_too_whatever_it_holds():
    found = of("torn {", SentTimestamp="1769860800000")
    assert (found["code"], found["key"], found["body"]) == ("unknown", None, "torn {")
    odd = {"Code": {"stringValue": "../x", "dataType": "String"}, "Reason": {"stringValue": "a\nb"}}
    odd["RejectedAt"] = {"stringValue": "yesterday"}
    found = of("{}", odd, SentTimestamp="x")
    assert (found["code"], found["reason"]) == ("rejected", "a?b")
    assert found["rejected_at"] == "2026-01-31T12:00:00.000Z"  # now, where nothing better is known


@pytest.mark.parametrize("text", ["9" * 5000, "-1", "²", "1e3", ""], ids=lambda text: text[:9])
def test_a_length_that_is_none_holds_up_no_batch(text):
    record = {"messageId": "m", "body": "x", "messageAttributes": {"BodyBytes": {"stringValue": text}}}
    assert filing.letter_of(record, NOW)["body_bytes"] is None


def test_a_letter_cut_to_fit_says_so():
    attributes = {
        "Reason": {"stringValue": "too long"},
        "BodyBytes": {"stringValue": "2000000", "dataType": "Number"},
        "BodySha256": {"stringValue": "ab"},
    }
    found = of('{"Bucket": "im', attributes)
    assert (found["body_bytes"], found["body_sha256"]) == (2_000_000, "ab")


KEYS = some.text(some.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda key: len(key.encode()) <= 1024
)


def filed(key, code="gone", at="2026-01-31T12:00:00.000Z", identity="0123456789abcdef"):
    made = {"code": code, "rejected_at": at, "identity": identity, "key": key}
    return Filed.of(store.store_key(made))


@given(key=KEYS, other=KEYS)
def test_a_store_key_fits_is_read_back_and_knows_the_objects_key_or_that_it_is_cut(key, other):
    one = filed(key)
    assert len(one.store_key.encode()) <= 1024
    assert one.store_key.isascii()
    assert (one.code, one.rejected_at, one.identity) == (
        "gone",
        "2026-01-31T12:00:00.000Z",
        "0123456789abcdef",
    )
    assert one.key_is(key) is not False
    if not one.name.endswith("~"):
        assert one.key_is(key) is True
        assert one.key_part == key
        assert one.key_is(other) == (key == other)
        assert one.key_begins(other) == key.startswith(other)
    assert one.key_begins(key[:3]) is True
    assert store.is_id(one.id)


def test_a_key_that_is_cut_leaves_open_what_it_cannot_tell():
    one = filed("ü" * 500)
    assert one.name.endswith("~")
    assert one.key_is("ü" * 500) is None
    assert one.key_is("ü" * 400 + "x") is None
    assert one.key_is("a") is False
    assert one.key_begins("ü" * 20) is True
    assert one.key_begins("ü" * 400) is None
    assert one.key_begins("üx") is False
    assert one.key_contains("üü") is True
    assert one.key_contains("x") is None


@pytest.mark.parametrize(
    ("text", "there"),
    [("b c/d", True), ("2F", False), ("0c", False), ("~%", True), ("B", False), ("a/b c/d~%é", True)],
)
def test_a_text_is_found_in_a_key_as_it_is_and_not_in_how_it_is_stored(text, there):
    assert filed("a/b c/d~%é").key_contains(text) is there


def test_what_else_lies_there_is_no_letter():
    for key in (
        "letters/readme.txt",
        "letters/gone/x",
        "letters/GONE/2026-01-31T12:00:00.000Z~0123456789abcdef~a",
    ):
        assert Filed.of(key) is None


@pytest.mark.parametrize("contents", [b"", b"not JSON", b"[" * 100_000, b"[]", b'"a text"', b"{}"])
def test_what_somebody_wrote_over_a_letter_is_none_and_keeps_no_other_from_being_read(s3, contents):
    whole, spoilt = (put_letter(s3, key).store_key for key in ("a.jpg", "b.jpg"))
    s3.put_object(Bucket="reports", Key=spoilt, Body=contents)
    assert store.get(s3, "reports", spoilt) is None
    assert store.get(s3, "reports", whole)["key"] == "a.jpg"


def test_the_gauge_of_a_batch_is_one_call_however_many_letters_there_are(s3, capsys):
    for number in range(2500):
        put(s3, f"{number:05d}.jpg", code="gone")
    s3.requests.clear()
    gauge.write("letters filed", s3, CONFIG, filed=1)
    assert len(s3.requests) == 1
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["Letters"] == gauge.MOST


def test_ten_thousand_letters_are_counted_by_code_to_the_letter_in_ten_calls(s3, sqs):
    for number in range(10_000):
        put(s3, f"{number:05d}.jpg", code=("gone", "damaged", "gave-up")[number % 3])
    s3.requests.clear()
    found = browse.counted(s3, sqs, CONFIG)
    assert found["total"] == 10_000
    assert {code: one["letters"] for code, one in found["codes"].items()} == {
        "damaged": 3333,
        "gave-up": 3333,
        "gone": 3334,
    }
    assert next(iter(found["codes"])) == "gone"
    assert found["complete"] is True
    assert len(s3.requests) == 10


def put(s3, key, code="gone", minute=0, identity=""):
    at = f"2026-01-31T12:{minute:02d}:00.000Z"
    made = filing.letter_of({"messageId": key, "body": event(key)}, NOW)
    store.put(
        s3,
        "reports",
        {**made, "code": code, "rejected_at": at, "identity": identity or made["identity"], "reason": "why"},
    )


def test_pages_are_newest_first_and_go_on_after_the_last_letter(s3, sqs):
    for minute in range(5):
        put(s3, f"{minute}.jpg", minute=minute)
    first = browse.page({"limit": "2"}, s3, sqs, CONFIG)
    assert [one["key"] for one in first["letters"]] == ["4.jpg", "3.jpg"]
    assert (first["total"], first["matching"], first["letters"][0]["reason"]) == (5, 5, "why")
    second = browse.page({"limit": "2", "after": first["next"]}, s3, sqs, CONFIG)
    assert [one["key"] for one in second["letters"]] == ["2.jpg", "1.jpg"]
    last = browse.page({"limit": "2", "after": second["next"]}, s3, sqs, CONFIG)
    assert ([one["key"] for one in last["letters"]], last["next"]) == (["0.jpg"], None)


def test_a_page_is_of_one_code_or_one_prefix(s3, sqs, queues):
    put(s3, "in/a.jpg", "gone")
    put(s3, "in/b.jpg", "damaged", 1)
    put(s3, "out/c.jpg", "gone", 2)
    queues.put(queues.queue("dead"), "{}")
    found = browse.page({"code": "gone"}, s3, sqs, CONFIG)
    assert ([one["key"] for one in found["letters"]], found["matching"], found["total"]) == (
        ["out/c.jpg", "in/a.jpg"],
        2,
        3,
    )
    assert found["being_filed"] == 1
    found = browse.page({"prefix": "in/"}, s3, sqs, CONFIG)
    assert [one["key"] for one in found["letters"]] == ["in/b.jpg", "in/a.jpg"]
    found = browse.page({"prefix": "in/", "code": "gone"}, s3, sqs, CONFIG)
    assert [one["key"] for one in found["letters"]] == ["in/a.jpg"]
    found = browse.page({"contains": ".jpg", "prefix": "in/", "code": "damaged"}, s3, sqs, CONFIG)
    assert [one["key"] for one in found["letters"]] == ["in/b.jpg"]
    assert browse.page({"contains": "t/c"}, s3, sqs, CONFIG)["matching"] == 1


def test_a_listing_that_takes_too_long_says_that_there_are_more(s3, sqs):
    for minute in range(30):
        put(s3, f"{minute}.jpg", minute=minute)
    s3.page_keys = 10
    found = browse.page({}, s3, sqs, CONFIG, clock=iter([0.0, 1.0, 99.0]).__next__)
    assert (found["total"], found["complete"]) == (20, False)


def test_one_letter_is_shown_whole_by_its_id_with_what_its_code_means(s3, sqs):
    put(s3, "a.jpg", "damaged")
    (listed,) = browse.page({}, s3, sqs, CONFIG)["letters"]
    found = browse.whole(listed["id"], s3, CONFIG)
    assert (found["key"], found["body"], found["id"]) == ("a.jpg", event("a.jpg"), listed["id"])
    assert "broken" in found["means"]
    with pytest.raises(NotFound, match="sent back or discarded"):
        browse.whole(listed["id"].replace("damaged", "gone"), s3, CONFIG)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"code": "../x"}, "code"),
        ({"after": "x"}, "after"),
        ({"prefix": "a" * 1025}, "prefix"),
        ({"contains": "a" * 1025}, "contains"),
        ({"reason": "x"}, "reason"),
    ],
)
def test_a_question_that_cannot_be_is_refused_by_its_field(s3, sqs, query, field):
    with pytest.raises(BadRequest) as refused:
        browse.page(query, s3, sqs, CONFIG)
    assert refused.value.field == field


def test_an_objects_letters_are_found_by_its_key_whatever_its_length(s3):
    long = "ü" * 500
    for number, key in enumerate(("a.jpg", "a.jpg2", long, long + "x")):
        put(s3, key, minute=number)
    for key in ("a.jpg", long):
        found, complete = browse.of_object(s3, CONFIG, key)
        assert ([one["key"] for one in found], complete) == ([key], True)
    assert browse.of_object(s3, CONFIG, "b.jpg") == ([], True)


def test_a_stage_without_a_reports_bucket_says_so(s3, sqs):
    with pytest.raises(NotSetUp, match="REPORTS_BUCKET is not set: dead letters are not filed"):
        browse.page({}, s3, sqs, Config.from_env(GOOD))
