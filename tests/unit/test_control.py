"""Pause and capacity: what is asked is checked, and what is done is logged with who did it."""

from __future__ import annotations

import json

import pytest
from chalice.test import Client

from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.control.capacity_override import put_capacity
from chalicelib.control.schedule import rules
from chalicelib.errors import BadRequest, NotSetUp
from dev.workspace import ROOT
from tests.support.app import load_app
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod"})


def test_the_rules_are_those_of_every_shard():
    config = Config.from_env({**GOOD, "STAGE": "prod", "DRAIN_SHARDS": "2"})
    assert rules(config) == ["s3-event-scheduler-prod-drain-event", "s3-event-scheduler-prod-drain-1-event"]


def test_a_stage_deployed_by_an_older_version_says_so():
    with pytest.raises(NotSetUp, match="STAGE is not set"):
        rules(Config.from_env(GOOD))


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
        put_capacity(body, None, CONFIG)  # no AWS is asked
    assert refused.value.field == field


def test_what_somebody_steered_is_in_the_log_with_who_it_was(monkeypatch, capsys):
    class Ssm:
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
