"""consume: each message settled by itself, right whether or not Lambda knows of partial failures."""

import asyncio
import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import times
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.consume.batch import consume_batch
from chalicelib.consume.circuit import HOLD, OPENS_AFTER, Circuit
from chalicelib.consume.outcomes import ActionResult, Output
from chalicelib.consume.settle import Ended
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated
from chalicelib.letters import store
from chalicelib.queues.batching import MAX_BYTES
from chalicelib.queues.tries import BULK, Tries
from chalicelib.times import moment
from dev.fake_boto3 import FakeBotoSqs
from dev.fake_sqs.queues import Queues
from tests.support.settings import GOOD, QUEUE

CONFIG = Config.from_env({**GOOD, "STAGE": "prod"})


def output(key):
    return Output("thumbnails", key, "256", bytes=10)


class Destination:
    """A destination queue with a Lambda poller in front of consume, ReportBatchItemFailures off."""

    def __init__(self, config=CONFIG):
        self.now = 1_769_860_920.0  # 2026-01-31T12:02:00Z, a minute after what is delivered was sent
        self.config = config
        self.queues = Queues(clock=lambda: self.now)
        self.dead = self.queues.create("dead")
        self.source = self.queues.create("source")
        self.queue = self.queues.create("destination", visibility_s=720)
        self.sqs = FakeBotoSqs(self.queues)
        self.done = []
        self.tried = Counter()
        self.fails = {}  # key -> the exception to raise, or what to call
        self.replaced = 0
        self.slept = []
        self.circuit = Circuit(lambda: self.now, lambda low, high: 1.0)

    def fill(self, *keys):
        for key in keys:
            self.queues.put(self.queue, json.dumps({"Bucket": "images", "Key": key}))

    def action(self, created, delivery):
        self.tried[created.key] += 1
        fails = self.fails.get(created.key)
        if callable(fails):
            fails()
        elif fails:
            raise fails
        self.done.append(created.key)
        return ActionResult("made", (output(f"{created.key}_256.jpg"),), bytes_in=1000)

    def replace_process(self):
        self.replaced += 1

    def poll(self, remaining_ms=lambda: 120_000, attributes=None):
        """One batch, as Lambda does it: all deleted when the function returns, none when it raises."""
        received = self.sqs.receive_message(
            QueueUrl=GOOD["DESTINATION_QUEUE_URL"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    "ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"],
                    "SentTimestamp": "1769860860000",  # 2026-01-31T12:01:00Z
                },
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                    for name, value in message.get("MessageAttributes", {}).items()
                },
            }
            for message in received
        ]
        counts = consume_batch(
            {"Records": records},
            self.action,
            self.sqs,
            self.config,
            remaining_ms,
            self.replace_process,
            self.circuit,
            sleep=self.slept.append,
        )
        for record in records:
            self.queue.in_flight.pop(record["receiptHandle"], None)
        return counts

    def through_the_drain(self):
        """What was sent back is forwarded when its wait is over; says how long that was, in seconds."""
        (message,) = self.source.messages()
        wait = self.source.delayed[0][0] - self.now if self.source.delayed else 0
        self.source.ready.clear()
        self.source.delayed.clear()
        earlier = Tries.read(message.attributes)
        wait = max(wait, earlier.not_before - self.now)
        self.now += wait
        carried = Tries(earlier.count, earlier.reason, earlier.first_failure).attributes()
        self.queues.put(self.queue, message.body, carried or None)
        return round(wait)

    def letters(self):
        return {
            json.loads(letter.body)["Key"]: letter.attributes["Reason"]["StringValue"]
            for letter in self.dead.ready
        }


@pytest.fixture
def destination():
    return Destination()


@pytest.fixture(autouse=True)
def now(destination, monkeypatch):
    """Waits are counted from the time that consume knows."""
    monkeypatch.setattr(times, "now", lambda: datetime.fromtimestamp(destination.now, UTC))


def counts(**given):
    return {"done": 0, "rejected": 0, "retry": 0, "untried": 0, "ignored": 0, **given}


def test_a_good_batch_is_done_and_what_ends_last_is_left_to_lambda_to_delete(destination):
    destination.fill("a", "b", "c")
    assert destination.poll() == counts(done=3)
    assert sorted(destination.done) == ["a", "b", "c"]
    assert destination.queue.bodies() == []


