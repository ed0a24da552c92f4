"""What happens next is said by an error's class: try again (Retry) or never again (Reject)."""


class ConfigError(ValueError):
    """A setting is missing or wrong. The message is one line: the setting, its value, what would be right."""


class Retry(Exception):
    """This may work later: the message stays in its queue and comes back."""


class Reject(Exception):
    """This can never work: the message goes to the dead-letter queue with `reason`, one plain line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TickFailed(Retry):
    """A tick met errors. All that could move has moved; what could not is in the source queue and comes back.

    `result` is the tick's TickResult as a dictionary.
    """

    def __init__(self, result: dict[str, object]) -> None:
        super().__init__(f"the tick ended with errors: {result}")
        self.result = result
