"""make verify on a stage that is deployed: all well, each part broken on purpose, and its own picture."""

from __future__ import annotations

import contextlib
import json

import boto3
import pytest
from rich.console import Console

from infra.commands import verify
from infra.deploying import invocations, notify
from infra.permissions.address_policy import API_STAGE
from tests.support.deployment import apis_of, environment, mappings, only_our_ticks, rest, wait_for, without

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed_looked_at")]


@pytest.fixture
def looked(deployed):
    found = verify.of(deployed.stage, deployed.stage.account())
    return lambda: {row.part: row for row in verify.look(found)}


def wrong(rows):
    return [row.part for row in rows.values() if row.state == "wrong"]


def test_a_stage_as_deployed_is_right_in_every_part(looked, capsys):
    rows = looked()
    assert {part: (row.state, row.says) for part, row in rows.items() if row.state != "ok"} == {}
    verify.show(list(rows.values()), Console(width=200))
    assert "10 roles" not in capsys.readouterr().out
    assert json.loads(verify.as_json(list(rows.values())))[0]["part"] == "stack"


@contextlib.contextmanager
def changed(change, back):
    change()
    try:
        yield
    finally:
        back()


def a_rule_is_off(p):
    return only_our_ticks(p)


@contextlib.contextmanager
def another_setting(p):
    name = p.stage.function_name("consume")

    def changed():
        found = boto3.client("lambda").get_function_configuration(FunctionName=name)
        return found.get("State", "Active") == "Active"

    with environment(p, "consume", CAPACITY="12345"):
        wait_for(changed, "the function to be changed")
        yield
    wait_for(changed, "the function to be changed back")


def a_right_less(p):
    return without(p, "consume", "s3:PutObject", "/*")


def a_mapping_is_off(p):
    client, (mapping,) = boto3.client("lambda"), mappings(p)
    return changed(
        lambda: client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False),
        lambda: client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True),
    )


def a_notification_is_gone(p):
    bucket = p.settings["IMAGES_BUCKET"]
    before = p.s3.get_bucket_notification_configuration(Bucket=bucket)
    before.pop("ResponseMetadata")

    def put(configuration):
        return lambda: p.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration
        )

    return changed(put({}), put(before))


def a_filter_is_another(p):
    bucket, ours = p.settings["IMAGES_BUCKET"], notify.of(p.stage, p.stage.account())

    def point(prefix):
        return lambda: notify.point_at_function(p.s3, bucket, ours, ["s3:ObjectCreated:*"], prefix, "")

    return changed(point("other/"), point(""))


def ticks_are_tried_again(p):
    client, name = boto3.client("lambda"), p.stage.function_name("drain")

    def retries(number):
        return lambda: client.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=number, MaximumEventAgeInSeconds=60
        )

    return changed(retries(2), retries(0))


def a_long_redrive_would_be_ended(p):
    client, name = boto3.client("lambda"), p.stage.function_name("letters")

    def loop(kind):
        return lambda: client.put_function_recursion_config(FunctionName=name, RecursiveLoop=kind)

    return changed(loop("Terminate"), loop("Allow"))


def an_upload_would_be_dropped(p):
    client, stage = boto3.client("lambda"), p.stage
    name = stage.function_name("enqueue")
    dead_letters = stage.account().arn("sqs", f"{stage.stack_name}-dead-letter")
    return changed(
        lambda: client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2),
        lambda: invocations.of_uploads(client, name, dead_letters),
    )


@contextlib.contextmanager
def anybody_may_ask(p):
    client, (api,) = boto3.client("apigateway"), apis_of(p.stage)
    pages = client.get_paginator("get_resources").paginate(restApiId=api)
    (status,) = [one["id"] for page in pages for one in page["items"] if one["path"] == "/status"]

    def authorized_by(kind):
        client.update_method(
            restApiId=api,
            resourceId=status,
            httpMethod="GET",
            patchOperations=[{"op": "replace", "path": "/authorizationType", "value": kind}],
        )
        client.create_deployment(restApiId=api, stageName=API_STAGE)

    authorized_by("NONE")
    try:
        yield
    finally:
        authorized_by("AWS_IAM")