def test_what_can_never_work_is_a_dead_letter_with_its_reason_and_costs_only_itself(destination):
    destination.fill(*"abcdefghij")
    destination.fails["d"] = Reject("not an image", "not-an-image")
    assert destination.poll() == counts(done=9, rejected=1)
    assert destination.letters() == {"d": "not an image"}
    assert destination.dead.ready[0].attributes["Code"]["StringValue"] == "not-an-image"
    assert destination.queue.bodies() == []


def test_an_unreadable_body_among_nine_good_ones_costs_only_itself(destination):
    destination.fill(*"abcdefghi")
    destination.queues.put(destination.queue, "Hello from SQS!")
    assert destination.poll() == counts(done=9, rejected=1)
    assert destination.dead.bodies() == ["Hello from SQS!"]


def test_a_passing_failure_goes_back_to_the_source_and_its_batch_mates_are_not_done_again(destination):
    destination.fill("a", "b", "c")
    destination.fails["b"] = Retry("S3 is slow")
    assert destination.poll() == counts(done=2, retry=1)
    assert destination.queue.bodies() == []
    (message,) = destination.source.messages()
    tried = Tries.read(message.attributes)
    assert (json.loads(message.body)["Key"], tried.count, tried.reason) == ("b", 1, "S3 is slow")
    destination.fails.clear()
    destination.through_the_drain()
    destination.poll()
    assert sorted(destination.done) == ["a", "b", "c"]
    assert destination.queue.bodies() == []


def test_a_bug_in_an_action_is_a_retry_not_a_loss(destination):
    destination.fill("a")
    destination.fails["a"] = ZeroDivisionError("oops")
    assert destination.poll() == counts(retry=1)
    assert Tries.read(destination.source.messages()[0].attributes).reason == "ZeroDivisionError: oops"


def test_six_tries_their_delays_the_patience_and_the_letter_says_so(destination):
    destination.fill("a")
    destination.fails["a"] = Retry("S3 is down")
    began, waits = destination.now, []
    for _ in range(5):
        assert destination.poll() == counts(retry=1)
        waits.append(destination.through_the_drain())
    assert waits == [15, 300, 1800, 3600, 9000] == list(CONFIG.retry_delays)
    assert destination.poll() == counts(rejected=1)
    assert destination.tried["a"] == 6 == CONFIG.max_tries
    assert destination.letters() == {"a": "gave up after 6 tries; the last: S3 is down"}
    said = {name: value["StringValue"] for name, value in destination.dead.ready[0].attributes.items()}
    assert (said["Code"], said["Tries"]) == ("gave-up", "6")
    assert moment(said["FirstFailure"]).timestamp() == began
    assert destination.queue.bodies() == destination.source.bodies() == []


def test_receives_that_never_ran_are_no_tries(destination):
    """Lambda's poller receives, is throttled, and lets the message come again."""
    destination.fill("a")
    for _ in range(50):
        destination.queue.receive(10, destination.now)
        destination.now += 721
    destination.fails["a"] = Retry("one hiccup")
    assert destination.poll() == counts(retry=1)
    assert Tries.read(destination.source.messages()[0].attributes).count == 1


def test_without_time_nothing_is_begun_and_goes_back_untried(destination):
    destination.fill("a")
    left = iter([120_000])
    assert destination.poll(remaining_ms=lambda: next(left, 40_000)) == counts(untried=1)
    assert not destination.tried
    (message,) = destination.source.messages()
    assert Tries.read(message.attributes).count == 0
    assert destination.queue.bodies() == []


def test_one_that_hangs_holds_up_nobody_and_is_one_failed_try(destination):
    """Its batch-mates are done, once; the function stops waiting at its margin, and its process is replaced."""
    destination.fill(*"abcdefghij")
    hang = threading.Event()
    destination.fails["d"] = hang.wait
    began = time.monotonic()
    seconds = lambda: 2.0 - (time.monotonic() - began)  # noqa: E731
    assert destination.poll(remaining_ms=lambda: int(1000 * seconds())) == counts(done=9, retry=1)
    assert seconds() > 0
    assert destination.tried == Counter("abcdefghij")
    assert destination.queue.bodies() == []
    assert Tries.read(destination.source.messages()[0].attributes).count == 1
    assert destination.replaced == 1
    hang.set()


def test_those_behind_one_that_hangs_go_back_untried():
    destination = Destination(replace(CONFIG, consume_threads=1))
    destination.fill("a", "b")
    hang = threading.Event()
    destination.fails["a"] = hang.wait
    began = time.monotonic()
    found = destination.poll(remaining_ms=lambda: int(1000 * (1.0 - (time.monotonic() - began))))
    assert found == counts(retry=1, untried=1)
    assert destination.tried == Counter("a")
    hang.set()


