"""What a deploy looks at before it changes anything, and what it waits for."""

from __future__ import annotations

import json
import os
from functools import partial
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from chalice.awsclient import TypedAWSClient

from chalicelib.capacity import shard_names, share
from dev import workspace
from infra import eventually
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.deploying import invocations, leftovers, mended, notify, plain_chalice, stack, trail
from infra.errors import CommandError
from infra.stage import RECORDED, Account, Stage
from tests.support.app import load_app

HERE = Account("123456789012", "eu-central-1")
QUEUE, ENQUEUE = "arn:aws:sqs:here:the-source", "arn:aws:lambda:here:enqueue"
OURS = notify.Ours(QUEUE, ENQUEUE)


@pytest.fixture
def stage(tmp_path):
    found = workspace.make(tmp_path / "app", {}, "prod")
    found.record(deploying.expected_settings(found, HERE), {})
    return found


def refusal(code, message):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


class Answers:
    """A call that gives each of these in turn, and raises those that are errors."""

    def __init__(self, *answers):
        self.left = list(answers)

    def __call__(self, **arguments):
        found = self.left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize("command", [deploying.deploy, destroying.destroy])
@pytest.mark.parametrize("other", [Account("999999999999", HERE.region), Account(HERE.id, "eu-west-1")])
def test_a_stage_is_not_touched_with_the_credentials_of_another_account_or_region(
    stage, monkeypatch, command, other
):
    monkeypatch.setattr(f"{command.__module__}.current_account", lambda: other)
    monkeypatch.setattr("boto3.client", lambda *service: pytest.fail("AWS was asked"))
    with pytest.raises(
        CommandError, match=rf"stage prod is in account 123456789012, .* {other.id}, {other.region}"
    ):
        command(stage, lambda step: None)


def test_a_stage_that_was_destroyed_may_be_deployed_elsewhere_with_what_people_set(stage):
    names = {"CAPACITY": "5", "IMAGES_BUCKET": "their-own"}
    stage.record(names, {"drain": "policy.json"})
    stage.forget(deploying.expected_settings(stage, HERE))
    settings = stage.environment()
    assert settings.items() >= names.items()
    assert not set(RECORDED) & set(settings) - set(names)
    assert "policy.json" not in stage.config_file.read_text()
    deploying.refuse_another_account(stage, Account("999999999999", "eu-west-1"))


def test_a_thumbnails_bucket_of_the_users_own_stays_in_the_settings_and_in_the_policies(stage):
    stage.record({"THUMBNAILS_BUCKET": "their-own"}, {})
    made = {
        **deploying.expected_settings(stage, HERE),
        "JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
    }
    deploying.record(stage, made, HERE)
    assert stage.environment()["THUMBNAILS_BUCKET"] == "their-own"
    policy = json.loads(stage.config_file.with_name("policy-prod-consume.json").read_text())
    written = [one["Resource"] for one in policy["Statement"] if "s3:PutObject" in one["Action"]]
    assert written == [["arn:aws:s3:::their-own/*"]]


