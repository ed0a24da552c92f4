"""What Chalice does on the way that would be a moment too early or too late for us, mended while it deploys.

Chalice has no hook for it. Its version is pinned, and tests look at what was deployed.
"""

from __future__ import annotations

from typing import Any

from chalice.awsclient import TypedAWSClient

from chalicelib.config.stage import queue_name
from infra.deploying import invocations, notify
from infra.stage import Account, Stage

_connect_rule = TypedAWSClient.connect_rule_to_lambda
_update_mapping = TypedAWSClient.update_lambda_event_source


def _account(function_arn: str) -> Account:
    _, partition, _, region, account, *_ = function_arn.split(":")
    return Account(account, region, partition)


def apply(stage: Stage) -> None:
    """From now on in this process, for a deploy of the stage.

    Before S3 or EventBridge calls the enqueue function, and before the schedule calls a drain, how often
    Lambda tries them again is set: a deploy that dies leaves neither running without. And the bucket turns
    from the queue to the function in one call, so no upload falls between the two.
    """

    def before_uploads(functions: Any, function_arn: str) -> None:
        dead_letters = queue_name(stage.environment()["DEAD_LETTER_QUEUE_URL"])
        invocations.of_uploads(functions, function_arn, _account(function_arn).arn("sqs", dead_letters))

    def connect_bucket(
        client: TypedAWSClient,
        bucket: str,
        function_arn: str,
        events: list[str],
        prefix: str | None = None,
        suffix: str | None = None,
    ) -> None:
        before_uploads(client._client("lambda"), function_arn)
        ours = notify.of(stage, _account(function_arn))
        notify.point_at_function(client._client("s3"), bucket, ours, events, prefix or "", suffix or "")

    def connect_rule(client: TypedAWSClient, rule_name: str, function_arn: str) -> None:
        functions = client._client("lambda")
        if function_arn.endswith(f":{stage.function_name('enqueue')}"):
            before_uploads(functions, function_arn)
        else:
            invocations.of_ticks(functions, function_arn)
        _connect_rule(client, rule_name, function_arn)

    def update_mapping(client: TypedAWSClient, event_uuid: str, *given: Any, **named: Any) -> None:
        """Chalice leaves the old width where there is to be none any more."""
        _update_mapping(client, event_uuid, *given, **named)
        if not named.get("maximum_concurrency"):
            invocations.without_width(client._client("lambda"), event_uuid)

    mended: Any = TypedAWSClient
    mended.update_lambda_event_source = update_mapping
    mended.connect_s3_bucket_to_lambda = connect_bucket
    mended.connect_rule_to_lambda = connect_rule
