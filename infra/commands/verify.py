"""`make verify`: two minutes on a real account, for whoever deployed it first.

It reads what is deployed and compares it with what the code and the settings say; with --upload it sends one
picture of its own through the pipeline. What the caller may not look at is a line "not checked", with the
permission's name.
"""

from __future__ import annotations

import io
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib import times
from chalicelib.aws.errors import TRANSIENT
from chalicelib.config import Config
from chalicelib.config.stage import queue_name
from chalicelib.events import ObjectCreated, notification_filter
from chalicelib.jobs.cost import estimated_cost_usd
from infra import partitions
from infra.deploying import notify
from infra.permissions import own_actions, policies
from infra.permissions.address_policy import API_STAGE
from infra.stage import Account, Stage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

State = Literal["ok", "wrong", "not checked", "not tried"]
FOLDER = "s3-event-scheduler-verify/"  # after IMAGES_PREFIX: nothing but what this command puts there
ID = re.compile(r"[0-9a-f]{32}")
# What one object may take at the most when nothing waits ahead of it, in seconds: two minutes' ticks, a poll.
PROMISES = {"waited_in_source": 120.0, "waited_in_destination": 30.0, "worked": 20.0}
PATIENCE_S, LOOK_EVERY_S = 240.0, 3.0
TICK_LOOKS = 7  # longer than a tick's last polls, and than the status keeps what it has read
THROTTLED, HEALTH_ASKED = 429, 5  # anybody may ask for /health, a few times a second in all
DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
# These say nothing of the part that was looked at: the caller's credentials have ended, or AWS had no time.
NOT_THE_PARTS = (*TRANSIENT, "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId")
REFUSED = (401, 403)


@dataclass(frozen=True)
class Row:
    """One part, and what was found."""

    part: str
    state: State
    says: str = ""


class Wrong(Exception):
    """The part is not as it should be; the message says how."""


class NotChecked(Exception):
    """The part could not be looked at; the message says why."""


@dataclass(frozen=True)
class Deployed:
    """What is looked at, and with whose rights."""

    stage: Stage
    account: Account
    config: Config
    client: Callable[[str], Any]

    def name(self, function: str) -> str:
        return self.stage.function_name(function)

    def functions(self) -> list[str]:
        enqueue = ["enqueue"] if self.config.s3_notifies != "queue" else []
        return [*enqueue, *self.stage.drains(), "consume", "letters", "backfill", "api_handler"]


def of(stage: Stage, account: Account) -> Deployed:
    """The stage, through boto3 as the environment leads it."""
    made: Any = boto3.client  # its overloads know only literal names
    config = Config.from_env(stage.environment(), str(own_actions.folder(stage.root)))
    return Deployed(stage, account, config, made)


def look(deployed: Deployed) -> list[Row]:
    """Every part, read only."""
    return [_row(part, partial(check, deployed)) for part, check in PARTS.items()]


def _row(part: str, check: Callable[[], str]) -> Row:
    try:
        return Row(part, "ok", check())
    except Wrong as e:
        return Row(part, "wrong", str(e))
    except NotChecked as e:
        return Row(part, "not checked", str(e))
    except ClientError as e:
        error = e.response["Error"]
        if error["Code"] in DENIED:
            return Row(part, "not checked", f"you lack the right to {e.operation_name}: {error['Message']}")
        state: State = "not checked" if error["Code"] in NOT_THE_PARTS else "wrong"
        return Row(part, state, f"{e.operation_name}: {error['Code']}: {error['Message']}")
    except BotoCoreError as e:
        return Row(part, "not checked", str(e))


