"""DELETE_WITH_ORIGINAL: thumbnails go with their object, by looking and never by the event's word alone."""

import io
import itertools
import json

import pytest
from PIL import Image

from chalicelib.config import Config
from chalicelib.consume.actions.resize import resize
from chalicelib.consume.batch import consume_batch
from chalicelib.consume.circuit import Circuit
from chalicelib.consume.memory import MemoryBudget
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.drain import forward
from chalicelib.enqueue import enqueue_events
from chalicelib.errors import Retry
from chalicelib.events import ObjectCreated, parse_body, parse_parts, parts_of
from chalicelib.queues.fairness import Fairness
from chalicelib.times import now
from dev import workspace
from dev.fake_boto3 import FakeBotoSqs, FakeS3, client_error
from dev.fake_sqs.client import FakeSqs
from infra.deploying import deploy as deploying
from infra.deploying import notify
from infra.permissions import policies
from infra.stage import Account
from tests.support.app import load_app
from tests.support.events import notification, record
from tests.support.settings import GOOD

ON = {**GOOD, "DELETE_WITH_ORIGINAL": "true", "THUMBNAIL_SIZES": "64,256"}
DELIVERY = Delivery("message-1", tries=1, forwarded=None, started=now())


def image(colour="red", form="PNG", mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (300, 200), colour).save(file, form)
    return file.getvalue()


class Buckets:
    """An images and a thumbnails bucket, and the events of one key in their order."""

    def __init__(self, **settings):
        self.s3 = FakeS3("images", "thumbnails")
        self.config = Config.from_env({**ON, **settings})
        self.sequencers = (f"{number:04X}" for number in itertools.count(1))

    def upload(self, key="a.png", contents=None):
        contents = contents or image()
        etag = self.s3.put_object(Bucket="images", Key=key, Body=contents)["ETag"].strip('"')
        return ObjectCreated("images", key, etag=etag, size=len(contents), sequencer=next(self.sequencers))

    def remove(self, key="a.png"):
        self.s3.delete_object(Bucket="images", Key=key)
        return self.told_of_a_removal(key)

    def told_of_a_removal(self, key="a.png"):
        return ObjectCreated("images", key, sequencer=next(self.sequencers), removed=True)

    def run(self, event):
        budgets = MemoryBudget(10**8), MemoryBudget(10**9)
        return resize(event, DELIVERY, self.s3, self.config, *budgets).result

    @property
    def thumbnails(self):
        return sorted(self.s3.buckets["thumbnails"])

    def calls(self, action):
        return [key for called, key in self.s3.requests if called == action]


@pytest.fixture
def buckets():
    return Buckets()


BOTH = ["a.png_256.jpg", "a.png_64.jpg"]


def test_thumbnails_of_every_size_and_format_go_with_their_object(buckets):
    buckets.run(buckets.upload())
    buckets.s3.put_object(Bucket="thumbnails", Key="a.png_64.webp", Body=b"of earlier settings")
    buckets.s3.put_object(Bucket="thumbnails", Key="b.png_64.jpg", Body=b"another's")
    assert buckets.run(buckets.remove()) == "removed"
    assert buckets.thumbnails == ["b.png_64.jpg"]
    assert buckets.run(buckets.told_of_a_removal()) == "removed", "and a second time does no harm"


def test_an_old_version_or_a_delete_marker_taken_away_is_an_upload_of_what_is_there(buckets):
    buckets.run(buckets.upload())
    assert buckets.run(buckets.told_of_a_removal()) == "unchanged"
    buckets.s3.buckets["thumbnails"].clear()  # as after the delete marker
    assert buckets.run(buckets.told_of_a_removal()) == "made"
    assert buckets.thumbnails == BOTH


def test_a_permission_that_is_missing_is_never_gone(buckets):
    buckets.run(buckets.upload())
    removal = buckets.remove()

    def denied(action, request):
        if request.get("Bucket") == "images":
            raise client_error("AccessDenied", "Access Denied", 403, action)

    buckets.s3.before = denied
    with pytest.raises(Retry, match="AccessDenied"):
        buckets.run(removal)
    assert buckets.thumbnails == BOTH


