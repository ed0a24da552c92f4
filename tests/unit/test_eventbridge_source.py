"""S3_NOTIFIES=eventbridge: a rule's pattern asks for the keys, and enqueue does what it always does."""

import json
import re

import pytest

from chalicelib.config import Config
from chalicelib.enqueue import enqueue_events
from chalicelib.errors import ConfigError
from chalicelib.events import ObjectCreated
from chalicelib.queues.fairness import Fairness
from dev import workspace
from dev.fake_sqs.client import FakeSqs
from infra.deploying import deploy as deploying
from infra.deploying import notify
from infra.errors import CommandError
from infra.permissions import policies
from infra.stage import Account
from tests.support.app import load_app
from tests.support.settings import GOOD

ON = {**GOOD, "S3_NOTIFIES": "eventbridge"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
EVENT = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2026-01-31T12:00:00Z",
    "region": "ca-central-1",
    "resources": ["arn:aws:s3:::images"],
    "detail": {
        "version": "0",
        "bucket": {"name": "images"},
        "object": {"key": "photos/a b+c.jpg", "size": 5, "etag": "abc", "sequencer": "0A"},
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    },
}


def keys_of(**settings):
    return Config.from_env({**ON, **settings}).event_pattern["detail"].get("object", {}).get("key")


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({}, None),
        ({"IMAGES_PREFIX": "a*b/"}, [{"prefix": "a*b/"}]),
        ({"IMAGES_SUFFIX": ".jpg"}, [{"suffix": ".jpg"}]),
        ({"IMAGES_PREFIX": "a*\\/", "IMAGES_SUFFIX": ".jpg"}, [{"wildcard": "a\\*\\\\/*.jpg"}]),
        ({"IMAGES_PATTERNS": "photos/*.jpg, a\\b*"}, [{"wildcard": "photos/*.jpg"}, {"wildcard": "a\\\\b*"}]),
    ],
)
def test_the_rule_asks_for_the_stages_keys_alone_and_every_other_character_is_itself(settings, keys):
    assert keys_of(**settings) == keys


def test_the_rule_asks_for_uploads_to_the_stages_bucket():
    pattern = Config.from_env(ON).event_pattern
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"]["bucket"] == {"name": ["images"]}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"S3_NOTIFIES": "lambda", "IMAGES_PATTERNS": "a*"}, "IMAGES_PATTERNS needs S3_NOTIFIES=eventbridge"),
        ({"IMAGES_PATTERNS": "a**"}, "IMAGES_PATTERNS is 'a**': expected patterns of whole keys"),
        ({"IMAGES_PATTERNS": "a,,b"}, "IMAGES_PATTERNS is 'a,,b': expected patterns"),
        ({"IMAGES_PATTERNS": "a,a"}, "expected each pattern once"),
        ({"IMAGES_PATTERNS": "a*", "IMAGES_PREFIX": "a"}, "write IMAGES_PREFIX and IMAGES_SUFFIX into them"),
        (
            {"IMAGES_PATTERNS": ",".join(f"{i}{'x' * 900}*" for i in range(3))},
            "IMAGES_PATTERNS make a rule of 2,882 characters: EventBridge takes 2,048",
        ),
        ({"IMAGES_PREFIX": "\u00e4" * 400}, "IMAGES_PREFIX and IMAGES_SUFFIX make a rule of"),
    ],
)
def test_patterns_that_cannot_be_are_refused_in_one_line(settings, line):
    with pytest.raises(ConfigError) as refused:
        Config.from_env({**ON, **settings})
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_prefix_that_is_too_long_for_a_rule_is_none_of_a_stage_that_has_no_rule():
    assert Config.from_env({**GOOD, "IMAGES_PREFIX": "\u00e4" * 400}).images_prefix


def test_the_patterns_hold_for_a_backfill_and_the_trace_too():
    config = Config.from_env({**ON, "IMAGES_PATTERNS": "photos/*.jpg,avatars/*"})
    why = {
        key: config.why_ignored(ObjectCreated("images", key))
        for key in ("photos/a.jpg", "avatars/a", "photos/a.png", "xphotos/a.jpg")
    }
    assert [bool(one) for one in why.values()] == [False, False, True, True]
    assert why["photos/a.png"] == "IMAGES_PATTERNS leaves such keys out"


