"""The question: so many objects within so long, and the settings they meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.capacity import MAX_CAPACITY
from chalicelib.config.stage import ACTIONS, S3_NOTIFIES
from chalicelib.errors import BadRequest

if TYPE_CHECKING:
    from chalicelib.config import Config

_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)(?:e(\d{1,2}))?", re.ASCII)
_UNITS = {
    "duration": {"s": 1, "m": 60, "h": 3600, "d": 86400},
    "size": {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9},
}
MAX_OBJECTS = 10**12
MAX_PER_S = 31 * 86400


@dataclass(frozen=True)
class Scenario:
    """`objects` arrive evenly within `per_s` seconds, `times` a month; everything else is the stage."""

    objects: int
    per_s: float
    size: int  # bytes of one object
    capacity: int = 1000  # events a tick
    shards: int = 1
    action: str = "resize"
    notifies: str = "lambda"  # S3_NOTIFIES
    thumbnails: int = 1  # of one object
    seconds: float | None = None  # consume's time for one object; None: estimated
    times: float = 1.0  # how often a month this happens
    concurrency: int = 1000  # the account's Lambda quota in the region
    # config.json's memory sizes in MB; CPU goes with them.
    enqueue_mb: int = 256
    drain_mb: int = 256
    consume_mb: int = 1024

    @classmethod
    def read(cls, values: Mapping[str, str | int]) -> Scenario:
        """From texts such as `objects=1e9`, `per=24h`, `size=2MB`. Raises BadRequest naming the field."""
        names = [
            "objects",
            "per",
            "size",
            "capacity",
            "shards",
            "action",
            "notifies",
            "thumbnails",
            "seconds",
            "times",
            "concurrency",
            "enqueue_mb",
            "drain_mb",
            "consume_mb",
        ]
        for name in values:
            if name not in names:
                raise BadRequest(name, f"is not known here; known are {', '.join(names)}")
        given = {name: str(value).strip() for name, value in values.items()}
        for name in ("objects", "per"):
            if not given.get(name):
                raise BadRequest(name, "is missing, such as objects=1e6 and per=24h")
        return cls(
            objects=_whole(given, "objects", 0, 1, MAX_OBJECTS),
            per_s=_with_unit(given, "per", "duration", "24h", 1, MAX_PER_S),
            size=round(_with_unit(given, "size", "size", "2MB", 0, 5 * 10**12)),
            capacity=_whole(given, "capacity", cls.capacity, 1, MAX_CAPACITY),
            shards=_whole(given, "shards", cls.shards, 1, 100),
            action=_choice(given, "action", cls.action, ACTIONS),
            notifies=_choice(given, "notifies", cls.notifies, S3_NOTIFIES),
            thumbnails=_whole(given, "thumbnails", cls.thumbnails, 1, 100),
            seconds=_number(given, "seconds", 0, 0.001, 900) if given.get("seconds") else None,
            times=_number(given, "times", cls.times, 0, 100_000),
            concurrency=_whole(given, "concurrency", cls.concurrency, 1, 10**6),
            enqueue_mb=_whole(given, "enqueue_mb", cls.enqueue_mb, 128, 10240),
            drain_mb=_whole(given, "drain_mb", cls.drain_mb, 128, 10240),
            consume_mb=_whole(given, "consume_mb", cls.consume_mb, 128, 10240),
        )

    @property
    def arrival_minutes(self) -> int:
        """In how many ticks' time all have arrived."""
        return -(-int(self.per_s) // 60)

    @property
    def per_object_s(self) -> float:
        """Seconds of consume for one object: as given, or estimated."""
        if self.seconds is not None:
            return self.seconds
        if self.action == "resize":
            # S3's answers, and a decode at 0.05 s a megabyte of JPEG on a whole vCPU.
            share = min(1.0, self.consume_mb / VCPU_MB)
            return S3_CALLS_S + 0.03 * self.thumbnails + 0.05 * self.size / 1e6 / share
        return {"log": 0.001, "start_execution": 0.03}[self.action]

    @property
    def reach(self) -> int:
        """Events that the shards can move in one tick, whatever the capacity; docs/shards.md derives it."""
        cpu = DRAIN_CPU_S / min(1.0, self.drain_mb / VCPU_MB)
        return int(self.shards * DRAIN_S / cpu)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def assumed(self) -> list[str]:
        """What is not known but estimated, one line each: give it, or measure it."""
        found = [
            f"drain takes {DRAIN_CPU_S * 1e6:.0f} µs of CPU for an event (docs/shards.md)",
            f"enqueue takes {ENQUEUE_S * 1000:.0f} ms for a notification, which holds one object",
        ]
        if self.seconds is None:
            found.append(f"consume takes {self.per_object_s:.3f} s for an object; seconds=... says better")
        return found


# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: one vCPU at 1,769 MB
VCPU_MB = 1769
DRAIN_CPU_S = 120e-6
DRAIN_S = 55  # the function's 60 s less the 5 s in which nothing more is received
ENQUEUE_S = 0.03
S3_CALLS_S = 0.08  # one HEAD and one GET


def defaults(config: Config) -> dict[str, str | int]:
    """What the stage itself says of a scenario."""
    return {
        "capacity": config.capacity,
        "shards": config.drain_shards,
        "action": config.action,
        "notifies": config.s3_notifies,
        "thumbnails": len(config.thumbnails.sizes),
    }


def _number(given: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = given.get(name, "") or str(default)
    found = _NUMBER.fullmatch(text)
    value = float(found[1]) * 10 ** int(found[2] or 0) if found else -1
    if not found or not low <= value <= high:
        raise BadRequest(name, f"{text!r}: expected a number from {low:,} to {high:,}, such as 50000 or 5e4")
    return value


def _whole(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _number(given, name, default, low, high)
    if value != int(value):
        raise BadRequest(name, f"{given[name]!r}: expected a whole number")
    return int(value)


def _with_unit(
    given: Mapping[str, str], name: str, kind: str, default: str, low: float, high: float
) -> float:
    text, units = given.get(name, "") or default, _UNITS[kind]
    found = re.fullmatch(rf"({_NUMBER.pattern})\s?({'|'.join(units)})", text, re.ASCII)
    value = _number({name: found[1]}, name, 0, 0, 10**15) * units[found[4]] if found else -1
    if not low <= value <= high:
        most = f"{high / max(units.values()):,.0f} {list(units)[-1]}"
        raise BadRequest(name, f"{text!r}: expected a number with {', '.join(units)}, at most {most}")
    return value


def _choice(given: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = given.get(name, "") or default
    if value not in choices:
        raise BadRequest(name, f"{value!r} is not {' or '.join(choices)}")
    return value
