"""How much a tick may forward: as set at run time, as there is room, and nothing when that is not known."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.aws.lean.signing import Credentials, Signer
from chalicelib.aws.lean.ssm import CONTENT_TYPE, AsyncSsm
from chalicelib.config import Config
from chalicelib.drain import allowance
from dev.fake_sqs.client import FakeSqs
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod", "CAPACITY": "1000"})
NOW = 1_769_860_800.0  # 2026-01-31T12:00:00Z, a Saturday
NAME = "/s3-event-scheduler/prod/capacity"


class FakeSsm:
    """One parameter, or an error."""

    def __init__(self, value=None, error=None):
        self.value, self.error = value, error

    async def get_parameter(self, *, Name):  # noqa: N803  boto3's name
        assert Name == NAME
        if self.error:
            raise self.error
        return {"Parameter": {"Name": Name, "Value": self.value}}


NOT_FOUND = CallFailed("GetParameter: ParameterNotFound: no message", unknown=0, code="ParameterNotFound")
DENIED = CallFailed("GetParameter: AccessDeniedException: no", unknown=0, code="AccessDeniedException")


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch):
    monkeypatch.setattr(allowance, "_last_known", {})


@pytest.fixture
def sqs():
    sqs = FakeSqs()
    for name in ("source", "destination", "dead"):
        sqs.queues.create(name)
    return sqs


def allowed(sqs, ssm, config=CONFIG, shard=0):
    return asyncio.run(allowance.allowed(sqs, ssm, config, shard, NOW))


def test_the_parameter_is_the_capacity(sqs):
    assert allowed(sqs, FakeSsm("77"))[:2] == (77, "capacity")


def test_without_a_parameter_it_is_the_deployed_one(sqs):
    assert allowed(sqs, FakeSsm(error=NOT_FOUND))[:2] == (1000, "capacity")


def test_the_shards_parts_are_exactly_what_was_set(sqs):
    config = replace(CONFIG, drain_shards=3)
    assert [allowed(sqs, FakeSsm("100"), config, shard).events for shard in range(3)] == [34, 33, 33]


def test_what_cannot_be_read_is_never_taken_for_the_deployed_capacity(sqs):
    with pytest.raises(
        allowance.AllowanceUnknown, match=f"the capacity {NAME} cannot be read: .*AccessDenied"
    ):
        allowed(sqs, FakeSsm(error=DENIED))


def test_the_last_known_capacity_holds_while_it_cannot_be_read(sqs):
    allowed(sqs, FakeSsm("5"))
    assert allowed(sqs, FakeSsm(error=DENIED)).events == 5
    allowed(sqs, FakeSsm(error=NOT_FOUND))
    assert allowed(sqs, FakeSsm(error=DENIED)).events == 1000


@pytest.mark.parametrize("value", ["", "0", "-1", "lots", "1e3", "1000001", "10 ", "١٠"])
def test_what_is_no_capacity_stops_the_tick_and_says_so(sqs, value):
    allowed(sqs, FakeSsm("5"))
    with pytest.raises(allowance.AllowanceUnknown, match="expected a whole number from 1 to 1,000,000"):
        allowed(sqs, FakeSsm(value))


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (0, (300, "back_pressure")),
        (250, (50, "back_pressure")),
        (300, (0, "back_pressure")),
        (999, (0, "back_pressure")),
    ],
)
def test_a_tick_forwards_only_what_keeps_the_destination_under_its_limit(sqs, waiting, expected):
    for i in range(waiting):
        sqs.queues.put(sqs.queues.queue("destination"), str(i))
    sqs.queues.queue("destination").receive(10, sqs.now)  # in flight counts, too
    assert allowed(sqs, FakeSsm(error=NOT_FOUND), replace(CONFIG, max_in_destination=300))[:2] == expected


def test_where_there_is_room_enough_the_capacity_is_the_limit(sqs):
    config = replace(CONFIG, max_in_destination=1000)
    assert allowed(sqs, FakeSsm(error=NOT_FOUND), config)[:2] == (1000, "capacity")


def test_the_room_is_shared_as_the_capacity_is(sqs):
    config = replace(CONFIG, max_in_destination=100, drain_shards=3)
    found = [allowed(sqs, FakeSsm(error=NOT_FOUND), config, shard).events for shard in range(3)]
    assert found == [34, 33, 33]


def test_a_destination_that_does_not_answer_stops_the_tick(sqs):
    def refuse(action, request):
        raise CallFailed("GetQueueAttributes: no connection", unknown=0)

    sqs.before = refuse
    with pytest.raises(allowance.AllowanceUnknown, match="the destination's backlog cannot be read"):
        allowed(sqs, FakeSsm(error=NOT_FOUND), replace(CONFIG, max_in_destination=1))


class Wire:
    """A transport that remembers what was posted and answers what it was given."""

    def __init__(self, *answers):
        self.answers, self.posted = list(answers), []

    async def post(self, headers, body, within_s):
        self.posted.append((headers, json.loads(body)))
        status, answer = self.answers.pop(0)
        return status, json.dumps(answer).encode()

    def close(self):
        pass


def ssm_over(wire):
    async def at_once(seconds):
        return None

    signer = Signer(
        lambda: Credentials("AK", "secret"),
        service="ssm",
        region="eu-central-1",
        host="ssm.eu-central-1.amazonaws.com",
        content_type=CONTENT_TYPE,
    )
    return AsyncSsm(wire, signer, sleep=at_once)


def test_the_call_is_ssms_own():
    wire = Wire((200, {"Parameter": {"Value": "5"}}))
    answer = asyncio.run(ssm_over(wire).get_parameter(Name=NAME))
    assert answer["Parameter"]["Value"] == "5"
    ((headers, body),) = wire.posted
    assert body == {"Name": NAME}
    assert headers["x-amz-target"] == "AmazonSSM.GetParameter"
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert "/eu-central-1/ssm/aws4_request" in headers["authorization"]


def test_a_refusal_has_its_code_and_a_throttle_is_tried_again():
    wire = Wire((400, {"__type": "ThrottlingException"}), (400, {"__type": "ParameterNotFound"}))
    with pytest.raises(CallFailed) as failed:
        asyncio.run(ssm_over(wire).get_parameter(Name=NAME))
    assert failed.value.code == "ParameterNotFound"
    assert len(wire.posted) == 2


def test_by_default_the_destination_holds_at_most_twice_the_capacity(sqs):
    """What a consumer that stood still would otherwise let through at once."""
    for i in range(1995):
        sqs.queues.put(sqs.queues.queue("destination"), str(i))
    assert allowed(sqs, FakeSsm(error=NOT_FOUND))[:2] == (5, "back_pressure")


def test_what_is_delayed_in_the_destination_is_not_there_yet(sqs):
    for i in range(1995):
        sqs.queues.put(sqs.queues.queue("destination"), str(i), delay_s=60)
    assert allowed(sqs, FakeSsm(error=NOT_FOUND))[:2] == (1000, "capacity")


def test_a_pause_is_a_value_and_forwards_nothing(sqs):
    found = allowed(sqs, FakeSsm('{"paused": true, "who": "ann", "capacity": 7}'))
    assert (found.events, found.paused) == (0, True)


def test_the_last_known_pause_holds_while_it_cannot_be_read(sqs):
    allowed(sqs, FakeSsm('{"paused": true}'))
    found = allowed(sqs, FakeSsm(error=DENIED))
    assert found.paused
    assert "what it said last holds" in found.problem


@pytest.mark.parametrize(
    ("value", "events"),
    [
        ('{"capacity": 50}', 50),
        ('{"capacity": 50, "until": "2026-01-31T12:00:01Z"}', 50),
        ('{"capacity": 50, "until": "2026-01-31T12:00:00Z"}', 1000),
        ('{"by_hour": "Sat 11:00-13:00=77, else=9"}', 77),
    ],
)
def test_a_capacity_holds_until_its_time_and_by_its_hours(sqs, value, events):
    assert allowed(sqs, FakeSsm(value)).events == events


def test_what_is_not_due_yet_takes_no_room_and_is_told_by_shard(sqs):
    for i in range(7):
        sqs.queues.put(sqs.queues.queue("destination"), str(i), delay_s=30)
    config = replace(CONFIG, max_in_destination=100, drain_shards=3)
    found = allowed(sqs, FakeSsm(error=NOT_FOUND), config)
    assert (found.events, found.not_due) == (34, 3)
