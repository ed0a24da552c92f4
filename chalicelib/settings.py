"""Readers of single settings: text in, a checked value out, or ConfigError in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.errors import ConfigError


def bad(name: str, value: str, expected: str) -> ConfigError:
    """The error to raise for setting `name`: what it is and what would be right."""
    if not value:
        return ConfigError(f"{name} is not set: expected {expected}")
    return ConfigError(f"{name} is {value!r}: expected {expected}")


def matching(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    """A text that must be there and match `pattern` from end to end."""
    value = env.get(name, "")
    if not pattern.fullmatch(value):
        raise bad(name, value, expected)
    return value


def optional(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    """A text that may be absent or empty, and else must match `pattern` from end to end."""
    return matching(env, name, pattern, expected) if env.get(name) else ""


def whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`; `default` where the setting is absent or empty."""
    value = env.get(name, "")
    if not value:
        return default
    if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
        raise bad(name, value, f"a whole number from {low:,} to {high:,}, written without separators")
    return int(value)


def one_of(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, written exactly so."""
    value = env.get(name, "") or default
    if value not in choices:
        raise bad(name, value, " or ".join(choices))
    return value


def flag(env: Mapping[str, str], name: str, default: bool) -> bool:
    """`true` or `false`."""
    return one_of(env, name, str(default).lower(), ("true", "false")) == "true"
