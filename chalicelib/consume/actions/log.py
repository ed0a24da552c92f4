"""Nothing but the line that consume logs of every event: it stands in for the load, and shows the pace."""

from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated


def log_event(created: ObjectCreated, delivery: Delivery) -> ActionResult:
    """The work is the line itself (chalicelib/consume/outcomes.py)."""
    return ActionResult("logged")