class Lambda:
    """Lambda's account: how much is unreserved, and the functions that have a reservation."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self, executions, reserved):
        self.executions, self.reserved = executions, reserved

    def get_account_settings(self):
        left = self.executions - sum(self.reserved.values())
        return {
            "AccountLimit": {"ConcurrentExecutions": self.executions, "UnreservedConcurrentExecutions": left}
        }

    def get_function_concurrency(self, **asked):
        return {"ReservedConcurrentExecutions": self.reserved[asked["FunctionName"]]}


def test_an_account_too_small_for_a_reserved_drain_is_refused_before_anything_is_made(stage):
    with pytest.raises(
        CommandError, match=r"runs 10 executions .* lets 0 more be reserved; 1 are needed.*Service Quotas"
    ):
        deploying.check_concurrency(Lambda(10, {}), stage)
    deploying.check_concurrency(Lambda(51, {}), stage)
    stage.record({"DRAIN_SHARDS": "3"}, {})
    with pytest.raises(CommandError, match="lets 2 more be reserved; 3 are needed"):
        deploying.check_concurrency(Lambda(52, {}), stage)


def test_what_is_reserved_already_is_not_needed_again(stage):
    deploying.check_concurrency(Lambda(50, {stage.function_name("drain"): 1}), stage)


def test_a_refusal_that_passes_is_waited_for_and_any_other_is_not():
    waits = []
    not_yet = refusal(
        "InvalidParameterValueException", "The role does not have permissions to call SendMessage"
    )
    call = Answers(not_yet, not_yet, "done")
    assert eventually.settled(call, *invocations.NOT_YET, sleep=waits.append) == "done"
    assert waits == [eventually.PAUSE_S] * 2
    for other in (
        refusal("AccessDenied", "permission"),
        refusal("InvalidParameterValueException", "too old"),
    ):
        with pytest.raises(ClientError) as refused:
            eventually.settled(Answers(other), *invocations.NOT_YET, sleep=waits.append)
        assert refused.value is other
    assert len(waits) == 2


def test_a_refusal_that_does_not_pass_is_told_in_the_end():
    waits = []
    not_yet = refusal("ResourceConflictException", "an update is in progress")
    with pytest.raises(ClientError, match="an update is in progress"):
        eventually.settled(Answers(*[not_yet] * 100), *invocations.NOT_YET, sleep=waits.append)
    assert sum(waits) == eventually.SETTLES_WITHIN_S


def test_a_stack_that_an_earlier_deploy_left_in_motion_is_waited_for():
    """CloudFormation goes on when the machine that asked has gone down, and refuses a second change."""
    waits = []
    statuses = ("CREATE_IN_PROGRESS",) * 3 + ("CREATE_COMPLETE",)
    client = SimpleNamespace(
        describe_stacks=Answers(*({"Stacks": [{"StackStatus": status}]} for status in statuses))
    )
    assert stack._settled_status(client, "s", waits.append) == "CREATE_COMPLETE"
    assert len(waits) == 3


def test_a_stack_that_cannot_go_back_says_what_to_do():
    event = {
        "LogicalResourceId": "SourceQueue",
        "ResourceStatus": "UPDATE_FAILED",
        "ResourceStatusReason": "gone",
    }
    client = SimpleNamespace(
        describe_stacks=lambda **names: {"Stacks": [{"StackStatus": "UPDATE_ROLLBACK_FAILED"}]},
        describe_stack_events=lambda **names: {"StackEvents": [event]},
    )
    with pytest.raises(CommandError, match=r"SourceQueue: gone.*continue-update-rollback --stack-name s`"):
        stack.deploy(client, "s", {"Stage": "prod"}, HERE)


class Bucket:
    """S3, holding one bucket's notifications; it does not believe a new queue policy at once."""

    exceptions = SimpleNamespace(NoSuchBucket=KeyError)

    def __init__(self, *refusals, **notifications):
        self.refusals, self.notifications, self.puts = list(refusals), notifications, 0

    def get_bucket_notification_configuration(self, **asked):
        if asked["Bucket"] == "gone":
            raise self.exceptions.NoSuchBucket
        return {"ResponseMetadata": {}, **self.notifications}

    def put_bucket_notification_configuration(self, **given):
        if self.refusals:
            raise self.refusals.pop()
        self.notifications, self.puts = given["NotificationConfiguration"], self.puts + 1


def test_a_bucket_that_notifies_the_queue_may_go_on_until_the_deploy_has_changed_that(monkeypatch):
    """What S3 may not deliver meanwhile would be lost."""
    bucket = Bucket()
    monkeypatch.setattr(deploying.boto3, "client", lambda service: bucket)
    stage, account = Stage(workspace.ROOT, "dev"), HERE
    settings, ours = {"IMAGES_BUCKET": "b", "S3_NOTIFIES": "lambda"}, notify.of(stage, account)
    assert deploying._notified_bucket(stage, settings, account) == ""
    notify.point_at_queue(bucket, "b", ours, prefix="", suffix="")
    assert deploying._notified_bucket(stage, settings, account) == "b"
    assert deploying._notified_bucket(stage, {**settings, "S3_NOTIFIES": "queue"}, account) == "b"
    notify.point_at_function(bucket, "b", ours, ["s3:ObjectCreated:*"], "", "")
    assert deploying._notified_bucket(stage, settings, account) == ""


def test_a_bucket_that_notifies_the_queue_as_it_should_is_left_alone():
    bucket = Bucket()
    for prefix in ("in/", "", "in/"):
        for _ in range(2):  # S3 would send the queue a test message for each
            notify.point_at_queue(bucket, "b", OURS, prefix=prefix, suffix="")
    assert bucket.puts == 3


