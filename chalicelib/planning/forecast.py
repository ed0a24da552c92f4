"""The ticks to come, one by one, by the drain's own arithmetic (chalicelib.capacity)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.capacity import share
from chalicelib.planning.scenario import ENQUEUE_S, Scenario

POINTS = 240  # of the backlog's plot


@dataclass(frozen=True)
class Forecast:
    """What the ticks will have done. A minute is a tick."""

    minutes_to_clear: int  # from the first arrival until the source queue is empty
    peak_backlog: int  # events, just before a tick
    longest_wait: int  # minutes in the source queue, of the unluckiest event
    most_in_one_tick: int
    concurrency: dict[str, float]  # executions at the same time, by function
    backlog: list[tuple[int, int]]  # (minute, events left after its tick), for a plot


def tick_takes(scenario: Scenario) -> Callable[[int], int]:
    """What one tick forwards of a backlog: every shard its share, as far as it gets in its time."""
    reach = scenario.reach // scenario.shards
    capacities = [min(share(scenario.capacity, scenario.shards, i), reach) for i in range(scenario.shards)]
    most = sum(capacities)
    return lambda backlog: min(most, backlog)


def forecast(scenario: Scenario) -> Forecast:
    """Arrivals are even over `per_s`; each minute's come before its tick."""
    takes = tick_takes(scenario)
    minutes = scenario.arrival_minutes
    backlog = peak = arrived = most = 0
    points = [(0, 0)]
    for minute in range(1, minutes + 1):
        until = min(scenario.objects, int(scenario.objects * min(1.0, minute * 60 / scenario.per_s)))
        until = scenario.objects if minute == minutes else until
        backlog += until - arrived
        arrived = until
        peak = max(peak, backlog)
        moved = takes(backlog)
        most = max(most, moved)
        backlog -= moved
        points.append((minute, backlog))
    after, step = minutes, takes(scenario.objects)
    while backlog:
        # Nothing arrives any more: every tick but the last takes the same, so many are done at once.
        ticks = max(1, min(backlog // step, -(-backlog // step) // POINTS))
        backlog -= takes(backlog) if ticks == 1 else ticks * step
        after += ticks
        points.append((after, backlog))
    return Forecast(
        minutes_to_clear=after,
        peak_backlog=peak,
        longest_wait=-(-peak // step),
        most_in_one_tick=most,
        concurrency=_concurrency(scenario, most),
        backlog=_thinned(points),
    )


def _concurrency(scenario: Scenario, most: int) -> dict[str, float]:
    """Executions at once: rate x seconds; consume is to be done with a tick before the next one."""
    rate = scenario.objects / scenario.per_s
    return {
        "enqueue": 0.0 if scenario.notifies == "queue" else rate * ENQUEUE_S,
        "drain": float(scenario.shards),
        "consume": most / 60 * scenario.per_object_s,
    }


def _thinned(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most POINTS + 1 of them: first, last, and evenly between."""
    if len(points) <= POINTS:
        return points
    step = (len(points) - 1) / POINTS
    return [points[round(i * step)] for i in range(POINTS + 1)]
