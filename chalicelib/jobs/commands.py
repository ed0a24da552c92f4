"""The REST calls about jobs: plain data in, checked strictly; JSON-able dicts out.

Raises RestError, whose `status` is the HTTP status. docs/jobs.md shows every call with its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from chalicelib import times
from chalicelib.config import Config
from chalicelib.errors import BadRequest, NotSetUp
from chalicelib.fields import MAX_PRIORITY, Body, Query, schema
from chalicelib.jobs import batch_jobs, cost, new_job, report_pages
from chalicelib.jobs.batch_jobs import Job, JobState, job_of
from chalicelib.jobs.new_job import MAX_DESCRIPTION
from chalicelib.jobs.reports import ReportRow
from chalicelib.jobs.sources import prepare
from chalicelib.jobs.stored_manifests import Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient


LISTED_JOBS, MAX_LISTED = 100, 1000
MAX_REPORT_ROWS = 1000


class JobSummary(TypedDict):
    id: str
    operation: str
    description: str
    status: JobState
    outcome: str
    objects: int
    succeeded: int
    failed: int
    percent: float
    priority: int
    created: str
    ended: str | None


class JobDetails(JobSummary):
    failure_reasons: list[str]
    manifest: str | None
    report: str | None


class Jobs(TypedDict):
    jobs: list[JobSummary]
    total: int


class JobsQuery(TypedDict, total=False):
    status: Annotated[str, schema(description="AWS's statuses, such as Active,Suspended")]
    limit: Annotated[int, schema(minimum=1, maximum=MAX_LISTED)]


class CreatedJob(TypedDict):
    id: str | None
    status: str
    token: NotRequired[str]
    objects: int | None
    estimated_cost_usd: float | None
    manifest: str | None
    restore_manifest: str | None


class JobChanged(TypedDict):
    id: str
    status: str


class RunJob(TypedDict, total=False):
    note: Annotated[str, schema(maxLength=MAX_DESCRIPTION)]


class Cancel(TypedDict, total=False):
    reason: Annotated[str, schema(maxLength=MAX_DESCRIPTION)]


class NewPriority(TypedDict):
    priority: Annotated[int, schema(minimum=0, maximum=MAX_PRIORITY)]


class JobPriority(TypedDict):
    id: str
    priority: int


class ReportQuery(TypedDict, total=False):
    rows: Literal["failed", "all"]
    limit: Annotated[int, schema(minimum=1, maximum=MAX_REPORT_ROWS)]
    next: str


class Totals(TypedDict):
    objects: int
    succeeded: int
    failed: int


class JobReport(TypedDict):
    id: str
    outcome: str
    totals: Totals
    rows: list[ReportRow]
    next: str | None


def create_job(
    body: Any, s3: S3Client, s3control: S3ControlClient, config: Config, *, in_request: bool = True
) -> CreatedJob:
    """POST /jobs: check everything, then create a job that waits to be run.

    Raises BadRequest with every problem of the manifest, Conflict for a used token, NotSetUp. `in_request` is
    false for the command, which may take as long as it needs.
    """
    new = new_job.parse(body)
    _need(config, function=new.operation != "replace")
    source, restore = prepare(new, s3, s3control, config, in_request)
    manifest = source if isinstance(source, Manifest) else None
    objects = manifest.objects if manifest else None
    answer: CreatedJob = {
        "id": None,
        "status": "checked",
        "objects": objects,
        "estimated_cost_usd": None if objects is None else cost.estimated_cost_usd(objects, new.operation),
        "manifest": manifest.uri if manifest and manifest.key else None,
        "restore_manifest": restore.uri if restore else None,
    }
    if new.check:
        return answer
    job_id = batch_jobs.create(s3control, new, source, config)
    return {**answer, "id": job_id, "status": "waiting to be run", "token": new.token}


def list_jobs(query: Mapping[str, Any] | None, s3control: S3ControlClient, config: Config) -> Jobs:
    """GET /jobs?status=Active,Suspended&limit=100: the stage's, the newest first."""
    _need(config)
    fields = Query.of(query, "status", "limit")
    statuses: Any = tuple(filter(None, (fields.given("status") or "").split(",")))
    for status in statuses:
        if status not in batch_jobs.STATES:
            raise BadRequest("status", f"{status!r} is not one of {', '.join(batch_jobs.STATES)}")
    limit = fields.whole("limit", 1, MAX_LISTED, LISTED_JOBS)
    jobs = batch_jobs.list_of(s3control, config, statuses)
    return {"jobs": [_summary(job) for job in jobs[:limit]], "total": len(jobs)}


