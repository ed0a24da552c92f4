"""What SQS would soon delete is sent anew: all of it that SQS shows, first sent, and only then deleted."""

from __future__ import annotations

import json
import random

import pytest

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain import allowance
from chalicelib.drain.tick import MOST_YOUNG, PAUSED_LOOKS, RENEW_S
from chalicelib.queues.retention import KEPT, RENEWED_S
from chalicelib.queues.tries import BULK, Tries
from tests.support.drained import event, events
from tests.support.lanes import MINUTE, Lanes, bulk

DAY = 86_400
BEGAN = MINUTE - 13.5 * DAY


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch):
    monkeypatch.setattr(allowance, "_last_known", {})


def waiting(count=95, began=BEGAN, **changes):
    """A stage of a small capacity in whose lanes events have waited for days."""
    lanes = Lanes(**{"capacity": 10, **changes})
    lanes.sqs.now = began
    lanes.fill("source", events(count))
    lanes.fill("bulk", bulk(count))
    lanes.sqs.now = MINUTE
    return lanes


def keys(*queues):
    return sorted(json.loads(message.body)["Key"] for queue in queues for message in queue.messages())


def young(lanes, name):
    return [message for message in lanes.queues[name].messages() if message.sent_at > MINUTE - DAY]


def hidden(lanes):
    """What nobody else could receive now."""
    queue = lanes.queues["source"]
    queue.expire(lanes.sqs.now)
    return queue.in_flight


def test_the_rest_of_a_run_sends_anew_what_would_be_deleted_in_both_lanes():
    lanes = waiting()
    before = keys(lanes.queues["source"], lanes.queues["bulk"])
    result = lanes.tick()
    assert (result.forwarded, result.renewed, result.stopped) == (10, 180, "capacity")
    assert keys(*(lanes.queues[name] for name in ("source", "bulk", "destination"))) == before
    for name in ("source", "bulk"):
        assert len(young(lanes, name)) == len(lanes.queues[name].messages())
    assert lanes.tick().renewed == 0  # and then they are young


def test_what_is_younger_than_that_stays_as_it_is_and_costs_no_call():
    lanes = waiting(began=MINUTE - RENEWED_S + 600)
    calls = Lanes(capacity=10)
    calls.fill("source", events(95))
    calls.fill("bulk", bulk(95))
    assert lanes.tick().renewed == calls.tick().renewed == 0
    assert lanes.sqs.queues.calls == calls.sqs.queues.calls


def test_what_was_not_dated_by_sqs_is_left_alone():
    """It would not become younger, and so never end."""
    for began in (0.0, MINUTE - 20 * DAY, MINUTE + DAY):
        lanes = waiting(began=began)
        assert lanes.tick().renewed == 0
    assert waiting(began=MINUTE - KEPT.total_seconds() + 60).tick().renewed == 180


def test_it_ends_at_what_is_younger_and_gives_that_back():
    lanes = waiting()
    lanes.fill("source", [event(1000 + i) for i in range(500)])
    result = lanes.tick()
    assert result.renewed == 180
    assert not hidden(lanes)
    ready = [message.receives for message in lanes.queues["source"].ready]
    assert 0 < sum(ready) <= MOST_YOUNG + 4 * 10
    assert result.returned >= sum(ready)


def test_identity_tries_lane_and_the_first_arrival_are_carried_and_nothing_else_changes():
    lanes = waiting(0)
    lanes.sqs.now = BEGAN
    lanes.fill("source", events(20))
    (plain, tried) = (lanes.queues["source"].ready[i] for i in (10, 11))
    carried = Tries(3, "S3 is slow", "2026-01-01T00:00:00.000Z", untried=2)
    tried.attributes = carried.attributes()
    own = '{"Bucket": "images", "Key": "no-sequencer.jpg"}'  # its identity is that of its message
    lanes.fill("source", [own])
    lanes.fill("bulk", bulk(20))
    lanes.sqs.now = MINUTE
    lanes.tick()
    now = {json.loads(message.body)["Key"]: message for message in lanes.queues["source"].messages()}
    again = now[json.loads(plain.body)["Key"]]
    assert again.body == plain.body
    assert Tries.read(again.attributes).first_sent == BEGAN
    again = Tries.read(now[json.loads(tried.body)["Key"]].attributes)
    assert (again.count, again.reason, again.first_failure, again.untried) == (
        3,
        "S3 is slow",
        "2026-01-01T00:00:00.000Z",
        2,
    )
    identity = json.loads(now["no-sequencer.jpg"].body)["Id"]
    assert {Tries.read(m.attributes).lane for m in lanes.queues["bulk"].messages()} == {BULK}
    lanes.sqs.now = lanes.minute = MINUTE + 13.5 * DAY  # and once more
    lanes.tick()
    now = {json.loads(message.body)["Key"]: message for message in lanes.queues["source"].messages()}
    assert Tries.read(now["no-sequencer.jpg"].attributes).first_sent == BEGAN
    assert json.loads(now["no-sequencer.jpg"].body)["Id"] == identity


