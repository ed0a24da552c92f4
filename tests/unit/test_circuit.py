"""The circuit: a downstream that fails is called a few times a minute, and one that works again at once at full rate."""

from __future__ import annotations

import pytest

from chalicelib.consume.circuit import (
    HOLD,
    LONGEST_HOLD_S,
    LONGEST_PAUSE_S,
    OPENS_AFTER,
    SHORTEST_HOLD_S,
    Circuit,
    wait_s,
)


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def circuit(time):
    return Circuit(time, lambda low, high: 1.0)


def fail(circuit, times, tries=1):
    for _ in range(times):
        circuit.failed(tries)


def test_it_opens_after_so_many_failed_first_tries_in_a_row(circuit, time):
    fail(circuit, OPENS_AFTER - 1)
    assert not circuit.is_open
    fail(circuit, 1)
    assert circuit.is_open
    assert circuit.until == time.now + 10
    time.now += 10
    assert not circuit.is_open


def test_one_success_begins_the_row_anew(circuit):
    fail(circuit, OPENS_AFTER - 1)
    circuit.succeeded()
    fail(circuit, OPENS_AFTER - 1)
    assert not circuit.is_open


def test_events_that_fail_again_do_not_open_it(circuit):
    """Poison alone must not stop the good ones."""
    fail(circuit, 1000, tries=2)
    assert not circuit.is_open


def test_two_more_failures_renew_the_pause_twice_as_long_up_to_two_minutes(circuit, time):
    fail(circuit, OPENS_AFTER)
    pauses = []
    for _ in range(6):
        time.now = circuit.until
        fail(circuit, 2)
        pauses.append(circuit.until - time.now)
    assert pauses == [20, 40, 80, 120, 120, 120]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_a_success_after_a_pause_ends_it_all(circuit, time):
    fail(circuit, OPENS_AFTER)
    time.now = circuit.until
    circuit.succeeded()
    fail(circuit, OPENS_AFTER - 1)
    assert not circuit.is_open


def test_what_comes_back_untried_waits_a_minute_longer_each_time_up_to_five():
    assert [wait_s(untried) for untried in (1, 2, 5, 9)] == [60, 120, 300, 300]


def test_a_batch_is_kept_by_what_one_takes_within_bounds(circuit):
    assert circuit.hold_s == SHORTEST_HOLD_S
    circuit.batch_took(10.0)
    assert circuit.hold_s == HOLD * 10.0
    circuit.batch_took(5.0)
    assert circuit.hold_s == pytest.approx(HOLD * 9.0)
    circuit.batch_took(1000.0)
    assert circuit.hold_s == LONGEST_HOLD_S


def test_after_a_success_the_next_outage_begins_with_a_short_pause(circuit, time):
    fail(circuit, OPENS_AFTER)
    time.now = circuit.until
    fail(circuit, 2)
    circuit.succeeded()
    fail(circuit, OPENS_AFTER)
    assert circuit.until - time.now == 10


def test_what_was_begun_before_the_pause_neither_lengthens_nor_renews_it(circuit, time):
    fail(circuit, OPENS_AFTER)
    until = circuit.until
    time.now += 5
    fail(circuit, 10)
    assert circuit.until == until
    time.now = until
    fail(circuit, 1)
    assert not circuit.is_open