def test_a_queue_whose_policy_s3_does_not_see_yet_is_tried_again(monkeypatch):
    waits = []
    monkeypatch.setattr(notify, "settled", partial(eventually.settled, sleep=waits.append))
    bucket = Bucket(refusal(*notify.NOT_YET))
    notify.point_at_queue(bucket, "b", OURS, prefix="in/", suffix="")
    (queue,) = bucket.notifications["QueueConfigurations"]
    assert (queue["QueueArn"], bucket.puts, len(waits)) == (QUEUE, 1, 1)


THEIRS = {
    "EventBridgeConfiguration": {},  # an empty structure switches it on
    "TopicConfigurations": [
        {"Id": "a", "TopicArn": "arn:aws:sns:here", "Events": ["s3:ObjectRemoved:*"], "Filter": {"Key": {}}}
    ],
    "QueueConfigurations": [{"Id": "b", "QueueArn": "arn:aws:sqs:theirs", "Events": ["s3:ObjectRestore:*"]}],
    "LambdaFunctionConfigurations": [
        {
            "Id": "c",
            "LambdaFunctionArn": "arn:aws:lambda:here:theirs",
            "Events": ["s3:ObjectCreated:Put"],
            "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "theirs+and%3D/"}]}},
        }
    ],
}


def others(bucket):
    """What the bucket notifies besides us; an empty list says nothing."""

    def ours(one):
        return one.get("QueueArn") == QUEUE or one.get("LambdaFunctionArn") == ENQUEUE

    found = {
        kind: [one for one in value if not ours(one)] if isinstance(value, list) else value
        for kind, value in bucket.notifications.items()
    }
    return {kind: value for kind, value in found.items() if value != []}


def chalices(bucket):
    return TypedAWSClient(
        SimpleNamespace(create_client=lambda *asked, **more: bucket, get_config_variable=str)
    )


@pytest.mark.parametrize("kinds", [list(THEIRS), *([kind] for kind in THEIRS), []])
def test_every_notification_that_is_not_ours_stays_byte_for_byte(kinds):
    """Through every change of S3_NOTIFIES and a destroy: by our own calls and by Chalice's."""
    theirs = {kind: THEIRS[kind] for kind in kinds}
    bucket = Bucket(**json.loads(json.dumps(theirs)))

    def ours():
        return sum(map(len, filter(None, map(bucket.notifications.get, KINDS)))) - sum(
            map(len, filter(None, map(theirs.get, KINDS)))
        )

    for _ in range(2):
        for _ in range(2):
            notify.point_at_queue(bucket, "b", OURS, prefix="in/", suffix=".jpg")
            assert (others(bucket), ours()) == (theirs, 1)
        for _ in range(2):
            notify.point_at_function(bucket, "b", OURS, ["s3:ObjectCreated:*"], "in/", ".jpg")
            assert (others(bucket), ours()) == (theirs, 1)
    chalices(bucket).disconnect_s3_bucket_from_lambda("b", ENQUEUE)
    notify.forget_bucket(bucket, "b", OURS)
    assert (others(bucket), ours()) == (theirs, 0)


KINDS = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations")


@pytest.mark.parametrize(
    ("text", "filtered"),
    [
        ("my photos/year=2026/", "my+photos/year%3D2026/"),
        (".jpg", ".jpg"),
        ("in/", "in/"),
        ("a+b&c", "a%2Bb%26c"),
        ("größe/", "gr%C3%B6%C3%9Fe/"),
        ("safe!-_.*'()/", "safe!-_.*'()/"),
        ("~", "%7E"),
    ],
)
def test_a_notifications_filter_is_encoded_as_s3_wants_it_and_only_there(text, filtered, monkeypatch):
    bucket = Bucket()
    notify.point_at_queue(bucket, "b", OURS, prefix=text, suffix=text)
    (queue,) = bucket.notifications["QueueConfigurations"]
    rules = {one["Name"]: one["Value"] for one in queue["Filter"]["Key"]["FilterRules"]}
    assert rules == {"Prefix": filtered, "Suffix": filtered}
    app = load_app(monkeypatch, IMAGES_PREFIX=text, IMAGES_SUFFIX=text)
    (handler,) = [one for one in app.pure_lambda_functions + app.event_sources if one.name == "enqueue"]
    assert (handler.prefix, handler.suffix) == (filtered, filtered)


