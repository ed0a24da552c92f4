"""A limit in bytes: what is due in any minute, whatever the sizes; nothing is skipped, and nothing churns."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

import pytest

from chalicelib.config import Config
from chalicelib.drain import allowance
from chalicelib.errors import ConfigError
from tests.support.drained import event
from tests.support.lanes import MINUTE, Lanes, bulk
from tests.support.settings import GOOD

GB = 10**9


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch):
    monkeypatch.setattr(allowance, "_last_known", {})


class Sized(Lanes):
    """A stage with a limit in bytes; each event's size is in its key."""

    def __init__(self, limit=GB, **changes):
        super().__init__(capacity_bytes=limit, max_in_destination=0, **{"capacity": 1000, **changes})
        self.dues = []  # (seconds since 1970, bytes)
        self.receives = 0  # the most of one message

    def fill_sizes(self, sizes, name="source"):
        for number, size in enumerate(sizes):
            body = {"Bucket": "images", "Key": f"{name}/{number:05d}-{size or 0}", "Sequencer": f"{number:X}"}
            self.sqs.queues.put(self.queues[name], json.dumps(body | ({"Size": size} if size else {})))

    def minute_of(self):
        result = self.tick()
        for at, key in self.arrived():
            self.dues.append((self.minute - 60 + at, int(key.rpartition("-")[2])))
        for name in ("source", "bulk"):
            there = self.queues[name].messages()
            self.receives = max([self.receives, *(message.receives for message in there)])
        self.queues["destination"].ready.clear()
        self.queues["destination"].delayed.clear()
        return result

    def keys(self):
        return [size for _, size in sorted(self.dues)]

    def worst_minute(self):
        """The most bytes due in any 60 seconds."""
        dues = sorted(self.dues)
        return max(sum(size for at, size in dues if start <= at < start + 60) for start, _ in dues)


def test_in_any_minute_no_more_is_due_than_the_limit_and_one_object():
    pick = random.Random(3)
    sizes = [
        pick.randrange(GB // 2, 2 * GB) if pick.random() < 0.3 else pick.randrange(10**6) for _ in range(300)
    ]
    stage = Sized()
    stage.fill_sizes(sizes)
    minutes = next(minute for minute in itertools.count(1) if stage.minute_of().stopped == "empty")
    assert sorted(stage.keys()) == sorted(sizes)
    assert stage.worst_minute() <= GB + max(sizes)
    assert minutes <= sum(sizes) / GB + 5  # and the limit is used
    assert stage.receives < 50  # SQS's redrive policy counts them, up to a thousand


def test_one_worker_receives_what_fits_so_that_little_is_put_back():
    """Thirty-two with ten each in hand would put nearly all of it back, minute after minute."""
    pick = random.Random(5)
    stage = Sized(drain_workers=32)
    stage.fill_sizes([pick.choice((10**7, 2 * GB)) for _ in range(300)])

    async def others_go_on():
        for _ in range(3):
            await asyncio.sleep(0)

    stage.sqs.before = lambda action, request: others_go_on()
    for _ in range(100):
        assert stage.minute_of().returned <= 10
    assert stage.receives < 50


def test_a_giant_is_not_skipped_and_what_follows_waits_for_what_it_takes_without_being_received():
    stage = Sized()
    stage.fill_sizes([10**6, 10 * GB, *[10**6] * 50])
    assert stage.minute_of().forwarded == 2  # the clock is free after the first
    results = [stage.minute_of() for _ in range(12)]
    assert sum(result.forwarded for result in results) + 2 == 52
    quiet = [result for result in results if not result.received]
    assert len(quiet) >= 8
    assert {result.stopped for result in quiet} <= {"capacity", "empty"}


def test_a_size_that_is_not_known_counts_as_the_mean_of_those_that_are():
    stage = Sized()
    stage.fill_sizes([GB // 10 if number % 2 else None for number in range(40)])
    forwarded = [stage.minute_of().forwarded for _ in range(3)]
    assert all(8 <= count <= 14 for count in forwarded[1:])


def test_where_no_size_is_known_only_the_number_counts():
    stage = Sized(capacity=30)
    stage.fill_sizes([None] * 100)
    assert stage.minute_of().forwarded >= 29


def test_live_goes_first_and_bulk_gets_its_share_of_the_turns():
    stage = Sized(capacity=1000)
    stage.fill_sizes([GB] * 400)
    stage.fill_sizes([GB] * 400, "bulk")
    results = [stage.minute_of() for _ in range(100)]
    assert 80 <= sum(result.forwarded for result in results) <= 110
    assert 8 <= sum(result.forwarded_bulk for result in results) <= 12


def test_without_the_limit_no_call_is_different():
    plain, limited = Lanes(capacity=100), Lanes(capacity=100, capacity_bytes=10**15)
    for stage in (plain, limited):
        stage.fill("source", [event(i) for i in range(50)])
        stage.fill("bulk", bulk(50))
    assert plain.tick().forwarded == 100
    assert plain.sqs.queues.calls["ReceiveMessage"] <= 13
    assert plain.minute > MINUTE


def test_a_limit_without_the_clock_is_refused():
    with pytest.raises(ConfigError, match="CAPACITY_BYTES is set and SPREAD is 'off'"):
        Config.from_env({**GOOD, "CAPACITY_BYTES": "1000000", "SPREAD": "off"})
    assert Config.from_env(GOOD).capacity_bytes == 0


@pytest.mark.parametrize("digits", [16, 300, 400, 4300])
def test_a_size_that_no_object_has_stops_nothing(digits):
    """Whoever may write into the queue could else stop the clock for years, or end every tick."""
    stage = Sized()
    body = {"Bucket": "images", "Key": "source/0-0", "Sequencer": "0"}
    stage.sqs.queues.put(stage.queues["source"], json.dumps(body)[:-1] + f', "Size": {"9" * digits}}}')
    stage.fill_sizes([10**6] * 3)
    while stage.minute_of().stopped != "empty":
        assert stage.sqs.now < MINUTE + 600
    assert len(stage.dues) == 4
