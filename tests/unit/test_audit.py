"""What a stage's log lines prove, and what they cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.simulation import boundary
from dev.simulation.network import Faults
from dev.simulation.scenario import Upload, from_seed
from dev.simulation.world import World
from infra.commands.audit import audit


def tick(forwarded, capacity=10, scheduled="2026-01-31T12:00:00Z", **more):
    at = "2026-01-31T12:00:05.000Z"
    line = {"message": "tick", "at": at, "shard": 0, "scheduled": scheduled, "capacity": capacity}
    return {**line, "received": forwarded, "forwarded": forwarded, "duplicates": 0, **more}


def enqueued(*ids, more=0):
    uploads = [{"id": id_, "object": "o", "key": "k"} for id_ in ids]
    return {"message": "enqueued", "enqueued": len(ids) + more, "uploads": uploads}


def event(id_, outcome="done"):
    return {"message": "event", "id": id_, "outcome": outcome}


def test_events_that_ended_once_and_ticks_within_their_capacity_are_right():
    found = audit([enqueued("a", "b"), tick(2), event("a"), event("b", "retry"), event("b", "rejected")])
    assert found.problems == []
    assert (len(found.queued), found.done, found.letters, found.forwarded) == (2, 1, 1, 2)
    assert not found.unknown


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([event("a"), event("a", "rejected")], "event a was done 1 times, and given up 1 times"),
        ([tick(11)], "the tick of shard 0 that ended 2026-01-31T12:00:05.000Z forwarded 11, 10 were allowed"),
        ([tick(3), tick(4)], "shard 0 forwarded 2 times in the minute 2026-01-31T12:00:00Z"),
        (
            [tick(3, received=5, failed=1)],
            "the tick of shard 0 that ended 2026-01-31T12:00:05.000Z received 5 messages and accounts for 4",
        ),
    ],
)
def test_what_must_not_be_is_a_problem(lines, problem):
    assert audit(lines).problems == [problem]


@pytest.mark.parametrize(
    "line",
    [
        {"message": "event", "outcome": "done"},
        {"message": "event", "id": 5, "outcome": "done"},
        {"message": "tick"},
        {
            "message": "tick",
            "at": "now",
            "shard": 0,
            "scheduled": "",
            "capacity": 1,
            "received": 1,
            "forwarded": "1",
        },
        {**tick(1), "split": "none"},
        {**tick(1), "duplicates": [1]},
        {"message": "enqueued", "enqueued": 1},
        {"message": "tasks", "tasks": "all"},
    ],
)
def test_a_line_of_another_version_is_counted_and_not_read(line):
    found = audit([line, event("a")])
    assert (found.problems, found.done) == ([], 1)
    assert found.unknown == {"lines of another version, or of an own action: not read": 1}


def test_a_repeated_minute_that_forwarded_nothing_is_right():
    assert audit([tick(3), tick(0, stopped="repeated")]).problems == []


def test_a_tick_by_hand_names_no_minute_and_may_come_beside_another():
    assert audit([tick(3, scheduled=""), tick(4, scheduled="")]).problems == []


def test_what_cannot_be_known_is_counted():
    found = audit(
        [enqueued("a", "b", more=7), event("b", "retry"), event("c"), event("c"), tick(1, duplicates=2)]
    )
    assert found.problems == []
    assert sorted(found.unknown.values()) == [1, 1, 1, 2, 7]


def test_an_event_of_a_bulk_job_is_queued_once_its_task_says_so():
    tasks = [{"id": "a", "said": "queued as m1"}, {"id": "b", "said": "ignored: a folder marker"}]
    assert audit([{"message": "tasks", "tasks": tasks}]).queued == {"a"}


@pytest.mark.parametrize("seed", range(6))
def test_after_a_run_with_kills_the_log_claims_no_more_than_was_done(seed):
    """Simulated: every third run of a function is killed at some moment, and some calls fail."""
    plans = ("ok",) * 30 + ("reject",) * 5
    scenario = replace(
        from_seed(seed),
        capacity=10,
        faults=Faults(killed=0.3, refused=0.05, not_sent=0.05),
        uploads=(Upload(1.0, "s3", 20, plans[:20]), Upload(100.0, "many", 15, plans[20:])),
        orders=(),
        length_s=1200.0,
        second_life=False,
    )
    with boundary.installed() as here:
        here.world = world = World(scenario, tracing=True)
        outcome = world.run()
    assert outcome.violation is None
    assert outcome.deaths > 0
    found = audit(world.log)
    assert found.problems == []
    assert found.ticks > 0
    assert 0 < found.done <= sum(event.done > 0 for event in world.census.events) == 30
    assert 0 < found.letters <= 5