def test_each_is_settled_when_it_ends_and_not_when_all_have_ended(destination):
    """A process that dies meanwhile has nothing to do again but what it was doing."""
    destination.fill("a", "b", "c")
    gone = []

    def wait_for_the_others():
        until = time.monotonic() + 20
        while len(destination.queue.bodies()) > 1 and time.monotonic() < until:
            time.sleep(0.01)
        gone.append(len(destination.queue.bodies()))

    destination.fails["b"] = wait_for_the_others
    assert destination.poll() == counts(done=3)
    assert gone == [1]


def test_while_the_downstream_fails_messages_go_back_untried_and_afterwards_all_are_done():
    destination = Destination(replace(CONFIG, consume_threads=1))
    keys = [f"{i:02d}" for i in range(40)]
    destination.fails = dict.fromkeys(keys, Retry("down"))
    destination.fill(*keys)
    for _ in range(4):
        destination.poll()
    assert len(destination.tried) == OPENS_AFTER
    assert destination.circuit.is_open
    untried = [m for m in destination.source.messages() if not Tries.read(m.attributes).count]
    assert len(untried) == 40 - OPENS_AFTER
    assert {Tries.read(m.attributes).untried for m in untried} == {1}
    assert destination.queue.bodies() == []


def test_a_process_that_pauses_is_no_sooner_free_than_one_that_works():
    destination = Destination(replace(CONFIG, consume_threads=1))
    destination.circuit.batch_took(6.0)
    for _ in range(OPENS_AFTER):
        destination.circuit.failed(1)
    destination.fill("a")
    assert destination.poll() == counts(untried=1)
    assert destination.slept == [HOLD * 6.0]
    assert len(destination.source.messages()) == 1  # it is settled before
    destination.fill("b")
    destination.poll(remaining_ms=lambda: 4_000)  # a quarter of which is kept back
    assert destination.slept[1:] == [3.0]
    destination.circuit.succeeded()
    destination.fill("c")
    destination.poll()
    assert len(destination.slept) == 2


def test_a_message_comes_back_to_the_lane_it_came_by(destination):
    destination.config = replace(CONFIG, bulk_queue_url=f"{QUEUE}bulk")
    bulk = destination.queues.create("bulk")
    attributes = Tries(lane=BULK).attributes()
    destination.queues.put(destination.queue, json.dumps({"Bucket": "images", "Key": "a"}), attributes)
    destination.fill("b")
    destination.fails = dict.fromkeys("ab", Retry("S3 is slow"))
    assert destination.poll() == counts(retry=2)
    assert [json.loads(body)["Key"] for body in bulk.bodies()] == ["a"]
    assert [json.loads(body)["Key"] for body in destination.source.bodies()] == ["b"]
    assert Tries.read(bulk.messages()[0].attributes).lane == BULK


def test_a_dead_letter_that_is_refused_loses_nothing_and_costs_only_itself(destination):
    destination.fill("a", "b")
    destination.fails["a"] = Reject("not an image")
    destination.queues.refuse = lambda name, entry: "InternalError" if name == "dead" else ""
    with pytest.raises(Retry, match="1 of 2 messages could not be settled: no dead letter: InternalError"):
        destination.poll()
    assert [json.loads(body)["Key"] for body in destination.queue.bodies()] == ["a"]


def test_a_source_queue_that_takes_nothing_back_loses_nothing(destination):
    destination.fill("a", "b")
    destination.fails["a"] = Retry("S3 is slow")
    destination.queues.refuse = lambda name, entry: "InternalError" if name == "source" else ""
    with pytest.raises(Retry, match="not sent back: InternalError"):
        destination.poll()
    assert [json.loads(body)["Key"] for body in destination.queue.bodies()] == ["a"]


@pytest.mark.parametrize("size", [MAX_BYTES - 600, MAX_BYTES - 100, MAX_BYTES - 20])
def test_a_body_of_almost_a_mebibyte_carries_its_tries(destination, size):
    """The reason gives way to the number."""
    body = json.dumps({"Bucket": "images", "Key": "a", "Note": ""})
    body = body.replace('""', '"' + "x" * (size - len(body)) + '"')
    destination.queues.put(destination.queue, body)
    destination.fails["a"] = Retry("S3 is slow, " * 40)
    assert destination.poll() == counts(retry=1)
    (message,) = destination.source.messages()
    assert message.body == body
    assert Tries.read(message.attributes).count == 1


