"""app.py through Chalice's own test client: each handler parses, calls one function and returns."""

import json
import sys

import pytest
from chalice.config import Config as ChaliceConfig
from chalice.deploy.swagger import SwaggerGenerator
from chalice.test import Client

from chalicelib.aws import clients
from dev.fake_boto3 import FakeBotoSqs
from dev.fake_sqs.client import FakeSqs
from dev.fake_sqs.queues import Queues
from dev.workspace import ROOT
from tests.support.app import NoParameters, load_app


@pytest.fixture
def app(monkeypatch, queues):
    monkeypatch.setattr(clients, "sqs", lambda: FakeBotoSqs(queues))
    monkeypatch.setattr(clients, "ssm", NoParameters)
    return load_app(monkeypatch, ACTION="log")


@pytest.fixture
def client(app):
    with Client(app, project_dir=str(ROOT)) as client:
        yield client


def app_module():
    return sys.modules["app"]


def test_an_upload_is_enqueued(client, queues, monkeypatch):
    monkeypatch.setattr(app_module(), "queues", lambda: FakeSqs(queues))
    event = client.events.generate_s3_event(bucket="images", key="a.jpg")
    assert client.lambda_.invoke("enqueue", event).payload["enqueued"] == 1
    assert json.loads(queues.queue("source").bodies()[0])["Key"] == "a.jpg"


def test_the_test_event_of_a_new_notification_is_acknowledged(client, queues, monkeypatch):
    monkeypatch.setattr(app_module(), "queues", lambda: FakeSqs(queues))
    answer = client.lambda_.invoke("enqueue", {"Service": "Amazon S3", "Event": "s3:TestEvent"})
    assert answer.payload == {"enqueued": 0, "rejected": 0, "ignored": 0, "bulk": 0}


def test_a_message_is_consumed_and_its_line_logged(client, capsys, monkeypatch):
    event = client.events.generate_sqs_event([json.dumps({"Bucket": "images", "Key": "a.jpg"})])
    event["Records"][0]["attributes"] = {"ApproximateReceiveCount": "1"}
    assert client.lambda_.invoke("consume", event).payload == {
        "done": 1,
        "rejected": 0,
        "retry": 0,
        "untried": 0,
        "ignored": 0,
    }
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["key"] for line in lines if line["message"] == "event"] == ["a.jpg"]


def test_status_tells_depths_and_the_minutes_to_drain(client, queues):
    for i in range(2500):
        queues.put(queues.queue("source"), str(i))
    answer = client.http.get("/status").json_body
    assert answer["queues"]["source"]["visible"] == 2500
    assert answer["drain"]["minutes"] == 3
    assert (answer["capacity"], answer["action"], answer["version"]) == (1000, "log", 1)


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        ({"CAPACITY": "1"}, True),
        ({"CAPACITY": "3"}, False),
        # By the hours to come, not by the one that runs.
        ({"CAPACITY_BY_HOUR": "00:00-12:00=1, 12:00-23:59=5, else=1"}, False),
    ],
)
def test_status_tells_when_what_waits_will_be_deleted(monkeypatch, queues, settings, lost):
    monkeypatch.setattr(clients, "sqs", lambda: FakeBotoSqs(queues))
    monkeypatch.setattr(clients, "ssm", NoParameters)
    for i in range(30_000):
        queues.put(queues.queue("source"), str(i))
    with Client(load_app(monkeypatch, ACTION="log", **settings), project_dir=str(ROOT)) as client:
        drain = client.http.get("/status").json_body["drain"]
    assert (drain["expires"] is not None) == lost
    assert ("events older than 14 days will be lost" in drain["says"]) == lost
    if lost:
        assert drain["expires"]["needed"] == 2


def test_what_a_tick_holds_in_its_hands_counts_in_the_minutes_to_drain(client, queues):
    for i in range(1500):
        queues.put(queues.queue("source"), str(i))
    queues.queue("source").receive(1100, queues.clock())
    answer = client.http.get("/status").json_body
    assert (answer["queues"]["source"]["visible"], answer["queues"]["source"]["in_flight"]) == (400, 1100)
    assert answer["drain"]["minutes"] == 2


@pytest.mark.slow
def test_a_queue_of_a_million_costs_the_status_no_call_more_than_an_empty_one(client, queues):
    client.http.get("/status")
    empty = dict(queues.calls)
    for _ in range(1_000_000):
        queues.put(queues.queue("source"), "{}")
    queues.calls.clear()
    answer = client.http.get("/status").json_body
    assert answer["queues"]["source"]["visible"] == 1_000_000
    assert dict(queues.calls) == empty


