"""The clock: whatever a tick's lateness, no 60 seconds have more than the capacity and one."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from chalicelib.drain.clock import STOP_S, Clock, delay_s


def worst_minute(times):
    """The most that any 60 seconds have."""
    times = sorted(times)
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    return most


def minutes(capacity, count, late, clocks, backlog=10**9, new=0.0, seed=1):
    """When events are there, over so many ticks with up to `late` seconds of lateness, in each shard."""
    rng, there = random.Random(seed), []
    for minute in range(count):
        for shard, clock in enumerate(clocks):
            if rng.random() < new:
                clock = clocks[shard] = Clock(shard, len(clocks))
            scheduled = 60.0 * minute
            now = scheduled + rng.uniform(0, late)
            share = lambda at: capacity // len(clocks)  # noqa: E731
            clock.begin(scheduled, now, share)
            stop = scheduled + STOP_S
            for _ in range(min(share(now), backlog, clock.slots(now, stop, share))):
                due = clock.due(now, share)
                there.append(now + delay_s(due, now))
                now += 0.0005
    return there


@pytest.mark.parametrize("late", [0.5, 20, 35])
@pytest.mark.parametrize("capacity", [1, 7, 60, 1000])
@pytest.mark.parametrize("new", [0.0, 0.2])
def test_no_sixty_seconds_have_more_than_the_capacity_and_a_sixtieth(capacity, late, new):
    times = minutes(capacity, 30, late, [Clock()], new=new)
    assert worst_minute(times) <= capacity + max(1, math.ceil(capacity / 60))
    assert len(times) >= capacity * 25


def test_shards_together_hold_it_too():
    times = minutes(1000, 20, 20, [Clock(shard, 4) for shard in range(4)])
    assert worst_minute(times) <= 1000 + 1000 / 60 + 4


@pytest.mark.parametrize(("capacity", "shards"), [(40, 4), (60, 3), (30_000, 4)])
def test_shards_whose_processes_begin_together_are_due_one_after_the_other(capacity, shards):
    """All begin where the last one's end: without a grid they would stay together as long as there is a backlog."""
    minute, share = 1_800_000_000.0, capacity // shards
    clocks = [Clock(shard, shards) for shard in range(shards)]
    for clock in clocks:
        clock.begin(minute, minute + 2, lambda at: share)
    # Not all of them: the last of a tick is due after the first of the next one.
    dues = sorted(clock.due(minute + 2, lambda at: share) for clock in clocks for _ in range(share))
    steps = [later - earlier for earlier, later in itertools.pairwise(dues[shards:-shards])]
    assert min(steps) > 0.98 * 60 / capacity
    assert max(steps) < 1.02 * 60 / capacity


def test_the_rest_flows_evenly():
    times = minutes(1000, 20, 5, [Clock()])
    seconds = [int(at) for at in times]
    assert max(seconds.count(second) for second in set(seconds)) <= 2 * 1000 / 60


def test_a_lone_event_is_due_at_once_but_in_a_new_process():
    clock = Clock()
    clock.begin(600.0, 601.0, lambda at: 1000)
    assert clock.due(601.0, lambda at: 1000) == pytest.approx(620.06)
    clock.begin(660.0, 662.0, lambda at: 1000)
    assert clock.due(662.0, lambda at: 1000) == 662.0


def test_a_lower_capacity_acts_at_the_due_time_and_not_at_the_next_tick():
    clock = Clock()
    clock.begin(0.0, 30.0, lambda at: 6000)
    capacity_at = lambda at: 6000 if at < 60 else 60  # noqa: E731
    count = clock.slots(30.0, STOP_S, capacity_at)
    dues = [clock.due(30.0, capacity_at) for _ in range(count)]
    assert sum(due >= 60 for due in dues) <= 21
    assert 3000 <= sum(due < 60 for due in dues) <= 3001


def test_a_delay_is_whole_seconds_and_never_too_short():
    assert [delay_s(due, 10.0) for due in (9.0, 10.0, 10.1, 11.0, 11.5)] == [0, 0, 1, 1, 2]


def test_a_new_process_begins_behind_what_is_not_due_yet():
    clock = Clock()
    clock.begin(600.0, 605.0, lambda at: 600, not_due=400)  # a tick of this minute that died: 40 s of events
    assert clock.due(605.0, lambda at: 600) == pytest.approx(660.1)
    late = Clock()
    late.begin(
        600.0, 605.0, lambda at: 600, not_due=10_000
    )  # of a higher capacity: none is later than STOP_S
    assert late.due(605.0, lambda at: 600) == pytest.approx(680.1)
    assert late.slots(605.0, 660.0, lambda at: 600) == 0


def test_a_minute_whose_first_process_died_is_no_faster_in_the_second():
    capacity_at, there = (lambda at: 60), []
    for now, count in ((601.0, 40), (610.0, 60)):  # the first dies after 40
        clock = Clock()
        clock.begin(600.0, now, capacity_at, not_due=sum(at > now for at in there))
        for _ in range(min(count, clock.slots(now, 600.0 + STOP_S, capacity_at))):
            there.append(now + delay_s(clock.due(now, capacity_at), now))
    assert worst_minute(there) <= 61
    assert len(there) > 55
    assert len(set(there)) > 55  # one after the other


def test_what_piled_up_has_its_places_first_and_once_more_when_it_has_gone():
    clock, capacity_at = Clock(), lambda at: 60
    clock.begin(600.0, 601.0, capacity_at)
    clock.begin(660.0, 661.0, capacity_at)
    clock.sees(45, 661.0, capacity_at)  # a consumer stands still
    assert clock.due(661.0, capacity_at) == 661.0 + 45
    clock.sees(0, 721.0, capacity_at)  # it took them all, perhaps a moment ago
    assert clock.due(721.0, capacity_at) == 721.0 + 45
    clock.sees(0, 781.0, capacity_at)
    assert clock.due(781.0, capacity_at) == 781.0


def test_a_pile_of_an_hour_ago_delays_nobody():
    """A tick that finds nothing does not look at the destination."""
    clock, capacity_at = Clock(), lambda at: 60
    clock.begin(600.0, 601.0, capacity_at)
    clock.sees(45, 661.0, capacity_at)
    clock.sees(0, 4261.0, capacity_at)
    assert clock.due(4261.0, capacity_at) == 4261.0


def test_what_waits_for_a_moment_is_no_pile():
    clock, capacity_at = Clock(), lambda at: 60
    clock.begin(600.0, 601.0, capacity_at)
    clock.sees(15, 661.0, capacity_at)
    assert clock.due(661.0, capacity_at) == 661.0
