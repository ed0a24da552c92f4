"""What CloudWatch has measured, read back: sums, ages, arrivals and series, and what is not known."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from chalicelib.config import Config
from chalicelib.errors import BadRequest
from chalicelib.monitoring import cloudwatch as asking
from chalicelib.monitoring import measures
from chalicelib.telemetry import metrics
from tests.support.settings import GOOD

pytestmark = [pytest.mark.aws, pytest.mark.xdist_group("deployed")]

NOW = datetime.now(UTC).replace(second=30, microsecond=0)


@pytest.fixture
def config():
    """A stage and queues of this test's own: CloudWatch forgets nothing."""
    name = f"t{uuid.uuid4().hex[:9]}"
    urls = {
        f"{queue}_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}-{queue.lower()}"
        for queue in ("SOURCE", "DESTINATION", "DEAD_LETTER")
    }
    return Config.from_env({**GOOD, **urls, "STAGE": name, "DRAIN_SHARDS": "2"})


@pytest.fixture
def cloudwatch(aws):
    return boto3.client("cloudwatch")


def put(cloudwatch, namespace, name, values, dimensions):
    """`values` by minutes ago; 0 is the minute that runs."""
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                "Timestamp": NOW - timedelta(minutes=ago),
                "Value": value,
            }
            for ago, several in values.items()
            for value in (several if isinstance(several, list) else [several])
        ],
    )


def ours(cloudwatch, config, function, name, values):
    put(cloudwatch, metrics.NAMESPACE, name, values, metrics.dimensions(config.stage, function))


def functions(cloudwatch, config, function, name, values):
    dimensions = {"FunctionName": config.function_name(function)}
    put(cloudwatch, "AWS/Lambda", name, values, dimensions)


def queue(cloudwatch, url, name, values):
    put(cloudwatch, "AWS/SQS", name, values, {"QueueName": url.rsplit("/", 1)[1]})


def test_one_run_that_succeeded_is_one_invocation_and_100_percent(cloudwatch, config):
    """What the source document looks at."""
    functions(cloudwatch, config, "consume", "Invocations", {3: 1})
    functions(cloudwatch, config, "consume", "Errors", {3: 0})
    found = measures.of_status(cloudwatch, config, NOW)["functions"]["consume"]
    assert found == {"invocations": 1, "errors": 0, "throttles": 0, "success_rate": 100}


def test_the_hour_adds_up_minutes_functions_and_shards(cloudwatch, config):
    ours(cloudwatch, config, "drain", "Received", {1: 60, 59: 60, 61: 999})
    ours(cloudwatch, config, "drain", "Forwarded", {0: 30, 1: 60, 59: 30, 61: 999})
    ours(cloudwatch, config, "consume", "Done", {1: 100})
    ours(cloudwatch, config, "consume", "Rejected", {1: 2})
    ours(cloudwatch, config, "enqueue", "Rejected", {2: 1})
    ours(cloudwatch, config, "consume", "Thumbnails", {1: 200})
    ours(cloudwatch, config, "consume", "BytesIn", {1: 5e9})
    ours(cloudwatch, config, "consume", "UploadToDone", {1: [10, 20, 30, 40, 100]})
    for shard, errors in (("drain", 1), ("drain-1", 2)):
        functions(cloudwatch, config, shard, "Invocations", {1: 10})
        functions(cloudwatch, config, shard, "Errors", {1: errors})
    found = measures.of_status(cloudwatch, config, NOW)
    hour = found["hour"]
    assert (hour["forwarded_per_minute"], hour["done"], hour["rejected"]) == (2.0, 100, 3)
    assert (hour["thumbnails"], hour["bytes_in"]) == (200, 5e9)
    assert hour["bytes_out"] == 0  # not measured, but ticks were: there was none
    assert hour["upload_to_done"]["p50"] == 30
    assert 40 < hour["upload_to_done"]["p95"] <= 100
    drain = found["functions"]["drain"]
    assert (drain["invocations"], drain["errors"], drain["success_rate"]) == (20, 3, 85)


def test_where_nothing_was_measured_nothing_is_known(cloudwatch, config):
    found = measures.of_status(cloudwatch, config, NOW)
    assert set(found["hour"].pop("upload_to_done").values()) == {None}
    assert set(found["hour"].values()) == {None}
    assert {value for one in found["functions"].values() for value in one.values()} == {None}
    assert set(found["oldest_age"].values()) == {None}
    assert found["arrivals"] is None
    series = measures.series(None, cloudwatch, config, NOW)["series"]
    assert {value for line in series.values() for value in line} == {None}


def test_arrivals_are_of_the_last_fifteen_whole_minutes(cloudwatch, config):
    sent = {0: 9e9, 1: 30, 5: 120, 15: 150, 16: 9e9}
    queue(cloudwatch, config.source_queue_url, "NumberOfMessagesSent", sent)
    arrivals = measures.of_status(cloudwatch, config, NOW)["arrivals"]
    assert (arrivals.mean, arrivals.usual) == (20, 0)


