"""What is done with each event: `log`, `resize` or `start_execution`.

An action must be idempotent: the queues deliver at least once. It returns when the event's work is
done, raises Reject when it never can be, and anything else when a later try may succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated

Action = Callable[[ObjectCreated, Delivery], ActionResult]


def action_for(config: Config) -> Action:
    """The stage's action. Only what it needs is imported: Pillow and boto3 cost a cold start."""
    if config.action == "resize":
        from chalicelib.consume.actions.resize import resizer

        return resizer(clients.s3(), config)
    if config.action == "start_execution":
        from chalicelib.consume.actions.start_execution import start_execution

        return partial(start_execution, clients.stepfunctions(), config.state_machine_arn)
    from chalicelib.consume.actions.log import log_event

    return log_event