def test_an_event_of_a_bucket_that_is_not_there_takes_no_thumbnails_away(buckets):
    """As somebody may write one: of the same key there are thumbnails, of the stage's own object."""
    created = buckets.upload()
    buckets.run(created)
    with pytest.raises(Retry, match="NoSuchBucket"):
        buckets.run(created._replace(bucket="imagse"))
    assert buckets.thumbnails == BOTH


def test_a_removal_that_comes_late_leaves_what_a_later_upload_made(buckets):
    buckets.run(buckets.upload())
    removal = buckets.remove()
    buckets.run(buckets.upload(contents=image("blue")))
    assert buckets.run(removal) == "superseded", "the object is there"
    buckets.remove()  # whose own event is still on its way
    assert buckets.run(removal) == "removed"
    assert buckets.thumbnails == BOTH, "they are of a later upload, and a later event is about them"


def test_a_resize_whose_second_look_finds_nothing_takes_back_what_it_wrote(buckets):
    created = buckets.upload()
    written = []

    def removed_meanwhile(action, request):
        if action == "PutObject" and request["Bucket"] == "thumbnails" and not written:
            written.append(request["Key"])
            del buckets.s3.buckets["images"]["a.png"]

    buckets.s3.before = removed_meanwhile
    assert buckets.run(created) == "removed"
    assert written
    assert buckets.thumbnails == []


def test_an_upload_whose_object_is_gone_is_done_and_no_letter(buckets):
    created = buckets.upload()
    buckets.remove()
    assert buckets.run(created) == "removed"


@pytest.mark.parametrize("contents", [image("red"), image("blue")], ids=["same bytes", "others"])
def test_thumbnails_that_are_made_anew_between_look_and_delete_are_there_afterwards(buckets, contents):
    """The same bytes have the same ETag, so If-Match does not tell them apart: the last look does."""
    buckets.run(buckets.upload())
    removal = buckets.remove()
    later = []

    def uploaded_meanwhile(action, request):
        if action == "DeleteObject" and request["Bucket"] == "thumbnails" and not later:
            later.append(buckets.upload(contents=contents))
            buckets.run(later[0])

    buckets.s3.before = uploaded_meanwhile
    if contents == image("red"):
        assert buckets.run(removal) == "made"
    else:
        with pytest.raises(Retry, match="PreconditionFailed"):
            buckets.run(removal)
        buckets.s3.before = lambda action, request: None
        assert buckets.run(removal) == "superseded"
    assert buckets.thumbnails == BOTH


def test_whatever_the_order_of_two_uploads_and_two_removals_nothing_is_left(buckets):
    first, gone = buckets.upload(), buckets.remove()
    second, gone_again = buckets.upload(contents=image("blue")), buckets.remove()
    for order in itertools.permutations([first, gone, second, gone_again]):
        for event in order:
            buckets.run(event)
        assert buckets.thumbnails == [], order


def test_without_the_setting_a_removal_is_nothing_and_one_that_is_gone_is_as_before():
    buckets = Buckets(DELETE_WITH_ORIGINAL="false")
    buckets.run(buckets.upload())
    buckets.remove()
    assert buckets.thumbnails == BOTH
    body = buckets.told_of_a_removal().to_body()
    assert parse_body(body) == []
    assert forward.plan([{"MessageId": "1", "ReceiptHandle": "1", "Body": body}], 0.0).ignore


# On their way


REMOVED = ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "s3:LifecycleExpiration:Delete"]


@pytest.mark.parametrize("name", REMOVED)
def test_removals_and_lifecycle_events_go_the_same_way_as_uploads(queues, name):
    told = record("a b.jpg", sequencer="0B")
    told["eventName"] = name
    for settings, expected in ((ON, 1), (GOOD, 0)):
        counts = enqueue_events(
            notification(told), FakeSqs(queues), Config.from_env(settings), Fairness(1), 0.0
        )
        assert counts["enqueued"] == expected
    (body,) = queues.queue("source").bodies()
    assert json.loads(body)["Removed"] is True
    (removal,) = parse_body(body, removals=True)
    assert (removal.key, removal.removed, removal.sequencer) == ("a b.jpg", True, "0B")
    message = {"MessageId": "1", "ReceiptHandle": "1", "Body": body}
    assert len(forward.plan([message], 0.0, removals=True).forward) == 1