def two_ticks_may_overlap(p):
    client, name = boto3.client("lambda"), p.stage.function_name("drain")
    return changed(
        lambda: client.delete_function_concurrency(FunctionName=name),
        lambda: client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1),
    )


def a_log_is_kept_for_ever(p):
    client, name = boto3.client("logs"), f"/aws/lambda/{p.stage.function_name('consume')}"
    return changed(
        lambda: client.delete_retention_policy(logGroupName=name),
        lambda: client.put_retention_policy(logGroupName=name, retentionInDays=30),
    )


def an_alarm_is_gone(p):
    client, name = boto3.client("cloudwatch"), f"{p.stage.stack_name}-retries"
    (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    wanted = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    kept = {key: value for key, value in alarm.items() if key in wanted}
    return changed(
        lambda: client.delete_alarms(AlarmNames=[name]),
        lambda: client.put_metric_alarm(**kept),
    )


@pytest.mark.parametrize(
    ("broken", "part"),
    [
        (a_rule_is_off, "schedule"),
        (another_setting, "functions"),
        (a_right_less, "policies"),
        (a_mapping_is_off, "event source mappings"),
        (a_notification_is_gone, "notification"),
        (a_filter_is_another, "notification"),
        (ticks_are_tried_again, "retries, on-failure"),
        (a_long_redrive_would_be_ended, "retries, on-failure"),
        (an_upload_would_be_dropped, "retries, on-failure"),
        (anybody_may_ask, "REST API"),
        (two_ticks_may_overlap, "schedule"),
        (a_log_is_kept_for_ever, "log groups"),
        (an_alarm_is_gone, "alarms"),
    ],
)
def test_each_part_that_is_broken_is_named_and_no_other(deployed, looked, broken, part):
    with broken(deployed):
        rows = looked()
        assert wrong(rows) == [part], rows
    rows = looked()
    assert wrong(rows) == [], rows


def keys(deployed):
    return [
        one["Key"]
        for name in ("IMAGES_BUCKET", "THUMBNAILS_BUCKET")
        for one in deployed.s3.list_objects_v2(Bucket=deployed.settings[name]).get("Contents", [])
        if verify.FOLDER in one["Key"]
    ]


def test_a_picture_a_letter_and_a_job_of_its_own_go_through_and_leave_nothing(deployed):
    bucket = deployed.settings["IMAGES_BUCKET"]
    theirs = f"{verify.FOLDER}somebody's own.txt"
    deployed.s3.put_object(Bucket=bucket, Key=theirs, Body=b"not ours")
    deployed.s3.put_object(
        Bucket=bucket, Key=f"{verify.FOLDER}{'0' * 32}.jpg", Body=b"left from an earlier run"
    )
    told = []
    found = verify.of(deployed.stage, deployed.stage.account())
    rows = {row.part: row for row in verify.try_it(found, ["upload", "letter", "job"], told.append)}
    assert {part: row.says for part, row in rows.items() if row.state != "ok"} == {}
    assert "2 thumbnails; waited in source" in rows["upload"].says
    assert "after a minute" in rows["upload"].says
    assert "discarded again" in rows["letter"].says
    assert [line for line in told if "will ring" in line or "it costs $0.25" in line].__len__() == 2
    there = keys(deployed)
    deployed.s3.delete_object(Bucket=bucket, Key=theirs)
    assert there == [theirs]


def test_ctrl_c_leaves_nothing_either(deployed):
    def say(line):
        if line.startswith("Uploaded"):
            assert keys(deployed)
            raise KeyboardInterrupt

    found = verify.of(deployed.stage, deployed.stage.account())
    with pytest.raises(KeyboardInterrupt):
        print(verify.try_it(found, ["upload"], say))
    assert keys(deployed) == []


def test_a_stage_that_is_paused_is_not_tried(deployed, aws):
    rest(deployed, aws.url, "schedule/pause", {})
    try:
        found = verify.of(deployed.stage, deployed.stage.account())
        rows = verify.try_it(found, ["upload"], lambda line: None)
        assert [(row.part, row.state) for row in rows][1:] == [("upload", "not tried")]
        assert rows[1].says == "the stage is paused"
        assert keys(deployed) == []
    finally:
        rest(deployed, aws.url, "schedule/resume", {})
