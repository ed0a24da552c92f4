"""An answer that is not as it should be is as good as none: only its call fails, and the tick goes on."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from chalicelib import events as all_events
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.aws.lean.signing import CONTENT_TYPE, Credentials, Signer
from chalicelib.aws.lean.sqs import AsyncSqs
from chalicelib.aws.lean.ssm import AsyncSsm
from chalicelib.consume.actions import invoke
from chalicelib.drain import allowance, forward
from chalicelib.drain.clock import Bytes
from chalicelib.errors import Reject
from chalicelib.jobs import undo
from chalicelib.queues import batching
from chalicelib.telemetry import logs
from tests.support.drained import Stage, event, events
from tests.support.lanes import Lanes

WHOLE = {"MessageId": "1", "ReceiptHandle": "r", "Body": "x"}


class Answering:
    """A transport with one answer for every call."""

    def __init__(self, answer):
        self.answer, self.calls = json.dumps(answer).encode(), 0

    async def post(self, headers, body, within_s):
        self.calls += 1
        return 200, self.answer

    def close(self):
        pass


def client(kind, answer):
    async def at_once(seconds):
        pass

    signer = Signer(
        lambda: Credentials("a", "b"),
        service="sqs",
        region="eu-central-1",
        host="h",
        content_type=CONTENT_TYPE,
    )
    return kind(Answering(answer), signer, sleep=at_once)


@pytest.mark.parametrize(
    "messages",
    [
        "abc",
        [None],
        [{}],
        [{"MessageId": "1", "Body": "x"}],
        [{"MessageId": "1", "ReceiptHandle": "r"}],
        [{**WHOLE, "Body": 5}],
        [WHOLE, {**WHOLE, "Body": None}],
        [{**WHOLE, "Attributes": {"SentTimestamp": "soon"}}],
        [{**WHOLE, "Attributes": None}],
        [{**WHOLE, "MessageAttributes": {"Tries": "2"}}],
        [{**WHOLE, "MessageAttributes": ["Tries"]}],
    ],
)
def test_a_receive_without_whole_messages_has_failed(messages):
    sqs = client(AsyncSqs, {"Messages": messages})
    with pytest.raises(CallFailed, match="ReceiveMessage: no answer") as told:
        asyncio.run(sqs.receive_message(QueueUrl="u"))
    assert told.value.unknown == 5


@pytest.mark.parametrize("messages", [None, [], [WHOLE], [{**WHOLE, "Attributes": {"SentTimestamp": "1"}}]])
def test_a_receive_of_whole_messages_or_none_has_not(messages):
    sqs = client(AsyncSqs, {"Messages": messages})
    assert asyncio.run(sqs.receive_message(QueueUrl="u"))["Messages"] == messages


@pytest.mark.parametrize("answer", [{}, {"Attributes": None}, {"Attributes": {}}, {"Attributes": {"A": "x"}}])
def test_a_depth_that_is_not_told_is_not_known(answer):
    sqs = client(AsyncSqs, answer)
    with pytest.raises(CallFailed):
        asyncio.run(sqs.get_queue_attributes(QueueUrl="u", AttributeNames=["A"]))


@pytest.mark.parametrize("answer", [{}, {"Parameter": None}, {"Parameter": {}}, {"Parameter": {"Value": 5}}])
def test_a_parameter_without_a_value_is_not_read(answer):
    with pytest.raises(CallFailed):
        asyncio.run(client(AsyncSsm, answer).get_parameter(Name="n"))


@pytest.mark.parametrize(
    "named",
    [None, {}, "0", 5, [{}], ["0"], [None], [{"Id": 0}], [{"Id": ["0"]}], [{"Id": "9"}]],
)
def test_an_entry_that_is_not_named_as_it_should_be_is_not_answered(named):
    batch = [{"Id": "0"}, {"Id": "1"}]
    answer = batching.outcomes(batch, {"Successful": named, "Failed": named})
    assert answer == batching.BatchAnswer([], {}, ["0", "1"])


def test_what_is_named_beside_it_is_answered():
    batch = [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]
    told = {"Successful": [{}, {"Id": "1"}], "Failed": [None, {"Id": "2", "Code": "Busy"}]}
    assert batching.outcomes(batch, told) == (["1"], {"2": "Busy: no message"}, ["0"])


@pytest.mark.parametrize("action", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
def test_a_tick_loses_nothing_by_an_answer_that_names_nobody(action):
    stage = Stage()
    bodies = stage.fill(*events(30))
    real, spoilt = stage.sqs._call, []

    async def call(called, request):
        answer = await real(called, request)
        if called == action and not spoilt:
            spoilt.append(called)
            return {**answer, "Successful": [{}], "Failed": ["x"]}
        return answer

    stage.sqs._call = call
    result = stage.tick()
    assert set(stage.destination.bodies() + stage.source.bodies()) == set(bodies)
    assert result.received == result.forwarded + result.failed
    assert len(stage.destination.bodies()) - 30 <= result.duplicates


def test_a_message_that_the_drain_cannot_handle_costs_the_others_nothing(monkeypatch):
    """A fault of ours: else it would end every tick that receives it, and nothing beside it would move."""
    stage, real = Stage(), all_events.parse_parts

    def failing(body):
        if "0007" in body:
            raise OverflowError("too large")
        return real(body)

    monkeypatch.setattr(all_events, "parse_parts", failing)
    stage.fill(*events(30))
    result = stage.tick()
    assert (result.forwarded, result.rejected) == (29, 1)
    assert stage.dead.bodies() == [event(7)]
    (message,) = stage.dead.messages()
    assert "OverflowError" in message.attributes["Reason"]["StringValue"]


def test_nor_does_it_keep_the_sizes_of_the_others_from_being_learnt(monkeypatch):
    real = all_events.parse_parts

    def failing(body):
        if "poison" in body:
            raise KeyError("nobody foresaw this")
        return real(body)

    monkeypatch.setattr(all_events, "parse_parts", failing)
    sizes = Bytes()
    bodies = ["poison", '{"Bucket": "images", "Key": "a.jpg", "Size": 7}']
    forward.learn(sizes, [{"Body": body} for body in bodies])
    assert sizes.seen


@pytest.mark.parametrize("unknown", [True, False])
def test_a_tick_ends_in_time_where_what_it_gives_back_gets_no_answer(unknown, monkeypatch):
    """Else the function is killed, and nobody reads what the tick did."""
    monkeypatch.setattr(allowance, "_last_known", {})
    stage = Lanes(capacity=5, max_in_destination=0)
    stage.fill("source", events(10))
    stage.fill("bulk", events(10))
    stage.ssm.error = CallFailed("GetParameter: no answer", unknown=5) if unknown else None
    stage.sqs.before = lambda action, request: (
        asyncio.sleep(60) if action == "ChangeMessageVisibilityBatch" else None
    )
    began = time.monotonic()
    result = stage.tick()
    assert time.monotonic() - began < 10
    assert (result.stopped, result.forwarded) == (("errors", 0) if unknown else ("capacity", 5))
    assert (result.received, result.returned) == (20, 0)
    assert len(stage.queues["source"].messages()) + result.forwarded == 10


def test_json_nested_too_deeply_to_be_read_is_none_wherever_it_comes_from():
    deep = "[" * 100_000
    assert logs.read(deep) is None
    assert invoke._error(deep) == ("", deep)
    with pytest.raises(Reject, match="not a row of a restore manifest"):
        undo.parse_restore_key(deep)
    for kind in (AsyncSqs, AsyncSsm):
        api = client(kind, {})
        api._transport.answer = deep.encode()
        with pytest.raises(CallFailed, match="not JSON"):
            asyncio.run(api.call("Any", {}))


def test_what_several_calls_give_back_at_the_same_time_is_all_counted():
    stage = Lanes(capacity=5, max_in_destination=0)
    stage.fill("source", events(10))
    stage.fill("bulk", events(10))
    stage.sqs.before = lambda action, request: (
        asyncio.sleep(0.01) if action == "ChangeMessageVisibilityBatch" else None
    )
    result = stage.tick()
    assert (result.received, result.forwarded, result.returned, result.failed) == (20, 5, 15, 0)
