"""What Chalice switches on is safe before it runs: uploads as uploads, ticks as ticks, whoever calls them."""

from __future__ import annotations

import pytest
from chalice.awsclient import TypedAWSClient

from dev import workspace
from infra.deploying import deploy as deploying
from infra.deploying import mended
from tests.support.deployment import ACCOUNT

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:s3-event-scheduler-dev-"
UPLOADS = {
    "MaximumRetryAttempts": 2,
    "MaximumEventAgeInSeconds": 21_600,
    "DestinationConfig": {
        "OnFailure": {
            "Destination": "arn:aws:sqs:eu-central-1:123456789012:s3-event-scheduler-dev-dead-letter"
        }
    },
}
TICKS = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


class Client:
    """Chalice's client, and what was called in which order."""

    def __init__(self, calls):
        self.calls = calls

    def _client(self, service):
        return self

    def put_function_event_invoke_config(self, **given):
        self.calls.append((given.pop("FunctionName"), given))


@pytest.fixture
def connect(monkeypatch, tmp_path):
    """Connects a function with its rule; gives what was called."""
    for name in ("connect_rule_to_lambda", "connect_s3_bucket_to_lambda", "update_lambda_event_source"):
        monkeypatch.setattr(TypedAWSClient, name, getattr(TypedAWSClient, name))
    calls = []
    monkeypatch.setattr(mended, "_connect_rule", lambda client, rule, arn: calls.append((arn, "its rule")))
    stage = workspace.make(tmp_path / "app", {"S3_NOTIFIES": "eventbridge"}, "dev")
    stage.record(deploying.expected_settings(stage, ACCOUNT), {})
    mended.apply(stage)

    def connected(function):
        TypedAWSClient.connect_rule_to_lambda(Client(calls), "a rule", ARN + function)
        return calls

    return connected


@pytest.mark.parametrize(("function", "config"), [("enqueue", UPLOADS), ("drain", TICKS), ("drain-1", TICKS)])
def test_before_a_rule_calls_a_function_its_retries_are_set(connect, function, config):
    assert connect(function) == [(ARN + function, config), (ARN + function, "its rule")]
