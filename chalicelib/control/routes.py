"""What people change at run time: the schedule and the capacity (docs/api.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import times
from chalicelib.api.caller import audited, caller
from chalicelib.api.views import Routes, config
from chalicelib.aws import clients

if TYPE_CHECKING:
    from chalicelib.control.capacity_override import Capacity, NewCapacity, NewPause, Schedule
    from chalicelib.telemetry.changes import Changes, ChangesQuery

routes = Routes(__name__)


@routes.post("/schedule/pause")
def pause(body: NewPause | None) -> Schedule:
    """Nothing is forwarded any more until somebody resumes; events wait in their lanes."""
    from chalicelib.control import capacity_override

    request = routes.current_request
    answer = capacity_override.set_paused(True, body, clients.ssm(), config(), caller(request), times.now())
    return audited(request, "schedule paused", answer, note=_note(body))


@routes.post("/schedule/resume")
def resume(body: NewPause | None) -> Schedule:
    """Events are forwarded again, from the next tick on."""
    from chalicelib.control import capacity_override

    request = routes.current_request
    answer = capacity_override.set_paused(False, body, clients.ssm(), config(), caller(request), times.now())
    return audited(request, "schedule resumed", answer, note=_note(body))


@routes.put("/capacity")
def put_capacity(body: NewCapacity) -> Capacity:
    """Sets the capacity from the next tick on; null goes back to the deployed one."""
    from chalicelib.control import capacity_override

    request = routes.current_request
    answer = capacity_override.put_capacity(body, clients.ssm(), config(), caller(request), times.now())
    return audited(request, "capacity set", answer, capacity_override.in_words(answer), answer["note"])


@routes.get("/changes", errors=(501,))
def get_changes(query: ChangesQuery) -> Changes:
    """Who changed what at run time, when and why, newest first."""
    from chalicelib.telemetry import changes

    return changes.latest(query, clients.s3(), config(), times.now())


def _note(body: NewPause | None) -> str | None:
    return (body or {}).get("note")
