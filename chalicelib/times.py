"""chalicelib.times."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """This moment as `iso` writes it."""
    return iso(datetime.now(UTC))


def iso(at: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond: `2026-01-31T12:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(then: str | None, now: datetime) -> float | None:
    """How long ago an ISO 8601 time was; None when it is not known, or no time."""
    at = moment(then)
    return round((now - at).total_seconds(), 3) if at else None


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time with its zone; None for what is none."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else None
