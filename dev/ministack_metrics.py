"""CloudWatch's metrics as AWS keeps them, which ministack 1.5.33 lacks: of queues, functions and log lines.

AWS/SQS     depth and age of each queue, sampled; what is sent to it
AWS/Lambda  of every invocation, whoever made it (ministack's own: only of direct ones)
our own     made of log lines in the Embedded Metric Format
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import _request_account_id, _request_region
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, sqs

EVERY_S = 5  # AWS has a value a minute; the page on the local AWS is to be worth watching

_dispatch = lambda_svc._execute_function_dispatch
_emit = lambda_svc._emit_lambda_metrics
_append = cloudwatch_logs._append_log_events


def dispatch(func: Any, config: Any, event: Any, request_id: str, started: float) -> Any:
    """An invocation on any path, measured when it ends."""
    result = _dispatch(func, config, event, request_id, started)
    failed = isinstance(result, dict) and bool(result.get("error"))
    _emit(config.get("FunctionName", "unknown"), (time.time() - started) * 1000, failed, False)
    return result


def only_throttles(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """ministack's own measuring: direct invocations would else be counted twice."""
    if throttle:
        cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": name})


def append(stream: Any, events: list[dict[str, Any]]) -> None:
    """Log lines, those in the Embedded Metric Format as metrics too."""
    _append(stream, events)
    for event in events:
        if '"_aws"' in event["message"]:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                _extract(json.loads(event["message"]))


def _extract(line: dict[str, Any]) -> None:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: line[name] for name in names}
            for metric in directive["Metrics"]:
                found = line[metric["Name"]]
                for value in found if isinstance(found, list) else [found]:
                    cloudwatch.record_metric(
                        directive["Namespace"], metric["Name"], value, metric["Unit"], dimensions
                    )


def counted(action: str) -> Callable[[dict[str, Any], str], Any]:
    """SQS's own call, after which the messages that it took are counted."""
    own = sqs._HANDLERS[action]

    def handle(request: dict[str, Any], url: str) -> Any:
        answer = own(request, url)
        sent = len(answer["Successful"]) if "Successful" in answer else 1
        name = (request.get("QueueUrl") or url).rsplit("/", 1)[1]
        cloudwatch.record_metric("AWS/SQS", "NumberOfMessagesSent", sent, "Count", {"QueueName": name})
        return answer

    return handle


def sample() -> None:
    """Every queue's depths, and the age of its oldest message, as SQS tells CloudWatch.

    Runs beside the server, so it only looks: a copied list does not change under it.
    """
    for (account, region, _), queue in list(sqs._queues._data.items()):
        _request_account_id.set(account)
        _request_region.set(region)
        messages, now = list(queue["messages"]), time.time()
        visible = sum(one["visible_at"] <= now for one in messages)
        hidden = sum(one["visible_at"] > now and one["receive_count"] > 0 for one in messages)
        oldest = max((now - one["sent_at"] for one in messages), default=0.0)
        for metric, value, unit in (
            ("ApproximateNumberOfMessagesVisible", visible, "Count"),
            ("ApproximateNumberOfMessagesNotVisible", hidden, "Count"),
            ("ApproximateAgeOfOldestMessage", oldest, "Seconds"),
        ):
            cloudwatch.record_metric("AWS/SQS", metric, value, unit, {"QueueName": queue["name"]})


def _sample_always() -> None:
    while True:
        time.sleep(EVERY_S)
        with contextlib.suppress(RuntimeError, KeyError):  # a queue that comes or goes meanwhile
            sample()


def add() -> None:
    """To ministack's own calls."""
    lambda_svc._execute_function_dispatch = dispatch
    lambda_svc._emit_lambda_metrics = only_throttles  # type: ignore[assignment]
    cloudwatch_logs._append_log_events = append
    for action in ("SendMessage", "SendMessageBatch"):
        sqs._HANDLERS[action] = counted(action)
    threading.Thread(target=_sample_always, daemon=True).start()
