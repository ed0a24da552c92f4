"""What CloudWatch has measured: the last hour, what arrives, the oldest message's age, and series to plot.

One GetMetricData call asks for everything at once. A metric without a value is 0 only where others of the
stage have one (in a series: where its tick was measured in that minute): else it is not known.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.capacity import shard_names
from chalicelib.config import Config
from chalicelib.config.stage import queue_name
from chalicelib.fields import Query, schema
from chalicelib.monitoring.cloudwatch import Metric, Minutes, ask, minute_of, time_of
from chalicelib.monitoring.eta import ARRIVALS_MINUTES, Arrivals
from chalicelib.monitoring.parallel import Failed
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

HOUR = 60  # minutes
# SQS and Lambda tell of a minute when it is over, and often some minutes late.
AGE_MINUTES = 10
SERIES_MINUTES = (15, 1440)


class FunctionHealth(TypedDict):
    invocations: float | None
    errors: float | None
    throttles: float | None
    success_rate: float | None  # percent


class Percentiles(TypedDict):
    p50: float | None
    p95: float | None


class Hour(TypedDict):
    forwarded_per_minute: float | None
    done: float | None
    rejected: float | None
    thumbnails: float | None
    bytes_in: float | None
    bytes_out: float | None
    upload_to_done: Percentiles


class Measured(TypedDict):
    functions: dict[str, FunctionHealth] | Failed
    hour: Hour | Failed
    oldest_age: dict[str, float | None]  # by queue, seconds
    arrivals: Arrivals | None
    live_share: float | None  # of what arrives, from 0 to 1


class SeriesQuery(TypedDict, total=False):
    minutes: Annotated[int, schema(minimum=SERIES_MINUTES[0], maximum=SERIES_MINUTES[1])]


class Lines(TypedDict):
    backlog: list[float | None]  # of the live lane
    bulk: list[float | None]
    capacity: list[float | None]  # as the last tick knew it to which something came
    destination: list[float | None]
    dead_letters: list[float | None]
    arrived: list[float | None]
    forwarded: list[float | None]
    done: list[float | None]
    rejected: list[float | None]
    errors: list[float | None]


class Series(TypedDict):
    version: Literal[1]
    minutes: list[str]
    series: Lines


def of_status(cloudwatch: CloudWatchClient, config: Config, now: datetime) -> Measured:
    """The parts of GET /status that are measured: `functions`, `hour`, `oldest_age` and `arrivals`."""
    this = minute_of(now)  # not over yet: counted in sums, not in what comes in a minute
    found = ask(cloudwatch, _status_metrics(config), this + 1 - HOUR, this + 1)
    total = _totals(found, measured=any(found.values()))
    return {
        "functions": {name: _function(name, total) for name in _functions(config)},
        "hour": {
            "forwarded_per_minute": _divided(total("forwarded"), HOUR),
            "done": total("done"),
            "rejected": total("rejected"),
            "thumbnails": total("thumbnails"),
            "bytes_in": total("bytes_in"),
            "bytes_out": total("bytes_out"),
            "upload_to_done": {
                "p50": _mean(found["p50"], found["samples"]),
                "p95": _mean(found["p95"], found["samples"]),
            },
        },
        "oldest_age": {name: _latest(found[f"age_{name}"], this - AGE_MINUTES) for name in _queues(config)},
        "arrivals": Arrivals.of(_filled(_came(found), range(this - ARRIVALS_MINUTES, this))),
        "live_share": _share(found["arrived_live"], found["arrived_bulk"], this - ARRIVALS_MINUTES),
    }


def series(
    query: Mapping[str, Any] | None, cloudwatch: CloudWatchClient, config: Config, now: datetime
) -> Series:
    """GET /series?minutes=180: one value a minute, oldest first, None where nothing is known."""
    count = Query.of(query, "minutes").whole("minutes", *SERIES_MINUTES, default=180)
    end = minute_of(now)
    minutes = range(end - count, end)
    found = ask(cloudwatch, _series_metrics(config), minutes.start, minutes.stop)
    ticked = found["ticks"].keys()
    found["arrived"] = _came(found)

    def level(name: str) -> list[float | None]:
        return [found[name].get(minute) for minute in minutes]

    def events(*names: str) -> list[float | None]:
        """The sum of several; 0 where there is none, but something was measured."""
        values = [[found[name].get(minute) for name in names] for minute in minutes]
        return [
            sum(value or 0 for value in each)
            if any(v is not None for v in each) or minute in ticked
            else None
            for minute, each in zip(minutes, values, strict=True)
        ]

    return {
        "version": 1,
        "minutes": [times.iso(time_of(minute)) for minute in minutes],
        "series": {
            "backlog": level("source"),
            "bulk": level("bulk"),
            "capacity": _carried(level("capacity")),
            "destination": level("destination"),
            "dead_letters": _carried(level("letters")),
            "arrived": events("arrived"),
            "forwarded": events("forwarded"),
            "done": events("done"),
            "rejected": events("rejected", "rejected_drain", "rejected_enqueue"),
            "errors": events(*(f"errors_{name}" for name in _functions(config))),
        },
    }


def _status_metrics(config: Config) -> dict[str, list[Metric]]:
    wanted = {
        "forwarded": [_ours(config, "drain", "Forwarded")],
        "done": [_ours(config, "consume", "Done")],
        "rejected": [_ours(config, name, "Rejected") for name in ("consume", "drain", "enqueue")],
        "thumbnails": [_ours(config, "consume", "Thumbnails")],
        "bytes_in": [_ours(config, "consume", "BytesIn")],
        "bytes_out": [_ours(config, "consume", "BytesOut")],
        # Of the whole hour: percentiles of minutes cannot be added up.
        "p50": [_ours(config, "consume", "UploadToDone", "p50", HOUR)],
        "p95": [_ours(config, "consume", "UploadToDone", "p95", HOUR)],
        "samples": [_ours(config, "consume", "UploadToDone", "SampleCount", HOUR)],
        **_arrived(config),
    }
    for name, url in _queues(config).items():
        wanted[f"age_{name}"] = [_queue(url, "ApproximateAgeOfOldestMessage", "Maximum")]
    for name, functions in _functions(config).items():
        for metric in ("Invocations", "Errors", "Throttles"):
            wanted[f"{metric.lower()}_{name}"] = [_lambda(function, metric) for function in functions]
    return wanted


def _series_metrics(config: Config) -> dict[str, list[Metric]]:
    wanted = {
        "ticks": [_ours(config, "drain", "Received")],
        **_arrived(config),
        "forwarded": [_ours(config, "drain", "Forwarded")],
        "done": [_ours(config, "consume", "Done")],
        "rejected": [_ours(config, "consume", "Rejected")],
        "rejected_drain": [_ours(config, "drain", "Rejected")],
        "rejected_enqueue": [_ours(config, "enqueue", "Rejected")],
    }
    wanted["capacity"] = [_ours(config, "drain", "Capacity", "Maximum")]
    wanted["bulk"] = []
    for name in _queues(config).keys() - {"dead_letter"}:
        wanted[name] = [_queue(_queues(config)[name], "ApproximateNumberOfMessagesVisible", "Maximum")]
    wanted["letters"] = [_ours(config, "letters", "Letters", "Maximum")]
    for name, functions in _functions(config).items():
        wanted[f"errors_{name}"] = [_lambda(function, "Errors") for function in functions]
    return wanted


def _functions(config: Config) -> dict[str, list[str]]:
    """Lambda's names of each of our functions: the drain may be several."""
    ours = {
        "enqueue": [] if config.s3_notifies == "queue" else ["enqueue"],
        "drain": shard_names(config.drain_shards),
        "consume": ["consume"],
        "letters": ["letters"] if config.reports_bucket else [],
        "backfill": ["backfill"],
    }
    return {name: [config.function_name(one) for one in several] for name, several in ours.items() if several}


