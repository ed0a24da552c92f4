"""Durations as people read them, and moments as anybody may write them."""

import pytest

from chalicelib import times
from tests.support.durations import DURATIONS


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_a_duration_has_two_units_at_most(seconds, text):
    assert times.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("9999-12-31T23:59:59-14:00", None),  # in UTC there is no such year
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-01-31T12:00:00", None),
        ("soon", None),
        (5, None),
    ],
)
def test_a_moment_is_one_in_utc_or_none(text, moment):
    assert times.iso(times.moment(text)) == moment