class Recorded:
    """A client of boto3 that takes every call and remembers it."""

    exceptions = SimpleNamespace(InvalidParameterValueException=KeyError, ResourceInUseException=KeyError)

    def __init__(self, calls, **answers):
        self.calls, self.answers = calls, answers

    def __getattr__(self, name):
        def call(**given):
            self.calls.append((name, given))
            return self.answers.get(name, {})

        return call


@pytest.fixture
def mending(stage, monkeypatch):
    """Chalice's client in a deploy of ours, over a bucket that notified the queue; and what it calls."""
    for name in (
        "connect_s3_bucket_to_lambda",
        "connect_rule_to_lambda",
        "update_lambda_event_source",
    ):
        monkeypatch.setattr(TypedAWSClient, name, getattr(TypedAWSClient, name))  # put back afterwards
    monkeypatch.setattr(notify, "settled", partial(eventually.settled, sleep=lambda s: None))
    mended.apply(stage)
    ours = notify.of(stage, HERE)
    told = {"Id": ours.id, "QueueArn": ours.queue}
    calls, bucket = [], Bucket(refusal(*notify.NOT_YET), QueueConfigurations=[told])
    clients = {"s3": bucket, "lambda": Recorded(calls), "events": Recorded(calls)}
    session = SimpleNamespace(create_client=lambda service, **more: clients[service], get_config_variable=str)
    return TypedAWSClient(session), bucket, calls


FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:s3-event-scheduler-prod-enqueue"


