"""Alarms and dashboard: about things that are there, and each saying what to do."""

from __future__ import annotations

import json
import re

import boto3
import pytest

from chalicelib.planning import costs
from chalicelib.queues.retention import LAST_DAY, LAST_HOUR
from chalicelib.telemetry import metrics
from dev import workspace
from infra.deploying import deploy
from infra.errors import CommandError
from infra.permissions import aws_calls
from infra.stage import Account
from tests.support.alarms import ALARMS, RESOURCES, STAGE, text

QUEUES = {"SourceQueue", "BulkQueue", "DestinationQueue", "DeadLetterQueue"}


def dashboard():
    """The dashboard's metrics: [namespace, metric, dimension, value, ...]."""
    body = json.loads(
        re.sub(
            r"\$\{AWS::Region\}", "eu-central-1", text(RESOURCES["Dashboard"]["Properties"]["DashboardBody"])
        )
    )
    return [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]


def test_there_is_an_alarm_for_each_way_to_be_in_trouble():
    assert {text(one["AlarmName"]).removeprefix("s3-event-scheduler-prod-") for one in ALARMS.values()} == {
        "dead-letters",
        "letters-waiting",
        "letters-errors",
        "source-age",
        "received-age",
        "source-expires-in-a-day",
        "source-expires-in-an-hour",
        "bulk-expires-in-a-day",
        "bulk-expires-in-an-hour",
        "destination-age",
        "enqueue-errors",
        "ticks-failed",
        "tick-missing",
        "retries",
        "capacity-unread",
        "circuit-open",
        "consume-errors",
        "backfill-errors",
        "api-errors",
        "enqueue-throttled",
        "consume-throttled",
    }


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_the_topic_and_says_what_to_do(name):
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlertTopic"}]
    said = text(alarm["AlarmDescription"])
    assert re.search(r"PUT /|POST /|GET /|Look[: ]|Ask AWS", said), said
    assert len(said) <= 1024  # CloudWatch's limit


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_a_queue_or_a_function_that_the_stage_has(name):
    metric = ALARMS[name]
    dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
    if metric["Namespace"] == "AWS/SQS":
        assert dimensions["QueueName"]["Fn::GetAtt"][0] in QUEUES
    elif metric["Namespace"] == metrics.NAMESPACE:
        assert metric["MetricName"] in metrics.METRICS[dimensions["Function"]]
        assert dimensions["Stage"] == {"Ref": "Stage"}
    else:
        assert text(dimensions["FunctionName"]) in {
            STAGE.function_name(one) for one in aws_calls.handlers(STAGE.root)
        }


@pytest.mark.parametrize("queue", ["Source", "Bulk"])
@pytest.mark.parametrize(("when", "before"), [("Day", LAST_DAY), ("Hour", LAST_HOUR)])
def test_somebody_is_told_a_day_and_an_hour_before_a_lane_loses_an_event(queue, when, before):
    kept = RESOURCES[f"{queue}Queue"]["Properties"]["MessageRetentionPeriod"]
    alarm = ALARMS[f"{queue}Expires{when}Alarm"]
    assert alarm["Threshold"] == int(kept) - before.total_seconds()
    assert alarm["Dimensions"][0]["Value"]["Fn::GetAtt"] == [f"{queue}Queue", "QueueName"]


def test_the_price_of_the_alarms_is_that_of_all_of_them():
    assert len(ALARMS) == costs.ALARMS


def test_every_alarm_is_in_the_operations_manual():
    manual = (workspace.ROOT / "docs" / "operations.md").read_text()
    for alarm in ALARMS.values():
        name = text(alarm["AlarmName"]).removeprefix(f"{STAGE.stack_name}-")
        assert f"`{name}`" in manual, name


def test_a_tick_that_is_missing_is_trouble_and_missing_errors_are_not():
    missing = {name: alarm["TreatMissingData"] for name, alarm in ALARMS.items()}
    assert missing.pop("TickMissingAlarm") == "breaching"
    assert missing.pop("DeadLettersAlarm") == "ignore"  # written only when the number changes
    assert set(missing.values()) == {"notBreaching"}


def test_the_dashboard_shows_the_stages_own_queues_and_functions():
    functions = {STAGE.function_name(one) for one in aws_calls.handlers(STAGE.root)}
    queues = {f"{STAGE.stack_name}-{queue}" for queue in ("source", "bulk", "destination")}
    metrics = dashboard()
    assert len(metrics) > 15
    for namespace, _, *rest in metrics:
        if namespace == "AWS/SQS":
            assert rest[:1] == ["QueueName"]
            assert rest[1] in queues
        elif namespace == "AWS/Lambda":
            assert rest[:1] == ["FunctionName"]
            assert rest[1] in functions
        else:
            assert namespace == "S3EventScheduler"
            assert rest[:2] == ["Stage", "prod"]


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("ALARM_EMAIL", "on call", "ALARM_EMAIL is 'on call': expected an e-mail address"),
        ("ALARM_AFTER_TICKS", "1", "ALARM_AFTER_TICKS is '1': expected a whole number from 2 to 10,000"),
    ],
)
def test_a_bad_setting_is_refused_before_anything_is_made(setting, value, line):
    with pytest.raises(CommandError, match=line):
        deploy.check_settings(STAGE, {setting: value}, Account("123456789012", "eu-central-1"))


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.xdist_group("deployed_looked_at")
def test_a_deployed_stage_has_its_alarms_its_topic_and_its_dashboard(deployed):
    client = boto3.client("cloudwatch")
    name = deployed.stage.stack_name
    alarms = client.describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"]
    assert len(alarms) == len(ALARMS)
    (topic,) = {action for alarm in alarms for action in alarm["AlarmActions"]}
    assert topic.endswith(f":{name}-alerts")
    (age,) = [one for one in alarms if one["AlarmName"].endswith("-source-age")]
    assert age["Threshold"] == 30 * 60
    assert "1800 seconds" in age["AlarmDescription"]
    body = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])
    assert len(body["widgets"]) == 8
    (rule,) = boto3.client("events").list_rules(NamePrefix=f"s3-events-{deployed.stage.name}-job-failed")[
        "Rules"
    ]
    assert json.loads(rule["EventPattern"])["detail"]["serviceEventDetails"] == {"status": ["Failed"]}
