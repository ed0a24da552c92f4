"""When the backlog will be gone: right within one tick, burst or not; what is not known is no number."""

import random
from statistics import fmean

import pytest

from chalicelib.monitoring.eta import ARRIVALS_MINUTES, Arrivals, eta

CAPACITY = 1000


def steady(rate):
    return Arrivals(rate, rate)


class Hour:
    """Minutes of arrivals and ticks, by the arithmetic of the real tick: min(capacity, backlog) leave."""

    def __init__(self, trickle, bursts, chance=None):
        self.trickle, self.bursts, self.chance = trickle, bursts, chance
        self.came = []
        self.backlog = 0

    def minute(self):
        came = self.trickle + self.bursts.get(len(self.came), 0)
        if self.chance:  # each of twice as many comes or does not
            came += sum(self.chance.random() < 0.5 for _ in range(2 * self.trickle)) - self.trickle
        self.came.append(came)
        self.backlog += came
        self.backlog -= min(CAPACITY, self.backlog)

    def predicted(self):
        return eta(self.backlog, CAPACITY, Arrivals.of(self.came[-ARRIVALS_MINUTES:])).minutes

    def ticks_to_empty(self):
        """What then happens, if no further burst comes."""
        future = Hour(self.trickle, {}, self.chance)
        future.backlog = self.backlog
        while future.backlog:
            future.minute()
        return len(future.came)


def bursts(seed):
    pick = random.Random(seed)
    return {pick.randrange(60): pick.randrange(2_000, 30_000) for _ in range(4)}


@pytest.mark.parametrize("trickle", [0, 40, 300, 600, 900])
@pytest.mark.parametrize("seed", range(10))
def test_in_an_hour_with_bursts_it_is_right_within_one_tick_at_every_minute(trickle, seed):
    hour = Hour(trickle, bursts(seed))
    checked = 0
    for _ in range(60):
        hour.minute()
        if hour.backlog:
            assert abs(hour.predicted() - hour.ticks_to_empty()) <= 1, hour.came
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize("trickle", [40, 300, 600])
@pytest.mark.parametrize("seed", range(5))
def test_when_chance_rules_what_arrives_it_is_wrong_by_no_more_than_that_chance(trickle, seed):
    hour = Hour(trickle, bursts(seed), random.Random(seed))
    one_minute = (2 * trickle) ** 0.5 / 2  # standard deviation
    usual = 1.25 * one_minute / ARRIVALS_MINUTES**0.5  # of the median of so many
    for _ in range(60):
        hour.minute()
        if hour.backlog:
            wait = hour.backlog / (CAPACITY - trickle)
            by_chance = 3 * (usual * wait + one_minute * wait**0.5) / (CAPACITY - trickle)
            assert abs(hour.predicted() - hour.ticks_to_empty()) <= 1 + by_chance


def test_a_burst_of_a_hundred_thousand_is_a_time_and_not_a_never():
    """The mean of the quarter of an hour is far over the capacity; that burst is in the backlog already."""
    came = [0.0] * 14 + [100_000.0]
    found = eta(99_000, CAPACITY, Arrivals.of(came))
    assert found.minutes == 99
    assert found.says == (
        "gone in about 1 h 39 min, unless a burst comes again like the one of the last quarter of an hour"
    )


def test_arrivals_over_the_capacity_for_most_of_the_time_are_never():
    found = eta(5_000, CAPACITY, Arrivals.of([1_500.0] * 9 + [0.0] * 6))
    assert found.minutes is None
    assert found.says == "not at this capacity: 1,500 arrive a minute and 1,000 leave"


def test_arrivals_slow_the_drain_down():
    assert eta(3_000, CAPACITY, steady(500)).minutes == 6
    assert eta(3_000, CAPACITY, steady(0)).minutes == 3
    assert eta(3_000, CAPACITY, steady(0)).says == "gone in about 3 min"
    assert eta(1, CAPACITY, steady(0)).says == "gone in about 1 min"


def test_capacity_by_the_hour_counts_by_the_hours_to_come():
    by_hour = {"leaving_at": lambda tick: 10 if tick <= 60 else 1000}
    assert eta(600, 10, steady(0), **by_hour).minutes == 60
    assert eta(2600, 10, steady(0), **by_hour).minutes == 62
    assert eta(2600, 10, steady(20), **by_hour).minutes == 64  # now more arrives than leaves, but not then
    never = eta(2600, 10, steady(2000), **by_hour)
    assert never.minutes is None
    assert never.says.startswith("not at this capacity: ")


@pytest.mark.parametrize("arriving", [0, 300, 900])
def test_hours_that_are_all_the_same_change_nothing(arriving):
    for backlog in (1, 999, 1000, 1001, 30_000):
        plain = eta(backlog, CAPACITY, steady(arriving), next_tick_s=20)
        assert plain == eta(
            backlog, CAPACITY, steady(arriving), next_tick_s=20, leaving_at=lambda tick: CAPACITY
        )


def test_what_is_not_known_is_said_and_never_counted_as_known():
    assert eta(None, CAPACITY, steady(0)).minutes is None
    assert eta(100, None, steady(0)).minutes is None
    assert "if nothing arrives" in eta(100, CAPACITY, None).says
    assert Arrivals.of([]) is None


def test_nothing_leaves_while_paused_or_held_back():
    assert eta(100, CAPACITY, steady(0), paused=True).minutes is None
    assert eta(0, CAPACITY, steady(0), paused=True).minutes == 0
    assert "destination queue is full" in eta(100, 0, steady(0)).says
    held = eta(100, 50, steady(60), held_back=True)
    assert held.says == "it grows, held back by the destination queue: 60 arrive a minute and 50 leave"


def test_the_mean_is_told_beside_the_usual_minute():
    found = Arrivals.of([10.0, 10.0, 10.0, 970.0])
    assert (found.mean, found.usual) == (fmean([10, 10, 10, 970]), 10.0)
