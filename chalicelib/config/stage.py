"""The settings, read once from the environment. Nothing else in the app reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chalicelib.capacity import MAX_CAPACITY
from chalicelib.config import keys, table
from chalicelib.config.table import Match
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import ConfigError
from chalicelib.events import ObjectCreated
from chalicelib.fields import Settings

APP = "s3-event-scheduler"  # Chalice's app_name, with which all names begin
# Each file in it is an action, one of ours or one of the user's own (docs/actions.md).
ACTIONS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "consume", "actions")
S3_NOTIFIES = ("lambda", "queue", "eventbridge")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_QUEUE_URL = r"https?://[^/\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}"
_A_QUEUE_URL = "a standard queue's URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
_ACTION = r"[a-z][a-z0-9_]{0,39}"
_STAGE = r"[a-z][a-z0-9-]{0,11}"
_ROLE = r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}"
_FUNCTION = r"arn:aws[\w-]*:lambda:[\w-]+:[0-9]{12}:function:[\w-]{1,64}(:[\w$-]{1,128})?"
_STATE_MACHINE = r"arn:aws[\w-]*:states:[\w-]+:[0-9]{12}:stateMachine:\S+"
# Only to this very machine without TLS: a test's receiver.
_HOST = r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]+\]"
_URL = rf"(https://({_HOST})|http://(127\.0\.0\.1|localhost))(:[0-9]{{1,5}})?([/?]\S*)?"
_PARAMETER = r"[A-Za-z0-9_./-]{1,1011}"
_BUS = r"[A-Za-z0-9._/-]{1,256}|arn:aws[\w-]*:events:[\w-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}"
LONGEST_DELAY_S = 86_400  # between two tries of an event
LONGEST_CALL_S = 20  # an action that is begun has 25 s at least (chalicelib/consume/batch.py)
# What our own actions need besides: action -> setting -> its pattern, and what is expected.
OF_ACTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "invoke": {"INVOKE_FUNCTION_ARN": (_FUNCTION, "a function's ARN")},
    "post": {
        "POST_URL": (_URL, "an https:// address"),
        "POST_SECRET_PARAMETER": (_PARAMETER, "the name of an SSM parameter"),
    },
    "put_event": {"PUT_EVENT_BUS": (_BUS, "an EventBridge bus's name or ARN")},
    "start_execution": {"STATE_MACHINE_ARN": (_STATE_MACHINE, "a state machine's ARN")},
}


@dataclass(frozen=True)
class Config:
    """One stage's settings. docs/settings.md gives each one's meaning, default and unit."""

    images_bucket: str
    thumbnails_bucket: str
    source_queue_url: str
    destination_queue_url: str
    dead_letter_queue_url: str
    stage: str  # the names of functions, rules, metrics and alarms follow from it
    bulk_queue_url: str = ""  # behind the source queue: backfills, and who sends very many; empty is one lane
    images_prefix: str = ""
    images_suffix: str = ""
    images_patterns: tuple[str, ...] = ()  # in their place, where EventBridge tells
    s3_notifies: str = "lambda"  # enqueue, or the source queue without a function between, or EventBridge
    thumbnails_prefix: str = ""
    capacity: int = 1000  # events a tick
    drain_workers: int = 32  # calls at the same time, in one shard
    drain_shards: int = 1
    capacity_by_hour: str = ""  # in place of CAPACITY; see chalicelib/config/hours.py
    spread: bool = True  # events are due evenly; else a tick forwards all at once
    capacity_bytes: int = 0  # bytes of the objects a minute; 0 is no such limit
    bulk_share: int = 10  # percent of the capacity that bulk gets at least
    fair_by: int = 1  # so many first parts of a key name the group that shares a lane; 0 is off
    max_in_destination: int | None = (
        None  # a tick leaves no more there; 0 no such limit, None twice the capacity
    )
    action: str = "resize"
    delete_with_original: bool = False  # thumbnails of an object that is gone
    events_bus: str = ""  # EventBridge's, that is told of every ending; empty is nobody
    lines: tuple[tuple[Match, Config], ...] = ()  # of the action table: each with the settings of its line
    line: str = ""  # which of them this is; empty for the stage itself
    post_timeout_s: int = 10
    invoke_timeout_s: int = 20
    invoke_type: str = "sync"
    # As it was read, for what an action asks by name; it holds credentials, so nothing may print it.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    thumbnails: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    max_image_bytes: int = 100_000_000
    consume_threads: int = 4
    consume_concurrency: int | None = (
        None  # executions of consume at once, by its mapping; None: no such limit
    )
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
    manifest_buckets: tuple[str, ...] = ()  # where manifests may be besides: the jobs role may read there
    jobs_role_arn: str = ""
    backfill_function_arn: str = ""
    local_caller: str = ""  # who asks `chalice local`, which wants no signature
    function_memory_mb: tuple[int, ...] = ()  # of enqueue, drain and consume, as a deploy writes it down

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, actions: str = ACTIONS) -> Config:
        """The settings of this process. Raises ConfigError with one line for the first bad one.

        `actions` is the folder whose files are the actions; the action table is beside what it is in.
        """
        lines = table.read(os.path.dirname(os.path.dirname(actions)), env.get("STAGE", ""))
        config = cls._without_table({**env, "ACTION": ""} if lines else env, actions)
        return config._with_table(lines, env, actions) if lines else config

    @classmethod
    def _without_table(cls, env: Mapping[str, str], actions: str) -> Config:
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
            images_patterns=of.read("IMAGES_PATTERNS", keys.patterns_in, cls.images_patterns),
            s3_notifies=of.choice("S3_NOTIFIES", S3_NOTIFIES, cls.s3_notifies),
            thumbnails_prefix=env.get("THUMBNAILS_PREFIX", ""),
            capacity=of.whole("CAPACITY", 1, MAX_CAPACITY, cls.capacity),
            capacity_by_hour=of.read("CAPACITY_BY_HOUR", _by_hour, cls.capacity_by_hour),
            spread=of.choice("SPREAD", ("on", "off"), "on") == "on",
            capacity_bytes=of.whole("CAPACITY_BYTES", 0, 10**15, cls.capacity_bytes),
            bulk_share=of.whole("BULK_SHARE", 0, 100, cls.bulk_share),
            fair_by=of.whole("FAIR_BY", 0, 20, cls.fair_by),
            drain_workers=of.whole("DRAIN_WORKERS", 1, 256, cls.drain_workers),
            drain_shards=of.whole("DRAIN_SHARDS", 1, 100, cls.drain_shards),
            max_in_destination=(
                of.whole("MAX_IN_DESTINATION", 0, 10_000_000, 0) if env.get("MAX_IN_DESTINATION") else None
            ),
            action=of.read("ACTION", partial(_action, folder=actions), cls.action),
            delete_with_original=of.flag("DELETE_WITH_ORIGINAL", cls.delete_with_original),
            events_bus=of.text("EVENTS_BUS", _BUS, "an EventBridge bus's name or ARN", ""),
            post_timeout_s=of.whole("POST_TIMEOUT_S", 1, LONGEST_CALL_S, cls.post_timeout_s),
            invoke_timeout_s=of.whole("INVOKE_TIMEOUT_S", 1, LONGEST_CALL_S, cls.invoke_timeout_s),
            invoke_type=of.choice("INVOKE_TYPE", ("sync", "async"), cls.invoke_type),
            environment=dict(env),
            thumbnails=ThumbnailSettings.from_env(env),
            max_image_bytes=of.whole("MAX_IMAGE_BYTES", 1, 5_000_000_000, cls.max_image_bytes),
            consume_threads=of.whole("CONSUME_THREADS", 1, 10, cls.consume_threads),
            consume_concurrency=(
                of.whole("CONSUME_CONCURRENCY", 2, 1000, 2) if env.get("CONSUME_CONCURRENCY") else None
            ),
            max_tries=of.whole("MAX_TRIES", 1, 100, cls.max_tries),
            retry_delays=of.read("RETRY_DELAYS", _delays, cls.retry_delays),
            reports_bucket=of.text("REPORTS_BUCKET", *bucket, default=""),
            manifest_buckets=of.read("MANIFEST_BUCKETS", _buckets, cls.manifest_buckets),
            jobs_role_arn=of.text("JOBS_ROLE_ARN", _ROLE, "a role's ARN", ""),
            backfill_function_arn=of.text("BACKFILL_FUNCTION_ARN", _FUNCTION, "a function's ARN", ""),
            local_caller=env.get("LOCAL_CALLER", ""),
            function_memory_mb=of.read("FUNCTION_MEMORY_MB", _memory, cls.function_memory_mb),
        )
        if config.action in OF_ACTIONS:
            for name, (pattern, expected) in OF_ACTIONS[config.action].items():
                of.text(name, pattern, f"{expected} for ACTION={config.action}")
        config._check_together()
        return config

    def _with_table(self, lines: Sequence[table.Line], env: Mapping[str, str], actions: str) -> Config:
        """With the lines of the stage's action table. Raises ConfigError."""
        found: list[tuple[Match, Config]] = []
        for number, one in enumerate(lines, 1):
            name = one.match.name
            if any(name == of_line.line for _, of_line in found):  # cut short, both
                name = f"{name} ({number})"
            settings = {**env, **one.settings, "ACTION": one.action}
            try:
                self._refuse_left_out(one.match)
                ignored = one.action == table.IGNORE
                of_line = (
                    replace(self, action=table.IGNORE) if ignored else self._without_table(settings, actions)
                )
            except ConfigError as e:
                file = os.path.basename(table.file_of("", self.stage))
                raise ConfigError(f"{file}: line {number} of the table: {e}") from None
            found.append((one.match, replace(of_line, line=name)))
        return replace(self, lines=tuple(found))

    def _refuse_left_out(self, match: Match) -> None:
        """Raises ConfigError for a line of the table to which no key of the stage comes."""
        asked = [Match(pattern=one) for one in self.images_patterns]
        why = f"IMAGES_PATTERNS is {','.join(self.images_patterns)!r}"
        if not asked:
            asked = [Match(self.images_prefix, self.images_suffix)]
            why = f"IMAGES_PREFIX is {self.images_prefix!r}, IMAGES_SUFFIX is {self.images_suffix!r}"
        if not any(match.meets(one) for one in asked):
            raise ConfigError(f"no key comes to it: {why}")

    def of_key(self, key: str) -> Config:
        """The settings that hold for the key: those of its line of the action table, or the stage's."""
        for match, of_line in self.lines:
            if match.takes(key):
                return of_line
        return self

    @property
    def each(self) -> list[Config]:
        """The settings of each line; the stage's own where there is no table."""
        return [of_line for _, of_line in self.lines] or [self]

    def ignores(self, key: str) -> bool:
        """Whether the action table says so of the key."""
        return bool(self.lines) and self.of_key(key).action == table.IGNORE

    def _check_together(self) -> None:
        if self.events_bus and not self.reports_bucket:
            raise ConfigError(
                f"EVENTS_BUS is {self.events_bus!r} and REPORTS_BUCKET is not set: the function that files "
                "dead letters there tells the bus of them; set REPORTS_BUCKET"
            )
        if self.images_patterns and self.s3_notifies != "eventbridge":
            raise ConfigError(
                f"IMAGES_PATTERNS needs S3_NOTIFIES=eventbridge, it is {self.s3_notifies!r}: S3 itself knows "
                "one IMAGES_PREFIX and one IMAGES_SUFFIX"
            )
        if self.images_patterns and (self.images_prefix or self.images_suffix):
            raise ConfigError(
                "IMAGES_PATTERNS are of whole keys: write IMAGES_PREFIX and IMAGES_SUFFIX into them"
            )
        size = keys.length(self.event_pattern) if self.s3_notifies == "eventbridge" else 0
        if size > keys.MOST_PATTERN:
            asked = "IMAGES_PATTERNS" if self.images_patterns else "IMAGES_PREFIX and IMAGES_SUFFIX"
            raise ConfigError(
                f"{asked} make a rule of {size:,} characters: EventBridge takes {keys.MOST_PATTERN:,}"
            )
        if self.thumbnails_bucket == self.images_bucket and (
            not self.thumbnails_prefix or _overlap(self.images_prefix, self.thumbnails_prefix)
        ):
            raise ConfigError(
                f"THUMBNAILS_BUCKET is IMAGES_BUCKET ({self.images_bucket!r}): every thumbnail would make "
                "another; use another bucket, or an IMAGES_PREFIX and a THUMBNAILS_PREFIX of which neither "
                "begins with the other"
            )
        if self.reports_bucket == self.images_bucket:
            raise ConfigError(
                f"IMAGES_BUCKET is REPORTS_BUCKET ({self.images_bucket!r}): every dead letter filed there "
                "would be an event; use another bucket"
            )
        if self.capacity_bytes and not self.spread:
            raise ConfigError(
                "CAPACITY_BYTES is set and SPREAD is 'off': bytes are counted by the clock that spreads; set "
                "SPREAD=on, or leave CAPACITY_BYTES out"
            )
        queues = [self.source_queue_url, self.destination_queue_url, self.dead_letter_queue_url]
        queues += [self.bulk_queue_url] if self.bulk_queue_url else []
        if len(set(queues)) < len(queues):
            raise ConfigError(
                "SOURCE_QUEUE_URL, BULK_QUEUE_URL, DESTINATION_QUEUE_URL and DEAD_LETTER_QUEUE_URL must be "
                f"different queues; they are {', '.join(queues)}"
            )

    def setting(self, name: str, default: str = "") -> str:
        """An action's own setting. Raises ConfigError where it is neither set nor given a default."""
        value = self.environment.get(name, "") or default
        if not value:
            raise ConfigError(f"{name} is not set: expected a value, which ACTION={self.action} needs")
        return value

    def function_name(self, function: str) -> str:
        """Lambda's name of one of the stage's functions, as Chalice makes it."""
        return f"{APP}-{self.stage}-{function}"

    @property
    def capacity_parameter(self) -> str:
        """The SSM parameter that holds the capacity set at run time."""
        return capacity_parameter(self.stage)

    @property
    def event_pattern(self) -> dict[str, Any]:
        """Which events the rule of S3_NOTIFIES=eventbridge passes to enqueue."""
        asked = keys.event_pattern(
            self.images_bucket, self.images_prefix, self.images_suffix, self.images_patterns
        )
        if self.delete_with_original:
            asked["detail-type"].append("Object Deleted")
        return asked

    @property
    def s3_events(self) -> list[str]:
        """Of which events S3 tells."""
        return s3_events(self.delete_with_original)

    def lane_url(self, lane: str) -> str:
        """The queue of a lane: `bulk`, or live."""
        return self.bulk_queue_url if lane and self.bulk_queue_url else self.source_queue_url

    def retry_delay_s(self, tries: int) -> int:
        """Seconds after which an event is tried again that has failed so often; the last delay repeats."""
        return self.retry_delays[min(tries, len(self.retry_delays)) - 1]

    def drops(self, key: str) -> bool:
        """Whether enqueue and the drain drop the key's event. With a bus consume does, and tells of it."""
        return self.ignores(key) and not self.events_bus

    def why_ignored(self, created: ObjectCreated) -> str:
        """Why the object is not to be handled, uploaded or backfilled, in one line; empty where it is."""
        if not (why := self.why_left_out(created)) and self.ignores(created.key):
            return f"the action table ignores such keys: {self.of_key(created.key).line}"
        return why

    def why_left_out(self, created: ObjectCreated) -> str:
        """The same, but for the action table: it is none of the stage's objects."""
        if created.is_folder_marker:
            return "a folder marker: nothing to do"
        if self.is_own_output(created.bucket, created.key):
            return "our own output: nothing to do"
        if not created.key.startswith(self.images_prefix) or not created.key.endswith(self.images_suffix):
            return "IMAGES_PREFIX or IMAGES_SUFFIX leaves such keys out"
        if self.images_patterns and not any(table.like(created.key, one) for one in self.images_patterns):
            return "IMAGES_PATTERNS leaves such keys out"
        return ""

    def is_own_output(self, bucket: str, key: str) -> bool:
        """Whether we wrote this object ourselves; reacting to it would never end."""
        return bucket == self.thumbnails_bucket and key.startswith(self.thumbnails_prefix)