def test_status_lives_without_cloudwatch_and_says_what_is_missing(client, queues):
    """No credentials here: every part but the queues fails by itself."""
    answer = client.http.get("/status").json_body
    assert "error" in answer["functions"]
    assert "error" in answer["hour"]
    assert "error" in answer["last_tick"]
    assert answer["arrivals_per_minute"] is None
    assert answer["queues"]["source"]["oldest_age"] is None


def test_status_marks_a_queue_that_does_not_answer_and_stays_up(client, monkeypatch):
    monkeypatch.setattr(clients, "sqs", lambda: FakeBotoSqs(Queues()))
    answer = client.http.get("/status")
    assert answer.status_code == 200
    assert "QueueDoesNotExist" in answer.json_body["queues"]["source"]["error"]
    assert answer.json_body["drain"]["minutes"] is None


def test_health_asks_nobody(client, queues):
    assert client.http.get("/health").json_body == {"status": "ok"}
    assert not queues.calls


def test_the_bindings_are_the_pipeline(app):
    """What Chalice is going to deploy."""
    sources = {type(source).__name__: source for source in app.event_sources}
    s3, schedule, sqs = (sources[f"{kind}EventConfig"] for kind in ("S3", "Scheduled", "SQS"))
    assert len(app.event_sources) == 3
    assert (s3.name, s3.bucket, s3.events) == ("enqueue", "images", ["s3:ObjectCreated:*"])
    assert (s3.prefix, s3.suffix) == (None, None)
    assert schedule.name == "drain"
    assert schedule.schedule_expression.to_string() == "cron(* * * * ? *)"
    assert (sqs.name, sqs.queue, sqs.batch_size) == ("consume", "destination", 10)
    assert {"/status", "/health", "/jobs"} < set(app.routes)


def test_more_shards_are_more_functions_with_a_rule_each(monkeypatch):
    app = load_app(monkeypatch, DRAIN_SHARDS="3")
    drains = [source for source in app.event_sources if type(source).__name__ == "ScheduledEventConfig"]
    assert [(one.name, one.handler_string) for one in drains] == [
        ("drain", "app.drain"),
        ("drain-1", "app.drain_1"),
        ("drain-2", "app.drain_2"),
    ]
    assert all(hasattr(sys.modules["app"], one.handler_string.partition(".")[2]) for one in drains)


def test_a_job_call_that_cannot_be_answered_is_a_status_and_one_line(client, monkeypatch):
    for service in ("s3", "s3control"):
        monkeypatch.setattr(clients, service, lambda: None)
    answer = client.http.post("/jobs", headers={"Content-Type": "application/json"}, body=b"{}")
    assert (answer.status_code, "error" in answer.json_body) == (400, True)
    answer = client.http.get("/jobs")  # this stage has no role for jobs
    assert answer.status_code == 501
    assert "JOBS_ROLE_ARN" in answer.json_body["error"]


def test_every_route_but_health_wants_a_signed_request(app):
    function = "arn:aws:lambda:eu-central-1:123456789012:function:app"
    document = SwaggerGenerator("eu-central-1", {"api_handler_arn": function}).generate_swagger(app)
    assert document["securityDefinitions"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    unsigned = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") != [{"sigv4": []}]
    ]
    assert unsigned == [("get", "/health")]


def test_prefix_and_suffix_come_from_the_stage(monkeypatch):
    app = load_app(monkeypatch, IMAGES_PREFIX="in/", IMAGES_SUFFIX=".jpg")
    (s3,) = [source for source in app.event_sources if type(source).__name__ == "S3EventConfig"]
    assert (s3.prefix, s3.suffix) == ("in/", ".jpg")


def test_two_ticks_of_drain_never_run_at_once():
    """Reserved concurrency 1, in the configuration that every stage shares."""
    settings = json.loads((ROOT / ".chalice" / "config.json").read_text())
    config = ChaliceConfig("local", "drain", None, settings)
    assert config.reserved_concurrency == 1


def test_a_bad_setting_ends_the_import_with_one_line(monkeypatch):
    with pytest.raises(SystemExit) as ended:
        load_app(monkeypatch, CAPACITY="0")
    assert str(ended.value).startswith("configuration: CAPACITY is '0': expected a whole number from 1 to")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 100_000, "nested so deeply"),
        (b'{"capacity": "\\ud800"}', "half a surrogate pair"),
    ],
)
def test_json_that_cannot_be_used_is_the_callers_mistake(client, body, why):
    """And no failure of the function, which would raise an alarm."""
    answer = client.http.put("/capacity", body=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert (answer.json_body["field"], why in answer.json_body["error"]) == ("body", True)


@pytest.mark.parametrize("route", ["objects", "thumbnails"])
def test_bytes_that_are_no_text_ask_for_no_other_key(client, route):
    answer = client.http.get(f"/{route}/%FF", headers={"Accept": "image/jpeg"})
    assert answer.status_code == 400