def test_a_body_of_a_whole_mebibyte_is_tried_and_then_a_letter_that_says_why_it_is_cut(destination):
    body = json.dumps({"Bucket": "images", "Key": "a", "Note": ""})
    body = body.replace('""', '"' + "x" * (MAX_BYTES - len(body)) + '"')
    destination.queues.put(destination.queue, body)
    destination.fails["a"] = Retry("S3 is slow")
    assert destination.poll() == counts(rejected=1)
    assert destination.tried["a"] == 1
    (letter,) = destination.dead.ready
    said = {name: value["StringValue"] for name, value in letter.attributes.items()}
    assert said["Code"] == "too-long"
    assert said["Reason"].endswith("the last: S3 is slow")
    assert (said["BodyBytes"], said["BodySha256"]) == (
        str(MAX_BYTES),
        hashlib.sha256(body.encode()).hexdigest(),
    )
    assert body.startswith(letter.body)
    assert destination.queue.bodies() == destination.source.bodies() == []


def test_nothing_of_an_unreadable_body_is_logged(destination, capsys):
    destination.queues.put(destination.queue, "{broken, token=AKIA-SECRET")
    destination.poll()
    assert "SECRET" not in capsys.readouterr().out


def lines(capsys, message):
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in found if line["message"] == message]


