"""Values by name that came from outside, read strictly: one reader for each kind of source.

Body       JSON of a request, typed
Query      a request's query string, texts
Typed      what a person types, texts: `5e4`, `24h`, `2MB`
Settings   the environment, texts

An empty text is as good as none. The first bad value raises an error that names its field and says in one
line what would be right: BadRequest, or ConfigError for a setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from chalicelib.errors import BadRequest, ConfigError

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=str)

MAX_PRIORITY = 2_147_483_647  # botocore's model of CreateJob
_REQUIRED: Any = object()
_DECIMAL = r"(\d{1,15}(?:\.\d{1,6})?)(?:e(\d{1,2}))?"


def schema(**words: int | str) -> tuple[tuple[str, int | str], ...]:
    """What the OpenAPI document says of a field beside its type: `Annotated[int, schema(minimum=1)]`."""
    return tuple(words.items())


class Fields:
    """Named values, each asked for by a method; a method's `default` is for a field that is absent."""

    def __init__(self, values: Mapping[str, Any], inside: str = "") -> None:
        """`inside` is what errors put before a field's name, such as `manifest.`."""
        self._values = values
        self._inside = inside

    def only(self, *names: str) -> Self:
        """These fields, when there is none of another name. Raises BadRequest."""
        for name in sorted(set(self._values) - set(names)):
            raise BadRequest(self._inside + name, f"is not known here; known are {', '.join(names)}")
        return self

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def given(self, name: str) -> Any:
        """The value as it came; None where there is none."""
        return self._values.get(name)

    def read(self, name: str, parse: Callable[[Any], Value], default: Value = _REQUIRED) -> Value:
        """What `parse` makes of the value; its ValueError says what was expected."""
        if default is not _REQUIRED and self._absent(name):
            return default
        value = self.given(name)
        try:
            return parse(value)
        except ValueError as e:
            raise self.bad(name, str(e)) from None

    def choice(self, name: str, choices: tuple[Choice, ...], default: Choice = _REQUIRED) -> Choice:
        """One of `choices`, written exactly so."""
        if default is not _REQUIRED and self._absent(name):
            return default
        value = self.given(name)
        if value not in choices:
            raise self.bad_choice(name, " or ".join(choices))
        return choices[choices.index(value)]

    def bad(self, name: str, expected: str) -> Exception:
        """The error to raise for the field: what would be right."""
        return BadRequest(self._inside + name, f"expected {expected}")

    def bad_choice(self, name: str, expected: str) -> Exception:
        return BadRequest(self._inside + name, f"{self.given(name)!r} is not {expected}")

    def _absent(self, name: str) -> bool:
        return not self.given(name)


class Body(Fields):
    """A JSON object. A field is absent only when it is not there: null is a value, and mostly a wrong one."""

    @classmethod
    def of(cls, body: Any, *names: str, optional: bool = False) -> Body:
        """The body's fields, of these names alone; `optional` where a request may do without a body."""
        if not isinstance(body, dict) and not (optional and body is None):
            raise BadRequest("body", "expected a JSON object")
        fields = cls(body or {})
        return fields.only(*names) if names else fields

    def text(self, name: str, longest: int, default: str = _REQUIRED) -> str:
        """A string of 1 to `longest` characters, or the very `default`."""

        def parse(value: Any) -> str:
            if value == default or (isinstance(value, str) and 1 <= len(value) <= longest):
                return str(value)
            raise ValueError(f"a string of 1 to {longest} characters")

        return self.read(name, parse, default)

    def whole(self, name: str, low: int, high: int, default: int = _REQUIRED, other: str = "") -> int:
        """A whole number from `low` to `high`; `other` is what else errors call right."""

        def parse(value: Any) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"a whole number from {low} to {high}{other}")
            return value

        return self.read(name, parse, default)

    def flag(self, name: str) -> bool:
        """True or false; false where it is absent."""

        def parse(value: Any) -> bool:
            if value is True or value is False:
                return bool(value)
            raise ValueError("true or false")

        return self.read(name, parse, False)

    def _absent(self, name: str) -> bool:
        return name not in self._values


class Query(Fields):
    """A query string's parameters, each once."""

    @classmethod
    def of(cls, query: Mapping[str, Any] | None, *names: str) -> Query:
        """The parameters, of these names alone; None is a request without any."""
        return cls(query or {}).only(*names)

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number from `low` to `high`."""
        return self.read(name, _digits(low, high, f"a whole number from {low} to {high:,}"), default)


class Typed(Fields):
    """What a person types into a command or a form: numbers may be `5e4`, and spans and sizes have a unit."""

    def number(self, name: str, low: float, high: float, default: float = _REQUIRED) -> float:
        """A number from `low` to `high`."""

        def parse(text: Any) -> float:
            found = re.fullmatch(_DECIMAL, str(text).strip(), re.ASCII)
            value = _decimal(found) if found else -1.0
            if not low <= value <= high:
                raise ValueError(f"a number from {low:,} to {high:,}, such as 50000 or 5e4")
            return value

        return self.read(name, parse, default)

    def whole(self, name: str, low: int, high: int, default: int = _REQUIRED) -> int:
        """A number from `low` to `high` without a fraction."""
        value = self.number(name, low, high, default)
        if value != int(value):
            raise self.bad(name, "a whole number")
        return int(value)

    def quantity(self, name: str, units: Mapping[str, int], low: float, high: float, default: float) -> float:
        """A number with one of the `units`, whose values are what each is worth."""

        def parse(text: Any) -> float:
            found = re.fullmatch(rf"{_DECIMAL}\s?({'|'.join(units)})", str(text).strip(), re.ASCII)
            value = _decimal(found) * units[found[3]] if found else -1.0
            if not low <= value <= high:
                most = f"{high / max(units.values()):,.0f} {list(units)[-1]}"
                raise ValueError(f"a number with {', '.join(units)}, at most {most}")
            return value

        return self.read(name, parse, default)

    def bad(self, name: str, expected: str) -> Exception:
        return BadRequest(name, f"{str(self.given(name)).strip()!r}: expected {expected}")


class Settings(Fields):
    """The environment. Raises ConfigError."""

    def text(self, name: str, pattern: str, expected: str, default: str = _REQUIRED) -> str:
        """A text that matches the regular expression `pattern` from end to end."""

        def parse(value: Any) -> str:
            if not re.fullmatch(pattern, value or ""):
                raise ValueError(expected)
            return str(value)

        return self.read(name, parse, default)

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number from `low` to `high`."""
        expected = f"a whole number from {low:,} to {high:,}, written without separators"
        return self.read(name, _digits(low, high, expected), default)

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        return self.choice(name, ("true", "false"), str(default).lower()) == "true"

    def bad(self, name: str, expected: str) -> Exception:
        value = self.given(name)
        return ConfigError(f"{name} is {f'{value!r}' if value else 'not set'}: expected {expected}")

    bad_choice = bad


def _decimal(found: re.Match[str]) -> float:
    return float(found[1]) * float(10 ** int(found[2] or 0))


def _digits(low: int, high: int, expected: str) -> Callable[[Any], int]:
    """Reads a whole number written as ASCII digits alone."""

    def parse(text: Any) -> int:
        if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or not low <= int(text) <= high:
            raise ValueError(expected)
        return int(text)

    return parse
