"""The OpenAPI document: made from the routes, valid, short, and good enough to make a client from."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from chalice.config import Config as ChaliceConfig
from chalice.local import create_local_server
from chalice.test import Client
from openapi_spec_validator import validate

from chalicelib.aws import clients
from dev.fake_boto3 import FakeBotoSqs
from dev.local_aws import free_port
from dev.workspace import ROOT
from infra import openapi
from tests.support.app import NoParameters, load_app

COMMITTED = ROOT / "chalicelib" / "openapi.json"
ROLE = "arn:aws:iam::123456789012:role/jobs"
# The maker of clients knows no images; their bytes are what they are.
IMAGES = {f"image/{name}": "application/octet-stream" for name in ("jpeg", "png", "webp", "avif")}


def test_the_committed_document_is_that_of_the_routes(monkeypatch):
    found = openapi.text(openapi.document(load_app(monkeypatch)))
    assert COMMITTED.read_text() == found, "run: make openapi"


def test_every_call_has_an_example_that_is_as_the_document_says(monkeypatch):
    document = openapi.document(load_app(monkeypatch))
    shown = set()

    def check(value, schema):
        jsonschema.validate(
            value, {**schema, "components": document["components"]}, jsonschema.Draft202012Validator
        )

    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["required"]:
                    assert "example" in parameter, (path, parameter["name"])
                if "example" in parameter:
                    check(parameter["example"], parameter["schema"])
            contents = [operation.get("requestBody", {}), operation["responses"]["200"]]
            for media, content in [pair for one in contents for pair in one.get("content", {}).items()]:
                if media == "application/json" and operation["operationId"] != "get_openapi":
                    check(content["example"], content["schema"])
            shown.add(operation["operationId"])
    assert set(json.loads(openapi.EXAMPLES.read_text())) <= shown


def test_the_manual_of_the_calls_is_that_of_the_document(monkeypatch):
    found = openapi.calls(openapi.document(load_app(monkeypatch)))
    assert (ROOT / "docs" / "api-calls.md").read_text() == found, "run: make openapi"


def test_the_app_serves_the_document(monkeypatch):
    app = load_app(monkeypatch)
    with Client(app, project_dir=str(ROOT)) as client:
        document = client.http.get("/openapi.json").json_body
    assert document["openapi"].startswith("3.1")
    documented = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert documented == {(path, method) for path, views in app.routes.items() for method in views}


def test_every_operation_says_what_it_does_and_what_it_answers(monkeypatch):
    document = openapi.document(load_app(monkeypatch))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith("."), (method, path)
            assert "200" in operation["responses"], (method, path)
            assert bool(operation["security"]) == (path != "/health")


def test_the_document_is_valid():
    validate(json.loads(COMMITTED.read_text()))


def test_an_operation_a_schema_and_an_answer_are_one_line_each():
    document = json.loads(COMMITTED.read_text())
    lines = COMMITTED.read_text().splitlines()
    for methods in document["paths"].values():
        for method, operation in methods.items():
            assert sum(f'"operationId": "{operation["operationId"]}"' in line for line in lines) == 1
            assert any(
                line.startswith(f'"{method}": {{"operationId": "{operation["operationId"]}"')
                for line in lines
            )
    for kind in ("schemas", "responses"):
        for name, each in document["components"][kind].items():
            assert [
                json.loads(line.partition(": ")[2].rstrip(","))
                for line in lines
                if line.startswith(f'"{name}": ')
            ] == [each]


def test_no_answer_of_an_error_is_written_twice():
    document = json.loads(COMMITTED.read_text())
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                assert status == "200" or answer == {"$ref": f"#/components/responses/Error{status}"}


class Jobs:
    """S3 Batch Operations with one job."""

    def list_jobs(self, **request):
        progress = {"TotalNumberOfTasks": 3, "NumberOfTasksSucceeded": 2, "NumberOfTasksFailed": 1}
        job = {"JobId": "job-1", "Status": "Complete", "Operation": "S3PutObjectTagging", "Priority": 10}
        return {
            "Jobs": [{**job, "ProgressSummary": progress, "CreationTime": datetime(2026, 1, 31, tzinfo=UTC)}]
        }

    def describe_job(self, **request):
        (job,) = self.list_jobs()["Jobs"]
        return {"Job": {**job, "Operation": {"S3PutObjectTagging": {}}, "RoleArn": ROLE}}


@pytest.fixture
def url(monkeypatch, queues):
    """The app under `chalice local`, with queues in memory and one job; everything else is out of reach."""
    monkeypatch.setattr(clients, "sqs", lambda: FakeBotoSqs(queues))
    monkeypatch.setattr(clients, "s3control", Jobs)
    monkeypatch.setattr(clients, "ssm", NoParameters)
    settings = {"REPORTS_BUCKET": "reports", "JOBS_ROLE_ARN": ROLE, "ACTION": "log"}
    app, port = load_app(monkeypatch, **settings), free_port()
    server = create_local_server(app, ChaliceConfig(chalice_stage="dev"), "127.0.0.1", port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()


@pytest.fixture
def made_client(monkeypatch, tmp_path):
    """The package of a client that openapi-python-client makes from the document, without a warning."""
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"content_type_overrides": IMAGES, "post_hooks": []}))
    maker = Path(sys.executable).with_name("openapi-python-client")
    command = [maker, "generate", "--path", COMMITTED, "--config", config, "--output-path", tmp_path / "made"]
    done = subprocess.run([*command, "--fail-on-warning"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    monkeypatch.syspath_prepend(str(tmp_path / "made"))
    return "s3_event_scheduler_client"


def test_a_client_made_from_the_document_asks_for_the_status_and_lists_the_jobs(made_client, url, queues):
    for number in range(3):
        queues.put(queues.queue("source"), str(number))
    calls = {
        name: importlib.import_module(f"{made_client}.api.{tag}.{name}")
        for tag, name in (("monitoring", "get_status"), ("jobs", "get_jobs"))
    }
    client = importlib.import_module(made_client).Client(base_url=url)

    status = calls["get_status"].sync(client=client)
    assert status.queues.source.visible == 3
    assert (status.capacity, status.action, status.version) == (1000, "log", 1)
    assert status.last_tick.error  # a part that could not be asked has a type of its own
    assert [job.id for job in status.jobs.active] == ["job-1"]

    found = calls["get_jobs"].sync(client=client, limit=5)
    assert (found.total, found.jobs[0].succeeded, found.jobs[0].failed) == (1, 2, 1)
    assert found.jobs[0].created == "2026-01-31T00:00:00.000Z"

    refused = calls["get_jobs"].sync(client=client, status="Sleeping")
    assert refused.field == "status"
