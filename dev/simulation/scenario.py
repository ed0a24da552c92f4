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

KEPT_SHARE = 0.04  # of the stages
RARELY = 0.02  # of their calls fail in any way
KEPT_S = 3 * 3600.0  # and the last half of it is their last day

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
    capacity_bytes: int = 0
    # How long the lanes keep a message, and the drain's share of that; 0: as deployed, longer than any run.
    kept_s: float = 0.0
    in_parts: bool = False  # a call of a redrive lists a page of letters, and goes on by another

    def without(self, kind: str) -> Scenario:
        return replace(self, faults=replace(self.faults, **{kind: 0.0}))

    @property
    def fault_kinds(self) -> dict[str, float]:
        return {kind: chance for kind in KINDS if (chance := getattr(self.faults, kind))}


def from_seed(seed: int) -> Scenario:
    """The same seed gives the same scenario."""
    chance = random.Random(seed)
    length_s = 60.0 * chance.choice((3, 8, 20, 90, 400))
    usual = Scenario(
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
        capacity_bytes=_bytes(random.Random(f"bytes {seed}")),
        in_parts=random.Random(f"parts {seed}").random() < 0.5,
    )
    return _kept(random.Random(f"kept {seed}"), usual)


def _bytes(chance: random.Random) -> int:
    """In an eighth of the stages; what the sizes are is measured by it (World._size)."""
    return chance.choice((1_000, 5_000_000, 10**9)) if chance.random() < 0.125 else 0


def _kept(chance: random.Random, usual: Scenario) -> Scenario:
    """In some stages the lanes keep a message for a few hours, and more waits than gets away in that time."""
    if chance.random() >= KEPT_SHARE:
        return usual
    length_s = 60.0 * chance.choice((240, 400))
    count = chance.choice((60, 150, 300))
    waits = Upload(300 * chance.random(), chance.choice(("s3", "plain", "queue")), count, ("ok",) * count)
    faults = _faults(chance, long=True)
    # What takes a tick away or hides a message is rare: a day has more ticks than the shortened one. Sending
    # all anew is some hundred calls.
    rarely = {
        kind: min(chance_of, RARELY / 10 if kind.startswith("dies") else RARELY)
        for kind, chance_of in vars(faults).items()
        if kind != "failing"
    }
    pause = (Order(60 + 600 * chance.random(), "pause"), Order(length_s * chance.random(), "resume"))
    return replace(
        usual,
        kept_s=KEPT_S,
        capacity=chance.choice((1, 1, 2)),
        by_hour="",
        length_s=length_s,
        faults=replace(faults, **rarely),
        uploads=(*usual.uploads, waits),
        orders=(*usual.orders, *(pause if chance.random() < 0.5 else ())),
        second_life=False,
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
