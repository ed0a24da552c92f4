"""The app's own metrics, written as log lines in CloudWatch's Embedded Metric Format.

CloudWatch makes the metrics when the lines arrive, so no function calls it or waits for it. Why no library
writes them: docs/decisions/0014-metrics-are-log-lines.md.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.telemetry import logs

NAMESPACE = "S3EventScheduler"
MOST_VALUES = 100  # of one metric in one line
COUNT, SECONDS, BYTES = "Count", "Seconds", "Bytes"

# Every metric there is, with its unit. All shards of the drain write the same.
METRICS: Mapping[str, Mapping[str, str]] = {
    "enqueue": {"Enqueued": COUNT, "EnqueuedBulk": COUNT, "Rejected": COUNT},
    "drain": {
        "Received": COUNT,
        "Forwarded": COUNT,
        "ForwardedBulk": COUNT,
        "Rejected": COUNT,
        "Failed": COUNT,
        "CapacityUnread": COUNT,
        "TickDuration": SECONDS,
        "OldestReceived": SECONDS,  # AWS's own age leaves out what was received three times or more
        "Renewed": COUNT,
        "Capacity": COUNT,  # of all shards, where something came
    },
    "consume": {
        "Done": COUNT,
        "Rejected": COUNT,
        "Retried": COUNT,
        "Untried": COUNT,
        "CircuitOpen": COUNT,
        "Thumbnails": COUNT,
        "BytesIn": BYTES,
        "BytesOut": BYTES,
        "UploadToDone": SECONDS,  # of each event that was done and knows when it was uploaded
    },
    "backfill": {"TasksSucceeded": COUNT, "TasksFailed": COUNT},
    "letters": {"Letters": COUNT},  # how many are filed, when that has changed
    "api": {"Requests": COUNT, "RequestsFailed": COUNT},
}

Value = float | Sequence[float]


def line(message: str, stage: str, function: str, values: Mapping[str, Value], **fields: Any) -> None:
    """One log line that is also the function's metrics. Raises KeyError for one that METRICS lacks."""
    _line(message, function, dimensions(stage, function), values, fields)


def line_of_table(stage: str, function: str, of_line: str, values: Mapping[str, Value]) -> None:
    """The same for a line of the action table: metrics of its own, with one dimension more."""
    _line("consumed of a line", function, {**dimensions(stage, function), "Line": of_line}, values, {})


def _line(
    message: str, function: str, by: Mapping[str, str], values: Mapping[str, Value], fields: dict[str, Any]
) -> None:
    units = METRICS[function]
    defined = [{"Name": name, "Unit": units[name]} for name in values]
    fields["_aws"] = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [list(by)], "Metrics": defined}],
    }
    logs.line(message, **fields, **by, **values)


def dimensions(stage: str, function: str) -> dict[str, str]:
    """By which CloudWatch keeps a function's metrics."""
    return {"Stage": stage, "Function": function}
