"""A million events a minute in shards, simulated: `python -m benchmarks.drain.shards`.

No load is sent anywhere, and nobody waits: the shards are the drain itself, on an event loop whose time is a
number, over a counted queue whose calls take LATENCY_S and whose callers' CPU is a share of one vCPU.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.drain.throttle import MB_PER_VCPU
from chalicelib.capacity import share
from chalicelib.config import Config
from chalicelib.drain import tick
from dev.workspace import ROOT
from infra.stage import Stage

RESULTS = Path(__file__).parents[1] / "results" / "drain-shards.json"
EVENTS = 1_000_000
SHARDS = 20
LATENCY_S = 0.010
CPU_PER_EVENT_S = 120e-6  # three times what `make bench-drain` measures
STAGE = Stage(ROOT, "local")
TIMEOUT_S = STAGE.function_setting("drain", "lambda_timeout")
VCPU = STAGE.function_setting("drain", "lambda_memory_size") / MB_PER_VCPU
HOST = "https://sqs.eu-central-1.amazonaws.com/123456789012"


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Goes to the next timer at once instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        wait = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None) -> Any:
            self._now += timeout or 0.0
            return wait(0)

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now


class Backlog:
    """The source queue as a number, and the most that was ever in flight."""

    def __init__(self, events: int) -> None:
        self.waiting = events
        self.in_flight = 0
        self.most_in_flight = 0


class CountedSqs:
    """One shard's client: calls take their latency, after their turn on the shard's CPU."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._cpu_free_at = 0.0

    async def receive_message(self, *, MaxNumberOfMessages: int, **_: object) -> dict[str, Any]:  # noqa: N803
        count = min(MaxNumberOfMessages, self._backlog.waiting)
        self._backlog.waiting -= count
        self._backlog.in_flight += count
        self._backlog.most_in_flight = max(self._backlog.most_in_flight, self._backlog.in_flight)
        await self._call(count)
        return {"Messages": [message(number) for number in range(count)]}

    async def send_message_batch(self, *, Entries: list[Any], **_: object) -> dict[str, Any]:  # noqa: N803
        await self._call(len(Entries))
        return {"Successful": Entries, "ResponseMetadata": {"UnknownAttempts": 0}}

    async def delete_message_batch(self, *, Entries: list[Any], **_: object) -> dict[str, Any]:  # noqa: N803
        await self._call(len(Entries))
        self._backlog.in_flight -= len(Entries)
        return {"Successful": Entries}

    async def _call(self, events: int) -> None:
        now = asyncio.get_running_loop().time()
        self._cpu_free_at = max(now, self._cpu_free_at) + events * CPU_PER_EVENT_S / 3 / VCPU
        await asyncio.sleep(self._cpu_free_at - now + LATENCY_S)


def message(number: int) -> dict[str, Any]:
    """As the drain receives it: with what it asks SQS for."""
    return {
        "MessageId": f"00000000-0000-4000-8000-{number:012}",
        "ReceiptHandle": str(number),
        "Body": '{"Bucket": "images", "Key": "a.jpg"}',
        "Attributes": {"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"},
    }


async def minute(backlog: Backlog, capacity: int = EVENTS) -> list[tick.TickResult]:
    """One tick of every shard, at the same time."""
    time = asyncio.get_running_loop().time
    config = Config("images", "thumbnails", f"{HOST}/source", f"{HOST}/destination", f"{HOST}/dead", "bench")
    ticks = [
        tick.tick(CountedSqs(backlog), config, share(capacity, SHARDS, shard), lambda: TIMEOUT_S - time())  # type: ignore[arg-type]
        for shard in range(SHARDS)
    ]
    return await asyncio.gather(*ticks)


def main() -> None:
    backlog = Backlog(EVENTS + 50_000)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        results = runner.run(minute(backlog))
    found = {
        "shards": SHARDS,
        "workers_each": Config.drain_workers,
        "vcpu_each": round(VCPU, 3),
        "cpu_us_per_event": CPU_PER_EVENT_S * 1e6,
        "latency_ms": LATENCY_S * 1000,
        "forwarded": sum(result.forwarded for result in results),
        "left_waiting": backlog.waiting,
        "slowest_shard_s": max(result.seconds for result in results),
        "most_in_flight": backlog.most_in_flight,
        "stopped": sorted({result.stopped for result in results}),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    Console().print_json(data=found)


if __name__ == "__main__":
    main()
