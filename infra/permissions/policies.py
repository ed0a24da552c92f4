"""Each function's IAM policy: the calls of its code, narrowed to the stage's own queues and buckets.

`python -m infra policies` writes `.chalice/policy-<stage>-<function>.json`; a test fails when they and the
code disagree. Nothing is written here by hand but who may do an action to what.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalice.constants import VPC_ATTACH_POLICY
from chalice.policy import PolicyBuilder

from chalicelib.config import Config, table
from chalicelib.config.stage import capacity_parameter, queue_name
from chalicelib.jobs.batch_jobs import STAGE_TAG
from chalicelib.letters import runs, store
from infra.permissions import aws_calls, own_actions
from infra.stage import Account, Stage

# Function -> action -> what it is for: the settings that name a queue, bucket, role or machine, or one of the
# words below. An action that the code needs and this table lacks is an error, and so is one too many.
IMAGES, THUMBNAILS, REPORTS = "IMAGES_BUCKET", "THUMBNAILS_BUCKET", "REPORTS_BUCKET"
SOURCE, BULK = "SOURCE_QUEUE_URL", "BULK_QUEUE_URL"
DESTINATION, DEAD = "DESTINATION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"
BUS = "EVENTS_BUS"
ONLY_WHERE_SET = {BUS}  # a stage without the setting does without what it is for
EVERY_JOB = "every job of S3 Batch Operations in the account and region"
CAPACITY = "the SSM parameter with the capacity set at run time"
LOGGED = "the log groups of the functions on an object's way"
LETTERS = "the dead letters in the reports bucket"
RUNS = "the progress of redrives and discards in the reports bucket"
LETTERS_FUNCTION = "the function that files dead letters and sends them back"
OUR_JOBS = "every such job that has the stage's tag"
NEW_JOB = "a new job, if it gets the stage's tag"
MANIFESTS = "what is in the buckets of MANIFEST_BUCKETS"
EVERYTHING = "AWS has no narrower resource for the action"

GRANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "enqueue": {
        "sqs:SendMessage": (SOURCE, BULK, DEAD),
    },
    "drain": {
        "sqs:ReceiveMessage": (SOURCE, BULK),
        "sqs:DeleteMessage": (SOURCE, BULK),
        "sqs:ChangeMessageVisibility": (SOURCE, BULK),
        # Both lanes too: a message of several objects goes back as one message each, and some wait longer.
        "sqs:SendMessage": (SOURCE, BULK, DESTINATION, DEAD),
        "sqs:GetQueueAttributes": (DESTINATION,),
        "ssm:GetParameter": (CAPACITY,),
    },
    "consume": {
        "sqs:DeleteMessage": (DESTINATION,),
        # Both lanes: what is to be tried again passes the capacity again.
        "sqs:SendMessage": (SOURCE, BULK, DEAD),
        "events:PutEvents": (BUS,),
        # What its action does, the action's own file says: NEEDS.
    },
    "letters": {
        "s3:PutObject": (LETTERS, RUNS),
        "s3:GetObject": (LETTERS, RUNS),
        "s3:DeleteObject": (LETTERS,),
        "s3:ListBucket": (REPORTS,),
        "sqs:SendMessage": (SOURCE, BULK),
        # The next part of a redrive or discard.
        "lambda:InvokeFunction": (LETTERS_FUNCTION,),
        "events:PutEvents": (BUS,),
        # Those that are filed, when another one of their batch is not.
        "sqs:DeleteMessage": (DEAD,),
    },
    "backfill": {
        "sqs:SendMessage": (BULK,),
        # The size of an object that is named like a folder marker.
        "s3:GetObject": (IMAGES,),
        "s3:GetObjectVersion": (IMAGES,),
        "s3:GetObjectTagging": (IMAGES,),
        "s3:GetObjectVersionTagging": (IMAGES,),
        "s3:PutObjectTagging": (IMAGES,),
        "s3:PutObjectVersionTagging": (IMAGES,),
    },
    "api_handler": {
        "sqs:GetQueueAttributes": (SOURCE, BULK, DESTINATION, DEAD),
        "lambda:InvokeFunction": (LETTERS_FUNCTION,),
        "ssm:GetParameter": (CAPACITY,),
        "ssm:PutParameter": (CAPACITY,),
        "cloudwatch:GetMetricData": (EVERYTHING,),
        "logs:FilterLogEvents": (LOGGED,),
        "s3:CreateJob": (NEW_JOB,),
        "s3:PutJobTagging": (NEW_JOB,),  # to create one with a tag
        "s3:ListJobs": (EVERYTHING,),
        "s3:DescribeJob": (EVERY_JOB,),
        "s3:UpdateJobStatus": (OUR_JOBS,),
        "s3:UpdateJobPriority": (OUR_JOBS,),
        "iam:PassRole": ("JOBS_ROLE_ARN",),
        "s3:ListBucket": (IMAGES, REPORTS),
        "s3:GetObject": (IMAGES, THUMBNAILS, REPORTS, MANIFESTS),
        "s3:PutObject": (REPORTS,),
        "s3:GetObjectTagging": (IMAGES,),
        "s3:GetObjectVersionTagging": (IMAGES,),
    },
}

# Chalice's table of actions has no s3control.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
CONTROL = {
    "create_job": {"s3:CreateJob", "s3:PutJobTagging", "iam:PassRole"},  # it is made with a tag
    "describe_job": {"s3:DescribeJob"},
    "list_jobs": {"s3:ListJobs"},
    "update_job_status": {"s3:UpdateJobStatus"},
    "update_job_priority": {"s3:UpdateJobPriority"},
}
# Nor has it these two. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
UNKNOWN_TO_CHALICE = {
    ("lambda", "invoke"): {"lambda:InvokeFunction"},
    ("s3", "delete_objects"): {"s3:DeleteObject"},
}
# The same calls with a version id need these as well. Only a job's tasks name versions of objects.
ALSO = {
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}
ALSO_OF = {"backfill": {**ALSO, "s3:GetObject": "s3:GetObjectVersion"}}
IMPLIED = {"kms"}  # of a key that another call uses: no call names it
ON_BUCKETS = {"s3:ListBucket"}  # not on the objects in them
CONDITIONS: Mapping[str, Mapping[str, object]] = {
    "iam:PassRole": {"StringEquals": {"iam:PassedToService": "batchoperations.s3.amazonaws.com"}},
}

# What Lambda itself does in the function's name; Chalice adds it only to policies it makes itself.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLLER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
POLLED = {"consume": DESTINATION, "letters": DEAD}
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")

# With a KMS key of the account's own, what each action on a queue or bucket asks of the key besides.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
READS, WRITES = {"kms:Decrypt"}, {"kms:Decrypt", "kms:GenerateDataKey"}
ON_KEY = {
    "sqs:ReceiveMessage": READS,
    "sqs:SendMessage": WRITES,
    "s3:GetObject": READS,
    "s3:PutObject": WRITES,
}


Scope = tuple[tuple[str, ...], str]  # ARNs, and a condition as JSON


class Disagreement(Exception):
    """The code's calls and the table of grants differ; the message names the function and the action."""