def test_the_age_that_a_tick_tells_is_since_the_first_arrival():
    lanes = waiting()
    lanes.tick()
    assert lanes.tick().oldest_s > 13.4 * DAY


def test_a_tick_that_may_forward_nothing_renews():
    lanes = waiting(max_in_destination=5)
    lanes.fill("destination", events(5))
    result = lanes.tick()
    assert (result.forwarded, result.renewed, result.stopped) == (0, 190, "back_pressure")


def test_a_paused_stage_renews_once_an_hour():
    lanes = waiting()
    lanes.ssm.value = '{"paused": true}'
    renewed = []
    for _ in range(2 * PAUSED_LOOKS):
        result = lanes.tick()
        assert (result.forwarded, result.stopped) == (0, "paused")
        renewed.append(result.renewed)
    assert sorted(renewed)[-2:] == [0, 190]
    assert not hidden(lanes)
    # Receives count to the queue's redrive policy: a look an hour for all the time that a message is kept.
    assert KEPT.days * 24 * 60 / PAUSED_LOOKS < 1000


@pytest.mark.parametrize("shards", [1, 3, 100])
def test_shards_in_a_pause_look_in_turn(shards):
    """SQS counts the receives of all of them to one message."""
    looks = []
    for shard in {0, shards // 2, shards - 1}:
        lanes = waiting(1, drain_shards=shards, capacity=shards)
        lanes.ssm.value = '{"paused": true}'
        lanes.shard, lanes.process.paused = shard, True
        lanes.minute += -lanes.minute % (60 * PAUSED_LOOKS * shards) + 60 * (PAUSED_LOOKS * shard - 1)
        for _ in range(3):
            before = sum(name == "ReceiveMessage" for name, _ in lanes.sqs.requests)
            lanes.tick()
            if sum(name == "ReceiveMessage" for name, _ in lanes.sqs.requests) > before:
                looks.append(int(lanes.minute // 60 - 1) % (PAUSED_LOOKS * shards))
    assert sorted(looks) == sorted(PAUSED_LOOKS * shard for shard in {0, shards // 2, shards - 1})


def test_old_ones_among_the_young_are_found_in_whatever_order_they_come():
    lanes = waiting(3, capacity=1, max_in_destination=0)
    lanes.fill("source", [event(1000 + i) for i in range(100)])
    random.Random(1).shuffle(lanes.queues["source"].ready)
    assert sum(lanes.tick().renewed for _ in range(20)) >= 4  # one tick forwards one
    there = [message for name in ("source", "bulk") for message in lanes.queues[name].messages()]
    assert all(message.sent_at > MINUTE - DAY for message in there)


def test_it_leaves_the_next_minute_alone():
    lanes = waiting(2000)
    lanes.sqs.now = MINUTE + 30  # it began late

    def slow(action, request):
        lanes.sqs.now += 1.0

    lanes.sqs.before = slow
    result = lanes.tick()
    assert 0 < result.renewed < 1000
    assert lanes.sqs.now < MINUTE + RENEW_S + 10  # the calls that had begun
    assert not hidden(lanes)


@pytest.mark.parametrize("lost", ["answer", "delete"])
def test_a_death_or_a_lost_answer_leaves_a_message_twice_and_never_none(lost):
    lanes = waiting(20, capacity=1, max_in_destination=0)
    before = set(keys(lanes.queues["source"]))

    def fail(action, request):
        if action == "DeleteMessageBatch" and lost == "delete":
            raise CallFailed("DeleteMessageBatch: no answer", unknown=1)
        if action == "SendMessageBatch" and request["QueueUrl"].endswith("source") and lost == "answer":
            raise CallFailed("SendMessageBatch: no answer", unknown=1)

    (setattr(lanes.sqs, "after" if lost == "answer" else "before", fail))
    result = lanes.tick()
    there = keys(lanes.queues["source"], lanes.queues["destination"])
    assert set(there) >= before
    assert len(there) > len(before)
    assert result.duplicates > 0


def test_a_queue_that_refuses_ends_it():
    lanes = waiting(500)
    lanes.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue in ("source", "bulk") and "MessageBody" in entry else ""
    )
    result = lanes.tick()
    assert result.renewed == 0
    assert result.errors
    assert len(lanes.sqs.requests) < 100
