"""Capacity by the hour: read strictly, right in every zone and on the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chalicelib.config import hours

OFFICE = "Mon-Fri 08:00-18:00=200, else=5000; Europe/Berlin"


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("moment", "capacity"),
    [
        ("2026-01-30T07:59:59", 5000),  # a Friday
        ("2026-01-30T08:00:00", 200),
        ("2026-01-30T17:59:59", 200),
        ("2026-01-30T18:00:00", 5000),
        ("2026-01-31T12:00:00", 5000),  # a Saturday
        ("2026-07-01T08:00:00", 200),  # summer time
    ],
)
def test_the_zones_own_clock_counts(moment, capacity):
    assert hours.parse(OFFICE).capacity_at(at(moment, "Europe/Berlin")) == capacity


def test_daylight_saving_moves_the_hours_by_one_in_utc():
    found = hours.parse(OFFICE)
    assert found.capacity_at(datetime(2026, 3, 27, 7, 30, tzinfo=UTC).timestamp()) == 200  # 08:30 in winter
    assert found.capacity_at(datetime(2026, 3, 30, 6, 30, tzinfo=UTC).timestamp()) == 200  # 08:30 in summer


def test_a_span_over_midnight_belongs_to_the_day_it_begins_on():
    found = hours.parse("Fri 22:00-06:00=10, else=20")
    assert found.capacity_at(at("2026-01-30T23:00:00")) == 10
    assert found.capacity_at(at("2026-01-31T05:59:00")) == 10
    assert found.capacity_at(at("2026-01-30T05:00:00")) == 20


def test_the_first_part_that_fits_counts_and_days_may_wrap():
    found = hours.parse("Sat-Mon=1, 12:00-13:00=2, else=3")
    assert [found.capacity_at(at(f"2026-02-0{day}T12:30:00")) for day in (1, 2, 3)] == [1, 1, 2]
    assert found.most == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a whole number"),
        ("else=0", "from 1 to 1,000,000"),
        ("Mon=5", "`else=`"),
        ("else=5, Mon=5", "as the last part"),
        ("else=5, Mon=5, else=5", "as the last part"),
        ("Mon 24:00-06:00=5, else=5", "end at another time"),
        ("Mun=5, else=5", "days and hours"),
        ("Mon 8-18=5, else=5", "days and hours"),
        ("Mon 08:00-08:00=5, else=5", "end at another time"),
        ("Mon 08:00-25:00=5, else=5", "00:00 to 24:00"),
        ("else=5; Europe/Atlantis", "a time zone such as"),
        ("else=5; ../../etc/passwd", "a time zone such as"),
        (", ".join(["Mon=5"] * 21) + ", else=5", "at most 20"),
    ],
)
def test_what_cannot_be_read_says_what_would_be_right(text, why):
    with pytest.raises(ValueError, match=why):
        hours.parse(text)
