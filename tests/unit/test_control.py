"""Pause and capacity: what is asked is checked, and what is done is logged with who did it."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from chalice.test import Client

from chalicelib import times
from chalicelib.aws import clients
from chalicelib.config import Config, override
from chalicelib.control.capacity_override import put_capacity, read_override, set_paused
from chalicelib.errors import AwsFailed, BadRequest
from chalicelib.telemetry import changes
from dev.fake_boto3 import FakeS3, client_error
from dev.workspace import ROOT
from tests.support.app import NoParameters, Ssm, load_app
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod"})


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def put(ssm, body):
    return put_capacity(body, ssm, CONFIG, "ann", NOW)


def pause(ssm, paused=True, body=None):
    return set_paused(paused, body, ssm, CONFIG, "ann", NOW)


def test_a_pause_keeps_the_capacity_and_a_capacity_keeps_the_pause():
    ssm = Ssm()
    put(ssm, {"capacity": 50, "note": "the database is slow"})
    pause(ssm)
    said = override.read(ssm.value)
    assert (said.capacity, said.paused, said.who, said.when) == (50, True, "ann", "2026-01-31T12:00:00.000Z")
    put(ssm, {"capacity": None})
    assert override.read(ssm.value).paused
    pause(ssm, False)
    assert (override.read(ssm.value).capacity, override.read(ssm.value).paused) == (None, False)


def test_a_plain_number_of_before_is_a_capacity():
    found = put(Ssm("77"), {"capacity": None})
    assert found["capacity"] == CONFIG.capacity
    assert read_override(Ssm("77"), CONFIG).capacity == 77


def test_a_capacity_until_a_time_and_by_the_hour():
    found = put(
        Ssm(),
        {"capacity": 50, "until": "2026-01-31T13:00:00+01:00", "note": "import"}
        | {"until": "2026-01-31T14:00:00+01:00"},
    )
    assert (found["capacity"], found["until"], found["note"]) == (50, "2026-01-31T13:00:00.000Z", "import")
    found = put(Ssm(), {"by_hour": "Sat 11:00-13:00=77, else=9"})
    assert (found["capacity"], found["capacity_set"], found["by_hour"]) == (
        77,
        None,
        "Sat 11:00-13:00=77, else=9",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"capacity": 5, "until": "2026-01-31T11:59:00Z"}, "until"),
        ({"capacity": 5, "until": "tomorrow"}, "until"),
        ({"by_hour": "Mon=5"}, "by_hour"),
        ({"by_hour": 5}, "by_hour"),
        ({"capacity": 5, "note": "x" * 501}, "note"),
        ({"capacity": 5, "by_hour": "else=9"}, "by_hour"),
        ({"capacity": None, "until": "2026-02-01T00:00:00Z"}, "until"),
    ],
)
def test_what_cannot_hold_is_refused_by_its_field(body, field):
    with pytest.raises(BadRequest) as refused:
        put(Ssm(), body)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "capacity"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": -1}, "capacity"),
        ({"capacity": 1_000_001}, "capacity"),
        ({"capacity": "5"}, "capacity"),
        ({"capacity": 5.5}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"capacity": 5, "stage": "x"}, "stage"),
    ],
)
def test_a_capacity_that_is_none_is_refused_by_its_field(body, field):
    with pytest.raises(BadRequest) as refused:
        put(Ssm(), body)
    assert refused.value.field == field


def test_what_somebody_steered_is_in_the_log_with_who_it_was(monkeypatch, capsys):
    class Ssm(NoParameters):
        def put_parameter(self, **request):
            return {}

    app = load_app(monkeypatch, STAGE="prod")
    monkeypatch.setattr(clients, "ssm", Ssm)
    with Client(app, project_dir=str(ROOT)) as client:
        headers = {"Content-Type": "application/json"}
        answer = client.http.put("/capacity", headers=headers, body=b'{"capacity": 7}')
    assert answer.json_body["capacity"] == 7
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["by"], line["capacity"]) == ("capacity set", "chalice local", 7)


def test_who_changed_what_when_and_why_is_kept_and_told_newest_first(monkeypatch, capsys):
    app = load_app(
        monkeypatch, STAGE="prod", REPORTS_BUCKET="reports", LOCAL_CALLER="arn:aws:iam::1:user/ann"
    )
    s3, ssm, seconds = FakeS3("reports"), Ssm(), itertools.count()
    monkeypatch.setattr(times, "now", lambda: NOW + timedelta(seconds=next(seconds)))
    monkeypatch.setattr(clients, "ssm", lambda: ssm)
    monkeypatch.setattr(clients, "s3", lambda: s3)
    headers = {"Content-Type": "application/json"}
    with Client(app, project_dir=str(ROOT)) as client:
        client.http.put("/capacity", headers=headers, body=b'{"capacity": 7, "note": "import"}')
        client.http.post("/schedule/pause", headers=headers, body=b'{"note": "the database is down"}')
        client.http.post("/schedule/resume", headers=headers)
        assert client.http.put("/capacity", headers=headers, body=b'{"capacity": 0}').status_code == 400
        found = client.http.get("/changes").json_body["changes"]
        assert client.http.get("/changes?limit=1").json_body["changes"] == found[:1]
        assert client.http.get("/changes?limit=0").status_code == 400
    assert [(one["did"], one["what"], one["note"]) for one in found] == [
        ("schedule resumed", None, None),
        ("schedule paused", None, "the database is down"),
        ("capacity set", "7 events a minute", "import"),
    ]
    assert {one["by"] for one in found} == {"arn:aws:iam::1:user/ann"}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["note"] for line in lines] == ["import", "the database is down", None]


def test_a_change_that_cannot_be_written_down_is_made_and_logged(monkeypatch, capsys):
    app = load_app(monkeypatch, STAGE="prod", REPORTS_BUCKET="reports")
    s3 = FakeS3("reports")

    def refuse(action, request):
        raise client_error("AccessDenied", "no", 403, action)

    s3.before = refuse
    monkeypatch.setattr(clients, "ssm", Ssm)
    monkeypatch.setattr(clients, "s3", lambda: s3)
    with Client(app, project_dir=str(ROOT)) as client:
        assert client.http.post("/schedule/pause", body=b"").status_code == 200
    paused, lost = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (paused["message"], lost["message"]) == ("schedule paused", "change not recorded")
    assert "AccessDenied" in lost["why"]


def test_a_stage_without_a_reports_bucket_knows_no_changes(monkeypatch):
    with Client(load_app(monkeypatch, STAGE="prod"), project_dir=str(ROOT)) as client:
        assert client.http.get("/changes").status_code == 501


def test_what_else_lies_among_the_changes_is_left_out():
    s3 = FakeS3("reports")
    long = json.dumps({"at": "now", "by": "a", "did": "b", "what": "c" * changes.MOST_BYTES}).encode()
    for number, text in enumerate(
        (b"x", b"[]", b'{"at": 1, "by": "a", "did": "b"}', b"[" * 50_000, b"\xff", long)
    ):
        s3.put_object(Bucket="reports", Key=f"changes/2026-01-30T12:00:00.00{number}Z~0.json", Body=text)
    with_reports = Config.from_env({**GOOD, "STAGE": "prod", "REPORTS_BUCKET": "reports"})
    assert changes.latest(None, s3, with_reports, NOW)["changes"] == []


def test_a_value_that_cannot_be_read_is_mended_by_a_capacity_or_a_pause_but_not_by_a_resume():
    for mends in (lambda ssm: put(ssm, {"capacity": 5}), pause):
        ssm = Ssm("many")
        mends(ssm)
        assert override.read(ssm.value).who == "ann"
    ssm = Ssm("many")
    with pytest.raises(AwsFailed, match="is 'many'"):
        pause(ssm, False)
    assert ssm.value == "many"
