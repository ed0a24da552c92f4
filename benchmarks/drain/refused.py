"""What to do with a refused entry: `python -m benchmarks.drain.refused` prints and writes the comparison.

The drain itself, tick after tick, over queues in memory whose time is a number: nothing here waits.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from chalicelib.config import Config
from chalicelib.drain import tick
from chalicelib.drain.refusals import Refusals
from dev import template
from dev.fake_sqs.client import FakeSqs

RESULTS = Path(__file__).parents[1] / "results" / "drain-refused.json"
HOST = "https://sqs.eu-central-1.amazonaws.com/123456789012"
TICKS = 30
VISIBILITY_S = template.visibility_s("source")


class After(Refusals):
    """Always the same wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    def backoff_s(self, message_id: str) -> int:
        return self.seconds


# When a refused message is visible again.
STRATEGIES: dict[str, Callable[[], Refusals]] = {
    "at once": lambda: After(0),
    "after a minute": lambda: After(60),
    "after 1, 2, 4, ... minutes": Refusals,
    f"left to the queue's {VISIBILITY_S // 60} minutes": lambda: After(VISIBILITY_S),
}
# events waiting, minutes in which entries are refused, and the share of them that is
FAULTS = {
    "2000 events, 5 % refused, always": (2000, range(TICKS), 0.05),
    "2000 events, half refused for 3 minutes": (2000, range(3), 0.5),
    "2000 events, all refused for 3 minutes": (2000, range(3), 1.0),
    "20 events, all refused for 3 minutes": (20, range(3), 1.0),
    "20 events, all refused for 10 minutes": (20, range(10), 1.0),
}


def trial(refusals: Refusals, events: int, minutes: range, share: float) -> dict[str, Any]:
    """Half an hour of ticks over one burst."""
    sqs = FakeSqs()
    generator = random.Random(1)
    dead = sqs.queues.create("dead")
    source = sqs.queues.create(
        "source",
        visibility_s=VISIBILITY_S,
        max_receives=template.max_receives("source"),
        dead_letters=dead,
    )
    destination = sqs.queues.create("destination")
    for i in range(events):
        sqs.queues.put(source, json.dumps({"Bucket": "images", "Key": f"{i}.jpg"}))
    config = Config("images", "thumbnails", f"{HOST}/source", f"{HOST}/destination", f"{HOST}/dead", "bench")
    finished = None
    for minute in range(TICKS):
        sqs.now = max(sqs.now, minute * 60.0)
        refusing = share if minute in minutes else 0.0
        sqs.queues.refuse = lambda queue, entry, refusing=refusing: (
            "InternalError" if queue == "destination" and generator.random() < refusing else ""
        )
        began = sqs.now
        asyncio.run(
            tick.tick(sqs, config, events, lambda began=began: 60 - (sqs.now - began), refusals=refusals)
        )  # type: ignore[arg-type]
        if finished is None and not source.bodies():
            finished = minute
    return {
        "forwarded": len(destination.bodies()),
        "dead_lettered": len(dead.bodies()),
        "emptied_in_minute": finished,
        "receives": sqs.count("ReceiveMessage"),
    }


def main() -> None:
    table = Table(title=f"dead-lettered after {template.max_receives('source')} receives")
    for column in ("", "visible again", "dead-lettered", "emptied in minute", "receive calls"):
        table.add_column(column)
    results: dict[str, dict[str, Any]] = {}
    for name, (events, minutes, share) in FAULTS.items():
        for strategy, refusals in STRATEGIES.items():
            one = results.setdefault(name, {})[strategy] = trial(refusals(), events, minutes, share)
            table.add_row(
                name, strategy, str(one["dead_lettered"]), str(one["emptied_in_minute"]), str(one["receives"])
            )
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
