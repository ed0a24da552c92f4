"""`make destroy`: everything a stage costs, except what people may still want.

Buckets with objects stay unless the user, asked, says otherwise, and queues with messages stop the command;
FORCE=1 asks nothing and deletes both. May be repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3

from chalicelib.config.stage import capacity_parameter
from chalicelib.queues.depths import all_messages
from infra.deploying import leftovers, notify, stack
from infra.deploying.deploy import (
    Say,
    current_account,
    deployed_key,
    expected_settings,
    fetch_deployed,
    refuse_another_account,
    run_chalice,
)
from infra.errors import CommandError
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient


Ask = Callable[[str], bool]  # a question; whether the user says yes


def destroy(stage: Stage, say: Say, force: bool = False, ask: Ask = lambda question: False) -> list[str]:
    """Remove the stage; returns the buckets that were kept because they hold objects.

    Raises CommandError, before anything is removed, when a queue holds messages and `force` is not set, and
    when the credentials are not those of the stage's account.
    """
    account = current_account()
    refuse_another_account(stage, account)
    ours = expected_settings(stage, account)
    images = stage.environment().get("IMAGES_BUCKET", "") or ours["IMAGES_BUCKET"]
    cloudformation = boto3.client("cloudformation")
    s3 = boto3.client("s3")
    if stack.exists(cloudformation, stage.stack_name):
        made = stack.outputs(cloudformation, stage.stack_name)
        if not force:
            _refuse_waiting_messages(boto3.client("sqs"), made)
        with contextlib.suppress(s3.exceptions.NoSuchBucket):
            fetch_deployed(s3, made["REPORTS_BUCKET"], stage)
    if stage.deployed():
        say("Functions, schedule, event sources, REST API (chalice delete)")
        mappings = leftovers.known_mappings(stage)
        try:
            run_chalice(stage, "delete", "--stage", stage.name)
        except CommandError as e:  # such as of what somebody has deleted by hand: it would fail each time
            say(f"{e}; going on by the stage's own names")
        for mapping in mappings:  # Lambda deletes them in its own time, and refuses new ones until then
            leftovers.remove_mapping(boto3.client("lambda"), mapping)
    stage.deployed_file.unlink(missing_ok=True)
    notify.forget_bucket(s3, images, notify.of(stage, account))
    leftovers.remove_all(stage, say)
    say("Log groups")
    _delete_log_groups(boto3.client("logs"), stage)
    _forget_capacity(boto3.client("ssm"), stage)
    say("Stack: queues")
    stack.delete(cloudformation, stage.stack_name)
    say("Buckets")
    buckets = [ours[name] for name in ("IMAGES_BUCKET", "THUMBNAILS_BUCKET", "REPORTS_BUCKET")]
    _forget_deployed(s3, ours["REPORTS_BUCKET"], stage)
    kept = [bucket for bucket in buckets if not _delete_bucket(s3, bucket, force, ask)]
    stage.forget(ours)
    return kept


def _refuse_waiting_messages(sqs: SQSClient, made: dict[str, str]) -> None:
    for name in ("SOURCE_QUEUE_URL", "BULK_QUEUE_URL", "DESTINATION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
        waiting = all_messages(sqs, made[name])
        if waiting:
            raise CommandError(
                f"{made[name]} holds {waiting} messages, which would be lost with it: "
                "let them drain, or FORCE=1"
            )


def _delete_log_groups(logs: CloudWatchLogsClient, stage: Stage) -> None:
    of_lambda = "/aws/lambda/"
    prefix = of_lambda + stage.stack_name
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
        for group in page["logGroups"]:
            if leftovers.is_of(stage, group["logGroupName"].removeprefix(of_lambda)):
                logs.delete_log_group(logGroupName=group["logGroupName"])


def _forget_capacity(ssm: SSMClient, stage: Stage) -> None:
    with contextlib.suppress(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=capacity_parameter(stage.name))


def _forget_deployed(s3: S3Client, bucket: str, stage: Stage) -> None:
    """Delete our own record of the deploy, which would otherwise keep its bucket from being empty."""
    try:
        s3.delete_object(Bucket=bucket, Key=deployed_key(stage))
    except s3.exceptions.NoSuchBucket:
        return


def _delete_bucket(s3: S3Client, bucket: str, force: bool, ask: Ask) -> bool:
    """Whether the bucket is gone. Old versions and delete markers are contents too."""
    may_delete = force
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            contents = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if contents and not may_delete:
                may_delete = ask(f"{bucket} holds objects. Delete them all, for good?")
            if contents and not may_delete:
                return False
            if contents:
                s3.delete_objects(
                    Bucket=bucket,
                    Delete={
                        "Quiet": True,
                        "Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in contents],
                    },
                )
        s3.delete_bucket(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        pass
    return True
