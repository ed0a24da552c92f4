"""One log line and metrics for each request behind API Gateway; `chalice local` has its own lines."""

from __future__ import annotations

from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib.api.views import config
from chalicelib.telemetry import metrics

FAILED_FROM = 500
HEALTH = "/health"


def log_request(event: Request, get_response: Callable[[Request], Response]) -> Response:
    """Chalice's middleware: the route's own answer, after a line about it."""
    response = get_response(event)
    # Anybody may ask for /health, and a line costs as much as the request: only a failure is worth one.
    if "apiId" in event.context and not (event.path == HEALTH and response.status_code < FAILED_FROM):
        identity = event.context.get("identity", {})
        metrics.line(
            "request",
            config().stage,
            "api",
            {"Requests": 1, "RequestsFailed": int(response.status_code >= FAILED_FROM)},
            method=event.method,
            path=event.path,
            status=response.status_code,
            by=identity.get("userArn"),
            address=identity.get("sourceIp"),
        )
    return response
