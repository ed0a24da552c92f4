"""The tick: exact capacity, nothing lost, and a result that says why it stopped."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain import tick
from chalicelib.queues.batching import MAX_BYTES
from tests.support.drained import Stage, event, events

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def stage():
    return Stage()


def notification(*keys, name="ObjectCreated:Put"):
    return json.dumps(
        {
            "Records": [
                {
                    "eventSource": "aws:s3",
                    "eventVersion": "2.1",
                    "eventName": name,
                    "s3": {"bucket": {"name": "images"}, "object": {"key": key, "size": 1}},
                }
                for key in keys
            ]
        }
    )


def keys(queue):
    return sorted(json.loads(body)["Key"] for body in queue.bodies())


@pytest.mark.parametrize("workers", [1, 4, 32])
def test_capacity_25_over_100_forwards_exactly_25_and_none_is_lost(workers):
    stage = Stage(drain_workers=workers)
    bodies = stage.fill(*events(100))
    result = stage.tick(capacity=25)
    assert (result.received, result.forwarded, result.stopped) == (25, 25, "capacity")
    assert len(stage.destination.bodies()) == 25
    assert sorted(stage.destination.bodies() + stage.source.bodies()) == bodies


def test_7_waiting_forwards_7(stage):
    bodies = stage.fill(*events(7))
    result = stage.tick(capacity=25)
    assert (result.forwarded, result.failed, result.stopped) == (7, 0, "empty")
    assert sorted(stage.destination.bodies()) == bodies
    assert stage.source.bodies() == []


def test_an_idle_tick_is_one_call(stage):
    result = stage.tick()
    assert (result.received, result.stopped) == (0, "empty")
    assert [action for action, _ in stage.sqs.requests] == ["ReceiveMessage"]


def test_an_empty_queue_is_decided_by_a_long_poll(stage):
    stage.tick()
    assert stage.sqs.requests[0][1]["WaitTimeSeconds"] == tick.LONG_POLL_S


def test_three_calls_for_ten_events(stage):
    """Receive, send, delete: 0.300 calls an event on a full queue."""
    stage.fill(*events(1000))
    assert stage.tick(capacity=400).forwarded == 400
    assert len(stage.sqs.requests) == 120


def test_no_capacity_no_call(stage):
    stage.fill(*events(3))
    assert stage.tick(capacity=0).stopped == "capacity"
    assert stage.sqs.requests == []


def test_short_receives_do_not_cost_capacity(stage):
    """SQS may give 3 where 10 were asked; the other 7 are asked for again."""
    bodies = stage.fill(*events(60))
    receive = stage.source.receive
    stage.source.receive = lambda most, now: receive(min(most, 3), now)
    assert stage.tick(capacity=50).forwarded == 50
    assert sorted(stage.destination.bodies() + stage.source.bodies()) == bodies


def test_a_refused_send_stays_in_the_source_queue_and_is_not_lost(stage):
    stage.fill(*events(10))
    refused = event(4)
    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue == "destination" and entry.get("MessageBody") == refused else ""
    )
    result = stage.tick()
    assert (result.forwarded, result.failed, result.duplicates) == (9, 1, 0)
    assert stage.source.bodies() == [refused]
    assert result.errors == ("SendMessageBatch entry: InternalError: refused",)


def test_a_refused_event_gives_its_capacity_to_another(stage):
    stage.fill(*events(30))
    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue == "destination" and entry.get("MessageBody") == event(4) else ""
    )
    assert stage.tick(capacity=20).forwarded == 20
    assert len(stage.destination.bodies()) == 20


def test_a_refused_event_comes_back_in_the_next_tick_and_not_in_this_one(stage):
    stage.fill(event(1))
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if queue == "destination" else ""
    assert stage.tick().received == 1
    stage.sqs.queues.refuse = lambda queue, entry: ""
    stage.sqs.now = 62.0
    assert stage.tick().forwarded == 1


def test_an_event_refused_again_waits_twice_as_long(stage):
    """A minute, two, four: five receives outlast a destination that is down for a quarter of an hour."""
    stage.fill(event(1))
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if queue == "destination" else ""
    waits = []
    for _ in range(4):
        began = stage.sqs.now
        assert stage.tick().received == 1
        (message,) = stage.source.in_flight.values()
        waits.append(message.visible_at - began)
        stage.sqs.now = began + waits[-1]
    assert waits == [60, 120, 240, 480]


def test_a_send_of_unknown_outcome_keeps_its_capacity_and_its_messages(stage):
    """It may have arrived: sending ten others instead could forward more than the capacity."""
    stage.fill(*events(40))
    lost = []

    def lose_the_first_answer(action, request):
        if action == "SendMessageBatch" and not lost:
            lost.append(request)
            raise CallFailed("SendMessageBatch: no answer", unknown=1)

    stage.sqs.after = lose_the_first_answer
    result = stage.tick(capacity=20)
    assert (result.forwarded, result.failed, result.duplicates) == (10, 10, 10)
    assert len(stage.destination.bodies()) == 20
    assert len(stage.source.bodies()) == 30


def test_every_attempt_of_unknown_outcome_may_be_a_duplicate(stage):
    """Three sends without an answer before the fourth: each may have arrived."""
    stage.fill(*events(10))
    answered = stage.sqs.send_message_batch

    async def send_message_batch(**request):
        answer = await answered(**request)
        return {**answer, "ResponseMetadata": {"RetryAttempts": 3, "UnknownAttempts": 3}}

    stage.sqs.send_message_batch = send_message_batch
    result = stage.tick(capacity=10)
    assert (result.forwarded, result.duplicates) == (10, 30)


def test_nothing_is_deleted_before_the_destination_has_it_so_nothing_is_lost(stage):
    stage.fill(*events(30))

    def check(action, request):
        if action == "DeleteMessageBatch":
            bodies = {stage.source.in_flight[entry["ReceiptHandle"]].body for entry in request["Entries"]}
            assert bodies <= set(stage.destination.bodies())

    stage.sqs.before = check
    assert stage.tick().forwarded == 30


@pytest.mark.parametrize("workers", [1, 4])
def test_a_crash_between_send_and_delete_duplicates_one_batch_a_worker_and_nothing_is_lost(workers):
    stage = Stage(drain_workers=workers)
    bodies = stage.fill(*events(100))
    stage.sqs.before = lambda action, request: (
        crash() if action == "DeleteMessageBatch" and stage.sqs.count(action) >= 3 else None
    )
    with pytest.raises(BaseExceptionGroup):
        stage.tick()
    stage.sqs.before = lambda action, request: None
    stage.sqs.now += 400  # the visibility timeout has passed
    stage.tick()
    arrived = stage.destination.bodies()
    assert set(arrived) == set(bodies)
    assert 0 < len(arrived) - len(bodies) <= 10 * workers


class Crash(Exception):
    """The process is gone."""


def crash():
    raise Crash


def test_a_poison_body_among_nine_good_ones_costs_only_itself_and_is_not_lost(stage):
    good = stage.fill(*events(9))
    stage.fill("not json")
    result = stage.tick()
    assert (result.forwarded, result.rejected, result.failed, result.errors) == (9, 1, 0, ())
    assert sorted(stage.destination.bodies()) == good
    (poison,) = stage.dead.ready
    assert poison.body == "not json"
    said = {name: value["StringValue"] for name, value in poison.attributes.items()}
    assert said.pop("RejectedAt").startswith("20")
    assert said == {
        "Code": "unreadable",
        "Reason": "unreadable: not JSON (JSONDecodeError)",
        "Function": "drain",
    }
    assert stage.source.bodies() == []


def test_a_poison_body_that_the_dead_letter_queue_refuses_is_not_lost(stage):
    stage.fill("not json")
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if queue == "dead" else ""
    assert stage.tick().failed == 1
    assert stage.source.bodies() == ["not json"]


def test_a_reason_that_quotes_the_message_is_plain_text(stage):
    """SQS would refuse the attribute, and the message would be dead-lettered without its reason."""
    stage.fill(json.dumps({"a\x00b\ud800\uffff": 1}))
    assert stage.tick().rejected == 1
    (message,) = stage.dead.ready
    assert message.attributes["Reason"]["StringValue"].endswith("its fields: a?b??")


def test_a_dead_letter_queue_that_is_down_stops_the_tick(stage):
    """Going through all the poison would only use up its receives."""
    stage.fill(*["not json"] * 1000)
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if queue == "dead" else ""
    result = stage.tick()
    assert result.stopped == "errors"
    assert result.received <= 10 * (tick.FUTILE_CALLS + stage.config.drain_workers)
    assert len(stage.source.bodies()) == 1000


def test_rejected_and_ignored_messages_take_no_capacity(stage):
    stage.fill("[]", notification("gone.jpg", name="ObjectRemoved:Delete"), *events(20))
    result = stage.tick(capacity=20)
    assert (result.forwarded, result.rejected, result.ignored) == (20, 1, 1)
    assert len(stage.destination.bodies()) == 20


def test_a_message_of_several_events_becomes_several_messages_and_capacity_stays_exact(stage):
    stage.fill(notification(*(f"{i}.jpg" for i in range(25))), *events(5))
    result = stage.tick(capacity=12)
    assert (result.forwarded, result.split, result.stopped) == (12, 1, "capacity")
    assert len(stage.destination.bodies()) == 12
    assert len(keys(stage.destination) + keys(stage.source)) == 30


def test_a_message_half_split_stays_whole_and_none_is_lost(stage):
    stage.fill(notification(*(f"{i}.jpg" for i in range(12))))
    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue == "source" and "11.jpg" in entry.get("MessageBody", "") else ""
    )
    result = stage.tick(capacity=100)
    assert (result.split, result.failed, result.duplicates) == (0, 1, 11)
    assert any("Records" in body for body in stage.source.bodies())


def test_a_message_of_several_events_is_drained_though_the_queue_looked_empty(stage):
    stage.fill(notification("a.jpg", "b.jpg"))
    assert stage.tick().forwarded == 2


def test_every_wrapping_arrives_as_a_plain_body(stage):
    stage.fill(notification("a+b.jpg"))
    stage.tick()
    assert keys(stage.destination) == ["a b.jpg"]


def test_a_plain_body_is_forwarded_as_it_is(stage):
    """Whoever writes it may add fields of their own for the action."""
    body = '{"Bucket":"images","Key":"a.jpg","Tenant":"7","Sequencer":"0A"}'
    stage.fill(body)
    stage.tick()
    assert stage.destination.bodies() == [body]


def test_a_body_that_could_be_any_upload_of_its_key_gets_an_identity_and_keeps_its_fields(stage):
    """The same at every delivery of that message, another for every message its writer sends."""
    body = '{"Bucket":"images","Key":"a.jpg","Tenant":"7"}'
    stage.fill(body, body)
    stage.sqs.before = lambda action, request: crash() if action == "DeleteMessageBatch" else None
    with pytest.raises(BaseExceptionGroup):
        stage.tick()
    stage.sqs.before = lambda action, request: None
    stage.sqs.now += 400
    stage.tick()
    arrived = [json.loads(body) for body in stage.destination.bodies()]
    assert [one["Tenant"] for one in arrived] == ["7"] * 4
    assert len({one["Id"] for one in arrived}) == 2


def test_the_deadline_stops_receiving_and_says_so(stage):
    stage.fill(*events(100))

    def two_seconds_a_send(action, request):
        if action == "SendMessageBatch":
            stage.sqs.now += 2

    stage.sqs.after = two_seconds_a_send
    result = stage.tick(capacity=100, seconds=12.0)
    assert result.stopped == "deadline"
    assert 0 < result.forwarded < 100
    assert result.failed == result.returned == 0
    assert len(set(stage.source.bodies() + stage.destination.bodies())) == 100


def test_what_is_in_hand_when_calls_are_cut_off_is_given_back_at_once(stage):
    """A destination that never answers: the poison not yet dead-lettered is visible again."""
    stage.fill(*events(9), "not json")

    def hang(action, request):
        return asyncio.Event().wait() if action == "SendMessageBatch" else None

    stage.sqs.before = hang
    result = stage.tick(seconds=0.1, stop_s=0.0, cut_s=0.05)
    assert (result.stopped, result.returned, result.failed, result.duplicates) == ("deadline", 1, 9, 9)
    stage.source.expire(stage.sqs.now)
    assert [message.body for message in stage.source.ready] == ["not json"]
    assert len(stage.source.bodies()) == 10


def cut_at(stage, number, queue):
    """The call of that number that sends to the queue hangs, until the tick is cut off."""
    sends = 0

    def hang(action, request):
        nonlocal sends
        if action == "SendMessageBatch" and request["QueueUrl"].endswith(queue):
            sends += 1
            return asyncio.Event().wait() if sends == number else None
        return None

    stage.sqs.before = hang
    result = stage.tick(seconds=0.1, stop_s=0.0, cut_s=0.05)
    stage.sqs.before = lambda action, request: None
    return result


def test_what_was_put_back_before_a_cut_counts_as_possible_duplicates():
    stage = Stage(drain_workers=1)
    stage.fill(notification(*(f"{number}.jpg" for number in range(25))))
    result = cut_at(stage, 3, "source")
    for _ in range(3):
        stage.sqs.now += 400
        stage.source.expire(stage.sqs.now)
        stage.tick()
    bodies = stage.destination.bodies()
    assert len(set(bodies)) == 25  # put back twice is the same event, though S3 did not number it
    assert 20 <= len(bodies) - len(set(bodies)) <= result.duplicates <= 25


def test_what_was_forwarded_before_a_cut_is_forwarded():
    stage = Stage(drain_workers=1)
    half = MAX_BYTES // 2 + 100
    stage.fill(*(json.dumps({"Bucket": "images", "Key": key, "ETag": "e" * half}) for key in "ab"))
    result = cut_at(stage, 2, "destination")
    assert (result.received, result.forwarded, result.failed) == (2, 1, 1)
    assert len(stage.destination.bodies()) == 1
    assert result.duplicates == 2


def test_a_destination_that_is_down_stops_the_tick_and_nothing_is_lost(stage):
    bodies = stage.fill(*events(1000))

    def down(action, request):
        if action == "SendMessageBatch":
            raise CallFailed("SendMessageBatch: no connection", unknown=0)

    stage.sqs.before = down
    result = stage.tick()
    assert (result.stopped, result.forwarded) == ("errors", 0)
    assert result.received <= 10 * (tick.FUTILE_CALLS + stage.config.drain_workers)
    assert sorted(stage.source.bodies()) == bodies
    assert result.errors == ("SendMessageBatch: no connection",)


def test_a_source_that_cannot_be_read_stops_the_tick(stage):
    def down(action, request):
        raise CallFailed("ReceiveMessage: no connection", unknown=0)

    stage.sqs.before = down
    assert stage.tick().stopped == "errors"
    assert stage.sqs.count("ReceiveMessage") == tick.FUTILE_CALLS


def test_one_failed_receive_does_not_end_the_tick(stage):
    stage.fill(*events(50))

    def fail_the_second(action, request):
        if action == "ReceiveMessage" and stage.sqs.count(action) == 2:
            raise CallFailed("ReceiveMessage: no answer", unknown=1)

    stage.sqs.before = fail_the_second
    result = stage.tick()
    assert (result.forwarded, result.stopped, len(result.errors)) == (50, "empty", 1)


def test_a_refused_delete_is_tried_again(stage):
    stage.fill(*events(10))
    refusals = iter(["InternalError"])
    stage.sqs.queues.refuse = lambda queue, entry: (
        next(refusals, "") if queue == "source" and "ReceiptHandle" in entry else ""
    )
    result = stage.tick()
    assert (result.forwarded, result.duplicates, result.errors) == (10, 0, ())
    assert stage.source.bodies() == []


def test_events_that_cannot_be_deleted_are_counted_as_possible_duplicates(stage):
    stage.fill(*events(10))
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if "ReceiptHandle" in entry else ""
    result = stage.tick(capacity=10)
    assert (result.forwarded, result.failed, result.duplicates) == (10, 0, 10)
    assert result.errors


def test_letters_whose_messages_cannot_be_deleted_are_counted_as_possible_duplicates(stage):
    stage.fill("no JSON", event(1))
    stage.sqs.queues.refuse = lambda queue, entry: "InternalError" if "ReceiptHandle" in entry else ""
    result = stage.tick()
    assert (result.rejected, result.forwarded, result.duplicates) == (1, 1, 2)


def test_a_message_received_twice_stays_within_capacity(stage):
    """Standard queues deliver at least once."""
    stage.fill(*events(20))
    receive = stage.source.receive
    stage.source.receive = lambda most, now: (receive(most // 2, now) * 2)[:most]
    result = stage.tick(capacity=10)
    assert result.forwarded == 10
    assert len(stage.destination.bodies()) == 10


def test_workers_start_at_one_and_grow_with_what_is_found():
    """As many receives at the same time as there are workers, but only once messages were found."""
    stage = Stage(drain_workers=8)
    stage.fill(*events(1000))
    running = most = 0

    async def receiving():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    stage.sqs.before = lambda action, request: receiving()
    stage.tick(capacity=1000)
    assert most == 8
    first = [action for action, _ in stage.sqs.requests[:2]]
    assert first != ["ReceiveMessage", "ReceiveMessage"]


def test_received_is_the_sum_of_what_became_of_it(stage):
    stage.fill(*events(30), "poison", notification("a", "b"), notification("c", name="ObjectRemoved:Delete"))
    result = stage.tick()
    parts = (result.forwarded, result.rejected, result.split, result.ignored, result.returned, result.failed)
    assert result.received == sum(parts)


def test_a_body_nested_as_deeply_as_can_be_read_ends_no_tick(stage):
    """Whatever depth is just too much to be written again here: it is a dead letter, and the others move."""
    stage.fill(*events(20))
    deep = ["[" * depth + "]" * depth for depth in range(940, 1000)]
    stage.fill(*(f'{{"Records": [{{"eventSource": {one}}}, 5]}}' for one in deep))
    result = stage.tick()
    assert (result.forwarded, result.errors) == (20, ())
    assert (result.rejected + result.split, result.failed) == (60, 0)
    assert stage.source.bodies() == []


@pytest.mark.parametrize(("ahead", "postponed"), [(86_400, 1), (86_500, 0), (999_999_999_999, 0)])
def test_a_time_to_be_tried_beyond_every_delay_keeps_nothing_for_ever(stage, ahead, postponed):
    """Sent on every quarter of an hour, it would neither expire nor end; the longest delay is a day."""
    attribute = {"DataType": "Number", "StringValue": f"{min(stage.sqs.now + ahead, 999_999_999_999):.0f}"}
    stage.sqs.queues.put(stage.source, event(1), {"NotBefore": attribute})
    result = stage.tick()
    assert (result.postponed, result.forwarded) == (postponed, 1 - postponed)


@pytest.mark.parametrize("lost", [False, True])
def test_a_split_message_that_comes_again_leaves_one_letter_of_its_unreadable_part(stage, lost):
    body = json.loads(notification("a.jpg", "b.jpg"))
    stage.fill(json.dumps({"Records": [*body["Records"], {"eventVersion": "9.0"}]}))

    def fail(action, request):
        if action == "SendMessageBatch" and request["QueueUrl"].endswith("source"):
            setattr(stage.sqs, "after" if lost else "before", lambda action, request: None)
            raise CallFailed("no answer", unknown=1) if lost else CallFailed("no", unknown=0, code="Busy")

    setattr(stage.sqs, "after" if lost else "before", fail)
    for _ in range(3):
        stage.tick()
        stage.sqs.now += 400
    assert len(stage.dead.bodies()) == 1
    assert set(keys(stage.destination)) == {"a.jpg", "b.jpg"}
    assert stage.source.bodies() == []


def test_a_letter_that_the_dead_letter_queue_never_takes_stays_and_is_told_of(stage):
    """Such as of a queue that somebody has set to take 1 KiB."""
    stage.fill("no event")

    def refuse(action, request):
        if action == "SendMessageBatch" and request["QueueUrl"].endswith("dead"):
            raise CallFailed("too long", unknown=0, code="BatchRequestTooLong")

    stage.sqs.before = refuse
    result = stage.tick()
    assert (result.failed, stage.source.bodies()) == (1, ["no event"])
    assert ["the dead-letter queue refuses a letter" in line for line in result.errors] == [True]


def test_a_message_of_very_many_events_is_split_though_some_are_refused_each_time(stage):
    """Whole or not at all, with one of ten refused it would not be split within its retention."""
    body = json.loads(notification(*(f"{number:02d}.jpg" for number in range(60))))
    stage.fill(json.dumps({"Records": [*body["Records"], {"eventVersion": "9.0"}]}))
    chance = random.Random(1)
    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue == "source" and "MessageBody" in entry and chance.random() < 0.1 else ""
    )
    for _ in range(30):
        stage.tick()
        stage.sqs.now += 60
    stage.sqs.now += 1000
    stage.sqs.queues.refuse = lambda queue, entry: ""
    stage.tick()
    arrived = keys(stage.destination)
    assert (sorted(set(arrived)), stage.source.bodies()) == (
        [f"{number:02d}.jpg" for number in range(60)],
        [],
    )
    assert len(arrived) < 120
    assert len(stage.dead.bodies()) == 1
    assert len({json.loads(one)["Id"] for one in stage.destination.bodies()}) == 60


def test_what_is_left_of_a_split_message_that_cannot_be_deleted_is_counted(stage):
    stage.fill(notification(*(f"{number}.jpg" for number in range(6))))
    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError"
        if "ReceiptHandle" in entry
        or (
            queue == "source"
            and any(f"{n}.jpg" in entry["MessageBody"] for n in (3, 4, 5))
            and "Records" not in entry["MessageBody"]
        )
        else ""
    )
    result = stage.tick()
    assert result.split >= 1
    assert result.duplicates >= 6


def test_what_is_left_of_a_split_message_is_counted_where_its_answer_is_lost(stage):
    stage.fill(notification(*(f"{number}.jpg" for number in range(5))))
    sends = []

    def half(action, request):
        if action == "SendMessageBatch" and request["QueueUrl"].endswith("source"):
            sends.append(request)
            if len(sends) == 2:
                raise CallFailed("no answer", unknown=1)

    stage.sqs.queues.refuse = lambda queue, entry: (
        "InternalError" if queue == "source" and "3.jpg" in entry.get("MessageBody", "") and not sends else ""
    )
    stage.sqs.after = half
    results = [stage.tick()]
    stage.sqs.now += 1000
    results.append(stage.tick())
    arrived = keys(stage.destination)
    assert set(arrived) == {f"{number}.jpg" for number in range(5)}
    assert len(arrived) - 5 <= sum(result.duplicates for result in results)
