"""The simulation itself: it repeats exactly, its model is as hostile as SQS may be, and it finds what is planted."""

from __future__ import annotations

import asyncio
import random
from contextvars import copy_context
from dataclasses import replace
from queue import Empty

import pytest

from chalicelib.queues import batching
from dev import template
from dev.fake_sqs.queues import Refused
from dev.simulation import boundary, planted, seeds
from dev.simulation.clock import VirtualLoop
from dev.simulation.deployed import limits
from dev.simulation.network import NO_FAULTS, Faults
from dev.simulation.planted import Fault
from dev.simulation.scenario import Upload, from_seed
from dev.simulation.sqs import MAX_HIDDEN_S, Sqs
from dev.simulation.threads import Queue, Thread
from dev.simulation.told import Told
from dev.simulation.world import World

# Each of these once found something in the pipeline's code.
FOUND = {
    5: "letters whose messages could not be deleted were no possible duplicates",
    27: "the same, of two letters at once",
    45: "a redriven letter kept its tries, and was given up after one",
    113: "the same, of an event that hangs",
    413: "a message of thirty events was put back whole for hours, as some of them were always refused",
    865: "a notification split in the bulk lane was deleted from the live one, and split again for ever",
    1343: "what was put back in one message was one possible duplicate, and not as many as it holds",
}


@pytest.fixture
def simulated():
    with boundary.installed() as here:
        yield here


@pytest.mark.parametrize("seed", FOUND)
def test_what_a_seed_has_found_stays_mended(simulated, seed):
    assert seeds.run(simulated, from_seed(seed)).violation is None


def test_a_seed_repeats_to_the_last_call(simulated):
    for seed in (3, 11, 50):
        first, second = (seeds.run(simulated, from_seed(seed), tracing=True) for _ in range(2))
        assert len(first.story) > 20
        assert first == second


def test_every_planted_fault_fits_the_code_and_leaves_it_as_it_was():
    for fault in planted.FAULTS:
        function = planted._function(fault.function)
        code = function.__code__
        with planted.planted(fault):
            assert function.__code__ is not code
        assert function.__code__ is code


def test_a_planted_fault_is_found_shrunk_and_told(simulated):
    fault = next(one for one in planted.FAULTS if one.name == "the drain deletes before it sends")
    with planted.planted(fault):
        seed = next(seed for seed in range(50) if seeds.run(simulated, from_seed(seed)).violation)
        whole, small = from_seed(seed), seeds.shrunk(simulated, from_seed(seed))
        assert sum(one.count for one in small.uploads) <= sum(one.count for one in whole.uploads)
        story = seeds.story_of(simulated, seed)
    assert "lost: event" in story
    assert "VIOLATION" in story
    assert seeds.run(simulated, whole).violation is None


def test_without_faults_every_good_event_is_done_once(simulated):
    quiet = replace(
        from_seed(0),
        faults=NO_FAULTS,
        orders=(),
        second_life=False,
        uploads=(Upload(1.0, "s3", 30, ("ok",) * 30),),
    )
    simulated.world = world = seeds.World(quiet)
    assert world.run().violation is None
    assert [event.done for event in world.census.events] == [1] * 30


def test_the_limits_are_those_that_are_deployed():
    found = limits()
    for name in template.FUNCTION_OF:
        assert found.queues[name].visibility_s == template.visibility_s(name)
        if "RedrivePolicy" in template.queue(name):
            assert found.queues[name].max_receives == template.max_receives(name)
    for name in ("source", "destination", "dead-letter"):
        assert found.queues[name].retention_s == template.queue(name)["MessageRetentionPeriod"]
    assert (found.asynchronous["drain"].retries, found.asynchronous["enqueue"].on_failure) == (0, True)


# The clock


def in_world(loop, *functions):
    for function in functions:
        loop.start(function, copy_context())
    loop.run()


