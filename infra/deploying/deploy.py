"""`make deploy`: the stack, the stage's settings and policies, Chalice, and what Chalice has no settings for.

Every step may be repeated: a deploy that failed half-way is mended by the next one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError

from chalicelib.config import Config, table
from chalicelib.config.stage import queue_name, s3_events
from chalicelib.errors import ConfigError
from chalicelib.fields import Settings
from infra import partitions
from infra.deploying import invocations, leftovers, notify, stack, throttle, trail
from infra.errors import CommandError
from infra.package import build
from infra.permissions import address_policy, own_actions, policies
from infra.stage import Account, Stage

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

Say = Callable[[str], None]
LEFT_UNRESERVED = 50  # Lambda keeps at least so many for other functions, or all of a new account's 10
# Nobody waits a minute to be told that there is no network.
PATIENCE = BotoConfig(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
KMS_KEY = r"arn:aws[\w-]*:kms:[\w-]+:[0-9]{12}:key/[\w-]+"


def chalice_program(first: str = "pass") -> tuple[str, ...]:
    """The Chalice CLI of this very environment, with our packager, after the statement `first`.

    It runs in the stage's project, not in ours.
    """
    here = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.append({here!r}); from infra.deploying import chalice_cli; {first}; "
    return sys.executable, "-c", code + "sys.exit(chalice_cli.main())"


CHALICE = chalice_program()


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
    check_buses(boto3.client("events"), stage, settings, account)
    check_bucket(boto3.client("s3"), stage, settings, account)
    say(f"Account {account.id}, region {account.region}, stage {stage.name}")
    if tls_only:  # a local AWS mails nobody
        without = trail.missing(boto3.client("cloudtrail"))
        if without:
            say(without)
    say("Package: built and checked before anything is changed")
    built = build.build(stage.root, stage.name)
    say(f"  {built.zipped / 1e6:.1f} MB, unpacked {built.unzipped / 1e6:.1f} MB")
    say("Stack: buckets and queues")
    parameters = _parameters(stage, settings, account, tls_only)
    made = stack.deploy(boto3.client("cloudformation"), stage.stack_name, parameters, account, say)
    say("Settings and policies of the stage")
    record(stage, made, account)
    fetch_deployed(boto3.client("s3"), made["REPORTS_BUCKET"], stage)
    ours = not _existing_bucket(stage, settings, account)
    by_eventbridge = settings.get("S3_NOTIFIES") == "eventbridge"
    if _notifies_queue(settings):
        notify.point_at_queue(
            boto3.client("s3"),
            made["IMAGES_BUCKET"],
            notify.of(stage, account),
            prefix=settings.get("IMAGES_PREFIX", ""),
            suffix=settings.get("IMAGES_SUFFIX", ""),
            events=s3_events(settings.get("DELETE_WITH_ORIGINAL") == "true"),
        )
    if ours and by_eventbridge:
        notify.switch_eventbridge(boto3.client("s3"), made["IMAGES_BUCKET"], on=True)
    leftovers.stop_shards(boto3.client("events"), stage, say)
    leftovers.remove_mappings(boto3.client("lambda"), stage, say)
    leftovers.remove_apis(boto3.client("apigateway"), boto3.client("lambda"), stage, say)
    say("Functions, schedule, event sources, REST API (chalice deploy)")
    run_chalice(stage, "deploy", "--stage", stage.name)
    say("What Chalice has no settings for: retries, where failed events go, the API's limits")
    # Only now does S3 tell in the other way.
    if by_eventbridge:
        notify.forget_bucket(boto3.client("s3"), made["IMAGES_BUCKET"], notify.of(stage, account))
    elif ours:
        notify.switch_eventbridge(boto3.client("s3"), made["IMAGES_BUCKET"], on=False)
    finish(boto3.client("lambda"), stage, made["DEAD_LETTER_QUEUE_URL"], account)
    address_policy.take_away(boto3.client("apigateway"), stage)
    throttle.set_limits(boto3.client("apigateway"), stage)
    keep_deployed(boto3.client("s3"), made["REPORTS_BUCKET"], stage)
    urls = [resource["rest_api_url"] for resource in stage.deployed() if "rest_api_url" in resource]
    return Deployment(account, stage.environment(), urls[0] if urls else "")


def fetch(stage: Stage, say: Say) -> Account:
    """Make a clone ready for a plain `chalice deploy` of a deployed stage: settings, policies, record.

    What people set in the stage's settings is theirs to keep in version control: where it differs from
    what is deployed, that is said. Raises CommandError when the stage is not deployed, or not to its end.
    """
    account = current_account()
    refuse_another_account(stage, account)
    made = stack.outputs(boto3.client("cloudformation"), stage.stack_name)
    record(stage, made, account)
    fetch_deployed(boto3.client("s3"), made["REPORTS_BUCKET"], stage)
    if not stage.deployed_file.exists():
        raise CommandError(f"stage {stage.name} was not deployed to its end: make deploy STAGE={stage.name}")
    for line in differences(boto3.client("lambda"), stage):
        say(line)
    return account


def differences(client: LambdaClient, stage: Stage) -> list[str]:
    """A line for each setting with which the stage's functions run and which is another here."""
    found = client.get_function_configuration(FunctionName=stage.function_name("api_handler"))
    there, here = found.get("Environment", {}).get("Variables", {}), stage.environment()
    return [
        f"{name} is {there.get(name, 'not set')!r} where it is deployed, {here.get(name, 'not set')!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]


def _notified_bucket(stage: Stage, settings: Mapping[str, str], account: Account) -> str:
    """The bucket that may send to the source queue: also one that does so until this deploy changes that.

    What S3 may not deliver is lost. The permission goes with the deploy after that.
    """
    bucket = _images_bucket(stage, settings, account)
    ours = notify.of(stage, account)
    may = _notifies_queue(settings) or notify.notifies_queue(boto3.client("s3"), bucket, ours)
    return bucket if may else ""


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
        "NotifiedBucket": _notified_bucket(stage, settings, account),
        "ManifestObjects": ",".join(
            f"arn:{account.partition}:s3:::{bucket}/*" for bucket in manifest_buckets(settings)
        ),
        "AlarmEmail": settings.get("ALARM_EMAIL", ""),
        "MonthlyBudgetUsd": str(monthly_budget(settings)),
        "AlarmAfterSeconds": str(60 * alarm_after_ticks(settings)),
        "LogRetentionDays": str(stage.function_setting("api_handler", "log_retention_in_days")),
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
        identity = boto3.client("sts", config=PATIENCE).get_caller_identity()
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
    host = f"sqs.{account.region}.{partitions.dns_suffix(account.partition)}"
    queue = f"https://{host}/{account.id}/{stage.stack_name}"
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
        folder = str(own_actions.folder(stage.root))
        config = Config.from_env({**expected_settings(stage, account), **settings}, folder)
        for of_line in config.each:
            if of_line.action != table.IGNORE:
                for name in own_actions.settings(stage.root, of_line.action):
                    of_line.setting(name)
        Settings(settings).text("KMS_KEY_ARN", KMS_KEY, "a KMS key's ARN in the stage's own region", "")
        Settings(settings).text("ALARM_EMAIL", EMAIL, "an e-mail address", "")
        alarm_after_ticks(settings)
        monthly_budget(settings)
    except ConfigError as e:
        raise CommandError(f"stage {stage.name} in {stage.config_file.name}: {e}") from e
    address_policy.addresses(settings.get("ALLOWED_ADDRESSES", ""))


def alarm_after_ticks(settings: Mapping[str, str]) -> int:
    """ALARM_AFTER_TICKS. Raises ConfigError."""
    return Settings(settings).whole("ALARM_AFTER_TICKS", 2, 10_000, 30)


def manifest_buckets(settings: Mapping[str, str]) -> list[str]:
    """MANIFEST_BUCKETS, which check_settings has read without a mistake."""
    return [part.strip() for part in settings.get("MANIFEST_BUCKETS", "").split(",") if part.strip()]


def monthly_budget(settings: Mapping[str, str]) -> int:
    """MONTHLY_BUDGET_USD, 0 for none. Raises ConfigError."""
    found = Settings(settings).whole("MONTHLY_BUDGET_USD", 1, 10_000_000, 0)
    if found and not settings.get("ALARM_EMAIL"):
        raise ConfigError(f"MONTHLY_BUDGET_USD is {str(found)!r}: needs an ALARM_EMAIL, whom it tells")
    return found


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


def check_buses(
    client: EventBridgeClient, stage: Stage, settings: Mapping[str, str], account: Account
) -> None:
    """Refuse a bus that is not there: EventBridge would take its events, and nobody would have them.

    Raises CommandError. A bus of another account or region cannot be asked for, and is believed.
    """
    lines = table.read(str(stage.root / "chalicelib"), stage.name)
    for of in (settings, *(one.settings for one in lines)):
        for name in ("EVENTS_BUS", "PUT_EVENT_BUS"):
            bus = of.get(name, "")
            if not bus or (bus.startswith("arn:") and f":{account.region}:{account.id}:" not in bus):
                continue
            try:
                client.describe_event_bus(Name=bus)
            except client.exceptions.ResourceNotFoundException as e:
                make = f"aws events create-event-bus --name {bus.rpartition('/')[2]}"
                raise CommandError(
                    f"{name} is {bus!r}: there is no such bus in {account.id}, {account.region}; {make}"
                ) from e


def check_bucket(s3: S3Client, stage: Stage, settings: Mapping[str, str], account: Account) -> None:
    """Refuse a bucket of the user's own that does not do what S3_NOTIFIES needs. Raises CommandError."""
    bucket = _existing_bucket(stage, settings, account)
    if bucket and settings.get("S3_NOTIFIES") == "eventbridge":
        notify.refuse_silent_bucket(s3, bucket)


def _has_reserved(client: LambdaClient, function: str) -> bool:
    try:
        return "ReservedConcurrentExecutions" in client.get_function_concurrency(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        return False


def record(stage: Stage, made: Mapping[str, str], account: Account) -> None:
    """Write the stack's names into the stage's settings, and the policies that follow from them."""
    backfill = account.arn("lambda", f"function:{stage.function_name('backfill')}")
    made = {**made, "THUMBNAILS_BUCKET": _thumbnails_bucket(stage, made)}
    known = {"BACKFILL_FUNCTION_ARN": backfill, "FUNCTION_MEMORY_MB": stage.function_memory()}
    stage.record({**made, "STAGE": stage.name, **known}, {})
    if not partitions.has_edge_endpoints(account.partition):
        stage.set_regional_endpoints()
    stage.set_api_policy(address_policy.write(stage))
    files = policies.write(stage, account)
    stage.record({}, {function: file.name for function, file in files.items()})


def finish(client: LambdaClient, stage: Stage, dead_letter_url: str, account: Account) -> None:
    """The settings Chalice has no word for; already set where Chalice switched something on."""
    for shard in stage.drains():
        invocations.of_ticks(client, stage.function_name(shard))
    if not _notifies_queue(stage.environment()):
        dead_letters = account.arn("sqs", queue_name(dead_letter_url))
        invocations.of_uploads(client, stage.function_name("enqueue"), dead_letters)
    if stage.environment().get("REPORTS_BUCKET"):
        invocations.of_letters(client, stage.function_name("letters"))


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