def _stack(deployed: Deployed) -> str:
    found = deployed.client("cloudformation").describe_stacks(StackName=deployed.stage.stack_name)
    status = found["Stacks"][0]["StackStatus"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        raise Wrong(f"{deployed.stage.stack_name} is {status}")
    return str(status)


def _functions(deployed: Deployed) -> str:
    client, wanted = deployed.client("lambda"), deployed.stage.environment()
    for function in deployed.functions():
        found = client.get_function_configuration(FunctionName=deployed.name(function))
        if (state := found.get("State", "Active")) != "Active":
            raise Wrong(f"{function} is {state}: {found.get('StateReason', '')}")
        there = found.get("Environment", {}).get("Variables", {})
        other = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        if other:
            raise Wrong(f"{function} runs with other settings than config.json has: {', '.join(other)}")
    return f"{len(deployed.functions())}, with the settings of config.json"


def _mappings(deployed: Deployed) -> str:
    client, config = deployed.client("lambda"), deployed.config
    urls = {"consume": config.destination_queue_url, "letters": config.dead_letter_queue_url}
    for function, url in urls.items():
        found = client.list_event_source_mappings(FunctionName=deployed.name(function))["EventSourceMappings"]
        if len(found) != 1:
            raise Wrong(f"{function} has {len(found)} event source mappings, and not one")
        if found[0]["State"] not in ("Enabled", "Enabling", "Updating"):
            raise Wrong(f"the mapping of {function} is {found[0]['State']}")
        if not found[0]["EventSourceArn"].endswith(f":{queue_name(url)}"):
            raise Wrong(f"{function} takes from {found[0]['EventSourceArn']}")
        width = found[0].get("ScalingConfig", {}).get("MaximumConcurrency")
        if function == "consume" and width != config.consume_concurrency:
            raise Wrong(f"consume's width is {width}, CONSUME_CONCURRENCY {config.consume_concurrency}")
    return "consume and letters take from their queues"


def _schedule(deployed: Deployed) -> str:
    events, functions = deployed.client("events"), deployed.client("lambda")
    for drain, rule in zip(deployed.stage.drains(), deployed.stage.rules(), strict=True):
        if (state := events.describe_rule(Name=rule)["State"]) != "ENABLED":
            raise Wrong(f"rule {rule} is {state}")
        arns = [one["Arn"] for one in events.list_targets_by_rule(Rule=rule)["Targets"]]
        if len(arns) != 1 or not arns[0].endswith(f":{deployed.name(drain)}"):
            raise Wrong(f"rule {rule} calls {', '.join(arns) or 'nothing'}")
        reserved = functions.get_function_concurrency(FunctionName=deployed.name(drain))
        if reserved.get("ReservedConcurrentExecutions") != 1:
            raise Wrong(f"{drain} has no reserved concurrency of 1: two ticks could overlap")
    return f"{len(deployed.stage.rules())} enabled, one tick at a time"


def _notification(deployed: Deployed) -> str:
    config = deployed.config
    found = deployed.client("s3").get_bucket_notification_configuration(Bucket=config.images_bucket)
    if config.s3_notifies == "eventbridge":
        return _by_eventbridge(deployed, found)
    of = notify.of(deployed.stage, deployed.account)
    ours = [
        *filter(of.to_queue, found.get("QueueConfigurations", [])),
        *filter(of.to_function, found.get("LambdaFunctionConfigurations", [])),
    ]
    if len(ours) != 1 or ("QueueArn" in ours[0]) != (config.s3_notifies == "queue"):
        raise Wrong(
            f"{config.images_bucket} has {len(ours)} notifications of ours, S3_NOTIFIES={config.s3_notifies}"
        )
    rules = ours[0].get("Filter", {}).get("Key", {}).get("FilterRules", [])
    given = {one["Name"].lower(): one["Value"] for one in rules}
    wanted = {"prefix": config.images_prefix, "suffix": config.images_suffix}
    if given != {name: notification_filter(text) for name, text in wanted.items() if text}:
        raise Wrong(f"its filter is {given}, the settings say {wanted}")
    return f"{config.images_bucket} tells {'the source queue' if 'QueueArn' in ours[0] else 'enqueue'}"


def _by_eventbridge(deployed: Deployed, notifications: Mapping[str, Any]) -> str:
    """The bucket tells EventBridge, and a rule passes what the settings say to enqueue."""
    events, bucket = deployed.client("events"), deployed.config.images_bucket
    if notify.EVENTBRIDGE not in notifications:
        raise Wrong(f"{bucket} does not tell EventBridge of its events")
    rule = f"{deployed.name('enqueue')}-event"
    found = events.describe_rule(Name=rule)
    if found["State"] != "ENABLED":
        raise Wrong(f"rule {rule} is {found['State']}")
    if json.loads(found["EventPattern"]) != deployed.config.event_pattern:
        wanted = json.dumps(deployed.config.event_pattern)
        raise Wrong(f"rule {rule} takes {found['EventPattern']}, the settings say {wanted}")
    arns = [one["Arn"] for one in events.list_targets_by_rule(Rule=rule)["Targets"]]
    if len(arns) != 1 or not arns[0].endswith(f":{deployed.name('enqueue')}"):
        raise Wrong(f"rule {rule} calls {', '.join(arns) or 'nothing'}")
    return f"{bucket} tells EventBridge, whose rule {rule} calls enqueue"


def _failures(deployed: Deployed) -> str:
    client = deployed.client("lambda")
    for drain in deployed.stage.drains():
        found = _invoke_config(client, deployed.name(drain))
        if (found.get("MaximumRetryAttempts"), found.get("MaximumEventAgeInSeconds")) != (0, 60):
            raise Wrong(
                f"Lambda would try a failed tick of {drain} again: make deploy STAGE={deployed.stage.name}"
            )
    if deployed.config.s3_notifies != "queue":
        found = _invoke_config(client, deployed.name("enqueue"))
        place = found.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if not place.endswith(f":{queue_name(deployed.config.dead_letter_queue_url)}"):
            raise Wrong(
                "an upload that enqueue cannot queue would be lost: its on-failure destination is not set"
            )
    loop = client.get_function_recursion_config(FunctionName=deployed.name("letters"))["RecursiveLoop"]
    if loop != "Allow":
        raise Wrong(
            f"Lambda would end a long redrive after some 16 calls of letters (RecursiveLoop {loop}): "
            f"make deploy STAGE={deployed.stage.name}"
        )
    return "no tick is tried twice, no upload is dropped, a long redrive goes on"


def _invoke_config(client: Any, function: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.get_function_event_invoke_config(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        return {}
    return found


def _logs(deployed: Deployed) -> str:
    client = deployed.client("logs")
    prefix = f"/aws/lambda/{deployed.stage.stack_name}"
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    kept = {one["logGroupName"]: one.get("retentionInDays") for page in pages for one in page["logGroups"]}
    groups = {f"/aws/lambda/{deployed.name(function)}": function for function in deployed.functions()}
    for group, function in groups.items():
        if group not in kept:
            raise Wrong(f"{group} is not there: {function} could write nothing")
        if not kept[group]:
            raise Wrong(f"{group} is kept for ever")
    return f"kept {', '.join(sorted({str(kept[group]) for group in groups}))} days"


def _alarms(deployed: Deployed) -> str:
    stack = deployed.client("cloudformation").get_paginator("list_stack_resources")
    resources = [
        one
        for page in stack.paginate(StackName=deployed.stage.stack_name)
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::CloudWatch::Alarm"
    ]
    names = [one["PhysicalResourceId"] for one in resources]
    found = {
        one["AlarmName"]: one
        for at in range(0, len(names), 100)
        for one in deployed.client("cloudwatch").describe_alarms(AlarmNames=names[at : at + 100])[
            "MetricAlarms"
        ]
    }
    if missing := [name for name in names if name not in found]:
        raise Wrong(f"missing: {', '.join(missing)}")
    if not names:
        raise Wrong("the stack has none")
    if mute := [
        name for name, one in found.items() if not one.get("ActionsEnabled", True) or not one["AlarmActions"]
    ]:
        raise Wrong(f"tell nobody: {', '.join(mute)}")
    rings = [name for name, one in found.items() if one["StateValue"] == "ALARM"]
    return f"{len(found)}; " + (f"raised now: {', '.join(rings)}" if rings else "none is raised")


def _policies(deployed: Deployed) -> str:
    iam = deployed.client("iam")
    wanted = policies.documents(deployed.stage, deployed.account)
    for function in deployed.functions():
        role = f"{deployed.stage.stack_name}-{function}"
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        if [_plain(one) for one in found] != [_plain(wanted[function])]:
            raise Wrong(f"{role} may other things than {function}'s code needs: make deploy")
        if attached := iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            raise Wrong(f"{role} has policies besides: {', '.join(one['PolicyName'] for one in attached)}")
    return f"{len(deployed.functions())} roles, each as generated from the code"


def _plain(document: Any) -> str:
    document = json.loads(document) if isinstance(document, str) else document
    return json.dumps(sorted(json.dumps(one, sort_keys=True) for one in document["Statement"]))


def _api(deployed: Deployed) -> str:
    for _ in range(HEALTH_ASKED):
        status, answer = Api(deployed).ask("health", signed=False)
        if status != THROTTLED:
            break
        time.sleep(1)
    if status == THROTTLED:
        raise NotChecked("others ask GET /health so often that it answers 429")
    if status in REFUSED and deployed.stage.environment().get("ALLOWED_ADDRESSES"):
        raise NotChecked(f"ALLOWED_ADDRESSES may leave out this machine: GET /health is {status}: {answer}")
    if status != 200:
        raise Wrong(f"GET /health is {status}: {answer}")
    status, answer = Api(deployed).ask("status", signed=False)
    if status not in REFUSED:
        raise Wrong(f"GET /status is not refused without a signature: it is {status}")
    return "answers; what is not signed is refused"


PARTS: Mapping[str, Callable[[Deployed], str]] = {
    "stack": _stack,
    "functions": _functions,
    "event source mappings": _mappings,
    "schedule": _schedule,
    "notification": _notification,
    "retries, on-failure": _failures,
    "log groups": _logs,
    "alarms": _alarms,
    "policies": _policies,
    "REST API": _api,
}


class Api:
    """The stage's REST API, asked with the caller's credentials."""

    def __init__(self, deployed: Deployed) -> None:
        apis = [one for one in deployed.stage.deployed() if "rest_api_id" in one]
        if not apis:
            raise Wrong(f"Chalice has no record of the API here: make fetch STAGE={deployed.stage.name}")
        api, url = apis[0]["rest_api_id"], apis[0]["rest_api_url"]
        # A local AWS serves it under its own address.
        endpoint = str(deployed.client("apigateway").meta.endpoint_url)
        self._local = not endpoint.endswith(partitions.dns_suffix(deployed.account.partition))
        self._url = f"{endpoint}/restapis/{api}/{API_STAGE}/_user_request_/" if self._local else url
        self._region = deployed.account.region

    def ask(self, path: str, body: object = None, *, signed: bool = True) -> tuple[int, Any]:
        """Status, and JSON where it is JSON. Raises BotoCoreError when nobody answers."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        request = AWSRequest("GET" if body is None else "POST", self._url + path, headers=headers, data=data)
        if signed:
            credentials: Any = boto3.Session().get_credentials()  # there are some: they made the other calls
            SigV4Auth(credentials, "execute-api", self._region).add_auth(request)
        answer = URLLib3Session(timeout=30).send(request.prepare())
        try:
            return answer.status_code, json.loads(answer.content)
        except ValueError:
            return answer.status_code, answer.text[:200]

    def part(self, key: str) -> str:
        """A key as a part of a path, its slashes encoded; a local AWS decodes a path once, AWS does not."""
        once = quote(key, safe="")
        return quote(once, safe="") if self._local else once

    def answered(self, path: str, body: object = None) -> Any:
        """The JSON. Raises Wrong for any status but 200, and NotChecked where the caller may not ask.

        What the stage's own role may not is our API's refusal, and has another shape than API Gateway's.
        """
        status, found = self.ask(path, body)
        if status in REFUSED and not (isinstance(found, dict) and "error" in found):
            raise NotChecked(f"you lack the right to execute-api:Invoke: {json.dumps(found)[:300]}")
        if status != 200:
            raise Wrong(f"/{path.partition('?')[0]} is {status}: {json.dumps(found)[:300]}")
        return found


def ahead(status: Mapping[str, Any]) -> str:
    """Why an upload of now would not come through in two minutes; empty when it would."""
    if status.get("schedule", {}).get("paused"):
        return "the stage is paused"
    queues = status.get("queues", {})
    waiting = sum(
        queues.get(name, {}).get(kind) or 0
        for name in ("source", "bulk", "destination")
        for kind in ("visible", "in_flight", "delayed")
    )
    if waiting > (status.get("capacity") or 0):
        return f"{_short(waiting)} wait ahead ({status.get('drain', {}).get('says', '')})"
    return ""


def _short(number: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)


def try_it(
    deployed: Deployed,
    wanted: Sequence[str],
    say: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Row]:
    """The parts that leave traces, of `upload`, `letter` and `job`; all of it is removed, also on Ctrl-C.

    Nothing is put where what an earlier run has left can not be listed or removed.
    """
    looked: dict[str, Any] = {}

    def now() -> str:
        looked.update(api=Api(deployed))
        looked.update(looked["api"].answered("status"))
        return str(looked.get("drain", {}).get("says", ""))

    rows = [_row("backlog, pause, ETA", now)]
    if rows[0].state != "ok":
        return rows
    why = _not_for_ours(deployed.config) or ahead(looked)
    if not why:
        clean = partial(remove_leftovers, deployed.client("s3"), deployed.config, say)
        rows.append(_row("leftovers", clean))
        if rows[-1].state != "ok":
            why = "what it leaves could not be removed"
    if why:
        return [*rows, *(Row(part, "not tried", why) for part in wanted)]
    tries = {"upload": _upload, "letter": _letter, "job": _job}
    attempt = Attempt(deployed, looked["api"], say, sleep, clock)
    try:
        rows += [_row(part, partial(tries[part], attempt)) for part in wanted]
    finally:
        left = _row("left behind", clean)
        if left.state != "ok":
            say(f"Not removed: {left.says}")
    return rows if left.state == "ok" else [*rows, left]


def _not_for_ours(config: Config) -> str:
    """Why no picture of ours is to be uploaded, one line; empty where nothing but thumbnails come of it."""
    key = _key(config)
    if why := config.why_ignored(ObjectCreated(config.images_bucket, key)):
        return f"{key}: {why}"
    of = config.of_key(key)
    if of.action == "resize":
        return ""
    named = f"the action table's line {of.line} is" if of.line else "ACTION is"
    return f"{named} {of.action}: it would do to our picture what it does to yours"


def _key(config: Config) -> str:
    """A new one of ours."""
    return f"{config.images_prefix}{FOLDER}{uuid.uuid4().hex}{config.images_suffix}"


@dataclass(frozen=True)
class Attempt:
    """What one try needs."""

    deployed: Deployed
    api: Api
    say: Callable[[str], None]
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def put(self, contents: bytes) -> str:
        """An object of ours in the images bucket; its key."""
        config = self.deployed.config
        key = _key(config)
        s3 = self.deployed.client("s3")
        s3.put_object(Bucket=config.images_bucket, Key=key, Body=contents, ContentType="image/jpeg")
        return key

    def until(self, find: Callable[[], Any], what: str) -> Any:
        """What `find` gives as soon as it gives something. Raises Wrong."""
        end = self.clock() + PATIENCE_S
        while not (found := find()):
            if self.clock() > end:
                raise Wrong(f"{what}: not within {PATIENCE_S:g} s")
            self.sleep(LOOK_EVERY_S)
        return found


def _upload(attempt: Attempt) -> str:
    key = attempt.put(picture())
    attempt.say(f"Uploaded {key}: the next tick forwards it")
    path = f"objects/{attempt.api.part(key)}"

    def done() -> Any:
        found = attempt.api.answered(path)
        if found["state"] in ("rejected", "retrying"):
            raise Wrong(f"it is {found['state']}: {found['reason']}")
        return found if found["state"] == "done" else None

    found = attempt.until(done, f"{key} is not done")
    legs = {name: found["legs"].get(name) for name in PROMISES}
    slow = [name for name, most in PROMISES.items() if (legs[name] or 0) > most]
    told = ", ".join(
        f"{name.replace('_', ' ')} {legs[name] if legs[name] is not None else 'not known'} s of {most:g}"
        for name, most in PROMISES.items()
    )
    late = _lateness(attempt, times.moment(found["legs"].get("forwarded")))
    text = f"{len(found['thumbnails'])} thumbnails; {told}{late}"
    if slow:
        raise Wrong(f"slower than promised: {text}")
    return text


def _lateness(attempt: Attempt, forwarded: datetime | None) -> str:
    """How long after its minute the tick ended and how long it ran: its line comes when it ends, soon after
    what it forwarded."""
    for _ in range(TICK_LOOKS):
        tick = attempt.api.answered("status").get("last_tick") or {}
        at = times.moment(tick.get("at"))
        if at and (not forwarded or at >= forwarded):
            break
        attempt.sleep(LOOK_EVERY_S)
    if at is None or tick.get("seconds") is None:
        return "; when the tick began is not known"
    return f"; the last tick began {max(0.0, at.timestamp() % 60 - tick['seconds']):.1f} s after a minute"


def _letter(attempt: Attempt) -> str:
    attempt.say("An object that is no picture becomes a dead letter: the alarm dead-letters will ring")
    key = attempt.put(b"This is no picture: make verify wrote it.\n")
    path = f"dead-letters?prefix={quote(key, safe='')}"
    found = attempt.until(lambda: attempt.api.answered(path)["letters"], "no dead letter")
    ids = [one["id"] for one in found]
    attempt.api.answered("dead-letters/discard", {"ids": ids, "note": "make verify"})
    attempt.until(lambda: not attempt.api.answered(path)["letters"], "the dead letter is not discarded")
    return f"filed as {found[0]['code']}: {found[0]['reason']}; discarded again"


def _job(attempt: Attempt) -> str:
    cost = estimated_cost_usd(1, "replace")
    attempt.say(f"A bulk job over one object of ours: it costs ${cost:.2f}")
    key = attempt.put(picture())
    body = {
        "kind": "tag",
        "tags": {"s3-event-scheduler-verify": "yes"},
        "manifest": {"list": {"prefix": key}},
        "description": "make verify",
    }
    job = attempt.api.answered("jobs", body)["id"]

    def shown(*states: str) -> Callable[[], Any]:
        def find() -> Any:
            found = attempt.api.answered(f"jobs/{job}")
            return found if found["status"] in (*states, "Complete", "Failed", "Cancelled") else None

        return find

    if attempt.until(shown("Suspended"), f"job {job} is not prepared")["status"] == "Suspended":
        attempt.api.answered(f"jobs/{job}/run", {})
    found = attempt.until(shown(), f"job {job} has not ended")
    if found["outcome"] != "succeeded":
        raise Wrong(f"job {job} {found['outcome']}: {'; '.join(found['failure_reasons'])}")
    return f"job {job} succeeded"


def picture() -> bytes:
    """A small photograph-like JPEG of our own, other bytes each time: nothing is found done already."""
    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise((320, 240), 40).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def remove_leftovers(s3: S3Client, config: Config, say: Callable[[str], None]) -> str:
    """Delete what this command has put there, and its thumbnails, each by its exact key and version."""
    removed = 0
    folders = {
        config.images_bucket: f"{config.images_prefix}{FOLDER}",
        config.thumbnails_bucket: f"{config.thumbnails_prefix}{config.images_prefix}{FOLDER}",
    }
    for bucket, folder in folders.items():
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=folder):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                if ID.match(one["Key"].removeprefix(folder)):
                    s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
                    say(f"Removed s3://{bucket}/{one['Key']}")
                    removed += 1
    return f"{removed} removed" if removed else "none"


def show(rows: Sequence[Row], console: Console) -> None:
    colours = {"ok": "green", "wrong": "red", "not checked": "yellow", "not tried": "yellow"}
    table = Table("part", "", "", box=None)
    for row in rows:
        table.add_row(row.part, f"[{colours[row.state]}]{row.state}[/]", escape(row.says))
    console.print(table)


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=2)