def test_tasks_and_blocking_functions_share_one_clock():
    loop, told = VirtualLoop(0.0), []

    async def counted():
        for _ in range(3):
            await asyncio.sleep(10)
            told.append(("task", loop.now))
        return "done"

    def blocking():
        loop.sleep(15)
        told.append(("function", loop.now))

    in_world(loop, blocking, lambda: told.append((loop.complete(counted()), loop.now)))
    assert told == [("task", 10), ("function", 15), ("task", 20), ("task", 30), ("done", 30)]


def test_a_time_limit_of_asyncio_is_kept_without_waiting():
    loop, told = VirtualLoop(0.0), []

    async def late():
        try:
            async with asyncio.timeout(7):
                await asyncio.sleep(1_000_000)
        except TimeoutError:
            told.append(loop.now)

    in_world(loop, lambda: loop.complete(late()))
    assert told == [7]


def test_an_error_of_a_function_ends_the_run():
    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_world(VirtualLoop(0.0), fails)


def test_threads_hand_each_other_what_they_make():
    loop, told = VirtualLoop(0.0), []

    def main():
        items = Queue(loop)
        Thread(loop, target=lambda: (loop.sleep(3), items.put("late"))).start()
        with pytest.raises(Empty):
            items.get(timeout=2)
        told.append((loop.now, items.get(timeout=2), loop.now))

    in_world(loop, main)
    assert told == [(2, "late", 3)]


# SQS


class Nobody:
    def added(self, message): ...
    def removed(self, message, why): ...
    def hidden(self, message, seconds): ...
    def doubled(self, message): ...


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sqs(clock):
    return Sqs(clock, random.Random(1), Nobody())


def receive(sqs, queue, most=10, **more):
    request = {"QueueUrl": queue.url, "MaxNumberOfMessages": most, **more}
    return sqs.call("ReceiveMessage", request).get("Messages", [])


def send(sqs, queue, **entry):
    entries = [{"Id": "a", "MessageBody": "body", **entry}]
    return sqs.call("SendMessageBatch", {"QueueUrl": queue.url, "Entries": entries})


def test_retention_counts_from_the_original_send_also_after_a_move_by_policy(sqs, clock):
    dead = sqs.create("dead", visibility_s=30, retention_s=1000)
    queue = sqs.create("queue", visibility_s=30, retention_s=1000, max_receives=1, dead_letters=dead)
    sqs.put(queue, "body")
    assert receive(sqs, queue)
    clock.now += 600
    assert not receive(sqs, queue)  # moved
    (letter,) = receive(sqs, dead, MessageSystemAttributeNames=["All"])
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn
    clock.now += 401
    assert not receive(sqs, dead)
    assert not dead.by_id


def test_a_move_task_writes_new_messages_with_all_their_attributes(sqs, clock):
    dead = sqs.create("dead", visibility_s=30, retention_s=1000)
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    sqs.put(dead, "body", {"Tries": {"DataType": "Number", "StringValue": "6"}})
    clock.now += 900
    sqs.call("StartMessageMoveTask", {"SourceArn": dead.arn, "DestinationArn": queue.arn})
    assert not sqs.move_some()
    clock.now += 900
    (moved,) = receive(sqs, queue, MessageAttributeNames=["All"])
    assert moved["MessageAttributes"]["Tries"]["StringValue"] == "6"


def test_attributes_come_only_to_who_asks(sqs):
    queue = sqs.create("queue", visibility_s=0, retention_s=1000)
    send(sqs, queue, MessageAttributes={"Tries": {"DataType": "Number", "StringValue": "2"}})
    (message,) = receive(sqs, queue)
    assert "MessageAttributes" not in message
    assert "Attributes" not in message
    (message,) = receive(sqs, queue, MessageAttributeNames=["Tries"])
    assert message["MessageAttributes"]


def test_a_delayed_message_is_not_there_before_its_time(sqs, clock):
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    assert send(sqs, queue, DelaySeconds=900)["Successful"]
    assert send(sqs, queue, DelaySeconds=901)["Failed"][0]["Code"] == "InvalidParameterValue"
    clock.now += 899
    assert not receive(sqs, queue)
    clock.now += 1
    assert receive(sqs, queue)


