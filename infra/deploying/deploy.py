"""`make deploy`: the stack, the stage's settings and policies, Chalice, and what Chalice cannot set.

Every step may be repeated: a deploy that failed half-way is mended by the next one.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from chalicelib.config import Config
from chalicelib.config.stage import queue_name
from chalicelib.errors import ConfigError
from chalicelib.fields import Settings
from infra.deploying import leftovers, notify, stack
from infra.errors import CommandError
from infra.eventually import settled
from infra.package import build
from infra.permissions import address_policy, policies
from infra.stage import Account, Stage

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

Say = Callable[[str], None]
LEFT_UNRESERVED = 50  # Lambda keeps at least so many for other functions, or all of a new account's 10
# A role's new permission, or a function's new code, that Lambda does not see everywhere yet.
NOT_YET = (("InvalidParameterValueException", "permission"), ("ResourceConflictException", ""))
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
KMS_KEY = re.compile(r"arn:aws[\w-]*:kms:[\w-]+:\d{12}:key/[\w-]+")
# The Chalice CLI of this very environment, with our packager. It runs in the stage's project, not in ours.
CHALICE = (
    sys.executable,
    "-c",
    f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); "
    "from infra.deploying import chalice_cli; sys.exit(chalice_cli.main())",
)


@dataclass(frozen=True)
class Deployment:
    """What `make deploy` made."""

    account: Account
    settings: dict[str, str]  # the stage's environment
    rest_url: str  # of the status API; empty when Chalice reported none


def deploy(stage: Stage, say: Say, tls_only: bool = True) -> Deployment:
    """Deploy the stage into the account of the present credentials, telling each step.

    Raises CommandError with one line. `tls_only=False` is for a local AWS that speaks no TLS.
    """
    account = current_account()
    refuse_another_account(stage, account)
    settings = stage.environment()
    check_settings(stage, settings, account)
    check_concurrency(boto3.client("lambda"), stage)
    say(f"Account {account.id}, region {account.region}, stage {stage.name}")
    say("Package: built and checked before anything is changed")
    built = build.build(stage.root, stage.name)
    say(f"  {built.zipped / 1e6:.1f} MB, unpacked {built.unzipped / 1e6:.1f} MB")
    say("Stack: buckets and queues")
    parameters = _parameters(stage, settings, account, tls_only)
    made = stack.deploy(boto3.client("cloudformation"), stage.stack_name, parameters, account)
    say("Settings and policies of the stage")
    record(stage, made, account)
    fetch_deployed(boto3.client("s3"), made["REPORTS_BUCKET"], stage)
    notify.point_bucket(
        boto3.client("s3"),
        made["IMAGES_BUCKET"],
        account.arn("sqs", queue_name(made["SOURCE_QUEUE_URL"])) if _notifies_queue(settings) else "",
        account.arn("lambda", f"function:{stage.function_name('enqueue')}"),
        prefix=settings.get("IMAGES_PREFIX", ""),
        suffix=settings.get("IMAGES_SUFFIX", ""),
    )
    leftovers.remove_mappings(boto3.client("lambda"), stage, say)
    leftovers.remove_apis(boto3.client("apigateway"), boto3.client("lambda"), stage, say)
    say("Functions, schedule, event sources, REST API (chalice deploy)")
    run_chalice(stage, "deploy", "--stage", stage.name)
    say("What Chalice cannot set")
    finish(boto3.client("lambda"), stage, made["DEAD_LETTER_QUEUE_URL"], account)
    keep_api_logs(boto3.client("logs"), stage)
    address_policy.take_away(boto3.client("apigateway"), stage)
    keep_deployed(boto3.client("s3"), made["REPORTS_BUCKET"], stage)
    urls = [resource["rest_api_url"] for resource in stage.deployed() if "rest_api_url" in resource]
    return Deployment(account, stage.environment(), urls[0] if urls else "")


def _parameters(
    stage: Stage, settings: Mapping[str, str], account: Account, tls_only: bool
) -> dict[str, str]:
    """What the template wants to know of the stage."""
    return {
        "Stage": stage.name,
        "ExistingImagesBucket": _existing_bucket(stage, settings, account),
        "Versioning": settings.get("VERSIONING", "Suspended"),
        "SourceVisibility": str(stage.visibility("drain")),
        "DestinationVisibility": str(stage.visibility("consume")),
        "DeadLetterVisibility": str(stage.visibility("letters")),
        "NotifiedBucket": _images_bucket(stage, settings, account) if _notifies_queue(settings) else "",
        "AlarmEmail": settings.get("ALARM_EMAIL", ""),
        "AlarmAfterSeconds": str(60 * alarm_after_ticks(settings)),
        "KmsKeyArn": settings.get("KMS_KEY_ARN", ""),
        "TlsOnly": str(tls_only).lower(),
    }


def _notifies_queue(settings: Mapping[str, str]) -> bool:
    return settings.get("S3_NOTIFIES") == "queue"


def current_account() -> Account:
    """Where the present credentials lead. Raises CommandError when they lead nowhere."""
    session = boto3.Session()
    if not session.region_name:
        raise CommandError("no region: set AWS_DEFAULT_REGION, or a region in the AWS profile")
    try:
        identity = boto3.client("sts").get_caller_identity()
    except Exception as e:  # every way in which credentials can be missing or refused
        raise CommandError(f"the AWS credentials do not work: {e}") from e
    arn = identity["Arn"]
    return Account(identity["Account"], session.region_name, arn.split(":")[1], arn)


def refuse_another_account(stage: Stage, account: Account) -> None:
    """Raises CommandError when the stage was deployed elsewhere.

    Its settings name what is there, and its roles' names, which have no region, would be taken from it.
    """
    there = stage.deployed_to()
    if there and (there.id, there.region) != (account.id, account.region):
        raise CommandError(
            f"stage {stage.name} is in account {there.id}, {there.region}, the AWS credentials lead to "
            f"{account.id}, {account.region}: set AWS_PROFILE and AWS_DEFAULT_REGION, or take another stage"
        )


def expected_settings(stage: Stage, account: Account) -> dict[str, str]:
    """The names the stack is going to give, known before it is made."""
    queue = f"https://sqs.{account.region}.amazonaws.com/{account.id}/{stage.stack_name}"
    bucket = f"s3-events-{stage.name}-{{}}-{account.id}-{account.region}"
    return {
        "STAGE": stage.name,
        "IMAGES_BUCKET": bucket.format("images"),
        "THUMBNAILS_BUCKET": bucket.format("thumbnails"),
        "REPORTS_BUCKET": bucket.format("reports"),
        "SOURCE_QUEUE_URL": f"{queue}-source",
        "BULK_QUEUE_URL": f"{queue}-bulk",
        "DESTINATION_QUEUE_URL": f"{queue}-destination",
        "DEAD_LETTER_QUEUE_URL": f"{queue}-dead-letter",
    }


def check_settings(stage: Stage, settings: Mapping[str, str], account: Account) -> None:
    """Refuse a bad setting before anything is made. Raises CommandError, one line."""
    try:
        Config.from_env({**expected_settings(stage, account), **settings})
        Settings(settings).text("KMS_KEY_ARN", KMS_KEY, "a KMS key's ARN in the stage's own region", "")
        Settings(settings).text("ALARM_EMAIL", EMAIL, "an e-mail address", "")
        alarm_after_ticks(settings)
    except ConfigError as e:
        raise CommandError(f"stage {stage.name} in {stage.config_file.name}: {e}") from e
    address_policy.addresses(settings.get("ALLOWED_ADDRESSES", ""))


def alarm_after_ticks(settings: Mapping[str, str]) -> int:
    """ALARM_AFTER_TICKS. Raises ConfigError."""
    return Settings(settings).whole("ALARM_AFTER_TICKS", 2, 10_000, 30)


def check_concurrency(client: LambdaClient, stage: Stage) -> None:
    """Refuse an account that has no execution to reserve for each drain. Raises CommandError.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    names = [stage.function_name(shard) for shard in stage.drains()]
    wanted = sum(not _has_reserved(client, name) for name in names)
    limit = client.get_account_settings()["AccountLimit"]
    kept = min(limit["ConcurrentExecutions"], LEFT_UNRESERVED)
    free = max(0, limit["UnreservedConcurrentExecutions"] - kept)
    if wanted > free:
        raise CommandError(
            f"Lambda runs {limit['ConcurrentExecutions']} executions at once in this account and region and "
            f"lets {free} more be reserved; {wanted} are needed, so that no two ticks of a drain "
            "overlap: ask for more in Service Quotas (Lambda, Concurrent executions), which costs nothing"
        )


