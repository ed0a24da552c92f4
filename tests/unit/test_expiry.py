"""What will be lost is told before it is lost, with the moment and with the capacity that saves it."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import times
from chalicelib.monitoring.expiry import KEPT_MINUTES, SPARE_MINUTES, Waiting, expires
from chalicelib.queues.retention import KEPT

NOW = datetime(2026, 1, 30, 12, tzinfo=UTC)
DAY = 1440.0
NONE = Waiting(0)


def lost(live=NONE, bulk=NONE, destination=NONE, leaving=1000, share=10):
    return expires(live, bulk, destination, leaving, share, NOW)


def lost_in(found):
    """Days from now."""
    return (times.moment(found["lost_from"]) - NOW) / timedelta(days=1)


def test_what_leaves_in_time_is_no_danger():
    assert lost() is None
    assert lost(Waiting(1_000_000, 60.0)) is None
    assert lost(Waiting(int(KEPT_MINUTES * 1000), 0.0)) is None


def test_a_backlog_that_outlives_the_retention_is_told_with_the_capacity_that_saves_it():
    twice = int(KEPT_MINUTES * 2000)
    found = lost(Waiting(twice, 0.0))
    assert lost_in(found) == KEPT.days
    assert found["needed"] == 2154
    assert found["says"] == (
        "events older than 14 days will be lost from Fri 13 Feb, 12:00 UTC; at least 2,154 a minute are needed"
    )
    assert lost(Waiting(twice, 0.0), leaving=2154) is None
    assert lost(Waiting(twice, 0.0, 500.0))["needed"] == 2654


def test_fifteen_thousand_at_a_capacity_of_one_whose_oldest_is_about_to_go_are_in_danger():
    """With a wait of ten days only, and nothing arriving."""
    found = lost(Waiting(15_014, KEPT_MINUTES - 30), leaving=1)
    assert lost_in(found) == pytest.approx(30 / DAY)
    assert found["needed"] >= 15_014 / 30


def test_a_steady_backlog_whose_oldest_is_as_old_as_its_wait_is_no_danger():
    steady = Waiting(int(8 * DAY * 1000), 8 * DAY, 1000.0)
    assert lost(steady) is None
    assert lost_in(lost(Waiting(steady.events, 8 * DAY))) == 6  # had it come at once, it would be


def test_the_last_day_is_always_told():
    assert lost(Waiting(1, KEPT_MINUTES - SPARE_MINUTES + 1)) is not None
    assert lost(Waiting(1, KEPT_MINUTES - SPARE_MINUTES - 1)) is None


def test_bulk_waits_behind_live():
    backfill = Waiting(int(KEPT_MINUTES * 500), 0.0)
    assert lost(bulk=backfill) is None
    found = lost(live=Waiting(1000, 1.0, 950.0), bulk=backfill)
    assert found["queue"] == "bulk"
    assert lost(live=Waiting(1000, 1.0, 950.0), bulk=backfill, leaving=found["needed"]) is None


@pytest.mark.parametrize("share", [0, 10, 100])
def test_the_needed_capacity_is_enough_and_little_more(share):
    for live, bulk in [
        (Waiting(40_000_000, 100.0, 30.0), NONE),
        (NONE, Waiting(40_000_000, 100.0, 30.0)),
        (Waiting(30_000_000, 5 * DAY), Waiting(1_000, 0.0)),
        (Waiting(20_000_000, 0.0, 200.0), Waiting(30_000_000, 3 * DAY)),
    ]:
        found = lost(live, bulk, leaving=10, share=share)
        if share == 100 and live.events and bulk.events:
            continue  # live gets nothing then while bulk has any
        assert lost(live, bulk, leaving=found["needed"], share=share) is None, found


def test_where_nothing_leaves_only_the_last_day_counts():
    """A pause of an hour is no loss."""
    assert lost(Waiting(1000, 60.0), leaving=0) is None
    found = lost(Waiting(1000, 13.5 * DAY), leaving=0)
    assert lost_in(found) == 0.5
    assert found["needed"] is None
    assert found["says"].endswith("UTC: nothing leaves")


def test_an_age_that_is_not_known_gives_no_moment():
    found = lost(Waiting(int(KEPT_MINUTES * 2000)))
    assert found["lost_from"] is None
    assert found["says"] == "events older than 14 days will be lost; at least 2,154 a minute are needed"


def test_what_consume_does_not_take_is_told_too():
    found = lost(destination=Waiting(5, 13.5 * DAY))
    assert (found["queue"], found["needed"]) == ("destination", None)
    assert found["says"].endswith("consume does not take them")
