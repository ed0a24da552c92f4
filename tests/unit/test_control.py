"""Pause, capacity, dead letters: what is asked is checked, what is done is all of it, and nothing is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from chalice.test import Client

from chalicelib.aws import clients
from chalicelib.config import Config, override
from chalicelib.control import dead_letters
from chalicelib.control.capacity_override import put_capacity, read_override, set_paused
from chalicelib.errors import BadRequest, Retry
from chalicelib.queues import letters
from dev.fake_boto3 import FakeBotoSqs
from dev.workspace import ROOT
from tests.support.app import load_app
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod"})


@pytest.fixture
def sqs(queues):
    return FakeBotoSqs(queues)


def bury(queues, reason, *keys):
    for key in keys:
        letter = letters.message(json.dumps({"Bucket": "images", "Key": key}), reason, "consume")
        queues.put(queues.queue("dead"), letter["MessageBody"], letter["MessageAttributes"])


def keys_in(queues, name):
    return sorted(json.loads(body)["Key"] for body in queues.queue(name).bodies())


class Ssm:
    """One parameter."""

    class exceptions:  # noqa: N801  boto3's name
        class ParameterNotFound(Exception):
            pass

    def __init__(self, value=""):
        self.value = value

    def get_parameter(self, *, Name):  # noqa: N803
        if not self.value:
            raise self.exceptions.ParameterNotFound
        return {"Parameter": {"Name": Name, "Value": self.value}}

    def put_parameter(self, *, Name, Value, Type, Overwrite):  # noqa: N803
        self.value = Value


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


def test_dead_letters_are_counted_by_reason_and_shown_with_what_is_known(queues, sqs):
    bury(queues, "not an image", "a.jpg", "b.jpg")
    bury(queues, "too large", "c.jpg")
    queues.put(queues.queue("dead"), "torn {")  # moved by a redrive policy: without a reason of ours
    found = dead_letters.letters({"limit": "2"}, sqs, CONFIG)
    assert found["total"] == 4
    assert found["reasons"] == {"not an image": 2, "too large": 1, dead_letters.TRIED_TOO_OFTEN: 1}
    assert found["complete"] is True
    assert [(one["key"], one["function"]) for one in found["letters"]] == [
        ("a.jpg", "consume"),
        ("b.jpg", "consume"),
    ]
    last = dead_letters.letters(None, sqs, CONFIG)["letters"][-1]  # and at once again: nothing is hidden
    assert (last["key"], last["body"]) == (None, "torn {")


def test_more_dead_letters_than_are_read_say_so(queues, sqs):
    bury(queues, "not an image", *(f"{i:03d}.jpg" for i in range(dead_letters.MAX_READ + 20)))
    found = dead_letters.letters(None, sqs, CONFIG)
    assert (found["total"], found["complete"], len(found["letters"])) == (120, False, 20)
    assert sum(found["reasons"].values()) == dead_letters.MAX_READ


def test_a_redrive_by_reason_moves_those_and_only_those(queues, sqs):
    bury(queues, "S3 was down", *(f"{i:02d}.jpg" for i in range(25)))
    bury(queues, "not an image", "x.jpg", "y.jpg")
    found = dead_letters.redrive({"reason": "S3 was down"}, sqs, CONFIG)
    assert (found["redrive"], found["moved"]) == ("done", 25)
    assert keys_in(queues, "source") == [f"{i:02d}.jpg" for i in range(25)]
    assert keys_in(queues, "dead") == ["x.jpg", "y.jpg"]
    assert dead_letters.letters(None, sqs, CONFIG)["reasons"] == {"not an image": 2}  # visible again


def test_a_dead_letter_that_the_source_queue_refuses_stays_one(queues, sqs):
    bury(queues, "S3 was down", "a.jpg", "b.jpg")
    queues.refuse = lambda name, entry: "InternalError" if name == "source" and "b.jpg" in str(entry) else ""
    with pytest.raises(Retry, match="refused 1 of 2"):
        dead_letters.redrive({"reason": "S3 was down"}, sqs, CONFIG)
    assert "b.jpg" in keys_in(queues, "dead")
    assert keys_in(queues, "source") == ["a.jpg"]


def test_a_redrive_by_reason_ends_in_time_and_says_that_there_is_more(queues, sqs):
    bury(queues, "S3 was down", *(f"{i:02d}.jpg" for i in range(40)))
    ticks = iter(range(0, 1000, 4))
    found = dead_letters.redrive({"reason": "S3 was down"}, sqs, CONFIG, clock=lambda: next(ticks))
    assert found["redrive"] == "stopped"
    assert 0 < found["moved"] < 40
    assert "ask again" in found["says"]
    assert len(keys_in(queues, "dead")) + len(keys_in(queues, "source")) == 40


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({"reasons": "x"}, "reasons"),
        ({"reason": ""}, "reason"),
        ({"reason": 5}, "reason"),
        ({"per_second": 0}, "per_second"),
        ({"per_second": 501}, "per_second"),
        ({"per_second": True}, "per_second"),
        ({"reason": "x", "per_second": 5}, "per_second"),
    ],
)
def test_a_redrive_that_cannot_be_is_refused_by_its_field(queues, sqs, body, field):
    with pytest.raises(BadRequest) as refused:
        dead_letters.redrive(body, sqs, CONFIG)
    assert refused.value.field == field
    assert not queues.calls


def test_what_somebody_steered_is_in_the_log_with_who_it_was(monkeypatch, capsys, queues, sqs):
    app = load_app(monkeypatch, STAGE="prod")
    monkeypatch.setattr(clients, "sqs", lambda: sqs)
    with Client(app, project_dir=str(ROOT)) as client:
        body = b'{"reason": "none such"}'
        headers = {"Content-Type": "application/json"}
        answer = client.http.post("/dead-letters/redrive", headers=headers, body=body)
    assert answer.json_body["moved"] == 0
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["by"], line["moved"]) == ("redrive", "chalice local", 0)