def _queues(config: Config) -> dict[str, str]:
    return {
        "source": config.source_queue_url,
        **({"bulk": config.bulk_queue_url} if config.bulk_queue_url else {}),
        "destination": config.destination_queue_url,
        "dead_letter": config.dead_letter_queue_url,
    }


def _arrived(config: Config) -> dict[str, list[Metric]]:
    """What was sent to each lane, and what of it the drain itself has sent anew."""
    bulk = [_queue(config.bulk_queue_url, "NumberOfMessagesSent")] if config.bulk_queue_url else []
    return {
        "arrived_live": [_queue(config.source_queue_url, "NumberOfMessagesSent")],
        "arrived_bulk": bulk,
        "renewed": [_ours(config, "drain", "Renewed")],
    }


def _came(found: Mapping[str, Minutes]) -> Minutes:
    """What arrived in each minute, in both lanes."""
    live, bulk, renewed = (found[name] for name in ("arrived_live", "arrived_bulk", "renewed"))
    return {
        minute: max(0.0, live.get(minute, 0.0) + bulk.get(minute, 0.0) - renewed.get(minute, 0.0))
        for minute in live.keys() | bulk.keys()
    }


def _share(part: Minutes, rest: Minutes, since: int) -> float | None:
    """Which share of two the first has had; None where there was neither."""
    mine, others = (sum(v for minute, v in one.items() if minute >= since) for one in (part, rest))
    return mine / (mine + others) if mine + others else None


