"""What people change at run time: the schedule and the capacity (docs/api.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.caller import audited
from chalicelib.api.views import Routes, config
from chalicelib.aws import clients

if TYPE_CHECKING:
    from chalicelib.control.capacity_override import Capacity, NewCapacity
    from chalicelib.control.schedule import Schedule

routes = Routes(__name__)


@routes.post("/schedule/pause", errors=(501,))
def pause() -> Schedule:
    """No tick begins any more; events wait in the source queue."""
    from chalicelib.control import schedule

    answer = schedule.set_paused(True, clients.events(), config())
    return audited(routes.current_request, "schedule paused", answer)


@routes.post("/schedule/resume", errors=(501,))
def resume() -> Schedule:
    """A tick every minute again."""
    from chalicelib.control import schedule

    answer = schedule.set_paused(False, clients.events(), config())
    return audited(routes.current_request, "schedule resumed", answer)


@routes.put("/capacity", errors=(501,))
def put_capacity(body: NewCapacity) -> Capacity:
    """The next tick forwards so many events; null goes back to the deployed number."""
    from chalicelib.control import capacity_override

    answer = capacity_override.put_capacity(body, clients.ssm(), config())
    return audited(routes.current_request, "capacity set", answer)
