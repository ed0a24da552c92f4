"""What `make run --burst` tells is what the log lines say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from chalicelib import times
from chalicelib.config import Config
from chalicelib.config.thumbnails import ThumbnailSettings
from dev import burst
from dev.__main__ import cli
from dev.burst import Seen, capacity_for
from tests.support.settings import GOOD

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def event(second, outcome="done", number=0):
    at = times.iso(START + timedelta(seconds=second))
    return {"at": at, "message": "event", "outcome": outcome, "id": f"e{number}", "key": f"acme/{number}.jpg"}


def seen(*lines):
    found = Seen()
    for line in lines:
        found.tried(line)
    return found


def test_the_most_in_a_minute_is_of_any_sixty_seconds():
    found = seen(*(event(second, number=second) for second in (0, 10, 50, 55, 61, 65, 200)))
    assert found.most_in_a_minute == 5  # 10, 50, 55, 61, 65
    assert seen().most_in_a_minute == seen().busiest_ten == 0
    assert seen(event(1.1), event(9.9), event(10.0)).busiest_ten == 2


def test_what_went_back_untried_was_no_try_and_a_second_try_is_done_once():
    found = seen(event(1, "retry"), event(9), event(10), event(11, "rejected", 7))
    found.consumed({"untried": 10, "done": 0, "paused_until": None})
    assert (found.untried, found.failed, len(found.tries)) == (10, 1, 4)
    assert (found.done, found.rejected) == ({"e0"}, {"e7"})
    assert found.done_at["acme/0.jpg"] == START + timedelta(seconds=9)


def test_a_circuit_is_open_until_something_is_done():
    found = Seen()
    for line in ({"paused_until": "t1"}, {"paused_until": "t1"}, {"paused_until": None, "done": 0}):
        found.consumed(line)
    assert (found.pauses, found.circuit_until) == ({"t1"}, "t1")
    found.consumed({"paused_until": "t2"})
    found.consumed({"paused_until": None, "done": 3})
    assert (found.pauses, found.circuit_until) == ({"t1", "t2"}, None)


@pytest.mark.parametrize("events", [20, 200, 5000, 100_000])
def test_the_capacity_is_one_that_a_small_machine_works_off(events):
    assert burst.LEAST <= capacity_for(events) <= burst.MOST


def test_its_settings_are_settings():
    config = Config.from_env({**GOOD, **burst.SETTINGS})
    assert (config.spread, config.fair_by) == (True, 1)
    assert config.thumbnails.sizes != ThumbnailSettings.sizes


@pytest.mark.parametrize("more", [["--images", "somewhere"], ["--action", "log"]])
def test_a_burst_of_ones_own_images_is_refused_in_one_line(more):
    done = CliRunner().invoke(cli, ["run", "--burst", "50", *more])
    assert done.exit_code == 2
    assert "--burst makes pictures of its own" in done.output
