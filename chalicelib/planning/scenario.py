"""The question: so many objects within so long, and the settings they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from chalicelib.capacity import MAX_CAPACITY
from chalicelib.config.stage import S3_NOTIFIES, actions_in
from chalicelib.config.table import IGNORE
from chalicelib.errors import BadRequest
from chalicelib.fields import Typed, schema

if TYPE_CHECKING:
    from chalicelib.config import Config

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
MAX_OBJECTS = 10**12
MAX_PER_S = 31 * 86400
MAX_SIZE = 5 * 10**12  # bytes of one object in S3


# What Lambda's poller starts for one SQS queue: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
QUEUE_CONCURRENCY = 1250


class PlanQuery(TypedDict):
    objects: Annotated[str, schema(description="such as 1e6")]
    per: Annotated[str, schema(description="such as 90s, 5m, 24h, 7d")]
    size: NotRequired[Annotated[str, schema(description="such as 500KB, 2MB")]]
    capacity: NotRequired[str]
    shards: NotRequired[str]
    action: NotRequired[str]
    notifies: NotRequired[str]
    events: NotRequired[Annotated[str, schema(description="on where EVENTS_BUS is told of each ending")]]
    thumbnails: NotRequired[str]
    seconds: NotRequired[str]
    times: NotRequired[str]
    concurrency: NotRequired[str]
    consume_concurrency: NotRequired[str]


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
    events: str = "off"  # on: EVENTS_BUS is told of each ending
    thumbnails: int = 1  # of one object
    seconds: float | None = None  # consume's time for one object; None: estimated
    times: float = 1.0  # how often a month this happens
    concurrency: int = 1000  # the account's Lambda quota in the region
    consume_concurrency: int = QUEUE_CONCURRENCY  # executions of consume at once
    # config.json's memory sizes in MB; CPU goes with them.
    enqueue_mb: int = 256
    drain_mb: int = 256
    consume_mb: int = 1024

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Scenario:
        """From texts such as `objects=1e9`, `per=24h`, `size=2MB`. Raises BadRequest naming the field."""
        of = Typed(values).only(*(field.name if field.name != "per_s" else "per" for field in fields(cls)))
        for name in ("objects", "per"):
            if not str(values.get(name, "")).strip():
                raise BadRequest(name, "is missing, such as objects=1e6 and per=24h")
        return cls(
            objects=of.whole("objects", 1, MAX_OBJECTS),
            per_s=of.quantity("per", SPANS, 1, MAX_PER_S, 0),
            size=round(of.quantity("size", SIZES, 0, MAX_SIZE, 2e6)),
            capacity=of.whole("capacity", 1, MAX_CAPACITY, cls.capacity),
            shards=of.whole("shards", 1, 100, cls.shards),
            action=of.choice("action", tuple(actions_in()), cls.action),
            notifies=of.choice("notifies", S3_NOTIFIES, cls.notifies),
            events=of.choice("events", ("off", "on"), cls.events),
            thumbnails=of.whole("thumbnails", 1, 100, cls.thumbnails),
            seconds=of.number("seconds", 0.001, 900) if of.given("seconds") else None,
            times=of.number("times", 0, 100_000, cls.times),
            concurrency=of.whole("concurrency", 1, 10**6, cls.concurrency),
            consume_concurrency=of.whole(
                "consume_concurrency", 1, QUEUE_CONCURRENCY, cls.consume_concurrency
            ),
            enqueue_mb=of.whole("enqueue_mb", 128, 10240, cls.enqueue_mb),
            drain_mb=of.whole("drain_mb", 128, 10240, cls.drain_mb),
            consume_mb=of.whole("consume_mb", 128, 10240, cls.consume_mb),
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
        return 0.001 if self.action == "log" else CALL_S

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
            f"enqueue, drain and consume have {self.enqueue_mb}, {self.drain_mb} and {self.consume_mb} MB",
            f"enqueue takes {ENQUEUE_S * 1000:.0f} ms for a notification, which holds one object",
        ]
        if self.seconds is None:
            seconds = f"{self.per_object_s:.3f} s for an object"
            found.append(f"consume takes {seconds} (seconds=... takes what you have measured)")
        return found


# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: one vCPU at 1,769 MB
VCPU_MB = 1769
DRAIN_CPU_S = 120e-6
DRAIN_S = 55  # the function's 60 s less the 5 s in which nothing more is received
ENQUEUE_S = 0.03
S3_CALLS_S = 0.08  # one HEAD and one GET
CALL_S = 0.03  # one call of a downstream that answers at once


MEMORY = {"enqueue_mb": "enqueue", "drain_mb": "drain", "consume_mb": "consume"}  # whose memory counts


def defaults(config: Config) -> dict[str, str | int]:
    """What the stage itself says of a scenario; of an action table the last line that does anything.

    The functions' memory is what a deploy has written down; where it has not, it is the repository's.
    """
    of = next((one for one in reversed(config.each) if one.action != IGNORE), config)
    return {
        "capacity": config.capacity,
        "shards": config.drain_shards,
        "action": of.action,
        "notifies": config.s3_notifies,
        "thumbnails": len(of.thumbnails.sizes),
        "events": "on" if config.events_bus else "off",
        **dict(zip(MEMORY, config.function_memory_mb, strict=False)),
        "consume_concurrency": config.consume_concurrency or QUEUE_CONCURRENCY,
    }
