"""What AWS allows by default, and how near the scenario comes to it. An account may have more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypedDict

from chalicelib.planning.forecast import Forecast
from chalicelib.planning.scenario import QUEUE_CONCURRENCY, Scenario
from chalicelib.queues.retention import KEPT
from chalicelib.times import duration

RETENTION_MINUTES = KEPT // timedelta(minutes=1)
AWS = "https://docs.aws.amazon.com"
PUTS_A_SECOND = 3500
BATCH = 10  # messages that consume is given at once


class QuotaUse(TypedDict):
    name: str
    unit: Literal["", "minutes"]  # of limit and needed; empty where the name says it
    limit: float
    needed: float
    says: str  # how much of it is used, in words
    used_percent: float
    met: bool
    from_capacity: int | None
    advice: str
    source: str


@dataclass(frozen=True)
class Quota:
    """One limit. It is met when `needed` is more than `limit`."""

    name: str
    limit: float
    needed: float
    source: str  # where the number comes from
    # The capacity at which it is met, everything else as it is; None when capacity is not what drives it.
    from_capacity: int | None
    advice: str  # what to do when it is met
    is_time: bool = False  # minutes

    @property
    def used(self) -> float:
        return self.needed / self.limit

    @property
    def says(self) -> str:
        if self.is_time:
            waits, kept = duration(60 * self.needed), duration(60 * self.limit)
            return f"the last event waits {waits}, and SQS keeps it for {kept}"
        needed = f"{self.needed:,.{1 if self.needed < 100 else 0}f}".removesuffix(".0")
        return f"{needed} of {self.limit:,.0f}"

    def as_dict(self) -> QuotaUse:
        return {
            "name": self.name,
            "unit": "minutes" if self.is_time else "",
            "limit": self.limit,
            "needed": round(self.needed, 1),
            "says": self.says,
            "used_percent": round(100 * self.used, 1),
            "met": self.needed > self.limit,
            "from_capacity": self.from_capacity,
            "advice": self.advice,
            "source": self.source,
        }


def quotas(scenario: Scenario, ahead: Forecast) -> list[Quota]:
    """Every limit that this app can meet, the nearest first."""
    found = [*_of_lambda(scenario, ahead), *_of_queues(scenario, ahead), *_of_s3(scenario, ahead)]
    if scenario.action == "start_execution":
        found.append(_of_step_functions(ahead))
    return sorted(found, key=lambda quota: quota.used, reverse=True)


def _of_lambda(scenario: Scenario, ahead: Forecast) -> Iterator[Quota]:
    consume = ahead.concurrency["consume"]
    others = ahead.concurrency["enqueue"] + ahead.concurrency["drain"]
    yield Quota(
        "Lambda, executions at the same time in the account and region",
        scenario.concurrency,
        others + consume,
        f"{AWS}/lambda/latest/dg/gettingstarted-limits.html",
        _capacity_for(scenario.concurrency - others, scenario.per_object_s / 60),
        "ask AWS for more concurrency, or lower CAPACITY; S3_NOTIFIES=queue does without enqueue",
    )
    width = scenario.consume_concurrency
    is_ours = width < QUEUE_CONCURRENCY
    yield Quota(
        "CONSUME_CONCURRENCY" if is_ours else "Lambda, executions at the same time for one SQS queue",
        width,
        consume,
        "docs/settings.md" if is_ours else f"{AWS}/lambda/latest/dg/services-sqs-scaling.html",
        _capacity_for(width, scenario.per_object_s / 60),
        f"lower CAPACITY{', raise it' if is_ours else ''}, or make an object take less time: more memory is "
        "more CPU",
    )
    yield Quota(
        "Drain, events that its shards can forward in one tick",
        scenario.reach,
        min(scenario.capacity, ahead.peak_backlog),
        "docs/shards.md",
        scenario.reach + 1,
        "more DRAIN_SHARDS, or more memory for drain",
    )


def _of_queues(scenario: Scenario, ahead: Forecast) -> Iterator[Quota]:
    yield Quota(
        "SQS, messages in flight in the destination queue",
        120_000,
        ahead.concurrency["consume"] * BATCH,
        f"{AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
        _capacity_for(120_000, BATCH * scenario.per_object_s / 60),
        "lower CAPACITY",
    )
    yield Quota(
        "SQS, how long a message is kept in the source queue",
        RETENTION_MINUTES,
        ahead.longest_wait,
        "infra/deploying/template.yaml",
        None,
        lost(scenario, ahead) or "",
        is_time=True,
    )


def _of_s3(scenario: Scenario, ahead: Forecast) -> Iterator[Quota]:
    source = f"{AWS}/AmazonS3/latest/userguide/optimizing-performance.html"
    yield Quota(
        "S3, PUT requests a second into one prefix of the images bucket",
        PUTS_A_SECOND,
        scenario.objects / scenario.per_s,
        source,
        None,
        "spread the uploads over more prefixes",
    )
    if scenario.action == "resize":
        yield Quota(
            "S3, PUT requests a second into one prefix of the thumbnails bucket",
            PUTS_A_SECOND,
            ahead.most_in_one_tick / 60 * scenario.thumbnails,
            source,
            _capacity_for(PUTS_A_SECOND, scenario.thumbnails / 60),
            "spread the objects over more prefixes: their thumbnails follow",
        )


def _of_step_functions(ahead: Forecast) -> Quota:
    return Quota(
        "Step Functions, StartExecution requests a second (300 in the three largest regions, else 150)",
        300,
        ahead.most_in_one_tick / 60,
        f"{AWS}/step-functions/latest/dg/service-quotas.html",
        _capacity_for(300, 1 / 60),
        "lower CAPACITY, or ask AWS for more: what is refused is tried again later",
    )


def lost(scenario: Scenario, ahead: Forecast) -> str | None:
    """Why events may be lost, and what saves them; None where none is."""
    if ahead.longest_wait <= RETENTION_MINUTES:
        return None
    wait = duration(60 * ahead.longest_wait)
    needed, reach = lossless(scenario), scenario.reach
    shards = "" if needed <= reach else f", and DRAIN_SHARDS to {-(-needed * scenario.shards // reach)}"
    return (
        f"events may be lost: the last would wait {wait}, SQS keeps a message for {KEPT.days} days, and a "
        f"drain with so many may not renew them all in time; set CAPACITY to {needed:,} or more{shards}"
    )


def lossless(scenario: Scenario) -> int:
    """The smallest capacity at which no event waits longer than the source queue keeps it.

    The last to arrive, in minute m, waits for what m - 1 ticks have left.
    """
    return -(-scenario.objects // (RETENTION_MINUTES + scenario.arrival_minutes - 1))


def _capacity_for(limit: float, per_event: float) -> int:
    """The smallest capacity that needs more than the limit."""
    return max(1, int(max(0.0, limit) / per_event) + 1)
