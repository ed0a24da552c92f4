"""Word of what happened: one event on the bus for each ending, confirmed before the message is deleted."""

import json

import jsonschema
import pytest

from chalicelib import times
from chalicelib.aws import bus
from chalicelib.aws.bus import Word, tell
from chalicelib.config import Config
from chalicelib.consume.batch import consume_batch
from chalicelib.consume.circuit import Circuit
from chalicelib.consume.outcomes import ActionResult, Output
from chalicelib.errors import ConfigError, Reject, Retry
from chalicelib.events import ObjectCreated, parse_parts
from chalicelib.letters import filing
from chalicelib.queues import letters as letter_messages
from chalicelib.queues.word import MOST_OUTPUTS, detail
from dev.fake_boto3 import FakeBotoSqs, FakeEvents, FakeS3, client_error
from dev.fake_sqs.queues import Queues
from dev.workspace import ROOT
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.permissions import policies
from infra.stage import Account, Stage
from tests.support.events import notification, record
from tests.support.settings import GOOD
from tests.support.tables import with_table

SCHEMA = json.loads((ROOT / "docs" / "events-1.schema.json").read_text())
BUS = {"EVENTS_BUS": "told", "REPORTS_BUCKET": "reports"}
CREATED = ObjectCreated(
    "images", "b.jpg", version_id="v1", sequencer="0A", event_time="2026-01-31T12:00:00.000Z"
)


class Told:
    """consume and letters over queues in memory, and the bus that hears of it."""

    def __init__(self, config):
        self.config, self.events = config, FakeEvents("told")
        self.queues = Queues(clock=lambda: 1_769_860_920.0)
        self.source = self.queues.create("source")
        self.queues.create("dead")
        self.destination = self.queues.create("destination", visibility_s=720)
        self.sqs, self.s3 = FakeBotoSqs(self.queues), FakeS3("reports")
        self.result, self.fails = ActionResult("logged"), None

    def act(self, created, delivery):
        if self.fails:
            raise self.fails
        return self.result

    def consume(self, *bodies):
        for body in bodies:
            self.queues.put(self.destination, body)
        url = GOOD["DESTINATION_QUEUE_URL"]
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        records = [
            {
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1769860860000"},
            }
            for one in received
        ]
        counts = consume_batch(
            {"Records": records},
            self.act,
            self.sqs,
            self.config,
            lambda: 120_000,
            lambda: None,
            Circuit(),
            lambda: self.events,
        )
        for one in records:  # as Lambda deletes them when the function returns
            self.destination.in_flight.pop(one["receiptHandle"], None)
        return counts

    def file(self, *messages):
        records = [
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "body": one["MessageBody"],
                "attributes": {"SentTimestamp": "1769860860000"},
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                    for name, value in one["MessageAttributes"].items()
                },
            }
            for number, one in enumerate(messages)
        ]
        return filing.file_batch({"Records": records}, self.s3, self.sqs, self.config, lambda: self.events)

    @property
    def heard(self):
        """What a consumer of the bus has: each held against the schema."""
        found = []
        for entry in self.events.buses["told"]:
            event = {"source": entry["Source"], "detail-type": entry["DetailType"]}
            event["detail"] = json.loads(entry["Detail"])
            jsonschema.validate(event, SCHEMA)
            found.append((event["detail-type"], event["detail"]))
        return found


@pytest.fixture
def stage():
    return Told(Config.from_env({**GOOD, **BUS}))


def test_an_event_that_is_done_is_told_with_its_outputs_and_the_times_of_its_way(stage):
    output = Output("thumbnails", "b.jpg_256.jpg", "256", 256, 171, 9000, "aGFzaA==")
    stage.result = ActionResult("made", (output,), bytes_in=100_000)
    stage.consume(CREATED.to_body())
    ((kind, detail),) = stage.heard
    assert (kind, detail["id"], detail["key"]) == ("Object Processed", CREATED.identity, "b.jpg")
    assert (detail["version_id"], detail["action"], detail["result"]) == ("v1", "resize", "made")
    (told,) = detail["outputs"]
    assert (told["bucket"], told["key"], told["size"]) == ("thumbnails", "b.jpg_256.jpg", "256")
    assert (told["width"], told["height"], told["bytes"], told["thumbhash"]) == (256, 171, 9000, "aGFzaA==")
    assert detail["times"]["uploaded"] == "2026-01-31T12:00:00.000Z"
    assert detail["times"]["forwarded"] == "2026-01-31T12:01:00.000Z"
    assert all(times.moment(detail["times"][name]) for name in ("started", "ended"))


