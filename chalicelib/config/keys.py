"""Which keys are the stage's, as EventBridge is asked for them, S3_NOTIFIES=eventbridge.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

MOST_PATTERN = 2048  # characters of a rule's pattern
LONGEST_KEY = 1024


def event_pattern(bucket: str, prefix: str, suffix: str, patterns: Sequence[str]) -> dict[str, Any]:
    """A rule's pattern for the uploads to a bucket, of these keys."""
    keys: list[Any] = [{"wildcard": _escaped(one)} for one in patterns]
    if prefix and suffix:
        keys = [{"wildcard": f"{_literal(prefix)}*{_literal(suffix)}"}]
    elif prefix or suffix:
        keys = [{"prefix": prefix} if prefix else {"suffix": suffix}]
    wanted: dict[str, Any] = {"bucket": {"name": [bucket]}}
    if keys:
        wanted["object"] = {"key": keys}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": wanted}


def length(pattern: dict[str, Any]) -> int:
    """As AWS counts it, written as Chalice writes it."""
    return len(json.dumps(pattern))


def patterns_in(text: str) -> tuple[str, ...]:
    """`photos/*.jpg, avatars/*`: patterns of whole keys, in which * stands for any characters."""
    found = [part.strip() for part in text.split(",")]
    for one in found:
        if not one or len(one.encode()) > LONGEST_KEY or "**" in one:
            raise ValueError("patterns of whole keys such as photos/*.jpg,avatars/*, never two * in a row")
    if len(set(found)) < len(found):
        raise ValueError("each pattern once")
    return tuple(found)


def _escaped(pattern: str) -> str:
    """A backslash is EventBridge's own escape."""
    return pattern.replace("\\", "\\\\")


def _literal(text: str) -> str:
    return _escaped(text).replace("*", "\\*")
