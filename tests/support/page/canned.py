"""Answers in the shape of docs/api.md, for the states of the page that a real pipeline is seldom in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.letters.codes import kind
from chalicelib.monitoring.verdict import verdict

HOSTILE = "<img src=x onerror=alert(1)>.png"
DISGUISED = "photos/holiday\u202egnp.exe"


def at(seconds_ago: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")


def queue(visible: int = 0, in_flight: int = 0, oldest: float | None = None) -> dict[str, Any]:
    return {"visible": visible, "in_flight": in_flight, "delayed": 0, "oldest_age": oldest}


def dead_letters(total: int = 0, being_filed: int = 0) -> dict[str, Any]:
    """As GET /status has them: most are no images, then too many pixels."""
    pixels = min(4, total)
    codes = {"not-an-image": total - pixels, "too-many-pixels": pixels}
    return {
        "total": total,
        "codes": {
            code: code_count(code, number)
            for code, number in sorted(codes.items(), key=lambda one: -one[1])
            if number
        },
        "oldest": at(86_000) if total else None,
        "newest": at(900) if total else None,
        "complete": True,
        "being_filed": being_filed,
    }


def code_count(code: str, number: int) -> dict[str, Any]:
    return {"letters": number, "oldest": at(86_000), "newest": at(900), **kind(code)._asdict()}


def function(invocations: int, errors: int = 0, throttles: int = 0) -> dict[str, Any]:
    rate = 100.0 * (invocations - errors) / invocations if invocations else None
    return {"invocations": invocations, "errors": errors, "throttles": throttles, "success_rate": rate}


def groups(second: str = HOSTILE) -> dict[str, Any]:
    largest = [("acme", 871), (second, 66), ("", 21)]
    return {
        "since": at(95),
        "uploads": 1000,
        "bulk": 860,
        "largest": [{"group": group, "uploads": count, "percent": count / 10} for group, count in largest],
    }


def status(**parts: Any) -> dict[str, Any]:
    """A busy stage that keeps up; `parts` go in the place of its own. The verdict is the product's."""
    found: dict[str, Any] = {
        "version": 1,
        "stage": "prod",
        "at": at(),
        "queues": {
            "source": queue(140, 0, 41),
            "bulk": queue(2360, 0, 130),
            "destination": queue(184, 60, 4),
            "dead_letter": queue(),
        },
        "dead_letters": dead_letters(),
        "capacity": 1000,
        "capacity_deployed": 1000,
        "capacity_set": None,
        "capacity_error": None,
        "set_by": {"by_hour": None, "until": None, "who": None, "when": None, "note": None},
        "max_in_destination": None,
        "action": "resize",
        "lines": [],
        "schedule": {"paused": False},
        "last_tick": {
            "at": at(20),
            "received": 1000,
            "forwarded": 1000,
            "rejected": 0,
            "failed": 0,
            "duplicates": 0,
            "stopped": "capacity",
            "says": "the capacity was reached",
            "seconds": 3.1,
            "errors": [],
        },
        "arrivals_per_minute": 415.0,
        "groups": groups(),
        "downstream": {"paused": False, "until": None, "why": None},
        "drain": {"minutes": 3, "says": "gone in about 3 min", "expires": None},
        "functions": {
            "enqueue": function(2490),
            "drain": function(60),
            "consume": function(2471),
        },
        "hour": {
            "forwarded_per_minute": 412.0,
            "done": 24700,
            "rejected": 3,
            "thumbnails": 49400,
            "bytes_in": 51_000_000_000,
            "bytes_out": 1_900_000_000,
            "upload_to_done": {"p50": 61.0, "p95": 118.2},
        },
        "jobs": {"active": []},
        **parts,
    }
    return {**found, "verdict": verdict(found, datetime.now(UTC))}