def write(stage: Stage, account: Account) -> dict[str, Path]:
    """Write the stage's policies beside its config.json; returns each function's file."""
    files = {}
    for function, policy in documents(stage, account).items():
        files[function] = stage.config_file.with_name(f"policy-{stage.name}-{function}.json")
        files[function].write_text(json.dumps(policy, indent=2) + "\n")
    return files


def documents(stage: Stage, account: Account) -> dict[str, dict[str, Any]]:
    """The policy of each function of the stage. Raises Disagreement."""
    env = stage.environment()
    needed = [_needs(action, stage, own, account) for action, own in _actions_of(stage, env)]
    return {
        name: _document(function, name, found, needed if function == "consume" else [], stage, env, account)
        for function, found in aws_calls.calls(stage.root).items()
        for name in (stage.drains() if function == "drain" else [function])
    }


Allowed = dict[tuple[str, ...], set[str]]  # resources -> actions


def _actions_of(stage: Stage, env: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
    """The stage's action with its settings; with an action table those of each line."""
    lines = table.read(str(stage.root / "chalicelib"), stage.name)
    of_lines: list[tuple[str, Mapping[str, str]]] = [
        (one.action, {**env, **one.settings}) for one in lines if one.action != table.IGNORE
    ]
    if lines:
        return of_lines
    return [(env.get("ACTION") or Config.action, env)]


def _needs(action: str, stage: Stage, env: Mapping[str, str], account: Account) -> Allowed:
    """What an action may do, by its file's NEEDS. Raises Disagreement where its calls say otherwise."""
    file = f"chalicelib/consume/actions/{action}.py"
    needs = own_actions.needs(stage.root, action)
    called, unknown = _actions_and_unknown(
        aws_calls.calls_from(stage.root, f"chalicelib.consume.actions.{action}.action"), ALSO
    )
    if missing := called - set(needs):
        raise Disagreement(f"{file} calls {', '.join(sorted(missing))}: say on what in its NEEDS")
    if unknown and not needs:
        raise Disagreement(
            f"{file} calls {', '.join(sorted(unknown))}, which Chalice's table does not know: say in its "
            "NEEDS which IAM action that is, and on what"
        )
    # A call that Chalice's table does not know may need any action of its service.
    unused = {one for one in set(needs) - called if one.partition(":")[0] not in IMPLIED}
    if unused and not unknown:
        raise Disagreement(
            f"{file} calls {', '.join(sorted(unused))} nowhere that can be read: take it out of its NEEDS, "
            "or call it on an argument that is annotated as a client, such as `dynamodb: DynamoDBClient`"
        )
    allowed: Allowed = {}
    for one, names in needs.items():
        arns = tuple(_needed_arn(one, name, file, env, account) for name in names)
        allowed.setdefault(arns, set()).add(one)
    if action == "resize" and env.get("DELETE_WITH_ORIGINAL") == "true":
        # So that S3 says 404 of an object that is gone, and 403 of a permission that is missing.
        images = (_arn("s3:ListBucket", IMAGES, env, account),)
        allowed.setdefault(images, set()).add("s3:ListBucket")
    return allowed


def _needed_arn(action: str, name: str, file: str, env: Mapping[str, str], account: Account) -> str:
    """Raises Disagreement for a setting that names nothing."""
    if name == "*":
        return name
    if not env.get(name):
        raise Disagreement(f"{name} is not set: {file} needs it for {action}")
    arn = _arn(action, name, env, account)
    if not arn.startswith("arn:"):
        raise Disagreement(f"{name} is {env[name]!r}: expected an ARN, on which {file} may {action}")
    return arn


def _document(
    function: str,
    name: str,
    found: aws_calls.Calls,
    needed: list[Allowed],
    stage: Stage,
    env: Mapping[str, str],
    account: Account,
) -> dict[str, Any]:
    actions = _actions(found, ALSO_OF.get(function, ALSO))
    grants = GRANTS.get(function, {})
    if unknown := actions - set(grants):
        raise Disagreement(
            f"{function} calls {', '.join(sorted(unknown))}: say on what in GRANTS "
            "of infra/permissions/policies.py"
        )
    if unused := set(grants) - actions:
        raise Disagreement(
            f"{function} no longer calls {', '.join(sorted(unused))}: take it out of GRANTS "
            "of infra/permissions/policies.py"
        )
    allowed: dict[Scope, set[str]] = {}
    for action in sorted(actions):
        names = tuple(one for one in grants[action] if env.get(one) or one not in ONLY_WHERE_SET)
        if resources := tuple(arn for one in names for arn in _arns(action, one, stage, env, account)):
            allowed.setdefault((resources, _condition(action, names, stage)), set()).add(action)
    for each in needed:
        for resources, those in each.items():
            allowed.setdefault((resources, ""), set()).update(those)
    if function in POLLED:
        polled = (_arn(POLLER[0], POLLED[function], env, account),)
        allowed.setdefault((polled, ""), set()).update(POLLER)
    if key := env.get("KMS_KEY_ARN"):
        used = set().union(*allowed.values()) & set(ON_KEY)
        if used:
            allowed[(key,), ""] = set().union(*(ON_KEY[action] for action in used))
    if stage.in_vpc(function):  # Chalice adds these only to policies of its own
        allowed.setdefault((("*",), ""), set()).update(VPC_ATTACH_POLICY["Action"])
    # Chalice makes the log group (log_retention_in_days is set), so CreateLogGroup is not needed.
    logs = account.arn("logs", f"log-group:/aws/lambda/{stage.function_name(name)}:*")
    allowed[(logs,), ""] = set(LOGS)
    return {
        "Version": "2012-10-17",
        "Statement": [_statement(actions, *scope) for scope, actions in sorted(allowed.items())],
    }


def _statement(actions: set[str], resources: tuple[str, ...], condition: str) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
    if resources == ("*",) and not condition:
        statement["Sid"] = "AwsHasNoNarrowerResource"
    if condition:
        statement["Condition"] = json.loads(condition)
    return statement


def _condition(action: str, names: tuple[str, ...], stage: Stage) -> str:
    """Under which condition the action is allowed, as JSON; empty for none."""
    if action in CONDITIONS:
        return json.dumps(CONDITIONS[action])
    for name, key in ((OUR_JOBS, "aws:ResourceTag"), (NEW_JOB, "aws:RequestTag")):
        if name in names:
            return json.dumps({"StringEquals": {f"{key}/{STAGE_TAG}": stage.name}})
    return ""


def _actions(found: aws_calls.Calls, also: Mapping[str, str]) -> set[str]:
    """IAM's names of the calls, by Chalice's own table. Raises Disagreement for a call it does not know."""
    actions, unknown = _actions_and_unknown(found, also)
    for call in sorted(unknown):
        raise Disagreement(f"Chalice's table has no IAM action for {call}")
    return actions


def _actions_and_unknown(found: aws_calls.Calls, also: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """The same, and the calls it does not know."""
    actions, unknown = set[str](), set[str]()
    for service, methods in found.items():
        for method in methods:
            own = CONTROL.get(method, set()) if service == "s3control" else None
            own = UNKNOWN_TO_CHALICE.get((service, method), own)
            named = own if own is not None else _known(service, method)
            if not named:
                unknown.add(f"{service}.{method}")
            actions |= named | {also[action] for action in named if action in also}
    return actions, unknown


_builder = functools.cache(PolicyBuilder)  # one session, which reads each of botocore's files once


@functools.cache  # Chalice makes a client for each question
def _known(service: str, method: str) -> frozenset[str]:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints about a service it does not know
        policy = _builder().build_policy_from_api_calls({service: {method}})
    return frozenset(action for statement in policy["Statement"] for action in statement["Action"])


def _arns(action: str, name: str, stage: Stage, env: Mapping[str, str], account: Account) -> tuple[str, ...]:
    if name == CAPACITY:
        return (account.arn("ssm", f"parameter{capacity_parameter(stage.name)}"),)
    if name == LOGGED:
        functions = ["enqueue", "consume", *stage.drains()]
        groups = [f"log-group:/aws/lambda/{stage.function_name(one)}:*" for one in functions]
        return tuple(account.arn("logs", group) for group in groups)
    if name == LETTERS_FUNCTION:
        return (account.arn("lambda", f"function:{stage.function_name('letters')}"),)
    if name in (LETTERS, RUNS):
        prefix = store.PREFIX if name == LETTERS else runs.PREFIX
        return (f"arn:{account.partition}:s3:::{env[REPORTS]}/{prefix}*",)
    if name == MANIFESTS:
        buckets = filter(None, (part.strip() for part in env.get("MANIFEST_BUCKETS", "").split(",")))
        return tuple(f"arn:{account.partition}:s3:::{bucket}/*" for bucket in buckets)
    return (_arn(action, name, env, account),)


def _arn(action: str, name: str, env: Mapping[str, str], account: Account) -> str:
    """The ARN of what the setting names, as the action wants it."""
    if name == EVERYTHING:
        return "*"
    if name == NEW_JOB and action == "s3:CreateJob":  # it has no ARN yet
        return "*"
    if name in (EVERY_JOB, OUR_JOBS, NEW_JOB):
        return account.arn("s3", "job/*")
    value = env[name]
    if value.startswith("arn:"):
        return value
    if name.endswith("_QUEUE_URL"):
        return account.arn("sqs", queue_name(value))
    if name.endswith("_BUCKET"):
        bucket = f"arn:{account.partition}:s3:::{value}"
        return (
            bucket if action in ON_BUCKETS else f"{bucket}/{env.get(name.replace('_BUCKET', '_PREFIX'), '')}*"
        )
    if name.endswith("_PARAMETER"):
        return account.arn("ssm", f"parameter/{value.removeprefix('/')}")
    if name.endswith("_BUS"):
        return account.arn("events", f"event-bus/{value}")
    return value
