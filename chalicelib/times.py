"""Moments and durations: how they are written, read and subtracted, everywhere alike.

Written as ISO 8601 in UTC, to the millisecond: `2026-01-31T12:00:00.000Z`. Others may write any zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

# Of S3, SQS and Lambda; S3 dates an object to the second, and its event a little later or earlier.
CLOCKS_APART = timedelta(seconds=5)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def from_epoch(milliseconds: float) -> datetime:
    """The moment so many milliseconds after 1970 began, as SQS and CloudWatch count."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@overload
def iso(at: datetime) -> str: ...
@overload
def iso(at: datetime | None) -> str | None: ...
def iso(at: datetime | None) -> str | None:
    """The moment as text; None for one that is not known."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def moment(text: object) -> datetime | None:
    """An ISO 8601 text with its zone, in UTC; None for anything else."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at.astimezone(UTC) if at and at.tzinfo else None
    except (ValueError, OverflowError):  # in its zone it may be of the year 9999, and in UTC of none
        return None


def waited_s(start: str | datetime | None, end: str | datetime | None) -> float | None:
    """Seconds from one moment, or its text, to a later one, to the millisecond; None where that is not known.

    Clocks are a little apart, so 0 where the later one is a little earlier. A start in the future is an
    error of its writer, and says nothing.
    """
    first, last = (at if isinstance(at, datetime) else moment(at) for at in (start, end))
    if not first or not last or first - last > CLOCKS_APART:
        return None
    return max(0.0, round((last - first).total_seconds(), 3))


def duration(seconds: float) -> str:
    """For people: `0.8 s`, `42 s`, `2 min 10 s`, `3 h 5 min`, `10 d 10 h`; as the page's format.js has it."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for large, name, small, part in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large:,} {name}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def asked_s(retry_after: str) -> float:
    """The seconds of HTTP's Retry-After, a number or a date; 0 for one that says neither.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    from email.utils import parsedate_to_datetime  # only who is asked to wait needs it

    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)  # one of HTTP's three forms of a date names no zone: it is UTC, too
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now()).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0
