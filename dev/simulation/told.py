"""A stage with an action table that ignores a folder, with removals, and with a bus that is told of every
ending: somebody who reads only the bus knows every fate that our code decided."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import events
from chalicelib.config import table
from chalicelib.config.table import Match
from chalicelib.queues import word
from dev.simulation.census import GOOD, IGNORED, LETTERS, Event
from dev.simulation.invariants import Invariants
from dev.simulation.scenario import Scenario
from dev.simulation.world import World

LEFT_ALONE = "tmp"  # the folder that the table ignores
REFUSED = 0.1  # of the entries, as long as there are faults


class Bus:
    """EventBridge: confirms entry by entry, or not. What it confirmed is heard by everybody."""

    def __init__(self, world: Told) -> None:
        self._world = world
        self._chance = random.Random(world.scenario.seed + 4)
        self.heard: defaultdict[str, set[str]] = defaultdict(set)  # detail.id -> kinds

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Entries": [self._put(entry) for entry in request["Entries"]], "FailedEntryCount": 0}

    def _put(self, entry: Mapping[str, Any]) -> dict[str, str]:
        world, kind, detail = self._world, entry["DetailType"], json.loads(entry["Detail"])
        if world.quiet_since == float("inf") and self._chance.random() < REFUSED:
            world.census.excuse_entry(entry)
            return {"ErrorCode": self._chance.choice(("ThrottlingException", "MalformedDetail"))}
        if kind in self.heard[detail["id"]]:
            world.census.excuse_entry(entry)  # it has come once more
        self.heard[detail["id"]].add(kind)
        if kind != word.REJECTED:
            event = world.census.of_key(detail["key"])
            if kind == word.IGNORED:
                event.done += 1
            if (kind == word.IGNORED) != (event.folder == LEFT_ALONE) or not event.done:
                world.violate("word", f"event {event.number} is told as {kind}, and is not", event)
            event.told.add(kind)
        return {"EventId": "1"}


class ToldInvariants(Invariants):
    """At rest the bus has told of every end."""

    def at_rest(self) -> None:
        super().at_rest()
        world = self.world
        for event in world.census.events:
            wanted = word.IGNORED if event.folder == LEFT_ALONE else word.PROCESSED
            if event.done and wanted not in event.told:
                world.violate("word", f"the bus does not know that event {event.number} has ended", event)
        heard = world.network.services["events"].heard
        for key, body in world.network.services["s3"].objects.items():
            if not key.startswith(LETTERS):
                continue
            letter = json.loads(body)
            parts = events.parse_parts(letter["body"])
            ids = [one.identity for one in (*parts.created, *parts.removed)] or [letter["identity"]]
            if not all(word.REJECTED in heard[one] for one in ids):
                world.violate("word", f"the bus does not know of the letter {key}")


class Told(World):
    """Some events are removals, and some of a folder that the table ignores."""

    def __init__(self, scenario: Scenario, tracing: bool = False) -> None:
        super().__init__(scenario, tracing)
        self.invariants = ToldInvariants(self)
        self.network.services["events"] = Bus(self)
        told = replace(self.config, action="resize", events_bus="told", delete_with_original=True)
        lines = (
            (Match(prefix=f"{LEFT_ALONE}/"), replace(told, action=table.IGNORE, line=f"{LEFT_ALONE}/*")),
            (Match(), replace(told, line=table.REST)),
        )
        self.config = replace(told, lines=lines)

    def _new_event(self, shape: str, plan: str) -> Event:
        event = super()._new_event(shape, plan)
        if event.kind == GOOD and event.number % 5 == 2:
            event.folder, event.plan, event.bad_tries = LEFT_ALONE, "ok", 0
        return event

    def _record(self, event: Event) -> dict[str, Any]:
        record = super()._record(event)
        if event.kind == IGNORED:
            record["eventName"] = "ObjectTagging:Put"
        elif event.kind == GOOD and event.number % 7 == 3:
            record["eventName"] = "ObjectRemoved:Delete"
        return record