def actions_in(folder: str = ACTIONS) -> list[str]:
    """The names of the actions there are, in alphabetical order."""
    files = (name.partition(".") for name in os.listdir(folder))
    return sorted(
        name
        for name, _, kind in files
        if kind == "py" and re.fullmatch(_ACTION, name) and name != table.IGNORE
    )


def s3_events(removals: bool) -> list[str]:
    """S3's names of the events that a stage is told of."""
    return ["s3:ObjectCreated:*", *(["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"] if removals else [])]


def in_chalice_cli(env: Mapping[str, str] = os.environ) -> bool:
    """Whether Chalice's command line runs this code, and not Lambda."""
    return "AWS_CHALICE_CLI_MODE" in env


def capacity_parameter(stage: str) -> str:
    """The name of a stage's SSM parameter."""
    return f"/{APP}/{stage}/capacity"


def queue_name(url: str) -> str:
    """The name in a queue's URL, `https://sqs.{region}.amazonaws.com/{account}/{name}`."""
    return url.rsplit("/", 1)[1]


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _action(text: str, folder: str) -> str:
    there = actions_in(folder)
    if text not in there:
        make = f"; make new-action NAME={text} begins one" if re.fullmatch(_ACTION, text) else ""
        raise ValueError(" or ".join(there) + make)
    return text


