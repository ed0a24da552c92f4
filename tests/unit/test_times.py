"""Durations as people read them."""

import pytest

from chalicelib import times
from tests.support.durations import DURATIONS


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_a_duration_has_two_units_at_most(seconds, text):
    assert times.duration(seconds) == text
