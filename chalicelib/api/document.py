"""/openapi.json: what the API takes and answers, for programs."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.api.views import documented, plain_errors, signed

routes = Blueprint(__name__)


@routes.route("/openapi.json", methods=["GET"], authorizer=signed)
@plain_errors
@documented("application/json")
def get_openapi() -> Response:
    """This document."""
    from pathlib import Path  # not for every function's cold start

    file = Path(__file__).parent.parent / "openapi.json"  # written by `python -m infra openapi`
    return Response(file.read_text(), headers={"Content-Type": "application/json"})