def test_an_old_receipt_handle_deletes_nothing(sqs, clock):
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    sqs.put(queue, "body")
    (first,) = receive(sqs, queue)
    clock.now += 31
    (second,) = receive(sqs, queue)
    for message, left in ((first, 1), (second, 0)):
        entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
        assert sqs.call("DeleteMessageBatch", {"QueueUrl": queue.url, "Entries": entries})["Successful"]
        assert len(queue.by_id) == left


def test_a_message_can_be_hidden_for_twelve_hours_at_most(sqs):
    queue = sqs.create("queue", visibility_s=30, retention_s=1_000_000)
    sqs.put(queue, "body")
    (message,) = receive(sqs, queue)
    entry = {"Id": "a", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": MAX_HIDDEN_S + 1}
    answer = sqs.call("ChangeMessageVisibilityBatch", {"QueueUrl": queue.url, "Entries": [entry]})
    assert answer["Failed"][0]["Code"] == "InvalidParameterValue"


def test_no_more_is_in_flight_than_the_limit(sqs):
    sqs.max_in_flight = 3
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    for _ in range(5):
        sqs.put(queue, "body")
    assert len(receive(sqs, queue)) == 3
    assert not receive(sqs, queue)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"MessageBody": "\x07"}, "InvalidMessageContents"),
        ({"MessageBody": "\uffff"}, "InvalidMessageContents"),
        (
            {"MessageAttributes": {"Reason": {"DataType": "String", "StringValue": ""}}},
            "InvalidParameterValue",
        ),
    ],
)
def test_what_sqs_never_takes_is_refused_entry_by_entry(sqs, entry, code):
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    assert send(sqs, queue, **entry)["Failed"][0]["Code"] == code


def test_a_batch_too_long_is_refused_whole(sqs):
    queue = sqs.create("queue", visibility_s=30, retention_s=1000)
    with pytest.raises(Refused, match="BatchRequestTooLong"):
        send(sqs, queue, MessageBody="x" * (batching.MAX_BYTES + 1))


def test_a_long_run_has_no_fault_that_doubles_doubles():
    for seed in range(300):
        scenario = from_seed(seed)
        if scenario.length_s > 3600:
            assert scenario.faults.done_unmentioned <= 0.05


def test_faults_are_chances():
    assert all(0 <= chance <= 1 for seed in range(100) for chance in vars(from_seed(seed).faults).values())
    assert Faults() == NO_FAULTS


# What the bus is told


TOLD_SEEDS = range(seeds.TOLD - 1, 60, seeds.TOLD)


def heard(simulated, seed):
    """The kinds that a told stage's bus heard, and whether anything was violated."""
    simulated.world = world = Told(from_seed(seed))
    outcome = world.run()
    return {kind for kinds in world.network.services["events"].heard.values() for kind in kinds}, outcome


@pytest.mark.slow
def test_who_reads_only_the_bus_knows_every_end(simulated):
    kinds = set()
    for seed in TOLD_SEEDS:
        found, outcome = heard(simulated, seed)
        assert outcome.violation is None, seed
        kinds |= found
    assert kinds == {"Object Processed", "Object Rejected", "Object Ignored"}


UNTOLD = (
    Fault("consume tells nobody", f"{planted.BATCH}:_tell", "if not config.events_bus or", "if 1 or"),
    Fault("what is refused counts as told", f"{planted.BATCH}:_tell", "        if why:", "        if False:"),
    Fault("no letter is told", "chalicelib.letters.filing:_told", "if not config.events_bus or", "if 1 or"),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", UNTOLD, ids=lambda fault: fault.name)
def test_an_end_of_which_the_bus_is_not_told_is_found(simulated, fault):
    with planted.planted(fault):
        kinds = {
            outcome.violation.kind for seed in TOLD_SEEDS if (outcome := heard(simulated, seed)[1]).violation
        }
    assert kinds & {"word", "lost"}


def test_a_world_that_is_only_made_draws_by_its_seed_too():
    """The bench of the pace runs one without World.run: a circuit's jitter has no generator of its own."""
    drawn = []
    for _ in range(2):
        random.seed()
        World(from_seed(7))
        drawn.append(random.random())
    assert drawn[0] == drawn[1]