def _by_hour(text: str) -> str:
    """The same text, once it has been read without a mistake."""
    from chalicelib.config import hours  # not for the cold start of a stage that has none

    return hours.parse(text).text


def _buckets(text: str) -> tuple[str, ...]:
    """Names, separated by commas."""
    names = tuple(filter(None, (part.strip() for part in text.split(","))))
    if len(names) > 10 or not all(re.fullmatch(_BUCKET, name) for name in names):
        raise ValueError("the names of at most 10 buckets, separated by commas")
    return names


def _memory(text: str) -> tuple[int, ...]:
    """Megabytes of enqueue, drain and consume, separated by commas."""
    if not re.fullmatch(r"[0-9]{3,5}(,[0-9]{3,5}){2}", text):
        raise ValueError("the megabytes of enqueue, drain and consume, such as 256,256,1024")
    return tuple(map(int, text.split(",")))


def _delays(text: str) -> tuple[int, ...]:
    """Seconds, separated by commas: at most twenty, each at most LONGEST_DELAY_S."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 20 or not all(
        re.fullmatch(r"[0-9]{1,5}", part) and int(part) <= LONGEST_DELAY_S for part in parts
    ):
        raise ValueError(f"up to 20 whole numbers of seconds up to {LONGEST_DELAY_S}, such as 15,300,1800")
    return tuple(int(part) for part in parts)