def test_the_bucket_turns_to_the_function_in_one_call_and_after_its_failed_events_have_a_place(mending):
    """S3 does not see at once that it may call a new function: asked again."""
    client, bucket, calls = mending
    client.connect_s3_bucket_to_lambda("b", FUNCTION, ["s3:ObjectCreated:*"], prefix="in/")
    ((name, config),) = calls
    assert name == "put_function_event_invoke_config"
    assert config["DestinationConfig"]["OnFailure"]["Destination"].endswith("-prod-dead-letter")
    (function,) = bucket.notifications["LambdaFunctionConfigurations"]
    assert function["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "in/"}]
    assert bucket.puts == 1
    assert "QueueConfigurations" not in bucket.notifications


@pytest.mark.parametrize(
    ("function", "retries", "age", "place"),
    [("drain", 0, 60, None), ("drain-1", 0, 60, None), ("enqueue", 2, 21_600, "-prod-dead-letter")],
)
def test_a_rule_calls_a_function_only_once_its_retries_are_set(mending, function, retries, age, place):
    """An upload that EventBridge tells of is no tick: it is tried again, and has a place when that fails."""
    client, _, calls = mending
    client.connect_rule_to_lambda("rule", FUNCTION.replace("enqueue", function))
    assert [name for name, _ in calls] == ["put_function_event_invoke_config", "put_targets"]
    config = calls[0][1]
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (retries, age)
    given = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    assert given.endswith(place) if place else not given


class Mapping:
    """Lambda with one event source mapping, which goes through these states, and is then gone."""

    class exceptions:  # noqa: N801  boto3's name
        class ResourceNotFoundException(Exception):
            """As boto3's."""

        class ResourceInUseException(Exception):
            """As boto3's."""

    def __init__(self, *states):
        self.states, self.deletes = list(states), 0

    def get_event_source_mapping(self, **asked):
        if not self.states:
            raise self.exceptions.ResourceNotFoundException
        return {"State": self.states[0]}

    def delete_event_source_mapping(self, **asked):
        if self.states[0] in ("Creating", "Updating"):
            raise self.exceptions.ResourceInUseException
        self.deletes += 1

    def passes(self, seconds):
        if self.states and (self.states[0] != "Enabled" or self.deletes):
            self.states.pop(0)


@pytest.mark.parametrize(
    "states",
    [
        ("Enabled",),
        ("Deleting", "Deleting"),
        ("Creating", "Enabled"),
        ("Updating", "Enabled", "Deleting"),
        (),
    ],
)
def test_a_mapping_that_is_being_made_changed_or_deleted_is_waited_for(states):
    client = Mapping(*states)
    leftovers.remove_mapping(client, "u", client.passes)
    assert client.states == []
    assert client.deletes <= 1


def test_a_mapping_that_never_goes_is_told():
    client = Mapping("Deleting")
    with pytest.raises(CommandError, match="still being deleted: deploy again in a minute"):
        leftovers.remove_mapping(client, "u", lambda seconds: None)


def test_a_queues_name_that_was_just_freed_is_waited_for_with_one_line(monkeypatch):
    refused = CommandError(
        "stack s: SourceQueue: You must wait 60 seconds after deleting a queue before you can create another "
        "with the same name. (Service: Sqs; AWS.SimpleQueueService.QueueDeletedRecently)"
    )
    answers, waits, told = Answers(refused, {"IMAGES_BUCKET": "b"}), [], []
    monkeypatch.setattr(stack, "_deploy", lambda *given: answers())
    assert stack.deploy(None, "s", {}, HERE, told.append, waits.append) == {"IMAGES_BUCKET": "b"}
    assert (len(told), sum(waits) >= 60) == (1, True)
    monkeypatch.setattr(stack, "_deploy", lambda *given: Answers(CommandError("another reason"))())
    with pytest.raises(CommandError, match="another reason"):
        stack.deploy(None, "s", {}, HERE, told.append, waits.append)
    assert len(told) == 1


class CloudTrail:
    def __init__(self, *logging, refuses=None):
        self.logging, self.refuses = logging, refuses

    def describe_trails(self, **asked):
        if self.refuses:
            raise self.refuses
        return {"trailList": [{"TrailARN": str(number)} for number, _ in enumerate(self.logging)]}

    def get_trail_status(self, **asked):
        return {"IsLogging": self.logging[int(asked["Name"])]}


def test_a_deploy_says_when_the_mail_about_failed_jobs_cannot_come():
    assert trail.missing(CloudTrail(False, True)) == ""
    for none in (CloudTrail(), CloudTrail(False)):
        assert trail.missing(none).startswith(
            "the mail about a failed bulk job needs a CloudTrail trail that logs, and"
        )
    denied = CloudTrail(refuses=refusal("AccessDeniedException", "cloudtrail:DescribeTrails"))
    assert "not checked, " in trail.missing(denied)
    assert "cloudtrail:DescribeTrails" in trail.missing(denied)


def test_the_width_of_consume_is_its_mappings_and_goes_with_the_setting(mending, monkeypatch):
    client, _, calls = mending
    calls_of = {"get_event_source_mapping": {"ScalingConfig": {"MaximumConcurrency": 5}}}
    monkeypatch.setattr(client, "_client", lambda service: Recorded(calls, **calls_of))
    client.update_lambda_event_source(event_uuid="u", batch_size=10, maximum_concurrency=5)
    client.update_lambda_event_source(event_uuid="u", batch_size=10, maximum_concurrency=None)
    set_to = [given.get("ScalingConfig") for name, given in calls if name == "update_event_source_mapping"]
    assert set_to == [{"MaximumConcurrency": 5}, None, {}]
    for given, width in (("", None), ("7", 7)):
        app = load_app(monkeypatch, CONSUME_CONCURRENCY=given)
        (consume,) = [one for one in app.event_sources if one.name == "consume"]
        assert consume.maximum_concurrency == width


class Rules:
    def __init__(self, *names):
        self.states = dict.fromkeys(names, "ENABLED")

    def get_paginator(self, name):
        return SimpleNamespace(
            paginate=lambda **asked: [
                {"Rules": [{"Name": one, "State": state} for one, state in self.states.items()]}
            ]
        )

    def disable_rule(self, **asked):
        self.states[asked["Name"]] = "DISABLED"


def test_the_drains_that_go_tick_no_more_before_the_others_get_their_part(stage):
    """Only the stage's own, whatever other stages are called."""
    stage.record({"DRAIN_SHARDS": "2"}, {})
    own = [f"s3-event-scheduler-prod-drain-{number}-event" for number in (1, 2, 3)]
    events = Rules(*own, "s3-event-scheduler-prod-drain-x-drain-2-event")
    told = []
    leftovers.stop_shards(events, stage, told.append)
    assert [name for name, state in events.states.items() if state == "DISABLED"] == own[1:]
    leftovers.stop_shards(events, stage, told.append)
    assert len(told) == 2


@pytest.mark.parametrize(("before", "after"), [(1, 4), (2, 3), (4, 1), (5, 2), (3, 3)])
def test_while_shards_change_no_minute_has_more_than_the_capacity(before, after, monkeypatch):
    """Chalice changes the functions in app.py's order, and makes new ones as it comes to them."""
    app = load_app(monkeypatch, DRAIN_SHARDS=str(after))
    names = [one.name for one in app.event_sources if one.name.partition("-")[0] == "drain"]
    assert names == shard_names(after), "the order in which they change"
    capacity = 1000
    going = {index: share(capacity, before, index) for index in range(before)}
    for index in [one for one in going if one >= after]:
        del going[index]  # stopped before Chalice begins
    assert sum(going.values()) <= capacity
    for index in range(after):
        going[index] = share(capacity, after, index)
        assert sum(going.values()) <= capacity, (index, going)
    assert sum(going.values()) == capacity


def test_a_plain_chalice_deploy_with_fewer_shards_is_refused_in_a_line(stage):
    stage.deployed_file.parent.mkdir()
    drains = [{"name": name, "resource_type": "lambda_function"} for name in ("drain", "drain-1", "consume")]
    stage.deployed_file.write_text(json.dumps({"resources": drains}))
    with pytest.raises(CommandError, match="runs 2 drains, DRAIN_SHARDS is 1: make deploy STAGE=prod"):
        plain_chalice._check_shards(stage)
    stage.record({"DRAIN_SHARDS": "3"}, {})
    plain_chalice._check_shards(stage)


def test_a_destroyed_stage_leaves_no_notification_of_its_own_and_every_other():
    theirs = {"Id": "theirs", "LambdaFunctionArn": "arn:aws:lambda:here:other"}
    ours = {"LambdaFunctionArn": ENQUEUE}
    for mine in (
        {"LambdaFunctionConfigurations": [ours, theirs]},
        {"LambdaFunctionConfigurations": [theirs]},
    ):
        bucket = Bucket(**mine, QueueConfigurations=[{"Id": notify.OLD_ID, "QueueArn": QUEUE}])
        notify.forget_bucket(bucket, "b", OURS)
        assert bucket.notifications == {"LambdaFunctionConfigurations": [theirs]}
        notify.forget_bucket(bucket, "b", OURS)
        assert bucket.puts == 1, "nothing is left to be changed"
    notify.forget_bucket(Bucket(), "gone", OURS)


def test_stages_that_share_a_bucket_leave_each_others_notifications_alone():
    """And what somebody made by hand to a stage's queue, for another part of the bucket."""
    stages = [notify.of(Stage(workspace.ROOT, name), HERE) for name in ("dev", "prod")]
    dev, prod = stages
    by_hand = {"Id": "by hand", "QueueArn": prod.queue, "Events": ["s3:ObjectCreated:*"]}
    bucket = Bucket(QueueConfigurations=[by_hand])
    for number, ours in enumerate(stages):
        notify.point_at_queue(bucket, "b", ours, prefix=f"{number}/", suffix="")
    found = bucket.notifications["QueueConfigurations"]
    assert [one["QueueArn"] for one in found] == [prod.queue, dev.queue, prod.queue]
    assert len({one["Id"] for one in found}) == 3, "S3 refuses two of the same"
    notify.point_at_function(bucket, "b", dev, ["s3:ObjectCreated:*"], "0/", "")
    notify.forget_bucket(bucket, "b", dev)
    assert bucket.notifications == {"QueueConfigurations": [found[0], found[2]]}
    assert [notify.notifies_queue(bucket, "b", ours) for ours in stages] == [False, True]
    notify.forget_bucket(bucket, "b", prod)
    assert bucket.notifications == {"QueueConfigurations": [by_hand]}


def test_a_notification_of_an_earlier_version_is_taken_for_ours_by_its_queue_too():
    bucket = Bucket(QueueConfigurations=[{"Id": notify.OLD_ID, "QueueArn": QUEUE}])
    notify.point_at_queue(bucket, "b", OURS, prefix="", suffix="")
    assert [one["Id"] for one in bucket.notifications["QueueConfigurations"]] == ["the-source"]
    theirs = [{"Id": notify.OLD_ID, "QueueArn": "arn:aws:sqs:here:another-source"}]
    bucket = Bucket(QueueConfigurations=theirs)
    notify.forget_bucket(bucket, "b", OURS)
    assert bucket.notifications["QueueConfigurations"] == theirs


def test_a_deploy_is_patient_with_throttling_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("AWS_RETRY_MODE", "")  # so that it is put back as it was
    monkeypatch.delenv("AWS_RETRY_MODE")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    eventually.be_patient_when_throttled()
    assert (os.environ["AWS_RETRY_MODE"], os.environ["AWS_MAX_ATTEMPTS"]) == ("standard", "2")
