"""Pages of other sites in the operator's browser change nothing, and read nothing under a borrowed name."""

import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from chalice.test import Client

from chalicelib.api.guard import OPEN, READS, refusal
from chalicelib.aws import clients, errors
from dev.workspace import ROOT
from tests.support.app import load_app

HERE = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("gateway", [True, False])
def test_a_change_from_another_site_is_refused(headers, gateway):
    assert "another site" in refusal("POST", {**HERE, **headers}, "/jobs", behind_api_gateway=gateway)
    assert refusal("PUT", {**HERE, **headers}, "/capacity", behind_api_gateway=gateway)
    for path in ("/status", "/dead-letters", "/objects/{key}", "/thumbnails/{key}", "/series"):
        assert "another site" in refusal("GET", {**HERE, **headers}, path, behind_api_gateway=gateway)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl, boto3, a script
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},  # typed by the user
    ],
)
def test_the_own_page_and_programs_may_change_things_and_read(headers):
    assert refusal("POST", {**HERE, **headers}, "/jobs", behind_api_gateway=False) == ""
    assert refusal("GET", {**HERE, **headers}, "/status", behind_api_gateway=False) == ""


@pytest.mark.parametrize("path", OPEN)
def test_a_link_of_another_site_may_lead_to_the_page_which_then_asks_itself(path):
    headers = {**HERE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert refusal("GET", headers, path, behind_api_gateway=False) == ""


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.example:8000"]
)
def test_a_foreign_name_for_this_machine_is_refused_even_to_read(host):
    assert "no address of this machine" in refusal("GET", {"host": host}, "/", behind_api_gateway=False)
    assert refusal("GET", {"host": host}, "/", behind_api_gateway=True) == ""


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "192.168.1.7:8000", ""])
def test_the_machines_own_addresses_are_taken(host):
    assert refusal("GET", {"host": host}, "/", behind_api_gateway=False) == ""


@pytest.mark.parametrize(
    "from_there",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}],
)
def test_no_route_that_asks_aws_anything_can_be_called_from_another_site(monkeypatch, from_there):
    """To read asks AWS too, in the operator's name: for calls that cost, and dead letters."""
    app = load_app(monkeypatch)
    asking = [
        (method, path)
        for path, views in app.routes.items()
        for method in views
        if method not in READS or path not in OPEN
    ]
    assert {("POST", "/jobs"), ("GET", "/dead-letters"), ("GET", "/objects/{key}")} < set(asking)
    with Client(app, project_dir=str(ROOT)) as client:
        for method, path in asking:
            headers = {**from_there, "Content-Type": "application/json"}
            answer = client.http.request(
                method, path.replace("{", "").replace("}", ""), headers=headers, body=b"{}"
            )
            assert (answer.status_code, "another site" in answer.json_body["error"]) == (403, True), path


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListJobs"),
            403,
            "AWS refused ListJobs: AccessDenied: no",
        ),
        (
            ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "ListJobs"),
            502,
            "AWS refused ListJobs: ThrottlingException: slow down",
        ),
        (EndpointConnectionError(endpoint_url="https://s3"), 502, "AWS was not reached: Could not connect"),
    ],
)
def test_awss_refusal_is_a_status_and_one_line(monkeypatch, error, status, line):
    def refuses():
        raise error

    app = load_app(monkeypatch, JOBS_ROLE_ARN="arn:aws:iam::123456789012:role/jobs", REPORTS_BUCKET="reports")
    monkeypatch.setattr(clients, "s3control", refuses)
    with Client(app, project_dir=str(ROOT)) as client:
        answer = client.http.get("/jobs")
        assert answer.status_code == status
        assert json.loads(answer.body)["error"].startswith(line)


def test_a_bug_of_ours_is_not_blamed_on_aws():
    assert errors.refusal(KeyError("x")) is None