def test_each_event_has_one_line_with_its_outcome_and_the_times_of_its_way(destination, capsys):
    created = ObjectCreated("images", "a", etag="e", sequencer="0A", event_time="2026-01-31T12:00:00Z")
    destination.queues.put(destination.queue, created.to_body())
    destination.poll()
    (line,) = lines(capsys, "event")
    assert (line["outcome"], line["result"], line["key"]) == ("done", "made", "a")
    assert (line["id"], line["object"]) == (created.identity, created.object_id)
    assert (line["uploaded"], line["forwarded"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:01:00.000Z")
    assert line["started"]
    assert line["seconds"] == 120.0
    assert line["thumbnails"] == ["a_256.jpg"]
    assert outcomes.read(json.dumps(line)) == line


def test_an_event_that_fails_has_a_line_with_the_reason_and_the_same_id_each_time(destination, capsys):
    destination.fill("a")
    destination.fails["a"] = ZeroDivisionError("oops")
    destination.poll()
    (first,) = lines(capsys, "event")
    assert (first["outcome"], first["reason"], first["tries"]) == ("retry", "ZeroDivisionError: oops", 1)
    assert "ZeroDivisionError" in first["trace"]
    destination.through_the_drain()
    destination.fails["a"] = Reject("not an image")
    destination.poll()
    (second,) = lines(capsys, "event")
    assert (second["outcome"], second["reason"], second["tries"]) == ("rejected", "not an image", 2)
    assert second["id"] == first["id"]


def test_a_batch_is_one_line_of_metrics_that_add_up(destination, capsys):
    destination.fill("a", "b", "c")
    destination.queues.put(
        destination.queue, ObjectCreated("images", "d", event_time="2026-01-31T12:00:00Z").to_body()
    )
    destination.fails = {"b": Reject("not an image"), "c": Retry("S3 is slow")}
    destination.poll()
    (line,) = lines(capsys, "consumed")
    assert (line["Done"], line["Rejected"], line["Retried"]) == (2, 1, 1)
    assert (line["Thumbnails"], line["BytesIn"], line["BytesOut"]) == (2, 2000, 20)
    assert len(line["UploadToDone"]) == 1  # the other does not know when it was uploaded
    assert (line["Stage"], line["Function"]) == ("prod", "consume")
    assert set(line["_aws"]) == {"Timestamp", "CloudWatchMetrics"}


def test_a_duplicate_counts_as_done_but_not_as_made(destination, capsys):
    destination.fill("a")
    destination.action = lambda created, delivery: ActionResult(
        "unchanged", (output("a_256.jpg"),), new=False
    )
    destination.poll()
    (line,) = lines(capsys, "consumed")
    assert (line["Done"], line["Thumbnails"]) == (1, 0)


class Wordless(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError("the loop is gone"), "CancelledError: the loop is gone"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (BaseExceptionGroup("several", [GeneratorExit()]), "BaseExceptionGroup: several (1 sub-exception)"),
        (Wordless(), "Wordless: it cannot be put into words"),
        (ValueError("x" * 3_000_000), "ValueError: " + "x" * 988),
        (Retry(ValueError("an error as a reason")), "an error as a reason"),
    ],
)
def test_whatever_an_action_raises_is_one_failed_try_of_its_own_message(destination, capsys, error, reason):
    destination.fill("a", "b", "c")
    destination.fails = {"b": error}
    assert destination.poll() == counts(done=2, retry=1)
    assert (sorted(destination.done), len(destination.queue.ready)) == (["a", "c"], 0)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [found for one in lines if (found := outcomes.read(one)) and found["outcome"] == "retry"]
    assert line["reason"] == reason
    assert max(map(len, lines)) < 256_000, "a line that a log takes"


@pytest.mark.parametrize(
    ("code", "filed"),
    [
        ("too-small", "too-small"),
        ("Not found", "not-found"),
        ("404 / gone!", "gone"),
        ("a\x00b\ud800", "a-b"),
        ("n" * 1_000_000, "n" * 40),
        (None, "rejected"),
        (5, "rejected"),
        ("", "rejected"),
    ],
)
@pytest.mark.parametrize("reason", ["no", ValueError("no"), None, b"no", "n\x00\ud800\n" * 500_000])
def test_whatever_an_action_rejects_with_is_one_letter_of_its_own_message(destination, code, filed, reason):
    destination.fill("a", "b", "c")
    destination.fails = {"b": Reject(reason, code)}
    assert destination.poll() == counts(done=2, rejected=1)
    (letter,) = destination.dead.ready
    assert letter.attributes["Code"]["StringValue"] == filed
    assert store.is_code(filed)
    assert letter.attributes["Reason"]["StringValue"].isprintable()


@pytest.mark.parametrize("returned", [{"result": "made"}, "made", True, ("made",), object()])
def test_an_action_that_returns_another_thing_learns_of_it_and_costs_nobody_else(destination, returned):
    destination.fill("a", "b", "c")
    own = destination.action
    destination.action = lambda created, delivery: returned if created.key == "b" else own(created, delivery)
    assert destination.poll() == counts(done=2, retry=1)
    (message,) = destination.source.messages()
    said = f"TypeError: the action returned {type(returned).__name__}: expected an ActionResult, or None"
    assert Tries.read(message.attributes).reason == said


def test_an_action_that_returns_nothing_has_done_its_work(destination):
    destination.fill("a", "b")
    destination.action = lambda created, delivery: None
    assert destination.poll() == counts(done=2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"says": None}, "ActionResult.says is None: expected str of whole characters"),
        ({"result": 5}, "ActionResult.result is 5: expected str of whole characters"),
        ({"bytes_in": float("nan")}, "ActionResult.bytes_in is nan: expected int from 0 to 2^63"),
        (
            {"outputs": output("a")},
            "ActionResult.outputs is Output(bucket='thumbnails', key='a', size='256', ",
        ),
        ({"width": True}, "ActionResult.width is True: expected int from 0 to 2^63"),
        ({"height": -1}, "ActionResult.height is -1: expected int from 0 to 2^63"),
        ({"bytes_in": 2**63}, "ActionResult.bytes_in is 9223372036854775808: expected int from 0 to 2^63"),
        ({"says": "\ud83d"}, r"ActionResult.says is '\ud83d': expected str of whole characters"),
        ({"outputs": ["a.jpg"]}, "ActionResult.outputs is ['a.jpg']: expected Sequence[Output]"),
    ],
)
def test_a_field_of_another_kind_is_refused_in_the_action_itself(fields, said):
    with pytest.raises(TypeError) as refused:
        ActionResult(**fields)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (60, 60),
        (1.5, 1.5),
        ("60", 60),
        (timedelta(minutes=2), 120),
        (None, 0),
        (-5, 0),
        (float("nan"), 0),
        ("soon", 0),
        (10**400, float("inf")),
    ],
)
def test_a_retry_takes_whatever_says_how_many_seconds(after, seconds):
    assert Retry("later", after=after).after == seconds


def test_a_retry_after_what_is_no_time_is_refused_where_it_is_raised():
    with pytest.raises(TypeError, match="Retry's after is \\[60\\]: expected seconds"):
        raise Retry("later", after=[60])


@pytest.mark.parametrize(
    ("asked_s", "waits_s"), [(0, 15), (5, 15), (600, 600), (9000, 9000), (90_000, 9000), (float("inf"), 9000)]
)
def test_what_a_downstream_asks_for_lengthens_the_delay_up_to_two_and_a_half_hours_and_shortens_none(
    asked_s, waits_s
):
    ended = Ended("handle", '{"Bucket": "images", "Key": "a"}', Tries())
    ended.failed("busy", CONFIG, times.now(), asked_s)
    assert (ended.state, ended.wait_s) == ("retry", waits_s)
