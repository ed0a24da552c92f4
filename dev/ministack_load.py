"""What many events at once need of the local AWS, which ministack 1.5.33 lacks.

A batching window: an event source mapping waits to fill a batch, else what is due evenly is an invocation for
every one or two messages. A limit: each notification of S3 would start a process of its own. And a downstream
that fails, for as long as somebody wants to see what becomes of it.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc, s3

from dev.local_aws import PUTS_FAIL

NOTIFIED_AT_ONCE = 4  # processes of a function that S3 notifies; the others wait for one

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"

_concurrency = lambda_svc._sqs_esm_concurrency
_handle = s3.handle_request
_notified = threading.Semaphore(NOTIFIED_AT_ONCE)
_since: dict[str, float] = {}  # mapping -> when the batch that is not full yet began to wait


def esm_concurrency(esm: dict[str, Any], func: Any, config: Any, queue: Any = None) -> int:
    """Batches at once of a mapping: none while its window is open and the batch not full."""
    window = esm.get("MaximumBatchingWindowInSeconds") or 0
    if window and queue:
        now = time.time()
        visible = sum(one["visible_at"] <= now for one in list(queue["messages"]))
        if not visible:
            _since.pop(esm["UUID"], None)
        elif visible < esm.get("BatchSize", 10) and now - _since.setdefault(esm["UUID"], now) < window:
            return 0
        else:
            _since.pop(esm["UUID"], None)
    limit: int = _concurrency(esm, func, config, queue)
    return limit


def in_turn(own: Callable[..., Any]) -> Callable[..., Any]:
    """An invocation, in its turn where very many may come at once."""

    def dispatch(func: Any, config: Any, *rest: Any) -> Any:
        if not str(config.get("FunctionName", "")).endswith("-enqueue"):
            return own(func, config, *rest)
        with _notified:
            return own(func, config, *rest)

    return dispatch


async def handle_request(method: str, path: str, *rest: Any, **named: Any) -> Any:
    """S3's requests; a PUT into a bucket that is to fail is refused as AWS does when it is overloaded."""
    if method == "PUT" and path.startswith(f"/{_failing()}/"):
        return 503, {"Content-Type": "application/xml"}, SLOW_DOWN
    return await _handle(method, path, *rest, **named)


def _failing() -> str:
    """The bucket's name; what no bucket is called where there is none."""
    try:
        return Path(os.environ[PUTS_FAIL]).read_text()
    except (KeyError, OSError):
        return "*"


def add() -> None:
    """To ministack's own calls, as they are by now."""
    lambda_svc._sqs_esm_concurrency = esm_concurrency  # type: ignore[assignment]
    lambda_svc._execute_function_dispatch = in_turn(lambda_svc._execute_function_dispatch)
    s3.handle_request = handle_request