def test_what_is_ignored_is_told_by_consume_to_which_enqueue_and_drain_then_leave_it(tmp_path):
    stage = Told(with_table(tmp_path, **BUS))
    assert stage.consume(json.dumps({"Bucket": "images", "Key": "tmp/a"}))["ignored"] == 1
    ((kind, detail),) = stage.heard
    assert (kind, detail["key"], detail["line"]) == ("Object Ignored", "tmp/a", "tmp/*")
    assert not stage.config.drops("tmp/a")
    assert with_table(tmp_path).drops("tmp/a")


def test_a_letter_is_told_when_it_is_filed_from_whatever_source_it_comes(stage):
    stage.file(
        letter_messages.message(CREATED.to_body(), "not an image", "consume", code="not-an-image"),
        letter_messages.message("{broken", "unreadable: not JSON", "drain", code="unreadable"),
    )
    assert [(kind, one["key"], one["code"], one["reason"]) for kind, one in stage.heard] == [
        ("Object Rejected", "b.jpg", "not-an-image", "not an image"),
        ("Object Rejected", None, "unreadable", "unreadable: not JSON"),
    ]
    assert stage.heard[0][1]["id"] == CREATED.identity


def test_of_a_letter_of_several_events_each_is_told_under_its_own_identity(stage):
    """As Lambda keeps a notification whose function failed."""
    told = notification(record("a.jpg", sequencer="0A"), record("b c.jpg", sequencer="0B"))
    events = parse_parts(json.dumps(told)).created
    stage.events.fails = ["", "MalformedDetail"]
    of = letter_messages.message(json.dumps(told), "no memory", "enqueue")
    with pytest.raises(Retry, match="MalformedDetail"):
        stage.file(of)
    stage.file(of)
    assert {(one["id"], one["key"]) for _, one in stage.heard} == {(one.identity, one.key) for one in events}
    assert [one["key"] for _, one in stage.heard] == ["a.jpg", "a.jpg", "b c.jpg"]


def test_a_try_that_failed_is_no_ending_and_a_rejection_is_told_by_letters_alone(stage):
    for stage.fails in (Retry("later"), Reject("never")):
        stage.consume(CREATED.to_body())
    assert stage.heard == []


def refuse(entries):
    raise client_error("ServiceUnavailable", "no", 503, "PutEvents")


@pytest.mark.parametrize("how", ["missing", "refused", "no answer"])
def test_what_the_bus_has_not_confirmed_comes_again_untried_and_is_told_then(stage, how):
    if how == "missing":
        stage.events.buses.clear()
    elif how == "refused":
        stage.events.fails = ["MalformedDetail"]
    else:
        stage.events.before = refuse
    counts = stage.consume(CREATED.to_body())
    assert (counts["done"], counts["untried"]) == (0, 1)
    (message,) = stage.source.messages()
    assert "Tries" not in (message.attributes or {})  # none is counted, so it is never given up
    stage.events.before = lambda entries: None
    stage.events.buses.setdefault("told", [])
    stage.consume(message.body)
    assert [detail["id"] for _, detail in stage.heard] == [CREATED.identity]


def test_a_letter_that_the_bus_has_not_confirmed_stays_and_is_filed_all_the_same(stage):
    stage.events.fails = ["", "MalformedDetail"]
    those = [
        letter_messages.message(ObjectCreated("images", key).to_body(), "no", "consume") for key in ("a", "b")
    ]
    with pytest.raises(Retry, match="the bus told was not told: MalformedDetail"):
        stage.file(*those)
    assert [detail["key"] for _, detail in stage.heard] == ["a"]
    assert len([key for key in stage.s3.buckets["reports"] if key.startswith("letters/")]) == 2


def test_without_a_bus_nobody_is_asked():
    stage = Told(Config.from_env({**GOOD, "REPORTS_BUCKET": "reports"}))
    stage.consume(CREATED.to_body())
    stage.file(letter_messages.message(CREATED.to_body(), "no", "consume"))
    assert stage.events.calls == []


# The call


def words(count, size=10):
    return [Word("Object Processed", {"id": str(number), "x": "y" * size}) for number in range(count)]


