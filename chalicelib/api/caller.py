"""Who asks, and the log line that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chalice.app import Request

from chalicelib.api.views import config
from chalicelib.telemetry import logs

Answer = TypeVar("Answer", bound=Mapping[str, Any])


def caller(request: Request) -> str:
    """Who signed the request, as an ARN; of `chalice local`, which wants no signature, whose credentials."""
    arn: str | None = request.context.get("identity", {}).get("userArn")
    return arn or config().local_caller or "chalice local"


def audited(request: Request, message: str, answer: Answer) -> Answer:
    """The answer, after one line in the log about who asked for it."""
    logs.line(message, **{**answer, "by": caller(request)})
    return answer