def empty() -> dict[str, Any]:
    return status(
        queues={name: queue() for name in ("source", "bulk", "destination", "dead_letter")},
        groups={"since": at(), "uploads": 0, "bulk": 0, "largest": []},
        last_tick={
            "at": at(20),
            "received": 0,
            "forwarded": 0,
            "rejected": 0,
            "failed": 0,
            "duplicates": 0,
            "stopped": "empty",
            "says": "nothing was left",
            "seconds": 0.2,
            "errors": [],
        },
        arrivals_per_minute=0,
        drain={"minutes": 0, "says": "nothing waits", "expires": None},
        functions={"enqueue": function(0), "drain": function(60), "consume": function(0)},
        hour={
            "forwarded_per_minute": 0,
            "done": 0,
            "rejected": 0,
            "thumbnails": 0,
            "bytes_in": 0,
            "bytes_out": 0,
            "upload_to_done": {"p50": None, "p95": None},
        },
    )


def failing() -> dict[str, Any]:
    return status(
        queues={
            "source": queue(300, 12, 61),
            "bulk": queue(184_000, 0, 4210),
            "destination": queue(9_640, 400, 312),
            "dead_letter": queue(2),
        },
        dead_letters=dead_letters(15, 2),
        arrivals_per_minute=1840.0,
        drain={
            "minutes": None,
            "says": "not at this capacity: 1,840 arrive a minute and 1,000 leave",
            "expires": None,
        },
        downstream={"paused": True, "until": at(-40), "why": "the downstream answers 401"},
        last_tick={
            **status()["last_tick"],
            "forwarded": 640,
            "failed": 12,
            "stopped": "errors",
            "says": "it ended with errors",
            "errors": ["SendMessageBatch: AccessDenied: not allowed to send to the destination queue"],
        },
        functions={
            "enqueue": function(110_400),
            "drain": function(60, 9),
            "consume": function(5100, 612, 40),
        },
    )


def broken() -> dict[str, Any]:
    """Every part that may be unavailable is."""
    error = {"error": "AccessDenied: not allowed to <b>look</b>"}
    return status(
        queues={"source": error, "bulk": error, "destination": error, "dead_letter": error},
        groups=error,
        downstream=error,
        dead_letters=error,
        schedule=error,
        last_tick=error,
        functions=error,
        hour=error,
        jobs=error,
        capacity=None,
        capacity_error=error["error"],
        arrivals_per_minute=None,
        drain={"minutes": None, "says": "not known", "expires": None},
    )


