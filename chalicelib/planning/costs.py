"""What a month costs, line by line, at list prices: free tiers and discounts are not taken off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chalicelib import metrics
from chalicelib.errors import BadRequest
from chalicelib.planning.scenario import DRAIN_CPU_S, ENQUEUE_S, VCPU_MB, Scenario

MINUTES_A_MONTH = 43_800  # 730 hours, as AWS's own calculator counts
IDLE_TICK_S = 1.2  # a long poll of one second finds nothing
IDLE_POLLS = 5 * 3  # a minute: Lambda's five pollers wait 20 s each
# Bytes of log: Lambda's own lines of one invocation, and each of ours.
LOG_INVOCATION, LOG_LINE = 400, 650
THUMBNAIL_BYTES = 20_000
ALARMS = 11  # infra/template.yaml
METRICS = sum(len(units) for units in metrics.OF.values())


@dataclass(frozen=True)
class Prices:
    """US dollars, us-east-1, x86, written down by hand: `of` says when. AWS's own pages have today's.

    https://aws.amazon.com/lambda/pricing/ /sqs/pricing/ /s3/pricing/ /cloudwatch/pricing/
    """

    of: str = "us-east-1, June 2025"
    lambda_request: float = 0.20e-6
    lambda_gb_second: float = 16.6667e-6
    sqs_request: float = 0.40e-6
    s3_put: float = 5e-6
    s3_get: float = 0.4e-6
    s3_gb_month: float = 0.023
    log_gb: float = 0.50
    metric_month: float = 0.30
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    step_transition: float = 25e-6

    def with_changes(self, changes: Mapping[str, Any]) -> Prices:
        """Other prices for some names. Raises BadRequest for a name that is none, or a value below 0."""
        names = {one.name for one in fields(self)}
        for name, value in changes.items():
            if name not in names:
                raise BadRequest(name, f"is no price; prices are {', '.join(sorted(names))}")
            if name != "of" and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise BadRequest(name, f"{value!r}: expected a number of US dollars, 0 or more")
        return replace(self, **changes)


PRICES = Prices()


@dataclass(frozen=True)
class Line:
    """One line of the bill: so many units at so much."""

    what: str
    amount: float
    unit: str
    price: float

    @property
    def usd(self) -> float:
        return self.amount * self.price

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "amount": round(self.amount, 3),
            "unit": self.unit,
            "price_usd": self.price,
            "usd": round(self.usd, 2),
        }


def lines(scenario: Scenario, prices: Prices = PRICES) -> list[Line]:
    """The month's bill: what each object costs, times the objects, and what runs whether any comes or not."""
    objects = scenario.objects * scenario.times
    ticks = MINUTES_A_MONTH * scenario.shards
    by_lambda = objects if scenario.notifies == "lambda" else 0.0
    enqueue_gb, drain_gb, consume_gb = (
        mb / 1024 for mb in (scenario.enqueue_mb, scenario.drain_mb, scenario.consume_mb)
    )
    drain_s = ticks * IDLE_TICK_S + objects * DRAIN_CPU_S / min(1.0, scenario.drain_mb / VCPU_MB)
    batches = objects / 10
    log_bytes = (
        by_lambda * (LOG_INVOCATION + LOG_LINE)
        + batches * (LOG_INVOCATION + LOG_LINE)
        + objects * LOG_LINE
        + ticks * (LOG_INVOCATION + LOG_LINE)
    )
    bill = [
        Line("Lambda enqueue, requests", by_lambda, "requests", prices.lambda_request),
        Line("Lambda enqueue, duration", by_lambda * ENQUEUE_S * enqueue_gb, "GB-s", prices.lambda_gb_second),
        Line("Lambda drain, requests", ticks, "requests", prices.lambda_request),
        Line("Lambda drain, duration", drain_s * drain_gb, "GB-s", prices.lambda_gb_second),
        Line("Lambda consume, requests", batches, "requests", prices.lambda_request),
        Line(
            "Lambda consume, duration",
            objects * scenario.per_object_s * consume_gb,
            "GB-s",
            prices.lambda_gb_second,
        ),
        # One to send; receive, send and delete in tens; receive and delete by Lambda in tens.
        Line("SQS, per object", objects * (1 + 0.3 + 0.2), "requests", prices.sqs_request),
        Line(
            "SQS, polls of empty queues", ticks + MINUTES_A_MONTH * IDLE_POLLS, "requests", prices.sqs_request
        ),
        Line("CloudWatch Logs, taken in", log_bytes / 1e9, "GB", prices.log_gb),
        Line("CloudWatch metrics", METRICS, "metrics", prices.metric_month),
        Line("CloudWatch alarms", ALARMS, "alarms", prices.alarm_month),
        Line("CloudWatch dashboard", 1, "dashboards", prices.dashboard_month),
    ]
    if scenario.action == "resize":
        thumbnails = objects * scenario.thumbnails
        bill += [
            Line("S3, reading the object", objects * 2, "GET and HEAD", prices.s3_get),
            Line("S3, writing thumbnails", thumbnails, "PUT", prices.s3_put),
            Line(
                "S3, keeping thumbnails", thumbnails * THUMBNAIL_BYTES / 1e9, "GB-months", prices.s3_gb_month
            ),
        ]
    if scenario.action == "start_execution":
        bill.append(Line("Step Functions, 1 transition each", objects, "transitions", prices.step_transition))
    return [line for line in bill if line.amount]
