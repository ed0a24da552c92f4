"""What the REST API takes and answers, as types: the OpenAPI document is made from these (infra/openapi.py).

Written for reading, not run by the app. A test calls every route against the document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

JobState = Literal[
    "Active",
    "Cancelled",
    "Cancelling",
    "Complete",
    "Completing",
    "Failed",
    "Failing",
    "New",
    "Paused",
    "Pausing",
    "Preparing",
    "Ready",
    "Suspended",
]


@dataclass
class Failed:
    """In place of a part that could not be found out."""

    error: str


@dataclass
class Error:
    """What is wrong, in one line."""

    error: str
    field: str | None = None
    problems: list[str] | None = None


@dataclass
class ChaliceError:
    """An error found before our code was asked: the JSON, the media type, the method."""

    Code: str
    Message: str


@dataclass
class Health:
    status: Literal["ok"]


@dataclass
class Job:
    id: str
    operation: str | None
    description: str | None
    status: JobState
    outcome: str
    objects: int | None
    succeeded: int | None
    failed: int | None
    percent: float | None
    priority: int
    created: str
    ended: str | None


@dataclass
class JobDetails(Job):
    failure_reasons: list[str]
    manifest: str | None
    report: str | None


@dataclass
class Jobs:
    jobs: list[Job]
    total: int


@dataclass
class JobsQuery:
    status: Annotated[str | None, Field(description="AWS's statuses, such as Active,Suspended")] = None
    limit: Annotated[int | None, Field(ge=1, le=1000)] = None


@dataclass
class CsvManifest:
    csv: str
    etag: str | None = None


@dataclass
class InventoryManifest:
    inventory: str


@dataclass
class Listed:
    prefix: str = ""
    suffix: str = ""


@dataclass
class ListManifest:
    list: Listed


@dataclass
class Generated(Listed):
    created_after: str | None = None


@dataclass
class GeneratedManifest:
    generate: Generated


@dataclass
class NewJob:
    """A bulk job. `tag` needs `manifest` and `tags`, `backfill` needs `manifest`, `undo` needs `job`."""

    kind: Literal["tag", "backfill", "undo"]
    manifest: CsvManifest | InventoryManifest | ListManifest | GeneratedManifest | None = None
    tags: dict[str, str] | None = None
    mode: Literal["replace", "merge"] = "replace"
    keep_old_tags: bool = False
    job: str | None = None
    description: Annotated[str | None, Field(max_length=256)] = None
    priority: Annotated[int, Field(ge=0, le=2_147_483_647)] = 10
    report: Literal["all", "failed"] = "all"
    token: str | None = None
    check: bool = False


@dataclass
class NewJobAnswer:
    id: str | None
    status: str
    objects: int | None
    estimated_cost_usd: float | None
    manifest: str | None
    restore_manifest: str | None
    token: str | None = None


@dataclass
class JobStatus:
    id: str
    status: str


@dataclass
class Cancel:
    reason: Annotated[str, Field(max_length=256)] = ""


@dataclass
class Priority:
    priority: Annotated[int, Field(ge=0, le=2_147_483_647)]


@dataclass
class JobPriority:
    id: str
    priority: int


@dataclass
class ReportQuery:
    rows: Literal["failed", "all"] | None = None
    limit: Annotated[int | None, Field(ge=1)] = None
    next: str | None = None


@dataclass
class Totals:
    objects: int | None
    succeeded: int | None
    failed: int | None


@dataclass
class Row:
    bucket: str
    key: str
    version_id: str | None
    succeeded: bool
    http_status: int | str | None
    error_code: str | None
    message: str | None


@dataclass
class Report:
    id: str
    outcome: str
    totals: Totals
    rows: list[Row]
    next: str | None


@dataclass
class PlanQuery:
    objects: Annotated[str, Field(description="such as 1e6")]
    per: Annotated[str, Field(description="such as 90s, 5m, 24h, 7d")]
    size: Annotated[str | None, Field(description="such as 500KB, 2MB")] = None
    capacity: str | None = None
    shards: str | None = None
    action: str | None = None
    notifies: str | None = None
    thumbnails: str | None = None
    seconds: str | None = None
    times: str | None = None
    concurrency: str | None = None


@dataclass
class PlanQuota:
    name: str
    limit: float
    needed: float
    used_percent: float
    met: bool
    from_capacity: int | None
    advice: str
    source: str


@dataclass
class CostLine:
    what: str
    amount: float
    unit: str
    price_usd: float
    usd: float


@dataclass
class Cost:
    lines: list[CostLine]
    total: float


@dataclass
class Plan:
    version: Literal[1]
    given: dict[str, Any]
    minutes_to_clear: int
    peak_backlog: int
    longest_wait_minutes: int
    most_in_one_tick: int
    concurrency: dict[str, float]
    first_quota: PlanQuota
    quotas: list[PlanQuota]
    cost_per_month_usd: Cost
    prices_of: str
    assumed: list[str]
    backlog: list[list[int]]


@dataclass
class Depths:
    visible: int
    in_flight: int
    delayed: int
    oldest_age: float | None


@dataclass
class Queues:
    source: Depths | Failed
    destination: Depths | Failed
    dead_letter: Depths | Failed


@dataclass
class Schedule:
    paused: bool


@dataclass
class Drain:
    minutes: int | None
    says: str


@dataclass
class Tick:
    at: str
    received: int
    forwarded: int
    rejected: int
    failed: int
    duplicates: int
    stopped: Literal["capacity", "back_pressure", "empty", "deadline", "errors"]
    seconds: float
    errors: list[str]


@dataclass
class Function:
    invocations: float | None
    errors: float | None
    throttles: float | None
    success_rate: float | None


@dataclass
class UploadToDone:
    p50: float | None
    p95: float | None


@dataclass
class Hour:
    forwarded_per_minute: float | None
    done: float | None
    rejected: float | None
    thumbnails: float | None
    bytes_in: float | None
    bytes_out: float | None
    upload_to_done: UploadToDone


@dataclass
class ActiveJobs:
    active: list[Job]


@dataclass
class Status:
    version: Literal[1]
    stage: str | None
    at: str
    queues: Queues
    capacity: int | None
    capacity_deployed: int
    capacity_set: int | None
    capacity_error: str | None
    max_in_destination: int | None
    action: str
    schedule: Schedule | Failed
    last_tick: Tick | Failed | None
    arrivals_per_minute: float | None
    drain: Drain
    minutes_to_drain: int | None
    functions: dict[str, Function] | Failed
    hour: Hour | Failed
    jobs: ActiveJobs | Failed


@dataclass
class SeriesQuery:
    minutes: Annotated[int | None, Field(ge=15, le=1440)] = None


@dataclass
class Lines:
    backlog: list[float | None]
    destination: list[float | None]
    dead_letters: list[float | None]
    arrived: list[float | None]
    forwarded: list[float | None]
    done: list[float | None]
    rejected: list[float | None]
    errors: list[float | None]


@dataclass
class Series:
    version: Literal[1]
    minutes: list[str]
    series: Lines


@dataclass
class RecentQuery:
    limit: Annotated[int | None, Field(ge=1, le=100)] = None


@dataclass
class RecentObject:
    id: str
    at: str
    key: str
    outcome: Literal["done", "rejected", "retry"]
    reason: str | None
    seconds: float | None
    thumbnails: list[str]


@dataclass
class Recent:
    version: Literal[1]
    since: str
    objects: list[RecentObject]


@dataclass
class Object:
    exists: bool | None
    size: int | None
    etag: str | None
    last_modified: str | None


@dataclass
class MadeThumbnail:
    key: str
    size: int
    made_at: str | None
    of_this_version: bool | None


@dataclass
class Legs:
    uploaded: str | None
    forwarded: str | None
    started: str | None
    done: str | None
    waited_in_source: float | None
    waited_in_destination: float | None
    worked: float | None


@dataclass
class Whereabouts:
    version: Literal[1]
    key: str
    state: Literal["done", "rejected", "retrying", "waiting", "not seen"]
    known_from: str
    reason: str | None
    object: Object
    thumbnails: list[MadeThumbnail]
    legs: Legs
    not_known: list[str]


@dataclass
class Paused:
    paused: bool


@dataclass
class NewCapacity:
    capacity: Annotated[int, Field(ge=1, le=1_000_000)] | None


@dataclass
class Capacity:
    capacity: int
    capacity_deployed: int
    capacity_set: int | None


@dataclass
class DeadLettersQuery:
    limit: Annotated[int | None, Field(ge=1, le=100)] = None


@dataclass
class DeadLetter:
    id: str
    bucket: str | None
    key: str | None
    reason: str
    function: str | None
    rejected_at: str | None
    body: str


@dataclass
class DeadLetters:
    total: int
    reasons: dict[str, int]
    letters: list[DeadLetter]
    complete: bool


@dataclass
class NewRedrive:
    """All of them, at most `per_second`; or those with exactly this `reason`, not both."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)] = ""
    per_second: Annotated[int, Field(ge=1, le=500)] | None = None


@dataclass
class Redrive:
    redrive: Literal["started", "done", "stopped"]
    handle: str | None
    moved: int | None
    says: str


@dataclass
class RedriveTask:
    status: str
    moved: int | None
    to_move: int | None
    started: str
    reason: str | None


@dataclass
class RedriveTasks:
    tasks: list[RedriveTask]
