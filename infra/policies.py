"""Each function's IAM policy: the calls of its code, narrowed to the stage's own queues and buckets.

`python -m infra policies` writes `.chalice/policy-<stage>-<function>.json`; a test fails when they and the
code disagree. Nothing is written here by hand but who may do an action to what.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalice.policy import PolicyBuilder

from chalicelib.config import queue_name
from infra import calls
from infra.stage import Account, Stage

# Function -> action -> the settings whose queue, bucket or machine it is for. An action the code makes and
# this table does not know is an error, and so is one the table has and the code does not make.
GRANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "enqueue": {
        "sqs:SendMessage": ("SOURCE_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
    },
    "drain": {
        "sqs:ReceiveMessage": ("SOURCE_QUEUE_URL",),
        "sqs:DeleteMessage": ("SOURCE_QUEUE_URL",),
        "sqs:ChangeMessageVisibility": ("SOURCE_QUEUE_URL",),
        # The source queue too: a message of several objects goes back as one message each.
        "sqs:SendMessage": ("SOURCE_QUEUE_URL", "DESTINATION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
    },
    "consume": {
        "sqs:DeleteMessage": ("DESTINATION_QUEUE_URL",),
        "sqs:ChangeMessageVisibility": ("DESTINATION_QUEUE_URL",),
        "sqs:SendMessage": ("DEAD_LETTER_QUEUE_URL",),
        "s3:GetObject": ("IMAGES_BUCKET", "THUMBNAILS_BUCKET"),
        "s3:PutObject": ("THUMBNAILS_BUCKET",),
        "states:StartExecution": ("STATE_MACHINE_ARN",),
    },
    "api_handler": {
        "sqs:GetQueueAttributes": ("SOURCE_QUEUE_URL", "DESTINATION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
    },
}

# What Lambda itself does in the function's name; Chalice adds it only to policies it makes itself.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLLER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
POLLED = {"consume": "DESTINATION_QUEUE_URL"}

# What an action other than ACTION would need, a stage's function must not have.
ONLY_FOR = {
    "s3:GetObject": "resize",
    "s3:PutObject": "resize",
    "states:StartExecution": "start_execution",
}


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
    return {
        function: _document(function, _actions(found), stage, env, account)
        for function, found in calls.calls(stage.root).items()
    }


def _document(
    function: str, actions: set[str], stage: Stage, env: Mapping[str, str], account: Account
) -> dict[str, Any]:
    grants = GRANTS.get(function, {})
    if unknown := actions - set(grants):
        raise Disagreement(
            f"{function} calls {', '.join(sorted(unknown))}: say on what in GRANTS of infra/policies.py"
        )
    if unused := set(grants) - actions:
        raise Disagreement(
            f"{function} no longer calls {', '.join(sorted(unused))}: take it out of GRANTS "
            "of infra/policies.py"
        )
    allowed: dict[tuple[str, ...], set[str]] = {}
    for action in sorted(actions):
        if ONLY_FOR.get(action) in (None, env.get("ACTION", "resize")):
            resources = tuple(_arn(setting, env, account) for setting in grants[action])
            allowed.setdefault(resources, set()).add(action)
    if function in POLLED:
        polled = (_arn(POLLED[function], env, account),)
        allowed.setdefault(polled, set()).update(POLLER)
    # Chalice makes the log group (log_retention_in_days is set), so CreateLogGroup is not needed.
    logs = account.arn("logs", f"log-group:/aws/lambda/{stage.function_name(function)}:*")
    allowed[(logs,)] = set(LOGS)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(names), "Resource": list(resources)}
            for resources, names in sorted(allowed.items())
        ],
    }


def _actions(found: calls.Calls) -> set[str]:
    """IAM's names of the calls, by Chalice's own table. Raises Disagreement for a call it does not know."""
    builder = PolicyBuilder()
    actions: set[str] = set()
    for service, methods in found.items():
        for method in methods:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints about a service it does not know
                policy = builder.build_policy_from_api_calls({service: {method}})
            named = {action for statement in policy["Statement"] for action in statement["Action"]}
            if not named:
                raise Disagreement(f"Chalice's table has no IAM action for {service}.{method}")
            actions |= named
    return actions


def _arn(setting: str, env: Mapping[str, str], account: Account) -> str:
    """The ARN of what the setting names."""
    value = env[setting]
    if setting.endswith("_QUEUE_URL"):
        return account.arn("sqs", queue_name(value))
    if setting.endswith("_BUCKET"):
        prefix = env.get(setting.replace("_BUCKET", "_PREFIX"), "")
        return f"arn:{account.partition}:s3:::{value}/{prefix}*"
    return value
