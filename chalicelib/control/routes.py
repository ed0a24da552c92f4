"""What people change at run time: the schedule, the capacity, the dead letters (docs/api.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib import times
from chalicelib.api.views import Routes, config
from chalicelib.aws import clients
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from chalicelib.control.capacity_override import Capacity, NewCapacity, NewPause, Schedule
    from chalicelib.control.dead_letters import (
        DeadLetters,
        DeadLettersQuery,
        Redrive,
        RedriveRequest,
        RedriveTasks,
    )

routes = Routes(__name__)
Answer = TypeVar("Answer", bound=Mapping[str, Any])


@routes.post("/schedule/pause")
def pause(body: NewPause | None) -> Schedule:
    """No tick forwards anything any more; events wait in the source queue."""
    from chalicelib.control import capacity_override

    answer = capacity_override.set_paused(True, body, clients.ssm(), config(), caller(), times.now())
    return audited("schedule paused", answer)


@routes.post("/schedule/resume")
def resume(body: NewPause | None) -> Schedule:
    """Every tick forwards again."""
    from chalicelib.control import capacity_override

    answer = capacity_override.set_paused(False, body, clients.ssm(), config(), caller(), times.now())
    return audited("schedule resumed", answer)


@routes.put("/capacity")
def put_capacity(body: NewCapacity) -> Capacity:
    """The next tick forwards so many events; null goes back to the deployed number."""
    from chalicelib.control import capacity_override

    answer = capacity_override.put_capacity(body, clients.ssm(), config(), caller(), times.now())
    return audited("capacity set", answer)


@routes.get("/dead-letters")
def get_dead_letters(query: DeadLettersQuery) -> DeadLetters:
    """How many dead letters there are, why, and some of them."""
    from chalicelib.control import dead_letters

    return dead_letters.letters(query, clients.sqs(), config())


@routes.post("/dead-letters/redrive", errors=(409,))
def post_redrive(body: RedriveRequest | None) -> Redrive:
    """Dead letters back to the source queue: all, or those with one reason."""
    from chalicelib.control import dead_letters

    return audited("redrive", dead_letters.redrive(body, clients.sqs(), config()))


@routes.get("/dead-letters/redrive")
def get_redrives() -> RedriveTasks:
    """What SQS has moved back, or is moving."""
    from chalicelib.control import dead_letters

    return dead_letters.tasks(clients.sqs(), config())


def audited(message: str, answer: Answer) -> Answer:
    """The answer, after one line in the log about who asked for it."""
    logs.line(message, by=caller(), **answer)
    return answer


def caller() -> str:
    """Who asks: the ARN of the signature."""
    identity = routes.current_request.context.get("identity", {})
    return identity.get("userArn") or "chalice local"
