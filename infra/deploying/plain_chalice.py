"""Chalice's own commands, typed as Chalice's manual has them, from a clone of the project.

app.py asks here while Chalice's command line imports it, and AWS is not asked. What a plain `chalice
deploy` needs is written by `make deploy`, or by `make fetch` in a clone of a stage that is deployed: the
stage's settings, its policies, and Chalice's own record, without which it would make the REST API and the
event source mappings again. `chalice invoke` and `logs` do not import app.py: they read that record alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from chalicelib.config import Config
from infra.deploying import mended
from infra.errors import CommandError
from infra.package import build
from infra.permissions import address_policy, policies
from infra.stage import Stage

DEFAULT_STAGE = "dev"  # Chalice's
# Commands that import app.py.
ASK = ("deploy", "delete", "local", "package", "generate-models", "plan", "appgraph")
DEPLOYS = ("deploy", "plan")
NOT_PACKAGED = (
    "chalice package cannot write a bucket's notification into a template (S3_NOTIFIES=lambda): "
    "make deploy STAGE={}, or set S3_NOTIFIES=queue or eventbridge"
)

made_ready = False  # by `make deploy`, which runs Chalice itself and has written all of it


def refuse_unready(root: Path, command_line: Sequence[str] = sys.argv) -> None:
    """End the process with one line if Chalice's command cannot go well in the project at `root`.

    Before a deploy the package is built and checked, so that Chalice uploads that very file.
    """
    if made_ready:
        return
    command, stage = asked(command_line)
    try:
        if command in ASK:
            check(Stage(root, stage), command)
        if command == "deploy":
            build.build(root, stage)
            mended.apply(Stage(root, stage))
    except (CommandError, policies.Disagreement) as e:
        refuse(f"error: {e}")


def refuse(line: str) -> NoReturn:
    """Print the line and end the process from whichever thread.

    `chalice local` imports app.py in a server's thread, where a SystemExit would end that thread alone.
    """
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(1)


def check(stage: Stage, command: str) -> None:
    """Raises CommandError, one line, for what the command needs and the project has not."""
    settings = stage.environment()
    if not settings.get("STAGE") or not settings.get("SOURCE_QUEUE_URL"):
        raise CommandError(
            f"stage {stage.name} has no buckets and queues yet: make deploy STAGE={stage.name} makes them "
            f"(make fetch STAGE={stage.name} where they are deployed already)"
        )
    if command == "package" and _notifies(settings) == "lambda":
        raise CommandError(NOT_PACKAGED.format(stage.name))
    if command in (*DEPLOYS, "package"):
        _check_policies(stage)
        _check_memory(stage)
        _check_shards(stage)
    if command == "delete" and not stage.deployed_file.exists():
        raise CommandError(
            f"Chalice has no record of stage {stage.name} here: "
            f"make destroy STAGE={stage.name} removes all of it"
        )
    if command in DEPLOYS and not stage.deployed_file.exists():
        raise CommandError(
            f"stage {stage.name} is set up, and Chalice has no record of it here, so it would make the REST "
            f"API a second time: make fetch STAGE={stage.name} gets it "
            f"(make deploy STAGE={stage.name} before the first deploy)"
        )
    if command in DEPLOYS:
        _check_notification(stage)


def asked(command_line: Sequence[str]) -> tuple[str, str]:
    """Which command of Chalice's, and for which stage."""
    command, stage, words = "", DEFAULT_STAGE, list(command_line[1:])
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--stage":
            stage = following
        elif word.startswith("--stage="):
            stage = word.partition("=")[2]
        elif not command and word in ASK:
            command = word
    return command, stage


def _check_shards(stage: Stage) -> None:
    """While shards are taken away, the rest must not have their part yet: `make deploy` sees to it."""
    names = {one["name"] for one in stage.deployed() if one.get("resource_type") == "lambda_function"}
    there = [name for name in names if name.partition("-")[0] == "drain"]
    if there and set(there) - set(stage.drains()):
        raise CommandError(
            f"stage {stage.name} runs {len(there)} drains, DRAIN_SHARDS is {len(stage.drains())}: "
            f"make deploy STAGE={stage.name}"
        )


def _check_notification(stage: Stage) -> None:
    """Who tells of uploads is changed by `make deploy` alone: Chalice would take the old way, and make no
    new one."""
    resources = stage.deployed()
    by_rule = any(one["name"] == "enqueue-event" for one in resources)
    by_bucket = any(one["resource_type"] == "s3_event" for one in resources)
    there = "eventbridge" if by_rule else "lambda" if by_bucket else "queue"
    if there != (here := _notifies(stage.environment())):
        raise CommandError(
            f"stage {stage.name} is deployed with S3_NOTIFIES={there}, which is {here} now: "
            f"make deploy STAGE={stage.name} changes that, and no upload falls between"
        )


def _notifies(settings: Mapping[str, str]) -> str:
    return settings.get("S3_NOTIFIES", "") or Config.s3_notifies


def _check_memory(stage: Stage) -> None:
    """GET /plan counts with what the last `make deploy` wrote down."""
    told, memory = stage.environment().get("FUNCTION_MEMORY_MB", ""), stage.function_memory()
    if told and told != memory:
        raise CommandError(
            f"stage {stage.name}: FUNCTION_MEMORY_MB is {told!r}, and lambda_memory_size of enqueue, drain "
            f"and consume says {memory!r}: make deploy STAGE={stage.name}"
        )


def _check_policies(stage: Stage) -> None:
    for function, policy in policies.documents(stage, stage.account()).items():
        file = stage.policy_file(function)
        if file is None or not file.exists() or json.loads(file.read_text()) != policy:
            raise CommandError(
                f"stage {stage.name}: the policy of {function} is not the one its code needs: "
                f"make deploy STAGE={stage.name}"
            )
    if not address_policy.is_written(stage):
        raise CommandError(
            f"stage {stage.name}: the API's policy is not the one of ALLOWED_ADDRESSES: "
            f"make deploy STAGE={stage.name}"
        )
