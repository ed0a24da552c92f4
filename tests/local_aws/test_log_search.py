"""The functions' log lines, newest first: enough of them, in time, and nobody else's."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import boto3
import pytest

from chalicelib import times
from chalicelib.config import Config
from chalicelib.consume import outcomes
from chalicelib.errors import BadRequest
from chalicelib.events import ObjectCreated
from chalicelib.monitoring import groups, log_search
from chalicelib.monitoring import recent as recents
from tests.support.settings import GOOD

pytestmark = [pytest.mark.aws, pytest.mark.xdist_group("deployed")]

NOW = datetime.now(UTC)


@pytest.fixture
def client(aws):
    return boto3.client("logs")


@pytest.fixture
def config():
    return Config.from_env({**GOOD, "STAGE": f"t{uuid.uuid4().hex[:9]}", "DRAIN_SHARDS": "2"})


def write(client, config, function, *lines, stream="one"):
    """`(seconds ago, line)`, as Lambda would have kept them."""
    group = f"/aws/lambda/{config.function_name(function)}"
    for make in (
        lambda: client.create_log_group(logGroupName=group),
        lambda: client.create_log_stream(logGroupName=group, logStreamName=stream),
    ):
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            make()
    events = [
        {
            "timestamp": int((NOW - timedelta(seconds=ago)).timestamp() * 1000),
            "message": line if isinstance(line, str) else json.dumps(line),
        }
        for ago, line in sorted(lines, key=lambda one: -one[0])
    ]
    client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def event(key, outcome="done", ago=0, **more):
    created = ObjectCreated("images", key)
    at = (NOW - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    return {
        "at": at,
        "message": "event",
        "outcome": outcome,
        "id": created.identity,
        "object": created.object_id,
        "key": key,
        "message_id": f"m-{key}",
        "tries": 1,
        "seconds": 61.5,
        "thumbnails": [f"{key}_256.jpg"],
        **more,
    }


def tick(ago, **numbers):
    told = {"received": 10, "forwarded": 10, "rejected": 0, "failed": 0, "duplicates": 0, "seconds": 1.0}
    at = (NOW - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    return {"at": at, "message": "tick", "stopped": "empty", "errors": [], **told, **numbers}


def test_what_consume_did_last_comes_first(client, config):
    write(
        client,
        config,
        "consume",
        (0.5, "START RequestId: 1 outcome"),
        (1, event("c.jpg", "rejected", 1, reason="not an image", thumbnails=[])),
        (30, event("b.jpg", "retry", 30, reason="S3 is slow", thumbnails=[])),
        (2000, event("a.jpg", "done", 2000)),
        (5000, event("too old.jpg", "done", 5000)),
        (3, {"message": "consumed", "done": 1, "outcome": "of a batch"}),
    )
    found = recents.recent({"limit": "10"}, client, config, NOW)
    assert [one["key"] for one in found["objects"]] == ["c.jpg", "b.jpg", "a.jpg"]
    assert found["objects"][0]["reason"] == "not an image"
    assert found["objects"][2]["thumbnails"] == ["a.jpg_256.jpg"]
    assert len({one["id"] for one in found["objects"]}) == 3
    since = datetime.fromisoformat(found["since"])
    assert abs((NOW - since).total_seconds() - 3600) < 1
    assert found["waiting"]["objects"] == []


def test_no_more_are_read_than_are_wanted_and_since_when_is_said(client, config):
    write(client, config, "consume", *((i / 4, event(f"{i}.jpg", ago=i / 4)) for i in range(1, 20)))
    write(client, config, "consume", (40, event("older.jpg", ago=40)), stream="two")
    found = recents.recent({"limit": "3"}, client, config, NOW)
    assert [one["key"] for one in found["objects"]] == ["1.jpg", "2.jpg", "3.jpg"]
    since = (NOW - datetime.fromisoformat(found["since"])).total_seconds()
    assert 0.75 <= since <= 40.01  # as far as the page went that had enough


def test_a_log_that_is_not_there_has_no_lines(client, config):
    assert recents.recent(None, client, config, NOW)["objects"] == []
    assert log_search.last_tick(client, config, NOW) is None


def test_the_last_tick_is_that_of_all_shards_together(client, config):
    write(
        client,
        config,
        "drain",
        (10, tick(10, received=9, forwarded=7, failed=2, stopped="errors", errors=["SQS is slow"])),
        (70, tick(70, forwarded=999)),
    )
    write(client, config, "drain-1", (12, tick(12, received=5, forwarded=5, stopped="capacity", seconds=2.5)))
    found = log_search.last_tick(client, config, NOW)
    assert (found["received"], found["forwarded"], found["failed"]) == (14, 12, 2)
    assert (found["stopped"], found["errors"], found["seconds"]) == ("errors", ["SQS is slow"], 2.5)


@pytest.mark.parametrize("word", ["paused", "repeated", "deadline", "back_pressure", "a new word"])
def test_why_a_tick_ended_is_told_whatever_it_is(client, config, word):
    write(client, config, "drain", (10, tick(10, stopped=word)))
    assert log_search.last_tick(client, config, NOW)["stopped"] == word


def test_a_shard_that_no_longer_ticks_does_not_count(client, config):
    write(client, config, "drain", (10, tick(10)))
    write(client, config, "drain-1", (140, tick(140)))
    assert log_search.last_tick(client, config, NOW)["forwarded"] == 10


def test_a_tick_of_long_ago_is_not_the_last(client, config):
    write(client, config, "drain", (1200, tick(1200)))
    assert log_search.last_tick(client, config, NOW) is None


def test_the_lines_about_one_object_are_found_whatever_its_name(client, config):
    key = 'photos/{ $.x = "*" } -outcome ?\n.jpg'
    write(client, config, "consume", (100, event(key)), (5, event("other.jpg")))
    object_id = ObjectCreated("images", key).object_id
    found = log_search.about(
        client, log_search.log_group(config, "consume"), object_id, NOW - timedelta(hours=1), NOW
    )
    assert [line["key"] for line in found.lines] == [key]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"message_id": None},
        {"tries": "1"},
        {"seconds": "61.5"},
        {"thumbnails": None},
        {"outcome": ["done"]},
        {"key": 5},
        {"at": None},
    ],
)
def test_what_an_own_action_prints_like_a_line_of_ours_is_no_trouble(client, config, spoiled):
    write(client, config, "consume", (5, event("a.jpg")), (4, {**event("b.jpg"), **spoiled}))
    assert [one["key"] for one in recents.recent(None, client, config, NOW)["objects"]] == ["a.jpg"]


def test_lines_of_another_version_are_passed_over(client, config):
    write(
        client, config, "drain", (70, tick(70, forwarded=7)), (10, {"message": "tick", "stopped": ["empty"]})
    )
    write(client, config, "enqueue", (5, {"message": "enqueued", "uploads": ["a.jpg"]}))
    found = log_search.last_tick(client, config, NOW)
    assert found["forwarded"] == 7
    assert groups.largest(client, config, NOW)["uploads"] == 0
    assert recents.waiting(client, config, NOW, 10)["uploads"] == 0


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_limit_that_is_none_is_refused_by_its_field(config, limit):
    with pytest.raises(BadRequest) as refused:
        recents.recent({"limit": limit}, None, config, NOW)
    assert refused.value.field == "limit"


MODEL = boto3.client("logs", region_name="us-east-1").meta  # of the boto3 that is pinned
OLD = SimpleNamespace(
    service_model=Mock(operation_model=Mock(return_value=Mock(input_shape=Mock(members={}))))
)


class Endless:
    """A log of a million events a minute; its clock moves one second with each call."""

    class exceptions:  # noqa: N801  boto3's name
        ResourceNotFoundException = KeyError

    def __init__(self, meta=MODEL, empty=0, quiet=False):
        self.now = 0.0
        self.quiet = quiet  # it has no lines at all
        self.meta = meta
        self.empty = empty  # pages that are empty, and not the last
        self.calls = []

    def filter_log_events(self, **request):
        self.now += 1
        self.calls.append(request)
        page = []
        if self.quiet:
            return {"events": []}
        if len(self.calls) > self.empty:
            for number in range(request.get("limit", 1)):
                line = event(f"{self.now:.0f}-{number}.jpg", ago=number * 0.00006)
                page.append({"timestamp": request["endTime"] - number // 16, "message": json.dumps(line)})
        return {"events": page, "nextToken": "more"}


def read(log, count):
    wanted = log_search.Wanted("group", "outcome", outcomes.read, count)
    return log_search.newest(log, wanted, NOW, within_s=5, clock=lambda: log.now)


@pytest.mark.parametrize("count", [1, 12, 100])
def test_at_a_million_a_minute_the_newest_lines_are_one_call_of_no_more_than_is_wanted(count):
    log = Endless()
    found = read(log, count)
    assert len(found.lines) == count
    (asked,) = log.calls
    assert (asked["startFromHead"], asked["limit"]) == (False, max(count, log_search.PAGE))
    assert NOW - found.since < timedelta(seconds=1)


def test_a_quiet_log_is_one_call_too_and_rare_lines_are_sought_span_by_span():
    log = Endless(quiet=True)
    found = read(log, 12)
    assert (found.lines, len(log.calls)) == ([], 1)
    assert NOW - found.since == timedelta(hours=1)
    log = Endless(quiet=True)
    log_search.about(log, "group", "id", NOW - timedelta(hours=2), NOW)
    spans = [round((call["endTime"] - call["startTime"]) / 1000) for call in log.calls]
    assert spans == [60, 3540, 3600]


def test_empty_pages_are_not_the_end_of_a_log():
    log = Endless(empty=3)
    assert len(read(log, 12).lines) == 12
    assert len(log.calls) == 4


def test_a_log_of_empty_pages_ends_after_so_many_calls_and_claims_nothing(monkeypatch):
    log = Endless(empty=1000)
    monkeypatch.setattr(log_search, "MOST_CALLS", 4)
    found = read(log, 12)
    assert (found.lines, found.since, len(log.calls)) == ([], NOW, 4)


def test_a_log_too_long_for_the_time_ends_in_time_with_an_older_boto3_too():
    log = Endless(OLD)
    found = read(log, 100)
    assert log.now == 5
    assert len(found.lines) == 5
    assert found.since == NOW
    assert "startFromHead" not in log.calls[0]


def test_what_was_uploaded_and_has_no_end_waits(client, config):
    def uploads(*keys):
        return [{"id": ObjectCreated("images", key).identity, "object": "o", "key": key} for key in keys]

    def told(ago, *keys):
        at = times.iso(NOW - timedelta(seconds=ago))
        return ago, {"at": at, "message": "enqueued", "enqueued": len(keys), "uploads": uploads(*keys)}

    write(client, config, "enqueue", told(50, "a.jpg", "b.jpg"), told(40, "c.jpg", "d.jpg"), told(2, "e.jpg"))
    write(
        client,
        config,
        "consume",
        (30, event("a.jpg", ago=30)),
        (20, event("b.jpg", "rejected", 20, thumbnails=[])),
        (10, event("c.jpg", "retry", 10, thumbnails=[])),
    )
    found = recents.recent({"limit": "20"}, client, config, NOW)["waiting"]
    assert [one["key"] for one in found["objects"]] == ["e.jpg", "c.jpg", "d.jpg"]
    assert (found["uploads"], found["since"]) == (5, times.iso(NOW - timedelta(seconds=50)))
    few = recents.recent({"limit": "2"}, client, config, NOW)["waiting"]
    assert [one["key"] for one in few["objects"]] == ["e.jpg", "c.jpg"]


def test_where_nobody_sees_the_keys_it_is_not_known_what_waits(client, config):
    told_nothing = dataclasses.replace(config, s3_notifies="queue")
    assert recents.recent(None, client, told_nothing, NOW)["waiting"] is None


def enqueued(ago, *keys, bulk=0):
    at = (NOW - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    uploads = [{"id": key, "object": key, "key": key} for key in keys]
    return ago, {"at": at, "message": "enqueued", "enqueued": len(keys), "bulk": bulk, "uploads": uploads}


def test_the_three_largest_groups_of_the_last_uploads_are_found_however_many_there_are(client, config):
    crowd = [enqueued(8, f"t{i:03d}/one.jpg") for i in range(200)]
    acme = [enqueued(5, *(f"acme/{i}/{j}.jpg" for j in range(10)), bulk=8) for i in range(30)]
    write(
        client, config, "enqueue", *crowd, *acme, enqueued(4, *(f"b/{i}.jpg" for i in range(9)), "lone.jpg")
    )
    found = groups.largest(client, config, NOW)
    assert (found["uploads"], found["bulk"]) == (510, 240)
    assert [(one["group"], one["uploads"]) for one in found["largest"][:2]] == [("acme", 300), ("b", 9)]
    assert len(found["largest"]) == groups.SHOWN
    assert found["largest"][0]["percent"] == 58.8
    assert found["since"] == times.iso(times.moment(crowd[0][1]["at"]))
    deeper = groups.largest(client, dataclasses.replace(config, fair_by=2), NOW)
    assert deeper["largest"][0]["uploads"] == 10


def test_where_nothing_came_lately_or_nobody_sees_the_keys_there_are_no_groups(client, config):
    assert groups.largest(client, config, NOW)["largest"] == []
    assert groups.largest(None, dataclasses.replace(config, s3_notifies="queue"), NOW) is None


def consumed(ago, until=None):
    at = (NOW - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    paused_until = times.iso(NOW + timedelta(seconds=until)) if until is not None else None
    return ago, {
        "at": at,
        "message": "consumed",
        "done": 0,
        "paused_until": paused_until,
        "paused_why": f"HTTP 401, {until}",
    }


@pytest.mark.parametrize(
    ("lines", "paused", "until"),
    [
        ([], False, None),
        ([consumed(9)], False, None),
        ([consumed(9), consumed(4, until=30)], True, 30),
        ([consumed(9, until=30), consumed(4)], True, 30),  # of two sandboxes one
        ([consumed(9, until=-3)], True, None),  # it is over, and nothing was tried since
        ([consumed(9, until=-3), consumed(2)], False, None),
        ([consumed(9, until=40), consumed(4, until=20)], True, 20),
    ],
)
def test_a_circuit_that_is_open_is_told_until_a_try_succeeds(client, config, lines, paused, until):
    if lines:
        write(client, config, "consume", *lines)
    found = log_search.downstream(client, config, NOW)
    ends = times.iso(NOW + timedelta(seconds=until)) if until is not None else None
    assert (found["paused"], found["until"]) == (paused, ends)
    assert bool(found["why"]) == paused
    if until is not None:
        assert found["why"].startswith("HTTP 401, ")