def test_enqueue_takes_eventbridges_event_as_s3s_own(queues):
    counts = enqueue_events(EVENT, FakeSqs(queues), Config.from_env(ON), Fairness(1), 0.0)
    assert counts == {"enqueued": 1, "rejected": 0, "ignored": 0, "bulk": 0}
    (body,) = [json.loads(one) for one in queues.queue("source").bodies()]
    assert (body["Key"], body["ETag"], body["Sequencer"]) == ("photos/a b+c.jpg", "abc", "0A")


def test_chalice_makes_a_rule_for_enqueue_and_asks_nothing_of_the_bucket(monkeypatch):
    app = load_app(monkeypatch, S3_NOTIFIES="eventbridge", IMAGES_PATTERNS="photos/*")
    of = {type(one).__name__: one for one in app.event_sources if one.name == "enqueue"}
    assert list(of) == ["CloudWatchEventConfig"]
    keys = of["CloudWatchEventConfig"].event_pattern["detail"]["object"]["key"]
    assert keys == [{"wildcard": "photos/*"}]
    assert of["CloudWatchEventConfig"].handler_string == "app.enqueue"


@pytest.mark.slow
def test_enqueue_has_the_same_policy_whoever_calls_it(tmp_path):
    account = Account("123456789012", "eu-central-1")
    stage = workspace.make(tmp_path / "app", {}, "dev")
    stage.record(deploying.expected_settings(stage, account), {})
    stage.record({"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}, {})
    by_s3 = policies.documents(stage, account)
    stage.record({"S3_NOTIFIES": "eventbridge"}, {})
    assert policies.documents(stage, account) == by_s3


class Bucket:
    """S3, holding one bucket's notifications."""

    def __init__(self, **notifications):
        self.notifications, self.puts = notifications, 0

    def get_bucket_notification_configuration(self, **asked):
        return {"ResponseMetadata": {}, **self.notifications}

    def put_bucket_notification_configuration(self, **given):
        self.notifications, self.puts = given["NotificationConfiguration"], self.puts + 1


THEIRS = {"QueueConfigurations": [{"Id": "theirs", "QueueArn": "arn:aws:sqs:here:other"}]}


def test_our_own_bucket_is_switched_on_and_off_beside_what_others_have_there():
    bucket = Bucket(**THEIRS)
    for on in (True, True, False, False):
        notify.switch_eventbridge(bucket, "b", on=on)
        assert bucket.notifications == ({**THEIRS, "EventBridgeConfiguration": {}} if on else THEIRS)
    assert bucket.puts == 2, "what is so already is not put again"


def test_a_bucket_of_the_users_own_is_never_switched_and_a_deploy_names_the_command(tmp_path):
    account = Account("123456789012", "eu-central-1")
    settings = {"IMAGES_BUCKET": "theirs", "S3_NOTIFIES": "eventbridge"}
    stage, silent = workspace.make(tmp_path / "app", settings, "dev"), Bucket(**THEIRS)
    said = re.escape("aws s3api put-bucket-notification-configuration --bucket theirs")
    with pytest.raises(CommandError, match=said):
        deploying.check_bucket(silent, stage, settings, account)
    assert silent.puts == 0
    deploying.check_bucket(Bucket(EventBridgeConfiguration={}), stage, settings, account)
    deploying.check_bucket(silent, stage, {**settings, "S3_NOTIFIES": "lambda"}, account)


def test_other_changes_of_a_buckets_notifications_leave_eventbridge_on():
    bucket = Bucket(EventBridgeConfiguration={}, LambdaFunctionConfigurations=[{"LambdaFunctionArn": "ours"}])
    notify.forget_bucket(bucket, "b", notify.Ours("queue", "ours"))
    assert bucket.notifications == {"EventBridgeConfiguration": {}}
