"""The paced tick: two lanes, spread by the clock, within what is set and what the destination holds."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain import allowance
from chalicelib.drain.clock import STOP_S, Clock
from chalicelib.drain.tick import Process
from chalicelib.queues.tries import BULK, Tries
from tests.support.drained import HOST, event, events
from tests.support.lanes import Lanes, bulk


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch):
    monkeypatch.setattr(allowance, "_last_known", {})


@pytest.fixture
def lanes():
    return Lanes()


def test_an_idle_tick_is_two_calls_and_reads_nothing(lanes):
    assert lanes.tick().stopped == "empty"
    assert len(lanes.sqs.requests) == 2
    assert lanes.ssm.reads == 0


def test_a_lone_upload_behind_very_much_bulk_goes_with_the_next_tick_at_once(lanes):
    lanes.fill("bulk", bulk(1000))
    lanes.fill("source", [event(1)])
    lanes.tick()
    arrived = {key: at for at, key in lanes.arrived()}
    assert arrived["photos/0001.jpg"] <= 10  # bulk's least share is due before it


def test_live_goes_first_and_bulk_gets_its_share_and_what_is_left(lanes):
    lanes.fill("bulk", bulk(1000))
    lanes.fill("source", events(1000))
    result = lanes.tick()
    assert (result.forwarded, result.forwarded_bulk, result.stopped) == (100, 10, "capacity")
    for name in ("source", "destination"):  # consumed, as it came
        lanes.sqs.queues.queue(f"{HOST}/{name}").ready.clear()
    lanes.sqs.queues.queue(f"{HOST}/destination").delayed.clear()
    result = lanes.tick()
    assert (result.forwarded, result.forwarded_bulk) == (100, 100)


def test_what_bulk_forwarded_is_counted_once_however_many_workers_there_are():
    lanes = Lanes(drain_workers=8, capacity=300)
    lanes.fill("bulk", bulk(1000))

    async def others_go_on():
        for _ in range(3):
            await asyncio.sleep(0)

    lanes.sqs.before = lambda action, request: others_go_on()
    result = lanes.tick()
    assert (result.forwarded, result.forwarded_bulk) == (300, 300)


def test_bulks_share_is_exact_for_a_small_capacity():
    lanes = Lanes(capacity=3, max_in_destination=0)
    lanes.fill("bulk", bulk(100))
    lanes.fill("source", events(100))
    assert sum(lanes.tick().forwarded_bulk for _ in range(10)) == 3


def test_a_bulk_message_carries_its_lane(lanes):
    lanes.fill("bulk", bulk(1))
    lanes.fill("source", [event(1)])
    lanes.tick()
    found = {
        json.loads(m.body)["Key"]: Tries.read(m.attributes).lane
        for m in lanes.queues["destination"].messages()
    }
    assert found == {"old/00000": BULK, "photos/0001.jpg": ""}


def test_events_flow_evenly_and_nothing_is_due_after_the_end(lanes):
    lanes.fill("source", events(500))
    lanes.tick()
    times = [at for at, _ in lanes.arrived()]
    assert len(times) == 100
    assert max(times) <= STOP_S + 1
    seconds = [int(at) for at in times]
    assert max(seconds.count(second) for second in seconds) <= 4  # 1.7 a second, in tens sent together


def test_without_spread_a_tick_forwards_all_at_once():
    lanes = Lanes(spread=False)
    lanes.fill("source", events(500))
    lanes.tick()
    assert len(lanes.queues["destination"].ready) == 100


def test_a_pause_forwards_nothing_and_ends_when_it_is_taken_back(lanes):
    lanes.fill("source", events(20))
    lanes.ssm.value = '{"paused": true}'
    result = lanes.tick()  # a process that did not know it yet
    assert (result.forwarded, result.stopped, result.returned) == (0, "paused", 10)
    calls = len(lanes.sqs.requests)
    assert lanes.tick().stopped == "paused"
    assert len(lanes.sqs.requests) == calls  # and now it asks before it receives
    lanes.ssm.value = ""
    assert lanes.tick().forwarded == 20


def test_a_new_process_that_cannot_read_what_is_set_forwards_nothing_and_says_so(lanes):
    lanes.process = Process(Clock())
    lanes.fill("source", events(5))
    lanes.ssm.error = CallFailed("GetParameter: AccessDenied", unknown=0, code="AccessDeniedException")
    result = lanes.tick()
    assert (result.received, result.stopped) == (0, "errors")
    assert "cannot be read" in result.errors[0]


def test_a_capacity_that_was_lowered_acts_in_the_tick_that_reads_it(lanes):
    lanes.fill("source", events(50))
    lanes.ssm.value = '{"capacity": 3}'
    result = lanes.tick()
    assert (result.forwarded, result.received, result.returned) == (3, 10, 7)
    assert len(lanes.queues["source"].bodies()) == 47


def test_what_the_destination_holds_is_counted_before_more_is_forwarded(lanes):
    lanes.fill("source", events(100))
    lanes.fill("destination", [event(i) for i in range(195)])
    lanes.take("destination", 195)
    result = lanes.tick()
    assert (result.forwarded, result.stopped) == (5, "back_pressure")


def test_what_waits_in_the_destination_has_its_places_first(lanes):
    lanes.fill("source", events(100))
    lanes.fill("destination", [event(i) for i in range(100)])  # a minute's, due and not taken
    result = lanes.tick()
    assert (result.forwarded, result.stopped) == (30, "back_pressure")  # those due before the tick's end
    assert min(at for at, _ in lanes.arrived() if at > 10) >= 60


def test_a_pause_that_is_the_last_known_one_says_that_it_could_not_be_read():
    lanes = Lanes()
    lanes.minute += 60  # no look for what is old
    lanes.fill("source", events(5))
    lanes.ssm.value = '{"paused": true}'
    lanes.tick()
    lanes.ssm.error = CallFailed("GetParameter: Throttling", unknown=0, code="ThrottlingException")
    result = lanes.tick()
    assert (result.stopped, result.stage_capacity) == ("paused", 100)
    assert "what it said last holds" in result.capacity_unread


def test_while_there_is_no_room_nothing_is_received_again_and_again():
    """SQS counts each receive, and dead-letters what was received a thousand times."""
    lanes = Lanes(max_in_destination=5)
    lanes.fill("source", events(20))
    lanes.fill("destination", [event(i) for i in range(5)])
    stopped = {lanes.tick().stopped for _ in range(600)}
    assert stopped == {"back_pressure"}
    assert max(message.receives for message in lanes.queues["source"].messages()) <= 11
    lanes.queues["destination"].ready.clear()
    assert lanes.tick().forwarded == 5


def test_received_is_the_sum_whatever_was_in_hand(lanes):
    lanes.fill("source", [*events(15), "not json", '{"Event": "s3:TestEvent"}'])
    lanes.fill("bulk", bulk(25))
    lanes.ssm.value = '{"capacity": 12}'
    found = lanes.tick().as_dict()
    ended = ("forwarded", "rejected", "split", "ignored", "postponed", "renewed", "returned", "failed")
    assert found["received"] == sum(found[name] for name in ended)
    assert found["failed"] == 0


def test_a_tick_of_shards_is_each_ones_part():
    lanes = Lanes(drain_shards=2)
    lanes.config = replace(lanes.config, drain_shards=2)
    lanes.fill("source", events(500))
    assert lanes.tick().forwarded == 50
