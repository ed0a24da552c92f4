"""What is done with each event: each file here is an action, and ACTION names the stage's (docs/actions.md).

A file has `NEEDS`, what it may do, as IAM action -> the setting that names on what; `SETTINGS`, what else has
to be set; and `action(config)`, called once a process, which returns the function of (created, delivery)
that does one event's work. What somebody adds here is theirs: no later version of ours touches it.

An action must be idempotent: the queues deliver at least once. It returns, an ActionResult or nothing, when
the event's work is done, raises Reject when it never can be, and anything else when a later try may succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from chalicelib.config import Config

if TYPE_CHECKING:  # every function imports this file, and consume alone makes results
    from chalicelib.consume.outcomes import ActionResult, Delivery
    from chalicelib.events import ObjectCreated

    Action = Callable[[ObjectCreated, Delivery], ActionResult | None]
else:
    Action = Callable


def action_for(config: Config) -> Action:
    """The stage's action, or that of the table's line for each key.

    Only what it needs is imported, once it is needed: Pillow and boto3 cost a cold start.
    """
    loaded = cache(_load)  # by line: those that are never asked for cost nothing

    def act(created: ObjectCreated, delivery: Delivery) -> ActionResult | None:
        return loaded(config.of_key(created.key))(created, delivery)

    return act if config.lines else _load(config)


def _load(config: Config) -> Action:
    found: Action = import_module(f"{__name__}.{config.action}").action(config)
    return found
