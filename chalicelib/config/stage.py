"""The settings, read once from the environment. Nothing else in the app reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.capacity import MAX_CAPACITY
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import ConfigError
from chalicelib.events import ObjectCreated
from chalicelib.fields import Settings

APP = "s3-event-scheduler"  # Chalice's app_name, with which all names begin
ACTIONS = ("log", "resize", "start_execution")
S3_NOTIFIES = ("lambda", "queue")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_QUEUE_URL = re.compile(r"https?://[^/\s]+/\d{12}/[A-Za-z0-9_-]{1,80}")
_A_QUEUE_URL = "a standard queue's URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,11}")
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
    stage: str  # the names of functions, rules, metrics and alarms follow from it
    bulk_queue_url: str = ""  # behind the source queue: backfills, and who sends very many; empty is one lane
    images_prefix: str = ""
    images_suffix: str = ""
    s3_notifies: str = "lambda"  # enqueue, or the source queue without a function between
    thumbnails_prefix: str = ""
    capacity: int = 1000  # events a tick
    drain_workers: int = 32  # calls at the same time, in one shard
    drain_shards: int = 1
    capacity_by_hour: str = ""  # in place of CAPACITY; see chalicelib/config/hours.py
    spread: bool = True  # events are due evenly; else a tick forwards all at once
    bulk_share: int = 10  # percent of the capacity that bulk gets at least
    fair_by: int = 1  # so many first parts of a key name the group that shares a lane; 0 is off
    max_in_destination: int | None = (
        None  # a tick leaves no more there; 0 no such limit, None twice the capacity
    )
    action: str = "resize"
    state_machine_arn: str = ""
    thumbnails: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    max_image_bytes: int = 100_000_000
    consume_threads: int = 4
    max_tries: int = 6  # of one event by consume; then it is a dead letter
    retry_delays: tuple[int, ...] = (
        15,
        300,
        1800,
        3600,
        9000,
    )  # seconds before the second try, the third ...
    # S3 Batch Operations; a stage without them works, only its jobs do not.
    reports_bucket: str = ""  # manifests and completion reports
    jobs_role_arn: str = ""
    backfill_function_arn: str = ""
    local_caller: str = ""  # who asks `chalice local`, which wants no signature

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Config:
        """The settings of this process. Raises ConfigError with one line for the first bad one."""
        of = Settings(env)
        bucket, queue = (_BUCKET, "a bucket's name"), (_QUEUE_URL, _A_QUEUE_URL)
        config = cls(
            images_bucket=of.text("IMAGES_BUCKET", *bucket),
            thumbnails_bucket=of.text("THUMBNAILS_BUCKET", *bucket),
            source_queue_url=of.text("SOURCE_QUEUE_URL", *queue),
            destination_queue_url=of.text("DESTINATION_QUEUE_URL", *queue),
            dead_letter_queue_url=of.text("DEAD_LETTER_QUEUE_URL", *queue),
            stage=of.text("STAGE", _STAGE, "the stage's name, lower case, 12 letters at most"),
            bulk_queue_url=of.text("BULK_QUEUE_URL", *queue, default=""),
            images_prefix=env.get("IMAGES_PREFIX", ""),
            images_suffix=env.get("IMAGES_SUFFIX", ""),
            s3_notifies=of.choice("S3_NOTIFIES", S3_NOTIFIES, cls.s3_notifies),
            thumbnails_prefix=env.get("THUMBNAILS_PREFIX", ""),
            capacity=of.whole("CAPACITY", 1, MAX_CAPACITY, cls.capacity),
            capacity_by_hour=of.read("CAPACITY_BY_HOUR", _by_hour, cls.capacity_by_hour),
            spread=of.choice("SPREAD", ("on", "off"), "on") == "on",
            bulk_share=of.whole("BULK_SHARE", 0, 100, cls.bulk_share),
            fair_by=of.whole("FAIR_BY", 0, 20, cls.fair_by),
            drain_workers=of.whole("DRAIN_WORKERS", 1, 256, cls.drain_workers),
            drain_shards=of.whole("DRAIN_SHARDS", 1, 100, cls.drain_shards),
            max_in_destination=(
                of.whole("MAX_IN_DESTINATION", 0, 10_000_000, 0) if env.get("MAX_IN_DESTINATION") else None
            ),
            action=of.choice("ACTION", ACTIONS, cls.action),
            state_machine_arn=env.get("STATE_MACHINE_ARN", ""),
            thumbnails=ThumbnailSettings.from_env(env),
            max_image_bytes=of.whole("MAX_IMAGE_BYTES", 1, 5_000_000_000, cls.max_image_bytes),
            consume_threads=of.whole("CONSUME_THREADS", 1, 10, cls.consume_threads),
            max_tries=of.whole("MAX_TRIES", 1, 100, cls.max_tries),
            retry_delays=of.read("RETRY_DELAYS", _delays, cls.retry_delays),
            reports_bucket=of.text("REPORTS_BUCKET", *bucket, default=""),
            jobs_role_arn=of.text("JOBS_ROLE_ARN", _ROLE, "a role's ARN", ""),
            backfill_function_arn=of.text("BACKFILL_FUNCTION_ARN", _FUNCTION, "a function's ARN", ""),
            local_caller=env.get("LOCAL_CALLER", ""),
        )
        if config.action == "start_execution":
            of.text("STATE_MACHINE_ARN", _STATE_MACHINE, "a state machine's ARN for ACTION=start_execution")
        config._check_together()
        return config

    def _check_together(self) -> None:
        if self.thumbnails_bucket == self.images_bucket and (
            not self.thumbnails_prefix or _overlap(self.images_prefix, self.thumbnails_prefix)
        ):
            raise ConfigError(
                f"THUMBNAILS_BUCKET is IMAGES_BUCKET ({self.images_bucket!r}): every thumbnail would make "
                "another; use another bucket, or an IMAGES_PREFIX and a THUMBNAILS_PREFIX of which neither "
                "begins with the other"
            )
        queues = [self.source_queue_url, self.destination_queue_url, self.dead_letter_queue_url]
        queues += [self.bulk_queue_url] if self.bulk_queue_url else []
        if len(set(queues)) < len(queues):
            raise ConfigError(
                "SOURCE_QUEUE_URL, BULK_QUEUE_URL, DESTINATION_QUEUE_URL and DEAD_LETTER_QUEUE_URL must be "
                f"different queues; they are {', '.join(queues)}"
            )

    def function_name(self, function: str) -> str:
        """Lambda's name of one of the stage's functions, as Chalice makes it."""
        return f"{APP}-{self.stage}-{function}"

    @property
    def capacity_parameter(self) -> str:
        """The SSM parameter that holds the capacity set at run time."""
        return capacity_parameter(self.stage)

    def lane_url(self, lane: str) -> str:
        """The queue of a lane: `bulk`, or live."""
        return self.bulk_queue_url if lane and self.bulk_queue_url else self.source_queue_url

    def retry_delay_s(self, tries: int) -> int:
        """Seconds after which an event is tried again that has failed so often; the last delay repeats."""
        return self.retry_delays[min(tries, len(self.retry_delays)) - 1]

    def why_ignored(self, created: ObjectCreated) -> str:
        """Why the object is not to be handled, uploaded or backfilled, in one line; empty where it is."""
        if created.is_folder_marker:
            return "a folder marker: nothing to do"
        if self.is_own_output(created.bucket, created.key):
            return "our own output: nothing to do"
        if not created.key.startswith(self.images_prefix) or not created.key.endswith(self.images_suffix):
            return "IMAGES_PREFIX or IMAGES_SUFFIX leaves such keys out"
        return ""

    def is_own_output(self, bucket: str, key: str) -> bool:
        """Whether we wrote this object ourselves; reacting to it would never end."""
        return bucket == self.thumbnails_bucket and key.startswith(self.thumbnails_prefix)


def capacity_parameter(stage: str) -> str:
    """The name of a stage's SSM parameter."""
    return f"/{APP}/{stage}/capacity"


def queue_name(url: str) -> str:
    """The name in a queue's URL, `https://sqs.{region}.amazonaws.com/{account}/{name}`."""
    return url.rsplit("/", 1)[1]


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _by_hour(text: str) -> str:
    """The same text, once it has been read without a mistake."""
    from chalicelib.config import hours  # not for the cold start of a stage that has none

    return hours.parse(text).text


def _delays(text: str) -> tuple[int, ...]:
    """Seconds, separated by commas: at most twenty, each at most a day."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 20 or not all(
        re.fullmatch(r"[0-9]{1,5}", part) and int(part) <= 86_400 for part in parts
    ):
        raise ValueError("up to 20 whole numbers of seconds up to 86400, such as 15,300,1800")
    return tuple(int(part) for part in parts)
