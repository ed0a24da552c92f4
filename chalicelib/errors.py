"""What happens next is said by an error's class: try again (Retry) or never again (Reject)."""

from typing import NotRequired, TypedDict


class Error(TypedDict):
    """What is wrong, in one line; `field` and `problems` where the request has to change."""

    error: str
    field: NotRequired[str]
    problems: NotRequired[list[str]]


class ConfigError(ValueError):
    """A setting is missing or wrong. The message is one line: the setting, its value, what would be right."""


class Retry(Exception):
    """This may work later: the message stays in its queue and comes back.

    `after` is in how many seconds at the earliest, where the downstream said so; else 0.
    """

    def __init__(self, reason: str = "", after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class Reject(Exception):
    """This can never work: the message goes to the dead-letter queue with `reason`, one plain line.

    `code` is the same for all of a kind (docs/troubleshooting.md): letters are counted and found by it.
    """

    def __init__(self, reason: str, code: str = "rejected") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


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
