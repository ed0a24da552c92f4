"""One Step Functions execution per event, named after the event, so that a duplicate starts nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from chalicelib.consume.actions import Action

NEEDS = {"states:StartExecution": "STATE_MACHINE_ARN"}


def action(config: Config) -> Action:
    return partial(start_execution, clients.stepfunctions(), config.setting("STATE_MACHINE_ARN"))


def start_execution(
    stepfunctions: SFNClient, state_machine_arn: str, created: ObjectCreated, delivery: Delivery
) -> ActionResult:
    """Start the event's execution of a Standard state machine, or find it started. Its input is the body.

    A name is taken for 90 days after its execution ended; Express machines take any name twice.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    with (
        errors.errors_translated(f"starting an execution of {state_machine_arn}"),
        suppress(stepfunctions.exceptions.ExecutionAlreadyExists),
    ):
        stepfunctions.start_execution(
            stateMachineArn=state_machine_arn,
            name=execution_name(created),
            input=created.to_body(),
        )
    return ActionResult("started")


def execution_name(created: ObjectCreated) -> str:
    """At most 80 of A-Z a-z 0-9 - _, the same for every copy of one event: end of the key, and identity."""
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", created.key)[-40:].strip("-")
    return f"{readable}-{created.identity}".lstrip("-")
