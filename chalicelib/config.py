"""The settings, read once from the environment. Nothing else in the app reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.errors import ConfigError

ACTIONS = ("log", "resize", "start_execution")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_QUEUE_URL = re.compile(r"https?://[^/\s]+/\d{12}/[A-Za-z0-9_-]{1,80}")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")
_FUNCTION = re.compile(r"arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]{1,64}(:[\w$-]{1,128})?")
_STATE_MACHINE = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:stateMachine:\S+")


@dataclass(frozen=True)
class Config:
    """One stage's settings. The README's table gives each one's meaning, default and unit."""

    images_bucket: str
    thumbnails_bucket: str
    source_queue_url: str
    destination_queue_url: str
    dead_letter_queue_url: str
    images_prefix: str = ""
    images_suffix: str = ""
    thumbnails_prefix: str = ""
    capacity: int = 1000  # events a tick
    action: str = "resize"
    state_machine_arn: str = ""
    thumbnail_sizes: tuple[int, ...] = (256, 1024)  # pixels, the side of the box
    max_image_bytes: int = 100_000_000
    # S3 Batch Operations; a stage without them works, only its jobs do not.
    reports_bucket: str = ""  # manifests and completion reports
    jobs_role_arn: str = ""
    backfill_function_arn: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Config:
        """The settings of this process. Raises ConfigError with one line for the first bad one."""
        config = cls(
            images_bucket=_matching(env, "IMAGES_BUCKET", _BUCKET, "a bucket's name"),
            thumbnails_bucket=_matching(env, "THUMBNAILS_BUCKET", _BUCKET, "a bucket's name"),
            source_queue_url=_queue(env, "SOURCE_QUEUE_URL"),
            destination_queue_url=_queue(env, "DESTINATION_QUEUE_URL"),
            dead_letter_queue_url=_queue(env, "DEAD_LETTER_QUEUE_URL"),
            images_prefix=env.get("IMAGES_PREFIX", ""),
            images_suffix=env.get("IMAGES_SUFFIX", ""),
            thumbnails_prefix=env.get("THUMBNAILS_PREFIX", ""),
            capacity=_whole(env, "CAPACITY", cls.capacity, 1, 1_000_000),
            action=_one_of(env, "ACTION", cls.action, ACTIONS),
            state_machine_arn=env.get("STATE_MACHINE_ARN", ""),
            thumbnail_sizes=_sizes(env, "THUMBNAIL_SIZES", cls.thumbnail_sizes),
            max_image_bytes=_whole(env, "MAX_IMAGE_BYTES", cls.max_image_bytes, 1, 5_000_000_000),
            reports_bucket=_optional(env, "REPORTS_BUCKET", _BUCKET, "a bucket's name"),
            jobs_role_arn=_optional(env, "JOBS_ROLE_ARN", _ROLE, "a role's ARN"),
            backfill_function_arn=_optional(env, "BACKFILL_FUNCTION_ARN", _FUNCTION, "a function's ARN"),
        )
        config._check_together()
        return config

    def _check_together(self) -> None:
        if self.action == "start_execution" and not _STATE_MACHINE.fullmatch(self.state_machine_arn):
            raise _bad(
                "STATE_MACHINE_ARN",
                self.state_machine_arn,
                "a state machine's ARN for ACTION=start_execution",
            )
        if self.thumbnails_bucket == self.images_bucket and (
            not self.thumbnails_prefix or _overlap(self.images_prefix, self.thumbnails_prefix)
        ):
            raise ConfigError(
                f"THUMBNAILS_BUCKET is IMAGES_BUCKET ({self.images_bucket!r}): every thumbnail would make "
                "another; use another bucket, or an IMAGES_PREFIX and a THUMBNAILS_PREFIX of which neither "
                "begins with the other"
            )
        queues = [self.source_queue_url, self.destination_queue_url, self.dead_letter_queue_url]
        if len(set(queues)) < len(queues):
            raise ConfigError(
                "SOURCE_QUEUE_URL, DESTINATION_QUEUE_URL and DEAD_LETTER_QUEUE_URL must be three queues; "
                f"they are {', '.join(queues)}"
            )

    def is_own_output(self, bucket: str, key: str) -> bool:
        """Whether we wrote this object ourselves; reacting to it would never end."""
        return bucket == self.thumbnails_bucket and key.startswith(self.thumbnails_prefix)


def queue_name(url: str) -> str:
    """The name in a queue's URL, `https://sqs.{region}.amazonaws.com/{account}/{name}`."""
    return url.rsplit("/", 1)[1]


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _bad(name: str, value: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{name} is not set: expected {expected}"
        if not value
        else f"{name} is {value!r}: expected {expected}"
    )


def _matching(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = env.get(name, "")
    if not pattern.fullmatch(value):
        raise _bad(name, value, expected)
    return value


def _optional(env: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    return _matching(env, name, pattern, expected) if env.get(name) else ""


def _queue(env: Mapping[str, str], name: str) -> str:
    return _matching(
        env, name, _QUEUE_URL, "a standard queue's URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
    )


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = env.get(name, "")
    if not value:
        return default
    if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
        raise _bad(name, value, f"a whole number from {low:,} to {high:,}, written without separators")
    return int(value)


def _one_of(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = env.get(name, "") or default
    if value not in choices:
        raise _bad(name, value, " or ".join(choices))
    return value


def _sizes(env: Mapping[str, str], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = env.get(name, "")
    if not value:
        return default
    parts = [part.strip() for part in value.split(",")]
    if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) and 1 <= int(part) <= 8192 for part in parts):
        raise _bad(name, value, "pixels from 1 to 8192, separated by commas, such as 256,1024")
    sizes = tuple(int(part) for part in parts)
    if len(set(sizes)) < len(sizes):
        raise _bad(name, value, "each size once")
    return sizes
