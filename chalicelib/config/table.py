"""The action table, `chalicelib/actions.<stage>.toml`: which keys get which action, with which settings.

    [[line]]                  # the first line that matches a key has it
    prefix = "avatars/"       # and suffix, or a pattern in which * stands for any characters
    action = "resize"
    THUMBNAIL_SIZES = "64,128"

    [[line]]                  # the last one has no condition: the rest
    action = "ignore"

S3 is asked once, for IMAGES_PREFIX and IMAGES_SUFFIX; the table decides inside, so no two filters overlap.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.errors import ConfigError

MOST_LINES = 20
IGNORE = "ignore"
REST = "the rest"
ANYTHING = "\udfff"  # no character of any key
_SETTING = r"[A-Z][A-Z0-9_]*"
# What each of our own actions reads, so that a slip of the pen is none of it.
OF_OUR_ACTIONS: Mapping[str, str] = {
    "invoke": "INVOKE_FUNCTION_ARN INVOKE_TYPE INVOKE_TIMEOUT_S",
    "log": "",
    "post": "POST_URL POST_SECRET_PARAMETER POST_TIMEOUT_S",
    "put_event": "PUT_EVENT_BUS",
    "resize": """
        THUMBNAIL_SIZES THUMBNAIL_FIT THUMBNAIL_OUTPUT THUMBNAIL_QUALITY THUMBNAIL_BACKGROUND THUMBNAIL_ICC
        THUMBNAIL_ANIMATION THUMBNAIL_LINEAR THUMBNAIL_FORMATS THUMBNAIL_ACCEPT_TRUNCATED
        THUMBNAIL_TIME_LIMIT THUMBNAIL_CACHE_CONTROL MAX_IMAGE_BYTES
    """,
    "start_execution": "STATE_MACHINE_ARN",
}
# What belongs to the pipeline, or to Lambda, and to no line of it.
OF_THE_STAGE = frozenset(
    """
    ACTION STAGE CAPACITY CAPACITY_BY_HOUR CAPACITY_BYTES SPREAD BULK_SHARE FAIR_BY
    DRAIN_WORKERS DRAIN_SHARDS
    MAX_IN_DESTINATION IMAGES_BUCKET IMAGES_PREFIX IMAGES_SUFFIX IMAGES_PATTERNS S3_NOTIFIES THUMBNAILS_BUCKET
    THUMBNAILS_PREFIX SOURCE_QUEUE_URL BULK_QUEUE_URL DESTINATION_QUEUE_URL DEAD_LETTER_QUEUE_URL
    CONSUME_CONCURRENCY CONSUME_THREADS MAX_TRIES RETRY_DELAYS REPORTS_BUCKET MANIFEST_BUCKETS
    JOBS_ROLE_ARN BACKFILL_FUNCTION_ARN LOCAL_CALLER FUNCTION_MEMORY_MB
    ALARM_EMAIL ALARM_AFTER_TICKS MONTHLY_BUDGET_USD KMS_KEY_ARN ALLOWED_ADDRESSES VERSIONING
    EVENTS_BUS DELETE_WITH_ORIGINAL
    """.split()  # noqa: SIM905  forty quotation marks less
)


class Match(NamedTuple):
    """Which keys a line takes."""

    prefix: str = ""
    suffix: str = ""
    pattern: str = ""  # of the whole key

    @property
    def parts(self) -> Sequence[str]:
        """What a key has to hold, with any characters between two of them."""
        return self.pattern.split("*") if self.pattern else (self.prefix, self.suffix)

    def takes(self, key: str) -> bool:
        return _fits(key, self.parts)

    @property
    def is_rest(self) -> bool:
        return not (self.prefix or self.suffix or self.pattern)

    @property
    def name(self) -> str:
        """What the line is called in logs and metrics, in at most 100 ASCII characters."""
        text = self.pattern or (REST if self.is_rest else f"{self.prefix}*{self.suffix}")
        return text.encode("unicode_escape").decode()[:100]

    def hides(self, other: Match) -> bool:
        """Whether it takes all that the other would: what stands between the other's parts may be anything,
        such as a character that no pattern has."""
        return self.takes(ANYTHING.join(other.parts))

    def meets(self, other: Match) -> bool:
        """Whether there is a key that both take."""
        mine, others = self.parts, other.parts
        if len(mine) == 1 or len(others) == 1:  # one of them is a key
            return _fits(mine[0], others) if len(mine) == 1 else _fits(others[0], mine)
        return _one_begins(mine[0], others[0]) and _one_begins(mine[-1][::-1], others[-1][::-1])


class Line(NamedTuple):
    match: Match
    action: str
    settings: Mapping[str, str]


def like(key: str, pattern: str) -> bool:
    """Whether the key is what the pattern says."""
    return _fits(key, pattern.split("*"))


def _fits(key: str, parts: Sequence[str]) -> bool:
    """Whether the key is the parts with any characters between; in time that grows with both, no faster."""
    first, *others = parts
    if not others:
        return key == first
    *between, last = others
    if not key.startswith(first) or not key.endswith(last) or len(key) < len(first) + len(last):
        return False
    at, end = len(first), len(key) - len(last)
    for part in between:
        found = key.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def file_of(chalicelib: str, stage: str) -> str:
    return os.path.join(chalicelib, f"actions.{stage}.toml")


def read(chalicelib: str, stage: str) -> Sequence[Line]:
    """The lines of the stage's table; none where it has no such file. Raises ConfigError."""
    file = file_of(chalicelib, stage)
    try:
        with open(file, "rb") as opened:
            contents = opened.read()
    except FileNotFoundError:
        return ()
    try:
        return parse(contents.decode())
    except ValueError as e:
        raise ConfigError(f"{os.path.basename(file)}: {e}") from e


