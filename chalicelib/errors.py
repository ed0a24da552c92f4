"""What happens next is said by an error's class: try again (Retry) or never again (Reject)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NotRequired, TypedDict

from chalicelib import times


class Error(TypedDict):
    """What is wrong, in one line; `field` and `problems` where the request has to change."""

    error: str
    field: NotRequired[str]
    problems: NotRequired[list[str]]


class ConfigError(ValueError):
    """A setting is missing or wrong. The message is one line: the setting, its value, what would be right."""


class Retry(Exception):
    """This may work later: the message stays in its queue and comes back.

    `after` is in how many seconds at the earliest, where the downstream said so: a number, a timedelta, or
    the text of its Retry-After. Raises TypeError for anything else.
    """

    def __init__(self, reason: object = "", after: float | str | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = _seconds(after)


class Reject(Exception):
    """This can never work: the message goes to the dead-letter queue with `reason`, one plain line.

    `code` is the same for all of a kind (docs/troubleshooting.md): letters are counted and found by it. It
    becomes one: "Not found" is "not-found".
    """

    def __init__(self, reason: object, code: object = "rejected") -> None:
        super().__init__(reason)
        self.reason = "" if reason is None else str(reason)
        self.code = _code("" if code is None else str(code))


def _seconds(after: float | str | timedelta | None) -> float:
    """Never below 0."""
    if after is None:
        return 0.0
    if isinstance(after, str):
        return times.asked_s(after)
    try:
        found = after.total_seconds() if isinstance(after, timedelta) else float(after)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        raise TypeError(f"Retry's after is {after!r:.100}: expected seconds") from None
    return found if found > 0 else 0.0  # what is no number is not


def _code(text: str) -> str:
    """A letter's code: at most 40 lower-case letters, digits and hyphens, the first one a letter."""
    plain = re.sub("[^a-z0-9]+", "-", text[:200].lower()).lstrip("-0123456789")
    return plain[:40].rstrip("-") or "rejected"


class TickFailed(Retry):
    """A tick met errors. All that could move has moved; what could not is in the source queue and comes back.

    `result` is the tick's TickResult as a dictionary.
    """

    def __init__(self, result: dict[str, object]) -> None:
        super().__init__(f"the tick ended with errors: {result}")
        self.result = result


class RestError(Exception):
    """A call of the REST API cannot be answered: `status` is HTTP's, the text one line that says why."""

    status = 500

    def as_dict(self) -> Error:
        """The body of the answer."""
        return {"error": str(self)}


class BadRequest(RestError):
    """The caller must change `field`. `problems` lists the details where one line is not enough."""

    status = 400

    def __init__(self, field: str, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.problems = problems

    def as_dict(self) -> Error:
        """The body of the answer, with the details."""
        return {"error": str(self), "field": self.field, "problems": list(self.problems)}


class NotFound(RestError):
    """There is no such thing."""

    status = 404


class Conflict(RestError):
    """The thing is not in a state that allows this."""

    status = 409


class TooLarge(RestError):
    """The answer would be more than Lambda may return."""

    status = 413


class NotSetUp(RestError):
    """This stage lacks a setting that the call needs."""

    status = 501


class Denied(RestError):
    """AWS does not allow the caller's credentials, or the function's role, to do this."""

    status = 403


class AwsFailed(RestError):
    """AWS did not do it: throttled, out of order, or not reached. Trying again may help."""

    status = 502
