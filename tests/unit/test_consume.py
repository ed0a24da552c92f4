"""consume: each message settled by itself, right whether or not Lambda knows of partial failures."""

import json

import pytest

from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.consume.batch import back_off, consume_batch
from chalicelib.consume.outcomes import ActionResult
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated
from dev.fake_boto3 import FakeBotoSqs
from dev.fake_sqs.queues import Queues
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod"})


class Destination:
    """A destination queue with a Lambda poller in front of consume, ReportBatchItemFailures off."""

    def __init__(self):
        self.now = 0.0
        self.queues = Queues(clock=lambda: self.now)
        self.dead = self.queues.create("dead")
        self.queue = self.queues.create(
            "destination", visibility_s=720, max_receives=5, dead_letters=self.dead
        )
        self.sqs = FakeBotoSqs(self.queues)
        self.done = []
        self.fails = {}  # key -> the exception to raise

    def fill(self, *keys):
        for key in keys:
            self.queues.put(self.queue, json.dumps({"Bucket": "images", "Key": key}))

    def action(self, created, delivery):
        if created.key in self.fails:
            raise self.fails[created.key]
        self.done.append(created.key)
        return ActionResult("made", (f"{created.key}_256.jpg",), bytes_in=1000, bytes_out=10)

    def poll(self, remaining_ms=60_000):
        """One batch, as Lambda does it: all deleted when the function returns, none when it raises."""
        url = GOOD["DESTINATION_QUEUE_URL"]
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    "ApproximateReceiveCount": str(self.queue.in_flight[message["ReceiptHandle"]].receives),
                    "SentTimestamp": "1769860860000",  # 2026-01-31T12:01:00Z
                },
            }
            for message in received
        ]
        counts = consume_batch({"Records": records}, self.action, self.sqs, CONFIG, lambda: remaining_ms)
        for record in records:
            self.queue.in_flight.pop(record["receiptHandle"], None)
        return counts

    def letters(self):
        return {
            json.loads(letter.body)["Key"]: letter.attributes["Reason"]["StringValue"]
            for letter in self.dead.ready
        }


@pytest.fixture
def destination():
    return Destination()


def test_a_good_batch_is_done_and_left_to_lambda_to_delete(destination):
    destination.fill("a", "b", "c")
    assert destination.poll() == {"done": 3, "rejected": 0, "retry": 0}
    assert sorted(destination.done) == ["a", "b", "c"]
    assert destination.queue.bodies() == []
    assert not destination.queues.calls["DeleteMessageBatch"]


def test_what_can_never_work_is_a_dead_letter_with_its_reason_and_costs_only_itself(destination):
    destination.fill(*"abcdefghij")
    destination.fails["d"] = Reject("not an image")
    assert destination.poll() == {"done": 9, "rejected": 1, "retry": 0}
    assert destination.letters() == {"d": "not an image"}
    assert destination.queue.bodies() == []


def test_an_unreadable_body_among_nine_good_ones_costs_only_itself(destination):
    destination.fill(*"abcdefghi")
    destination.queues.put(destination.queue, "Hello from SQS!")
    assert destination.poll() == {"done": 9, "rejected": 1, "retry": 0}
    assert destination.dead.bodies() == ["Hello from SQS!"]


def test_a_passing_failure_comes_again_and_its_batch_mates_are_not_done_again(destination):
    destination.fill("a", "b", "c")
    destination.fails["b"] = Retry("S3 is slow")
    with pytest.raises(Retry, match="1 of 3 messages come again: Retry: S3 is slow"):
        destination.poll()
    assert [json.loads(body)["Key"] for body in destination.queue.bodies()] == ["b"]
    destination.fails.clear()
    destination.now += back_off(1)
    destination.poll()
    assert sorted(destination.done) == ["a", "b", "c"]
    assert destination.queue.bodies() == []


def test_a_bug_in_an_action_is_a_retry_not_a_loss(destination):
    destination.fill("a")
    destination.fails["a"] = ZeroDivisionError("oops")
    with pytest.raises(Retry, match="ZeroDivisionError: oops"):
        destination.poll()
    assert len(destination.queue.bodies()) == 1


def test_after_the_last_try_the_dead_letter_says_what_the_last_failure_was(destination):
    destination.fill("a")
    destination.fails["a"] = Retry("S3 is down")
    for tries in range(1, 5):
        with pytest.raises(Retry):
            destination.poll()
        destination.now += back_off(tries)
    assert destination.poll() == {"done": 0, "rejected": 1, "retry": 0}
    assert destination.letters() == {"a": "gave up after 5 tries; the last: Retry: S3 is down"}
    assert destination.queue.bodies() == []


def test_a_dead_letter_that_is_refused_loses_nothing(destination):
    destination.fill("a", "b")
    destination.fails["a"] = Reject("not an image")
    destination.queues.refuse = lambda name, entry: "InternalError" if name == "dead" else ""
    with pytest.raises(Retry, match="InternalError"):
        destination.poll()
    assert len(destination.queue.bodies()) == 2


def test_without_time_nothing_is_begun(destination):
    destination.fill("a")
    with pytest.raises(Retry, match="no time left"):
        destination.poll(remaining_ms=5_000)
    assert destination.done == []
    assert len(destination.queue.bodies()) == 1


def test_the_wait_doubles_up_to_a_quarter_of_an_hour():
    assert [back_off(tries) for tries in (1, 2, 3, 4, 20)] == [15, 30, 60, 120, 900]


def lines(capsys, message):
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in found if line["message"] == message]


def test_each_event_has_one_line_with_its_outcome_and_the_times_of_its_way(destination, capsys):
    created = ObjectCreated("images", "a", etag="e", sequencer="0A", event_time="2026-01-31T12:00:00Z")
    destination.queues.put(destination.queue, created.to_body())
    destination.poll()
    (line,) = lines(capsys, "event")
    assert (line["outcome"], line["result"], line["key"]) == ("done", "made", "a")
    assert (line["id"], line["object"]) == (created.upload_id, created.object_id)
    assert (line["uploaded"], line["forwarded"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:01:00.000Z")
    assert line["started"] <= line["at"]
    assert line["seconds"] > 0
    assert line["thumbnails"] == ["a_256.jpg"]
    assert outcomes.read(json.dumps(line)) == line


def test_an_event_that_fails_has_a_line_with_the_reason_and_the_same_id_each_time(destination, capsys):
    destination.fill("a")
    destination.fails["a"] = ZeroDivisionError("oops")
    with pytest.raises(Retry):
        destination.poll()
    (first,) = lines(capsys, "event")
    assert (first["outcome"], first["reason"], first["tries"]) == ("retry", "ZeroDivisionError: oops", 1)
    assert "ZeroDivisionError" in first["trace"]
    destination.now += back_off(1)
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
    with pytest.raises(Retry):
        destination.poll()
    (line,) = lines(capsys, "consumed")
    assert (line["Done"], line["Rejected"], line["Retried"]) == (2, 1, 1)
    assert (line["Thumbnails"], line["BytesIn"], line["BytesOut"]) == (2, 2000, 20)
    assert len(line["UploadToDone"]) == 1  # the other does not know when it was uploaded
    assert (line["Stage"], line["Function"]) == ("prod", "consume")
    assert set(line["_aws"]) == {"Timestamp", "CloudWatchMetrics"}


def test_a_duplicate_counts_as_done_but_not_as_made(destination, capsys):
    destination.fill("a")
    destination.action = lambda created, delivery: ActionResult("unchanged", ("a_256.jpg",))
    destination.poll()
    (line,) = lines(capsys, "consumed")
    assert (line["Done"], line["Thumbnails"]) == (1, 0)
