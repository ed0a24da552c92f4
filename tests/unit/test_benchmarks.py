"""The benchmarks that a manual cites and no other test runs: they still run, on the code as it is."""

from __future__ import annotations

import asyncio

from benchmarks.drain import shards


def test_the_simulated_shards_forward_the_capacity_exactly_and_no_more():
    backlog = shards.Backlog(2_100)
    with asyncio.Runner(loop_factory=shards.VirtualTimeLoop) as runner:
        results = runner.run(shards.minute(backlog, capacity=2_000))
    assert [result.forwarded for result in results] == [100] * shards.SHARDS
    assert {result.stopped for result in results} == {"capacity"}
    assert (backlog.waiting, backlog.in_flight) == (100, 0)