def _ours(config: Config, function: str, name: str, stat: str = "Sum", minutes: int = 1) -> Metric:
    dimensions = tuple(metrics.dimensions(config.stage, function).items())
    return Metric(metrics.NAMESPACE, name, dimensions, stat, minutes * 60)


def _queue(url: str, name: str, stat: str = "Sum") -> Metric:
    return Metric("AWS/SQS", name, (("QueueName", queue_name(url)),), stat)


def _lambda(function: str, name: str) -> Metric:
    return Metric("AWS/Lambda", name, (("FunctionName", function),))


def _totals(found: Mapping[str, Minutes], measured: bool) -> Callable[[str], float | None]:
    """The sum of a name's minutes; 0 without any when something was measured, else not known."""

    def total(name: str) -> float | None:
        values = found[name].values()
        return round(sum(values), 3) if values or measured else None

    return total


def _function(name: str, total: Callable[[str], float | None]) -> FunctionHealth:
    """As the source document checks a function: its invocations, and the share of them that succeeded."""
    invocations, errors = total(f"invocations_{name}"), total(f"errors_{name}")
    rate = None
    if invocations and errors is not None:
        rate = round(100 * (invocations - errors) / invocations, 1)
    return {
        "invocations": invocations,
        "errors": errors,
        "throttles": total(f"throttles_{name}"),
        "success_rate": rate,
    }


def _filled(values: Minutes, minutes: range) -> list[float]:
    """The value of each minute, 0 where there is none; nothing when there is none in all of them."""
    known = [minute for minute in minutes if minute in values]
    return [values.get(minute, 0.0) for minute in minutes] if known else []


def _latest(values: Minutes, since: int) -> float | None:
    recent = [minute for minute in values if minute >= since]
    return values[max(recent)] if recent else None


def _carried(values: Sequence[float | None]) -> list[float | None]:
    """Each value until the next one: what is written only when it changes."""
    found: list[float | None] = []
    for value in values:
        found.append(value if value is not None or not found else found[-1])
    return found


def _mean(values: Minutes, weights: Minutes) -> float | None:
    """One value for the hour; where CloudWatch has cut it in two, their mean by the samples of each."""
    total = sum(weights.get(at, 0.0) for at in values)
    return (
        round(sum(value * weights.get(at, 0.0) for at, value in values.items()) / total, 3) if total else None
    )


def _divided(value: float | None, by: int) -> float | None:
    return None if value is None else round(value / by, 2)