def test_eventbridges_object_deleted_is_a_removal():
    detail = {"bucket": {"name": "images"}, "object": {"key": "a", "sequencer": "0B"}}
    told = {
        "source": "aws.s3",
        "detail-type": "Object Deleted",
        "time": "2026-01-31T12:00:00Z",
        "detail": detail,
    }
    parts = parts_of(told)
    assert (parts.created, [one.key for one in parts.removed]) == ([], ["a"])
    assert parse_parts(json.dumps(told)).removed == parts.removed


def test_a_removal_has_an_identity_of_its_own():
    upload = ObjectCreated("images", "a", version_id="v1", event_time="2026-01-31T12:00:00Z")
    (removal,) = parse_body(json.dumps({**json.loads(upload.to_body()), "Removed": True}), removals=True)
    assert removal.identity != upload.identity


def test_of_a_removal_only_thumbnails_know_what_to_do(queues):
    """To another action it would be one more upload: an execution too many."""
    destination = queues.queue("destination")
    queues.put(destination, ObjectCreated("images", "a", removed=True).to_body())
    sqs = FakeBotoSqs(queues)
    (message,) = sqs.receive_message(QueueUrl=GOOD["DESTINATION_QUEUE_URL"])["Messages"]
    handed = {
        "messageId": "1",
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": "1"},
    }

    def counts(action):
        config = Config.from_env({**ON, "ACTION": action})
        return consume_batch(
            {"Records": [handed]},
            lambda created, delivery: ActionResult("removed"),
            sqs,
            config,
            lambda: 120_000,
            lambda: None,
            Circuit(),
        )

    assert (counts("log")["ignored"], counts("resize")["done"]) == (1, 1)


# The deploy


def test_s3_is_asked_for_removals_only_with_the_setting_whichever_way_it_tells(monkeypatch):
    def asked(**settings):
        app = load_app(monkeypatch, **settings)
        (of,) = [one for one in app.event_sources if one.name == "enqueue"]
        return of.event_pattern["detail-type"] if hasattr(of, "event_pattern") else of.events

    removals = ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]
    assert asked(DELETE_WITH_ORIGINAL="false") == ["s3:ObjectCreated:*"]
    assert asked(DELETE_WITH_ORIGINAL="true") == ["s3:ObjectCreated:*", *removals]
    told = asked(DELETE_WITH_ORIGINAL="true", S3_NOTIFIES="eventbridge")
    assert told == ["Object Created", "Object Deleted"]

    class Bucket:
        def get_bucket_notification_configuration(self, **asked):
            return {"ResponseMetadata": {}}

        def put_bucket_notification_configuration(self, **given):
            self.events = given["NotificationConfiguration"]["QueueConfigurations"][0]["Events"]

    bucket = Bucket()
    notify.point_at_queue(
        bucket,
        "b",
        notify.Ours("queue", "enqueue"),
        prefix="",
        suffix="",
        events=Config.from_env(ON).s3_events,
    )
    assert bucket.events == ["s3:ObjectCreated:*", *removals]


def test_consume_may_list_the_images_bucket_only_with_the_setting(tmp_path):
    account = Account("123456789012", "eu-central-1")
    stage = workspace.make(tmp_path / "app", {}, "dev")
    stage.record(deploying.expected_settings(stage, account), {})
    stage.record({"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}, {})

    def listed():
        return [
            one["Resource"]
            for one in policies.documents(stage, account)["consume"]["Statement"]
            if "s3:ListBucket" in one["Action"]
        ]

    assert listed() == []
    stage.record({"DELETE_WITH_ORIGINAL": "true"}, {})
    assert listed() == [["arn:aws:s3:::s3-events-dev-images-123456789012-eu-central-1"]]
    stage.record({"ACTION": "log"}, {})
    assert listed() == []
