"""Who asks, and what is kept of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chalice.app import Request

from chalicelib.api.views import config
from chalicelib.aws import clients
from chalicelib.telemetry import logs

Answer = TypeVar("Answer", bound=Mapping[str, Any])


def caller(request: Request) -> str:
    """Who signed the request, as an ARN; of `chalice local`, which wants no signature, whose credentials."""
    arn: str | None = request.context.get("identity", {}).get("userArn")
    return arn or config().local_caller or "chalice local"


def audited(
    request: Request, message: str, answer: Answer, what: str = "", note: str | None = None
) -> Answer:
    """The answer, after one line in the log, and an entry among the changes, about who asked for it.

    `what` is changed, in a few words, and `note` says why.
    """
    from chalicelib.telemetry import changes

    by = caller(request)
    logs.line(message, **{**answer, "by": by, "note": note or None})
    changes.record(by, message, what, note, clients.s3(), config())
    return answer