def test_ten_go_in_a_call_and_fewer_where_they_are_long():
    events = FakeEvents("told")
    assert tell(events, "told", "us", words(25)) == [""] * 25
    assert events.calls == [10, 10, 5]
    events.calls.clear()
    tell(events, "told", "us", words(4, bus.MOST_BYTES // 3))
    assert events.calls == [2, 2]


def test_each_entry_counts_throttled_ones_go_again_and_the_rest_are_named():
    events, pauses = FakeEvents("told"), []
    events.fails = ["", "ThrottlingException", "InternalFailure", "MalformedDetail"]
    why = tell(events, "told", "us", words(5), pauses.append)
    assert why == ["", "", "", "MalformedDetail: the fake says so", ""]
    assert (events.calls, len(pauses)) == ([5, 2], 1)


def test_one_that_stays_throttled_is_named_after_two_rounds():
    events = FakeEvents("told")
    events.fails = ["ThrottlingException"] * 9
    assert tell(events, "told", "us", words(1), lambda s: None) == ["ThrottlingException: the fake says so"]
    assert events.calls == [1, 1]


def test_an_event_of_very_many_outputs_still_fits(stage):
    stage.result = ActionResult("made", tuple(Output("b" * 63, "k" * 1024, str(i)) for i in range(500)))
    stage.consume(CREATED.to_body())
    ((_, detail),) = stage.heard
    assert len(detail["outputs"]) == MOST_OUTPUTS


# The deploy


class Buses:
    class exceptions:  # noqa: N801  boto3's name
        class ResourceNotFoundException(Exception):
            """As boto3's."""

    def __init__(self):
        self.asked = []

    def describe_event_bus(self, **request):
        self.asked.append(request["Name"])
        if request["Name"] != "there":
            raise self.exceptions.ResourceNotFoundException


ACCOUNT = Account("123456789012", "eu-central-1")


def test_a_deploy_refuses_a_bus_that_is_not_there_and_names_the_command():
    buses, stage = Buses(), Stage(ROOT, "local")
    said = "EVENTS_BUS is 'gone': .* aws events create-event-bus --name gone"
    with pytest.raises(CommandError, match=said):
        deploying.check_buses(buses, stage, {"EVENTS_BUS": "gone"}, ACCOUNT)
    with pytest.raises(CommandError, match="PUT_EVENT_BUS is 'gone'"):
        deploying.check_buses(buses, stage, {"EVENTS_BUS": "there", "PUT_EVENT_BUS": "gone"}, ACCOUNT)
    elsewhere = "arn:aws:events:eu-west-1:999999999999:event-bus/theirs"
    deploying.check_buses(buses, stage, {"EVENTS_BUS": elsewhere}, ACCOUNT)
    assert elsewhere not in buses.asked


def test_consume_and_letters_may_put_events_on_the_stages_bus_and_only_where_there_is_one(monkeypatch):
    local = Stage(ROOT, "local")
    without = policies.documents(local, local.account())
    assert not [name for name, one in without.items() if "events:PutEvents" in json.dumps(one)]
    settings = {**local.environment(), "EVENTS_BUS": "told"}
    monkeypatch.setattr(Stage, "environment", lambda self: settings)
    found = policies.documents(local, local.account())
    assert {name for name, one in found.items() if "event-bus/told" in json.dumps(one)} == {
        "consume",
        "letters",
    }


def test_a_bus_without_anybody_who_files_letters_is_refused():
    with pytest.raises(ConfigError, match="EVENTS_BUS is 'told' and REPORTS_BUCKET is not set"):
        Config.from_env({**GOOD, "EVENTS_BUS": "told"})


def test_a_bus_that_can_be_none_is_refused():
    with pytest.raises(ConfigError, match="EVENTS_BUS is 'a bus': expected an EventBridge bus's name or ARN"):
        Config.from_env({**GOOD, "EVENTS_BUS": "a bus"})


def test_of_outputs_are_told_as_many_as_an_event_takes():
    many = [{"bucket": "b", "key": "\u00e9" * 1024 * number} for number in range(1, 40)]
    told = detail("dev", id="1", bucket="b", key="k", times={}, outputs=many)["outputs"]
    assert told == many[: len(told)]
    assert 0 < len(told) < MOST_OUTPUTS
    assert len(Word("Object Processed", {"outputs": told}).text.encode()) < bus.MOST_BYTES
