"""/openapi.json: what the API takes and answers, for programs."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.views import Routes

routes = Routes(__name__)


@routes.get("/openapi.json", media=("application/json",))
def get_openapi() -> Response:
    """The OpenAPI document of this API."""
    from pathlib import Path  # not for every function's cold start

    file = Path(__file__).parent.parent / "openapi.json"  # written by `python -m infra openapi`
    return Response(file.read_text(), headers={"Content-Type": "application/json"})
