"""Fields of plain data that came from outside, read strictly. Raises BadRequest with the field's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import BadRequest, ConfigError

MAX_PRIORITY = 2_147_483_647  # botocore's model of CreateJob


def known(values: Mapping[str, Any], allowed: set[str], inside: str = "") -> None:
    """No field but the allowed ones; `inside` is what their names are shown with, such as `manifest.`."""
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise BadRequest(inside + unknown[0], f"is not known here; known are {', '.join(sorted(allowed))}")


def one_of(values: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str | None = None) -> str:
    """One of `choices`; `default` where the field is absent."""
    value = values.get(name, default)
    if value not in choices:
        raise BadRequest(name, f"{value!r} is not {' or '.join(choices)}")
    return str(value)


def text(
    values: Mapping[str, Any], key: str, longest: int, default: str | None = None, name: str = ""
) -> str:
    """A string of 1 to `longest` characters, or `default`; `name` is what errors call the field."""
    value = values.get(key, default)
    if value == default and default is not None:
        return default
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise BadRequest(name or key, f"expected a string of 1 to {longest} characters")
    return value


def flag(values: Mapping[str, Any], name: str) -> bool:
    """True or false; false where the field is absent."""
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(name, "expected true or false")
    return value


def priority(values: Mapping[str, Any], default: int | None) -> int:
    """A job's priority, higher runs first; without `default` the field must be there."""
    value = values.get("priority", default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PRIORITY:
        raise BadRequest("priority", f"expected a whole number from 0 to {MAX_PRIORITY}")
    return value


def number(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number in a query string."""
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
        raise BadRequest(name, f"expected a whole number from {low} to {high:,}")
    return int(text)


def bad_setting(name: str, value: str, expected: str) -> ConfigError:
    """The error to raise for setting `name`: what it is and what would be right."""
    if not value:
        return ConfigError(f"{name} is not set: expected {expected}")
    return ConfigError(f"{name} is {value!r}: expected {expected}")


def setting(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    """A text that must be there and match `pattern` from end to end."""
    value = env.get(name, "")
    if not pattern.fullmatch(value):
        raise bad_setting(name, value, expected)
    return value


def optional_setting(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    """A text that may be absent or empty, and else must match `pattern` from end to end."""
    return setting(env, name, pattern, expected) if env.get(name) else ""


def whole_setting(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`; `default` where the setting is absent or empty."""
    value = env.get(name, "")
    if not value:
        return default
    if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
        raise bad_setting(name, value, f"a whole number from {low:,} to {high:,}, written without separators")
    return int(value)


def setting_of(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, written exactly so."""
    value = env.get(name, "") or default
    if value not in choices:
        raise bad_setting(name, value, " or ".join(choices))
    return value


def flag_setting(env: Mapping[str, str], name: str, default: bool) -> bool:
    """`true` or `false`."""
    return setting_of(env, name, str(default).lower(), ("true", "false")) == "true"