def get_job(job_id: str, s3control: S3ControlClient, config: Config) -> JobDetails:
    """GET /jobs/{id}: status, progress, why it failed."""
    _need(config)
    job = job_of(job_id, s3control, config)
    return {
        **_summary(job),
        "failure_reasons": list(job.failure_reasons),
        "manifest": job.manifest or None,
        "report": f"s3://{job.report_bucket}/{job.report_prefix}/job-{job.id}/"
        if job.report_bucket
        else None,
    }


def run_job(job_id: str, s3control: S3ControlClient, config: Config) -> JobChanged:
    """POST /jobs/{id}/run."""
    _need(config)
    return {"id": job_id, "status": batch_jobs.run(s3control, config, job_id)}


def in_words(body: Mapping[str, Any], job_id: str) -> str:
    """Which job was asked for by a request that made this one."""
    return " ".join(filter(None, (str(body["kind"]), job_id, body.get("description"))))


def note_of(body: Any) -> str:
    """Why a job is run, where {"note": "..."} says so. Raises BadRequest."""
    return Body.of(body, "note", optional=True).text("note", MAX_DESCRIPTION, "")


def cancel_job(job_id: str, body: Any, s3control: S3ControlClient, config: Config) -> JobChanged:
    """POST /jobs/{id}/cancel, with or without {"reason": "..."}."""
    _need(config)
    reason = Body.of(body, "reason", optional=True).text("reason", MAX_DESCRIPTION, "")
    return {"id": job_id, "status": batch_jobs.cancel(s3control, config, job_id, reason)}


def set_priority(job_id: str, body: Any, s3control: S3ControlClient, config: Config) -> JobPriority:
    """PUT /jobs/{id}/priority with {"priority": 20}; higher runs first."""
    _need(config)
    priority = Body.of(body, "priority").whole("priority", 0, MAX_PRIORITY)
    return {"id": job_id, "priority": batch_jobs.set_priority(s3control, config, job_id, priority)}


def get_report(
    job_id: str, query: Mapping[str, Any] | None, s3: S3Client, s3control: S3ControlClient, config: Config
) -> JobReport:
    """GET /jobs/{id}/report?rows=failed&limit=100&next=...: totals, and a page of rows with their reasons."""
    _need(config)
    fields = Query.of(query, "rows", "limit", "next")
    which = fields.choice("rows", ("failed", "all"), "failed")
    limit = fields.whole("limit", 1, MAX_REPORT_ROWS, 100)
    job = job_of(job_id, s3control, config)
    page = report_pages.page(
        s3, job, failed_only=which == "failed", cursor=fields.given("next") or "", limit=limit
    )
    return {
        "id": job.id,
        "outcome": job.outcome,
        "totals": {"objects": job.total, "succeeded": job.succeeded, "failed": job.failed},
        "rows": [row.as_dict() for row in page.rows],
        "next": page.next or None,
    }


def _summary(job: Job) -> JobSummary:
    return {
        "id": job.id,
        "operation": job.operation,
        "description": job.description,
        "status": job.status,
        "outcome": job.outcome,
        "objects": job.total,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "percent": job.percent,
        "priority": job.priority,
        "created": times.iso(job.created),
        "ended": times.iso(job.ended),
    }


def _need(config: Config, *, function: bool = False) -> None:
    settings = {"REPORTS_BUCKET": config.reports_bucket, "JOBS_ROLE_ARN": config.jobs_role_arn}
    if function:
        settings["BACKFILL_FUNCTION_ARN"] = config.backfill_function_arn
    missing = [name for name, value in settings.items() if not value]
    if missing:
        raise NotSetUp(f"this stage has no jobs: {' and '.join(missing)} not set")
