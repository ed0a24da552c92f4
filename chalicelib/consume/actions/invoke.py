"""A Lambda function for each event, called with the message body.

A function that raises an error named Reject makes a letter with its words; any other error comes again. With
INVOKE_TYPE=async Lambda queues the call, and what becomes of it there is Lambda's affair: `started`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Literal

from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.consume.outcomes import MOST_SAID, ActionResult, Delivery, short
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from chalicelib.consume.actions import Action

NEEDS = {"lambda:InvokeFunction": "INVOKE_FUNCTION_ARN"}


def action(config: Config) -> Action:
    # One attempt: a call whose answer did not come may have run, and each of our tries passes the capacity.
    client = clients.downstream("lambda", (3, config.invoke_timeout_s, 1))
    kind: Literal["Event", "RequestResponse"] = (
        "Event" if config.invoke_type == "async" else "RequestResponse"
    )
    return partial(invoke, client, config.setting("INVOKE_FUNCTION_ARN"), kind)


def invoke(
    functions: LambdaClient,
    function: str,
    kind: Literal["Event", "RequestResponse"],
    created: ObjectCreated,
    delivery: Delivery,
) -> ActionResult:
    """Call it once. A call that takes longer than INVOKE_TIMEOUT_S is a failed try, and may still end."""
    with errors.errors_translated(f"calling {function}"):
        answer = functions.invoke(
            FunctionName=function, InvocationType=kind, Payload=created.to_body().encode()
        )
        with answer["Payload"] as body:
            # Of an error all: it is JSON, of 6 MB at most.
            said = body.read(None if answer.get("FunctionError") else MOST_SAID).decode(errors="replace")
    if answer.get("FunctionError"):
        name, message = _error(said)
        if name.rpartition(".")[2] == "Reject":  # Java's names have their package before them
            raise Reject(f"the function rejects it: {short(message)}", "refused-by-downstream")
        raise Retry(f"the function failed: {short(': '.join(filter(None, (name, message))))}")
    if kind == "Event":
        return ActionResult("started")
    return ActionResult("invoked", says=f"the function returns {short(said)}")


def _error(said: str) -> tuple[str, str]:
    """Name and message, as Lambda's runtimes write an error; of another runtime's, what it wrote."""
    try:
        found = json.loads(said)
        return str(found.get("errorType") or ""), str(found.get("errorMessage") or "")
    except (ValueError, AttributeError, RecursionError):
        return "", said
