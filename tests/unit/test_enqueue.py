"""enqueue: every created object reaches the source queue, or Lambda runs the event again."""

import json
import re

import pytest

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.config import Config
from chalicelib.enqueue import enqueue_events
from chalicelib.errors import Retry
from chalicelib.queues.fairness import FEW, Fairness, group_id, group_of
from dev.fake_sqs.client import FakeSqs
from dev.fake_sqs.queues import Queues
from tests.support.events import notification, record
from tests.support.settings import GOOD, QUEUE
from tests.support.tables import with_table


def enqueue(queues, payload, fairness=None, now=0.0, **settings):
    return enqueue_events(
        payload, FakeSqs(queues), Config.from_env({**GOOD, **settings}), fairness or Fairness(1), now
    )


def bodies(queues, name):
    return [json.loads(body) for body in queues.queue(name).bodies()]


def test_every_record_is_one_message_ten_a_call(queues):
    counts = enqueue(queues, notification(*(record(f"{i}.jpg") for i in range(25))))
    assert counts == {"enqueued": 25, "rejected": 0, "ignored": 0, "bulk": 0}
    assert [body["Key"] for body in bodies(queues, "source")] == [f"{i}.jpg" for i in range(25)]
    assert queues.calls["SendMessageBatch"] == 3


def test_the_body_is_the_source_documents_with_what_the_event_knows(queues):
    enqueue(queues, notification(record("a+b%2Bc.jpg", eTag="abc", versionId="v", sequencer="0A")))
    assert bodies(queues, "source") == [
        {
            "Bucket": "images",
            "Key": "a b+c.jpg",
            "VersionId": "v",
            "ETag": "abc",
            "Size": 1,
            "Sequencer": "0A",
            "EventTime": "2026-01-31T12:00:00.000Z",
        }
    ]


@pytest.mark.parametrize(("bus", "kept"), [("", 1), ("told", 2)])
def test_what_the_action_table_ignores_is_dropped_and_counted_but_not_where_a_bus_is_told_of_it(
    queues, tmp_path, bus, kept
):
    config = with_table(tmp_path, EVENTS_BUS=bus, REPORTS_BUCKET="reports")
    payload = notification(record("tmp/a.jpg"), record("avatars/a.jpg"))
    counts = enqueue_events(payload, FakeSqs(queues), config, Fairness(1), 0.0)
    assert (counts["enqueued"], counts["ignored"]) == (kept, 2 - kept)
    assert len(bodies(queues, "source")) == kept


def test_a_refused_entry_raises_so_that_nothing_is_lost_and_the_others_are_sent(queues):
    queues.refuse = lambda name, entry: "InternalError" if "3.jpg" in entry["MessageBody"] else ""
    with pytest.raises(Retry, match="the source queue refused 1 of 12 messages: InternalError"):
        enqueue(queues, notification(*(record(f"{i}.jpg") for i in range(12))))
    assert len(bodies(queues, "source")) == 11


def test_a_failing_queue_raises_so_that_nothing_is_lost():
    with pytest.raises(Exception, match="QueueDoesNotExist"):
        enqueue(Queues(), notification(record()))


def test_an_unreadable_record_goes_to_the_dead_letters_and_costs_only_itself(queues):
    counts = enqueue(queues, notification(record("good.jpg"), record(version="9.0"), record("too.jpg")))
    assert counts == {"enqueued": 2, "rejected": 1, "ignored": 0, "bulk": 0}
    (letter,) = queues.queue("dead").ready
    assert "S3 event version 9.0" in letter.attributes["Reason"]["StringValue"]
    assert letter.attributes["Function"]["StringValue"] == "enqueue"


@pytest.mark.parametrize("queue", ["source", "dead"])
def test_while_a_queue_refuses_lambda_runs_it_again_and_in_the_end_there_is_one_letter(queues, queue):
    sqs, down = FakeSqs(queues), [True]

    def refuse(action, request):
        if down and request["QueueUrl"].endswith(queue):
            raise CallFailed("SendMessageBatch: AccessDenied: no", unknown=0, code="AccessDenied")

    sqs.before = refuse
    payload, config = notification(record("good.jpg"), record(version="9.0")), Config.from_env(GOOD)
    for _ in range(2):
        with pytest.raises(Retry, match="AccessDenied"):
            enqueue_events(payload, sqs, config, Fairness(1), 0.0)
    down.clear()
    enqueue_events(payload, sqs, config, Fairness(1), 0.0)
    assert len(queues.queue("dead").ready) == 1
    assert {body["Key"] for body in bodies(queues, "source")} == {"good.jpg"}


def test_our_own_thumbnails_are_not_enqueued(queues):
    settings = {"THUMBNAILS_BUCKET": "images", "IMAGES_PREFIX": "in/", "THUMBNAILS_PREFIX": "out/"}
    counts = enqueue(queues, notification(record("in/a.jpg"), record("out/in/a.jpg_256.jpg")), **settings)
    assert counts == {"enqueued": 1, "rejected": 0, "ignored": 1, "bulk": 0}


def test_nothing_to_do_makes_no_call(queues):
    assert enqueue(queues, {"Event": "s3:TestEvent", "Service": "Amazon S3"})["enqueued"] == 0
    assert not queues.calls


TWO_LANES = {"BULK_QUEUE_URL": f"{QUEUE}bulk"}


def test_beyond_a_few_a_minute_a_groups_uploads_go_to_bulk_and_anothers_lone_upload_does_not(queues):
    queues.create("bulk")
    fairness = Fairness(1)
    burst = notification(*(record(f"ann/{i}.jpg") for i in range(100)))
    assert enqueue(queues, burst, fairness, **TWO_LANES)["bulk"] == 100 - FEW
    enqueue(queues, notification(record("bob/a.jpg")), fairness, **TWO_LANES)
    live = [body["Key"] for body in bodies(queues, "source")]
    assert live == [f"ann/{i}.jpg" for i in range(FEW)] + ["bob/a.jpg"]
    assert len(bodies(queues, "bulk")) == 100 - FEW


def test_the_next_minute_begins_anew(queues):
    queues.create("bulk")
    fairness = Fairness(1)
    for now in (0.0, 59.9, 60.0):
        enqueue(
            queues, notification(*(record(f"ann/{i}.jpg") for i in range(FEW))), fairness, now, **TWO_LANES
        )
    assert len(bodies(queues, "source")) == 2 * FEW


def test_fairness_may_be_off_and_a_stage_may_have_one_lane(queues):
    queues.create("bulk")
    burst = notification(*(record(f"ann/{i}.jpg") for i in range(100)))
    assert enqueue(queues, burst, Fairness(0), FAIR_BY="0", **TWO_LANES)["bulk"] == 0
    assert enqueue(queues, burst)["bulk"] == 0


def test_a_group_is_the_first_folders_of_a_key():
    assert [group_of(key, 1) for key in ("a/b/c.jpg", "a/b.jpg", "a.jpg", "/a.jpg")] == ["a", "a", "", ""]
    assert group_of("a/b/c/d.jpg", 2) == "a/b"


def test_a_groups_name_that_sqs_does_not_take_is_hashed():
    assert group_id("customer-7") == "customer-7"
    for name in ("über", "a b", "x" * 129):
        assert re.fullmatch("[0-9a-f]{32}", group_id(name))
