"""What a month costs, line by line, at list prices: free tiers and discounts are not taken off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from chalicelib.planning.prices import PRICES, Prices
from chalicelib.planning.scenario import DRAIN_CPU_S, ENQUEUE_S, VCPU_MB, Scenario
from chalicelib.telemetry import metrics

MINUTES_A_MONTH = 43_800  # 730 hours, as AWS's own calculator counts
IDLE_TICK_S = 1.2  # a long poll of one second finds nothing
LANES = 2  # that a tick looks at
IDLE_POLLS = 2 * 5 * 3  # a minute: of each of two queues Lambda's five pollers wait 20 s
# Bytes of log: Lambda's own lines of one invocation, and each of ours.
LOG_INVOCATION, LOG_LINE = 400, 650
THUMBNAIL_BYTES = 20_000
ALARMS = 21  # infra/deploying/template.yaml
METRICS = sum(len(units) for units in metrics.METRICS.values())


class CostLine(TypedDict):
    what: str
    amount: float
    unit: str
    price_usd: float
    usd: float


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

    def as_dict(self) -> CostLine:
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
    bill = [
        *_functions(scenario, prices, objects, ticks),
        # One to send; receive, send and delete in tens; receive and delete by Lambda in tens.
        Line("SQS, per object", objects * (1 + 0.3 + 0.2), "requests", prices.sqs_request),
        Line(
            "SQS, polls of empty queues",
            LANES * ticks + MINUTES_A_MONTH * IDLE_POLLS,
            "requests",
            prices.sqs_request,
        ),
        Line("CloudWatch metrics", METRICS, "metrics", prices.metric_month),
        Line("CloudWatch alarms", ALARMS, "alarms", prices.alarm_month),
        Line("CloudWatch dashboard", 1, "dashboards", prices.dashboard_month),
    ]
    if scenario.action == "resize":
        thumbnails = objects * scenario.thumbnails
        kept_gb = thumbnails * THUMBNAIL_BYTES / 1e9
        bill += [
            Line("S3, reading the object", objects * 2, "GET and HEAD", prices.s3_get),
            Line("S3, writing thumbnails", thumbnails, "PUT", prices.s3_put),
            Line("S3, keeping thumbnails", kept_gb, "GB-months", prices.s3_gb_month),
        ]
    if scenario.action == "start_execution":
        bill.append(Line("Step Functions, 1 transition each", objects, "transitions", prices.step_transition))
    told = objects * ((scenario.events == "on") + (scenario.action == "put_event"))
    if scenario.notifies == "eventbridge":  # of all the bucket's objects, whichever the pattern lets through
        bill.append(Line("EventBridge, S3's events", objects, "events", prices.bus_event))
    bill.append(Line("EventBridge, events put", told, "events", prices.bus_event))
    return [line for line in bill if line.amount]


def _functions(scenario: Scenario, prices: Prices, objects: float, ticks: int) -> Iterator[Line]:
    """Each function's requests and duration, and what they all log."""
    by_lambda = 0.0 if scenario.notifies == "queue" else objects
    batches = objects / 10
    drain_s = ticks * IDLE_TICK_S + objects * DRAIN_CPU_S / min(1.0, scenario.drain_mb / VCPU_MB)
    for function, requests, seconds, memory_mb in (
        ("enqueue", by_lambda, by_lambda * ENQUEUE_S, scenario.enqueue_mb),
        ("drain", ticks, drain_s, scenario.drain_mb),
        ("consume", batches, objects * scenario.per_object_s, scenario.consume_mb),
    ):
        yield Line(f"Lambda {function}, requests", requests, "requests", prices.lambda_request)
        gb_s = seconds * memory_mb / 1024
        yield Line(f"Lambda {function}, duration", gb_s, "GB-s", prices.lambda_gb_second)
    log_bytes = (by_lambda + batches + ticks) * (LOG_INVOCATION + LOG_LINE) + objects * LOG_LINE
    yield Line("CloudWatch Logs, taken in", log_bytes / 1e9, "GB", prices.log_gb)
