"""What people change at run time: the schedule, the capacity, the dead letters (docs/api.md)."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.api.views import config, documented, json_body, plain_errors, query, signed
from chalicelib.aws import clients
from chalicelib.telemetry import logs

routes = Blueprint(__name__)


@routes.route("/schedule/pause", methods=["POST"], authorizer=signed)
@plain_errors
@documented("Paused", errors=(501,))
def pause() -> dict[str, Any]:
    """No tick begins any more; events wait in the source queue."""
    from chalicelib.control import schedule

    return audited("schedule paused", schedule.set_paused(True, clients.events(), config()))


@routes.route("/schedule/resume", methods=["POST"], authorizer=signed)
@plain_errors
@documented("Paused", errors=(501,))
def resume() -> dict[str, Any]:
    """A tick every minute again."""
    from chalicelib.control import schedule

    return audited("schedule resumed", schedule.set_paused(False, clients.events(), config()))


@routes.route("/capacity", methods=["PUT"], authorizer=signed)
@plain_errors
@documented("Capacity", body="NewCapacity", errors=(501,))
def put_capacity() -> dict[str, Any]:
    """The next tick forwards so many events; null goes back to the deployed number."""
    from chalicelib.control import capacity_override

    return audited("capacity set", capacity_override.put_capacity(json_body(routes), clients.ssm(), config()))


@routes.route("/dead-letters", methods=["GET"], authorizer=signed)
@plain_errors
@documented("DeadLetters", query="DeadLettersQuery")
def get_dead_letters() -> dict[str, Any]:
    """How many there are, why, and some of them."""
    from chalicelib.control import dead_letters

    return dead_letters.letters(query(routes), clients.sqs(), config())


@routes.route("/dead-letters/redrive", methods=["POST"], authorizer=signed)
@plain_errors
@documented("Redrive", body="NewRedrive | None", errors=(409,))
def post_redrive() -> dict[str, Any]:
    """Dead letters back to the source queue: all, or those with one reason."""
    from chalicelib.control import dead_letters

    return audited("redrive", dead_letters.redrive(json_body(routes), clients.sqs(), config()))


@routes.route("/dead-letters/redrive", methods=["GET"], authorizer=signed)
@plain_errors
@documented("RedriveTasks")
def get_redrives() -> dict[str, Any]:
    """What SQS has moved back, or is moving."""
    from chalicelib.control import dead_letters

    return dead_letters.tasks(clients.sqs(), config())


def audited(message: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, after one line in the log about who asked for it."""
    identity = routes.current_request.context.get("identity", {})
    logs.line(message, by=identity.get("userArn") or "chalice local", **answer)
    return answer
