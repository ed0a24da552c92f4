"""/openapi.json: what the API takes and answers, for programs."""

from __future__ import annotations

from pathlib import Path

from chalice.app import Blueprint, Response

from chalicelib.routes import documented, plain_errors, signed

routes = Blueprint(__name__)
FILE = Path(__file__).parent.parent / "openapi.json"  # written by `python -m infra openapi`


@routes.route("/openapi.json", methods=["GET"], authorizer=signed)
@plain_errors
@documented("application/json")
def get_openapi() -> Response:
    """This document."""
    return Response(FILE.read_text(), headers={"Content-Type": "application/json"})
