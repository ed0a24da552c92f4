"""CloudWatch asked for many metrics at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.errors import AwsFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


Minutes = Mapping[int, float]  # minutes since 1970 -> the value

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataResult.html
FAILED = ("InternalError", "Forbidden")


@dataclass(frozen=True)
class Metric:
    """One metric and how its values of a period become one."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str = "Sum"
    period: int = 60  # seconds

    def query(self, id_: str) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}
        return {"Id": id_, "MetricStat": {"Metric": metric, "Period": self.period, "Stat": self.stat}}


def ask(
    cloudwatch: CloudWatchClient, wanted: Mapping[str, Sequence[Metric]], start: int, end: int
) -> dict[str, Minutes]:
    """Each name's values by minute, several metrics of one name added up; from `start` on, before `end`.

    Raises AwsFailed where CloudWatch could not work one out: it would look like a metric without a value, and
    those are 0.
    """
    queries = {
        f"m{number}": (name, metric)
        for number, (name, metric) in enumerate(
            (name, metric) for name, several in wanted.items() for metric in several
        )
    }
    found: dict[str, dict[int, float]] = {name: {} for name in wanted}
    asked: Any = [metric.query(id_) for id_, (_, metric) in queries.items()]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=asked, StartTime=time_of(start), EndTime=time_of(end)
    )
    for result in (result for page in pages for result in page["MetricDataResults"]):
        name, metric = queries[result["Id"]]
        if result.get("StatusCode") in FAILED:
            raise AwsFailed(f"CloudWatch could not work out {metric.name}: {result['StatusCode']}")
        of_name = found[name]
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            minute = minute_of(at)
            of_name[minute] = of_name.get(minute, 0.0) + value
    return dict(found)


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60


def time_of(minute: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