def test_what_the_drain_sends_anew_has_not_arrived(cloudwatch, config):
    queue(cloudwatch, config.source_queue_url, "NumberOfMessagesSent", dict.fromkeys(range(1, 16), 2030.0))
    ours(cloudwatch, config, "drain", "Renewed", dict.fromkeys(range(1, 16), 2000.0))
    found = measures.of_status(cloudwatch, config, NOW)
    assert (found["arrivals"].mean, found["arrivals"].usual, found["live_share"]) == (30, 30, 1)
    assert measures.series(None, cloudwatch, config, NOW)["series"]["arrived"][-1] == 30


def test_the_oldest_age_is_the_newest_value_and_not_one_of_long_ago(cloudwatch, config):
    queue(cloudwatch, config.source_queue_url, "ApproximateAgeOfOldestMessage", {1: 130, 5: 4000})
    queue(cloudwatch, config.destination_queue_url, "ApproximateAgeOfOldestMessage", {30: 4000})
    ages = measures.of_status(cloudwatch, config, NOW)["oldest_age"]
    assert ages == {"source": 130, "destination": None, "dead_letter": None}


def test_a_series_has_one_value_a_minute_oldest_first(cloudwatch, config):
    queue(cloudwatch, config.source_queue_url, "ApproximateNumberOfMessagesVisible", {1: 7, 2: [5, 9]})
    ours(cloudwatch, config, "drain", "Received", {1: 10, 2: 20})
    ours(cloudwatch, config, "drain", "Forwarded", {1: 10, 2: 20})
    ours(cloudwatch, config, "consume", "Rejected", {2: 1})
    ours(cloudwatch, config, "drain", "Rejected", {2: 1})
    functions(cloudwatch, config, "drain-1", "Errors", {1: 1})
    functions(cloudwatch, config, "consume", "Errors", {1: 2})
    found = measures.series({"minutes": "15"}, cloudwatch, config, NOW)
    assert len(found["minutes"]) == 15
    last = NOW.replace(second=0) - timedelta(minutes=1)
    assert found["minutes"][-1] == last.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = {name: values[-3:] for name, values in found["series"].items()}
    assert lines["backlog"] == [None, 9, 7]
    assert lines["forwarded"] == [None, 20, 10]
    assert lines["rejected"] == [None, 2, 0]
    assert lines["errors"] == [None, 0, 3]
    assert lines["done"] == [None, 0, 0]  # ticks were measured, and nothing was done
    assert lines["destination"] == [None, None, None]


def test_the_capacity_holds_until_another_one_is_read_and_bulk_is_a_series_of_its_own(cloudwatch, config):
    config = dataclasses.replace(config, bulk_queue_url=f"{config.source_queue_url}-bulk")
    ours(cloudwatch, config, "drain", "Capacity", {5: [1000, 1000], 2: 200})
    queue(cloudwatch, config.bulk_queue_url, "ApproximateNumberOfMessagesVisible", {1: 90})
    found = measures.series({"minutes": "15"}, cloudwatch, config, NOW)["series"]
    assert found["capacity"][-6:] == [None, 1000, 1000, 1000, 200, 200]
    assert found["bulk"][-2:] == [None, 90]
    assert found["backlog"][-1] is None


def test_the_number_of_dead_letters_holds_until_it_changes(cloudwatch, config):
    ours(cloudwatch, config, "letters", "Letters", {5: [3, 4], 2: 0})
    found = measures.series({"minutes": "15"}, cloudwatch, config, NOW)["series"]["dead_letters"]
    assert found[-6:] == [None, 4, 4, 4, 0, 0]


@pytest.mark.parametrize("minutes", ["14", "1441", "many", "-5", "1e2"])
def test_a_span_that_is_none_is_refused_by_its_field(minutes):
    with pytest.raises(BadRequest) as refused:
        measures.series({"minutes": minutes}, None, Config.from_env({**GOOD, "STAGE": "prod"}), NOW)
    assert refused.value.field == "minutes"


def test_a_stage_whose_bucket_notifies_the_queue_has_no_enqueue_function(cloudwatch):
    config = Config.from_env({**GOOD, "STAGE": "queued", "S3_NOTIFIES": "queue"})
    assert set(measures.of_status(cloudwatch, config, NOW)["functions"]) == {"drain", "consume", "backfill"}


class OnePage:
    """CloudWatch that answers a page at a time."""

    def __init__(self):
        self.asked = []

    def get_metric_data(self, **request):
        self.asked.append(request.get("NextToken"))
        ids = [query["Id"] for query in request["MetricDataQueries"]]
        page = {"Id": ids[0], "Timestamps": [NOW - timedelta(minutes=len(self.asked))], "Values": [1.0]}
        answer = {"MetricDataResults": [page]}
        return answer if len(self.asked) == 3 else {**answer, "NextToken": str(len(self.asked))}


def test_every_page_of_an_answer_is_read(monkeypatch):
    pages, cloudwatch = OnePage(), boto3.client("cloudwatch", region_name="us-east-1")
    monkeypatch.setattr(cloudwatch, "_make_api_call", lambda _, request: pages.get_metric_data(**request))
    metric = asking.Metric("N", "n", ())
    found = asking.ask(cloudwatch, {"n": [metric]}, 0, 1)
    assert pages.asked == [None, "1", "2"]
    assert sum(found["n"].values()) == 3