def parse(text: str) -> Sequence[Line]:
    """The lines of a table. Raises ValueError with the line and the reason."""
    import tomllib  # only for a stage that has one

    found = tomllib.loads(text)
    written = found.pop("line", None)
    if found or not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        raise ValueError("expected [[line]] and nothing beside it")
    if not 1 <= len(written) <= MOST_LINES:
        raise ValueError(f"{len(written)} lines: expected 1 to {MOST_LINES}")
    lines: list[Line] = []
    for number, one in enumerate(written, 1):
        try:
            lines.append(_line(one))
            _check_place(lines, number == len(written))
        except ValueError as e:
            raise ValueError(f"line {number} of the table: {e}") from e
    return tuple(lines)


def _line(written: Mapping[str, Any]) -> Line:
    for name, value in written.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f'{name} is {value!r}: expected a text, such as {name} = "256"')
    given = dict(written)
    if "action" not in given:
        raise ValueError('it has no action, such as action = "resize"')
    action = given.pop("action")
    match = Match(*(given.pop(name, "") for name in ("prefix", "suffix", "pattern")))
    if match.pattern and (match.prefix or match.suffix):
        raise ValueError("a pattern is of the whole key: write prefix and suffix into it")
    for name in given:
        if name in OF_THE_STAGE or name.startswith("AWS_"):
            raise ValueError(f"{name} is a setting of the stage, not of a line")
        if not re.fullmatch(_SETTING, name):
            raise ValueError(f"{name} is no setting; expected prefix, suffix, pattern, action, or a setting")
    if action == IGNORE and given:
        raise ValueError(f"what is ignored needs no {', '.join(given)}")
    if action in OF_OUR_ACTIONS:  # of others nobody knows what they read
        known = OF_OUR_ACTIONS[action].split()
        for name in given:
            if name not in known:
                expected = " or ".join(sorted(known)) or "no setting"
                raise ValueError(f"{action} reads no {name}; expected {expected}")
    return Line(match, action, given)


def _check_place(lines: Sequence[Line], is_last: bool) -> None:
    match = lines[-1].match
    if is_last and not match.is_rest:
        raise ValueError("the last line is for the rest: no prefix, suffix or pattern")
    for number, earlier in enumerate(lines[:-1], 1):
        if earlier.match.hides(match):
            raise ValueError(f"no key comes to it: line {number} takes them all")
