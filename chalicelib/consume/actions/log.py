"""Nothing but the line that consume logs of every event: it stands in for the load, and shows the pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from chalicelib.consume.actions import Action

NEEDS: dict[str, str] = {}


def action(config: Config) -> Action:
    return log_event


def log_event(created: ObjectCreated, delivery: Delivery) -> ActionResult:
    """The work is the line itself (chalicelib/consume/outcomes.py)."""
    return ActionResult("logged")