def series(minutes: int = 180) -> dict[str, Any]:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)
    times = [(start + timedelta(minutes=i)).isoformat() for i in range(minutes)]

    def line(function: Any, gaps: bool = True) -> list[float | None]:
        return [None if gaps and 70 < i < 84 else max(0, round(function(i))) for i in range(minutes)]

    def burst(i: int) -> float:
        return 5200 * math.exp(-(((i - 110) / 22) ** 2)) + 2500 * math.exp(-(((i - minutes) / 18) ** 2))

    return {
        "version": 1,
        "minutes": times,
        "series": {
            "backlog": line(lambda i: burst(i) / 18),
            "bulk": line(lambda i: burst(i) * 17 / 18),
            "capacity": line(lambda i: 500 if i < 60 else 1000, gaps=False),
            "destination": line(lambda i: 180 + 90 * math.sin(i / 5)),
            "dead_letters": line(lambda i: 2 + 2 * (i // 60), gaps=False),
            "arrived": line(lambda i: 400 + 600 * math.exp(-(((i - 100) / 14) ** 2)) + 30 * math.sin(i)),
            "forwarded": line(lambda i: 412 + min(588, burst(i) / 5)),
            "done": line(lambda i: 405 + min(580, burst(i) / 5.2)),
            "rejected": line(lambda i: 1 if i % 61 == 7 else 0),
            "errors": line(lambda i: 2 if i in (120, 121) else 0),
        },
    }


def recent() -> dict[str, Any]:
    names = [
        "astronaut, cut out.png",
        "coffee (held upright).jpg",
        "chelsea the cat.jpg",
    ]
    found = [
        {
            "id": f"done-{i}",
            "at": at(40 + 13 * i),
            "key": key,
            "outcome": "done",
            "reason": None,
            "seconds": 58.3 + 7 * i,
            "thumbnails": [f"{key}_256.png"],
        }
        for i, key in enumerate(f"photos/{name}" for name in names)
    ]
    reason = "the content is not among the formats taken (jpeg, png, gif, webp, avif, tiff)"
    for i, key in enumerate((HOSTILE, DISGUISED)):
        found.insert(
            1 + i,
            {
                "id": f"rejected-{i}",
                "at": at(50 + i),
                "key": key,
                "outcome": "rejected",
                "reason": reason,
                "seconds": 61.0,
                "thumbnails": [],
            },
        )
    found.append({**found[0], "id": "retry", "key": "photos/slow.jpg", "outcome": "retry", "thumbnails": []})
    found[-1]["reason"] = "S3 does not answer: try 2 of 5"
    return {"version": 1, "since": at(3600), "objects": found, "waiting": waiting()}


def waiting(*keys: str) -> dict[str, Any]:
    """Of the last twelve uploads these."""
    named = keys or ("photos/just now.jpg", HOSTILE)
    objects = [{"id": f"{i:016x}", "at": at(3 + i), "key": key} for i, key in enumerate(named)]
    return {"since": at(50), "uploads": 12, "objects": objects}


def changes() -> dict[str, Any]:
    ann = "arn:aws:sts::123456789012:assumed-role/OnCall/<b>ann</b>"
    return {
        "version": 1,
        "since": at(30 * 86_400),
        "changes": [
            {
                "at": at(900),
                "by": ann,
                "did": "capacity set",
                "what": "1,000 events a minute",
                "note": "import",
            },
            {"at": at(5000), "by": ann, "did": "schedule paused", "what": None, "note": None},
        ],
    }


def objects(query: dict[str, str]) -> dict[str, Any]:
    """Two pages."""
    prefix = query.get("prefix", "")
    first = 3 if query.get("after") else 0
    found = [
        {"key": f"{prefix}{first + i} <i>.jpg", "size": 123456, "last_modified": at(600)} for i in range(3)
    ]
    return {"version": 1, "objects": found, "next": None if first else found[-1]["key"]}


def letters(total: int = 15, being_filed: int = 2) -> dict[str, Any]:
    """The first page of so many."""
    reasons = {
        "the content is not among the formats taken (jpeg, png, gif, webp, avif, tiff)": "not-an-image",
        "40000 x 40000 pixels would take 6,400 MB of memory": "too-many-pixels",
        "<script>alert(2)</script>": "not-an-image",
    }
    keys = [HOSTILE, "photos/scan-0041.tif", DISGUISED]
    listed = [
        {
            "id": f"{code}~2026-01-31T12:00:0{i}.000Z~0123456789abcdef",
            "code": code,
            "reason": reason,
            "function": "consume",
            "rejected_at": at(900 * (i + 1)),
            "tries": 0,
            "bucket": "images",
            "key": key,
            "cut": False,
            "body": "{}",
        }
        for i, (key, (reason, code)) in enumerate(zip(keys, reasons.items(), strict=True))
    ]
    return {
        "version": 1,
        **dead_letters(total, being_filed),
        "matching": total,
        "skipped": 0,
        "letters": listed[:total],
        "next": listed[-1]["id"] if total > len(listed) else None,
    }


def letter() -> dict[str, Any]:
    """One whole."""
    return {
        **letters()["letters"][0],
        "identity": "0123456789abcdef",
        "first_failure": None,
        "queue": None,
        "body": '{"Bucket": "images", "Key": "<i>a</i>"}',
        "body_bytes": None,
        "body_sha256": None,
        "attributes": {},
        **kind("not-an-image")._asdict(),
    }


def run(do: str = "redrive", status: str = "running", moved: int = 10, left: int = 90) -> dict[str, Any]:
    """A redrive or discard as GET /dead-letters/redrive has it."""
    return {
        "id": "ccddd4f1",
        "do": do,
        "select": {"all": True},
        "by": "arn:aws:iam::123456789012:user/<b>alice</b>",
        "note": "S3 is back",
        "started": at(9),
        "at": at(1),
        "status": status,
        "part": 1,
        "moved": moved,
        "left": left,
        "cut": 0,
        "says": "it runs",
    }


def job(number: int, outcome: str, succeeded: int, failed: int, objects: int = 1200) -> dict[str, Any]:
    return {
        "id": f"5bb02b37-8475-487e-9a13-00000000000{number}",
        "operation": "replace",
        "description": f"Tag phototype=finished on photos/{number}*",
        "status": {"waiting to be run": "Suspended", "running": "Active", "cancelled": "Cancelled"}.get(
            outcome, "Complete"
        ),
        "outcome": outcome,
        "objects": objects,
        "succeeded": succeeded,
        "failed": failed,
        "percent": 100 * (succeeded + failed) / objects,
        "priority": 10,
        "created": at(4000 * number),
        "ended": at(4000 * number - 300) if outcome in ("succeeded", "partly failed") else None,
    }


def jobs() -> dict[str, Any]:
    listed = [
        job(1, "waiting to be run", 0, 0),
        job(2, "running", 731, 4),
        job(3, "partly failed", 1189, 11),
        job(4, "succeeded", 1200, 0),
    ]
    return {"jobs": listed, "total": 4}


def report() -> dict[str, Any]:
    row = {
        "bucket": "images",
        "key": HOSTILE,
        "version_id": None,
        "succeeded": False,
        "http_status": 403,
        "error_code": "AccessDenied",
        "message": "Access <i>denied</i>",
    }
    totals = {"objects": 1200, "succeeded": 1189, "failed": 11}
    return {"id": "x", "outcome": "partly failed", "totals": totals, "rows": [row] * 11, "next": None}


def traced(key: str) -> dict[str, Any]:
    return {
        "version": 1,
        "key": key,
        "state": "done",
        "known_from": "the thumbnails' metadata",
        "reason": None,
        "object": {"exists": True, "size": 123456, "etag": "9b2cf535f27731c9", "last_modified": at(120)},
        "thumbnails": [
            {"key": f"{key}_256.png", "size": 20480, "made_at": at(60), "of_this_version": True},
            {"key": f"{key}_1024.png", "size": 204800, "made_at": at(60), "of_this_version": False},
        ],
        "legs": {
            "uploaded": at(120),
            "forwarded": at(68),
            "started": at(67),
            "done": at(66),
            "waited_in_source": 52.0,
            "waited_in_destination": 0.4,
            "worked": None,
        },
        "not_known": ["how long it was worked on: the log of that run is gone"],
    }


def job_details(number: int = 3, outcome: str = "partly failed") -> dict[str, Any]:
    return {
        **job(number, outcome, 1189, 11),
        "failure_reasons": [],
        "manifest": None,
        "report": "s3://reports/jobs/x/",
    }


def plan() -> dict[str, Any]:
    lines = [
        {"what": what, "amount": amount, "unit": unit, "price_usd": price, "usd": usd}
        for what, amount, unit, price, usd in (
            ("Lambda consume, duration", 1_250_000, "GB-s", 16.6667e-6, 20.83),
            ("S3 PUT", 2_000_000, "requests", 5e-6, 10.0),
        )
    ]
    quota = {
        "name": "Lambda, executions at the same time in the account and region",
        "unit": "",
        "limit": 1000,
        "needed": 43,
        "says": "43 of 1,000",
        "used_percent": 4.3,
        "met": False,
        "from_capacity": 41_000,
        "advice": "lower CAPACITY",
        "source": "https://docs.aws.amazon.com/lambda",
    }
    return {
        "version": 1,
        "given": {},
        "minutes_to_clear": 1440,
        "peak_backlog": 31_200,
        "longest_wait_minutes": 32,
        "most_in_one_tick": 1000,
        "lost": None,
        "assumed": ["drain takes 120 µs of CPU for an event"],
        "concurrency": {"enqueue": 12.0, "drain": 1.0, "consume": 30.4},
        "first_quota": quota,
        "quotas": [quota],
        "cost_per_month_usd": {"lines": lines, "total": 30.83},
        "prices_of": "2026-01-01",
        "backlog": [[i * 10, max(0, 31_200 - abs(i - 72) * 500)] for i in range(145)],
    }
