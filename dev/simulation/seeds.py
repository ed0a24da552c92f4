"""Seeds run, replayed and shrunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from dev.simulation.boundary import Boundary
from dev.simulation.scenario import Scenario, from_seed
from dev.simulation.told import Told
from dev.simulation.world import Outcome, World

Item = TypeVar("Item")

SHRINK_RUNS = 60
TOLD = 5  # every fifth stage has an action table, removals, and a bus that is told of each ending


def is_told(scenario: Scenario) -> bool:
    """Whether a bus is told of each ending, of removals and of what a table ignores, too."""
    return scenario.seed % TOLD == TOLD - 1


def run(boundary: Boundary, scenario: Scenario, tracing: bool = False) -> Outcome:
    """The same scenario has the same outcome, every time."""
    boundary.world = (Told if is_told(scenario) else World)(scenario, tracing)
    try:
        return boundary.world.run()
    finally:
        boundary.world.graveyard.clear()
        boundary.world.loop.end()
        boundary.world = None


def shrunk(boundary: Boundary, scenario: Scenario) -> Scenario:
    """A scenario with less in it that still violates in the same way; the given one if none is found."""
    first = run(boundary, scenario).violation
    if first is None:
        raise ValueError(f"seed {scenario.seed} violates nothing")
    left = SHRINK_RUNS
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(scenario):
            if not left:
                return scenario
            left -= 1
            found = run(boundary, candidate).violation
            if found and found.kind == first.kind:
                scenario, smaller = candidate, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for kind in scenario.fault_kinds:
        yield scenario.without(kind)
    for index in range(len(scenario.orders)):
        yield replace(scenario, orders=_without(scenario.orders, index))
    for index in range(len(scenario.uploads)):
        yield replace(scenario, uploads=_without(scenario.uploads, index))
    for index, upload in enumerate(scenario.uploads):
        if upload.count > 1:
            half = replace(upload, count=upload.count // 2, plans=upload.plans[: upload.count // 2])
            yield replace(scenario, uploads=(*scenario.uploads[:index], half, *scenario.uploads[index + 1 :]))
            other = replace(upload, count=(upload.count + 1) // 2, plans=upload.plans[upload.count // 2 :])
            yield replace(
                scenario, uploads=(*scenario.uploads[:index], other, *scenario.uploads[index + 1 :])
            )
    if scenario.second_life:
        yield replace(scenario, second_life=False)
    if scenario.in_parts:
        yield replace(scenario, in_parts=False)
    least: dict[str, int] = {"shards": 1, "pollers": 1, "threads": 1, "workers": 1, "max_in_destination": 0}
    if scenario.capacity_bytes:
        yield replace(scenario, capacity_bytes=0)
    if scenario.by_hour:
        yield replace(scenario, by_hour="")
    for name, value in least.items():
        if getattr(scenario, name) != value:
            simpler: dict[str, Any] = {name: value}
            yield replace(scenario, **simpler)


def _without(all_: tuple[Item, ...], index: int) -> tuple[Item, ...]:
    return (*all_[:index], *all_[index + 1 :])


def told(outcome: Outcome) -> str:
    """What a person needs to see why a seed fails."""
    scenario, violation = outcome.scenario, outcome.violation
    said = f"{violation.kind}: {violation.text}" if violation else "nothing is violated"
    stage = (
        f"capacity {scenario.capacity}, {scenario.workers} workers, {scenario.shards} shards, "
        f"{scenario.threads} threads, {scenario.pollers} pollers, "
        f"MAX_IN_DESTINATION {scenario.max_in_destination}, by the hour {scenario.by_hour or 'the same'}, "
        f"CAPACITY_BYTES {scenario.capacity_bytes}, kept for {scenario.kept_s or 'two weeks'}"
    )
    uploads = [
        f"{one.at:6.0f} s  {one.count} {one.shape}: {', '.join(one.plans)}" for one in scenario.uploads
    ]
    orders = [f"{one.at:6.0f} s  {one.action} {one.argument}" for one in scenario.orders]
    return "\n".join(
        [
            f"seed {scenario.seed}: {said}",
            stage,
            f"faults: {scenario.fault_kinds or 'none'}",
            *uploads,
            *orders,
            *(f"  {line}" for line in outcome.story),
        ]
    )


def story_of(boundary: Boundary, seed: int) -> str:
    """The shrunk story of a failing seed."""
    return told(run(boundary, shrunk(boundary, from_seed(seed)), tracing=True))
