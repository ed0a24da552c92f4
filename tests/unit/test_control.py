"""Pause and capacity: what is asked is checked, and what is done is logged with who did it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from chalice.test import Client

from chalicelib.aws import clients
from chalicelib.config import Config, override
from chalicelib.control.capacity_override import put_capacity, read_override, set_paused
from chalicelib.errors import AwsFailed, BadRequest
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


def test_a_value_that_cannot_be_read_is_mended_by_a_capacity_or_a_pause_but_not_by_a_resume():
    for mends in (lambda ssm: put(ssm, {"capacity": 5}), pause):
        ssm = Ssm("many")
        mends(ssm)
        assert override.read(ssm.value).who == "ann"
    ssm = Ssm("many")
    with pytest.raises(AwsFailed, match="is 'many'"):
        pause(ssm, False)
    assert ssm.value == "many"
