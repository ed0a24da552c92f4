"""What a seed stands for: a stage, what is uploaded, what goes wrong, and what people do meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from dev.simulation.deployed import SHARDS
from dev.simulation.network import DOUBLING, KINDS, NO_FAULTS, Faults

# A fault is rare, frequent, or a brown-out; most seeds have few kinds at once, so that one can be seen.
LEVELS = (0.01, 0.05, 0.2, 0.5)
# Of a run with faults. What doubles events may not be frequent that long: it would double the doubles.
LONG_S = 3600.0
RARE = {"dies_before": 0.05, "dies_after": 0.05, "undelete": 0.2, "twice": 0.2, "killed": 0.5}  # at the most

UPLOADS = ("s3", "s3", "s3", "plain", "queue", "many", "unreadable", "ignored", "mixed", "wrapped", "odd key")
PLANS = ("ok",) * 10 + ("retry", "retry", "poison", "reject", "slow", "hang", "crash")
ACTIONS = (
    "pause",
    "resume",
    "capacity",
    "capacity back",
    "redrive",
    "redrive by code",
    "redrive in the console",
    "deploy",
    "backfill",
)


@dataclass(frozen=True)
class Upload:
    at: float  # seconds from the beginning
    shape: str
    count: int
    plans: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """Something a person does."""

    at: float
    action: str
    argument: int = 0


@dataclass(frozen=True)
class Scenario:
    seed: int
    capacity: int
    workers: int
    shards: int
    threads: int
    pollers: int
    max_in_destination: int | None  # None: twice the capacity
    by_hour: str  # CAPACITY_BY_HOUR; empty where it stays
    length_s: float  # of the time with faults
    faults: Faults
    uploads: tuple[Upload, ...]
    orders: tuple[Order, ...]
    second_life: bool  # once all is quiet the letters are sent back, and faults begin again

    def without(self, kind: str) -> Scenario:
        return replace(self, faults=replace(self.faults, **{kind: 0.0}))

    @property
    def fault_kinds(self) -> dict[str, float]:
        return {kind: chance for kind in KINDS if (chance := getattr(self.faults, kind))}


def from_seed(seed: int) -> Scenario:
    """The same seed gives the same scenario."""
    chance = random.Random(seed)
    length_s = 60.0 * chance.choice((3, 8, 20, 90, 400))
    return Scenario(
        seed=seed,
        capacity=chance.choice((1, 3, 10, 11, 25, 80)),
        workers=chance.choice((1, 2, 4, 16, 32)),
        shards=chance.choice((1, 1, 1, 2, SHARDS - 1)),
        threads=chance.choice((1, 4, 10)),
        pollers=chance.choice((1, 2, 5)),
        max_in_destination=chance.choice((None, None, 0, 5, 100)),
        by_hour=_by_hour(random.Random(~seed)),
        length_s=length_s,
        faults=_faults(chance, length_s > LONG_S),
        uploads=tuple(_upload(chance, length_s) for _ in range(chance.randint(1, 8))),
        orders=tuple(_order(chance, length_s) for _ in range(chance.choice((0, 0, 1, 3)))),
        second_life=chance.random() < 0.2,
    )


def _by_hour(chance: random.Random) -> str:
    """In a quarter of the stages a change, some minutes after the beginning, and back."""
    if chance.random() >= 0.25:
        return ""
    until = chance.choice((6, 12, 40))
    return f"08:03-08:{until:02}={chance.choice((1, 5, 30, 120))}, else={chance.choice((2, 10, 60))}; UTC"


def _faults(chance: random.Random, long: bool) -> Faults:
    if chance.random() < 0.1:
        return NO_FAULTS
    drawn: dict[str, Any] = {}
    for kind in chance.sample(KINDS, chance.randint(1, 5)):
        if kind == "failing":
            drawn[kind] = chance.choice((0.05, 0.5, 1.0))  # a downstream is out now and then
            continue
        most = LEVELS[1] if long and kind in DOUBLING else RARE.get(kind, 1.0)
        drawn[kind] = min(chance.choice(LEVELS), most)
    return Faults(**drawn)


def _upload(chance: random.Random, length_s: float) -> Upload:
    count = chance.choice((1, 1, 2, 5, 12, 30))
    some = chance.choice((("ok",), PLANS))
    return Upload(
        at=chance.random() * length_s * 0.8,
        shape=chance.choice(UPLOADS),
        count=count,
        plans=tuple(chance.choice(some) for _ in range(count)),
    )


def _order(chance: random.Random, length_s: float) -> Order:
    return Order(chance.random() * length_s, chance.choice(ACTIONS), chance.randint(1, 40))
