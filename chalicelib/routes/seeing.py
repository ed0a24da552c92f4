"""What to look at: where everything stands, and where one object is (docs/api.md)."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib import aws
from chalicelib.routes import config, documented, plain_errors, signed

routes = Blueprint(__name__)


@routes.route("/health", methods=["GET"])
@plain_errors
@documented("Health")
def get_health() -> dict[str, str]:
    """The API answers; nothing else is asked."""
    return {"status": "ok"}


@routes.route("/status", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Status")
def get_status() -> dict[str, Any]:
    """Where everything stands."""
    from chalicelib import status

    return status.snapshot(config(), aws.sqs, aws.events, aws.ssm, aws.s3control)