def _has_reserved(client: LambdaClient, function: str) -> bool:
    try:
        return "ReservedConcurrentExecutions" in client.get_function_concurrency(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        return False


def record(stage: Stage, made: Mapping[str, str], account: Account) -> None:
    """Write the stack's names into the stage's settings, and the policies that follow from them."""
    backfill = account.arn("lambda", f"function:{stage.function_name('backfill')}")
    made = {**made, "THUMBNAILS_BUCKET": _thumbnails_bucket(stage, made)}
    stage.record({**made, "STAGE": stage.name, "BACKFILL_FUNCTION_ARN": backfill}, {})
    stage.set_api_policy(address_policy.write(stage))
    files = policies.write(stage, account)
    stage.record({}, {function: file.name for function, file in files.items()})


def finish(client: LambdaClient, stage: Stage, dead_letter_url: str, account: Account) -> None:
    """The settings Chalice has no word for. Waits until Lambda takes them."""
    # A failed tick is not run again: the next one comes within the minute, and a second run would forward
    # another CAPACITY in the same minute. A tick that could not start in time is dropped, not queued.
    for shard in stage.drains():
        _set_retries(client, stage.function_name(shard), MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)
    if stage.environment().get("S3_NOTIFIES") == "queue":
        return
    # What enqueue could not put on the source queue after Lambda's two retries is a dead letter, not lost.
    _set_retries(
        client,
        stage.function_name("enqueue"),
        MaximumRetryAttempts=2,
        MaximumEventAgeInSeconds=21_600,
        DestinationConfig={"OnFailure": {"Destination": account.arn("sqs", queue_name(dead_letter_url))}},
    )


def _set_retries(client: LambdaClient, function: str, **config: Any) -> None:
    settled(lambda: client.put_function_event_invoke_config(FunctionName=function, **config), *NOT_YET)


def keep_api_logs(client: CloudWatchLogsClient, stage: Stage) -> None:
    """Make the log group of the REST API's function, which may not make it itself.

    Chalice makes one with another name (`...-api_handler`), in which nothing is ever written.
    """
    group = f"/aws/lambda/{stage.function_name('api_handler')}"
    with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_group(logGroupName=group)
    client.put_retention_policy(
        logGroupName=group, retentionInDays=stage.function_setting("api_handler", "log_retention_in_days")
    )


def run_chalice(stage: Stage, *arguments: str) -> None:
    """Run the Chalice CLI in the stage's project. Raises CommandError with its last words."""
    command = [*CHALICE, *arguments]
    done = subprocess.run(
        command,
        cwd=stage.root,
        # Bytecode that Chalice left in chalicelib would be another package to it.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise CommandError(f"chalice {arguments[0]} failed, and may be repeated: {_last_words(done.stdout)}")


def fetch_deployed(s3: S3Client, bucket: str, stage: Stage) -> None:
    """Take what the last successful deploy wrote down, whoever's machine it ran on."""
    try:
        kept = s3.get_object(Bucket=bucket, Key=deployed_key(stage))["Body"].read()
    except ClientError as e:
        if e.response["Error"]["Code"] == "NoSuchKey":
            return
        raise
    stage.deployed_file.parent.mkdir(parents=True, exist_ok=True)
    stage.deployed_file.write_bytes(kept)


def keep_deployed(s3: S3Client, bucket: str, stage: Stage) -> None:
    """Keep what Chalice wrote down with the stage, so that the next deploy may run on any machine."""
    s3.put_object(Bucket=bucket, Key=deployed_key(stage), Body=stage.deployed_file.read_bytes())


def deployed_key(stage: Stage) -> str:
    return f"deployed/{stage.name}.json"


def _images_bucket(stage: Stage, settings: Mapping[str, str], account: Account) -> str:
    return settings.get("IMAGES_BUCKET", "") or expected_settings(stage, account)["IMAGES_BUCKET"]


def _thumbnails_bucket(stage: Stage, made: Mapping[str, str]) -> str:
    """The user's own thumbnails bucket, or the stack's."""
    return stage.environment().get("THUMBNAILS_BUCKET", "") or made["THUMBNAILS_BUCKET"]


def _existing_bucket(stage: Stage, settings: Mapping[str, str], account: Account) -> str:
    """The user's own images bucket, or an empty string when the stack is to make one."""
    named = _images_bucket(stage, settings, account)
    return "" if named == expected_settings(stage, account)["IMAGES_BUCKET"] else named


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join(lines[-3:])[-600:] or "it said nothing"
