"""The REST calls about jobs: plain data in, checked strictly; JSON-able dicts out.

Raises RestError, whose `status` is the HTTP status. docs/jobs.md shows every call with its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import times
from chalicelib.config import Config
from chalicelib.errors import BadRequest, NotSetUp
from chalicelib.fields import MAX_PRIORITY, Body, Query
from chalicelib.jobs import batch_jobs, cost, new_job, report_pages, task
from chalicelib.jobs.batch_jobs import Job, job_of
from chalicelib.jobs.new_job import MAX_DESCRIPTION, NewJob
from chalicelib.jobs.sources import prepare
from chalicelib.jobs.stored_manifests import Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_s3control.type_defs import JobOperationTypeDef


LISTED_JOBS = 100
MAX_REPORT_ROWS = 1000


def create_job(
    body: Any, s3: S3Client, s3control: S3ControlClient, config: Config, *, in_request: bool = True
) -> dict[str, Any]:
    """POST /jobs: check everything, then create a job that waits to be run.

    Raises BadRequest with every problem of the manifest, Conflict for a used token, NotSetUp. `in_request` is
    false for the command, which may take as long as it needs.
    """
    new = new_job.parse(body)
    _need(config, function=new.operation != "replace")
    source, restore = prepare(new, s3, s3control, config, in_request)
    manifest = source if isinstance(source, Manifest) else None
    objects = manifest.objects if manifest else None
    answer = {
        "objects": objects,
        "estimated_cost_usd": (
            cost.estimated_cost_usd(objects, new.operation) if objects is not None else None
        ),
        "manifest": manifest.uri if manifest and manifest.key else None,
        "restore_manifest": restore.uri if restore else None,
    }
    if new.check:
        return {"id": None, "status": "checked", **answer}
    job_id = batch_jobs.create(
        s3control,
        role_arn=config.jobs_role_arn,
        operation=_operation(new, config),
        source=source,
        report_bucket=config.reports_bucket,
        report_prefix=new.folder,
        failed_only=new.failed_only,
        description=new.description,
        priority=new.priority,
        token=new.token,
    )
    return {"id": job_id, "status": "waiting to be run", "token": new.token, **answer}


def list_jobs(query: Mapping[str, str] | None, s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """GET /jobs?status=Active,Suspended&limit=100: the newest first."""
    _need(config)
    fields = Query.of(query, "status", "limit")
    statuses: Any = tuple(filter(None, (fields.given("status") or "").split(",")))
    for status in statuses:
        if status not in batch_jobs.STATUSES:
            raise BadRequest("status", f"{status!r} is not one of {', '.join(batch_jobs.STATUSES)}")
    limit = fields.whole("limit", 1, 1000, LISTED_JOBS)
    jobs = batch_jobs.list_all(s3control, batch_jobs.account_of(config.jobs_role_arn), statuses)
    return {"jobs": [_as_dict(job) for job in jobs[:limit]], "total": len(jobs)}


def get_job(job_id: str, s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """GET /jobs/{id}: status, progress, why it failed."""
    _need(config)
    job = job_of(job_id, s3control, config)
    return {
        **_as_dict(job),
        "failure_reasons": list(job.failure_reasons),
        "manifest": job.manifest or None,
        "report": f"s3://{job.report_bucket}/{job.report_prefix}/job-{job.id}/"
        if job.report_bucket
        else None,
    }


def run_job(job_id: str, s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """POST /jobs/{id}/run."""
    _need(config)
    account = batch_jobs.account_of(config.jobs_role_arn)
    return {"id": job_id, "status": batch_jobs.run(s3control, account, job_id)}


def cancel_job(job_id: str, body: Any, s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """POST /jobs/{id}/cancel, with or without {"reason": "..."}."""
    _need(config)
    reason = Body.of(body, "reason", optional=True).text("reason", MAX_DESCRIPTION, "")
    account = batch_jobs.account_of(config.jobs_role_arn)
    return {"id": job_id, "status": batch_jobs.cancel(s3control, account, job_id, reason)}


def set_priority(job_id: str, body: Any, s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """PUT /jobs/{id}/priority with {"priority": 20}; higher runs first."""
    _need(config)
    priority = Body.of(body, "priority").whole("priority", 0, MAX_PRIORITY)
    account = batch_jobs.account_of(config.jobs_role_arn)
    return {"id": job_id, "priority": batch_jobs.set_priority(s3control, account, job_id, priority)}


def get_report(
    job_id: str, query: Mapping[str, str] | None, s3: S3Client, s3control: S3ControlClient, config: Config
) -> dict[str, Any]:
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
        "rows": [
            {
                "bucket": row.bucket,
                "key": row.key,
                "version_id": row.version_id,
                "succeeded": row.succeeded,
                "http_status": row.http_status,
                "error_code": row.error_code,
                "message": row.message,
            }
            for row in page.rows
        ],
        "next": page.next or None,
    }


def _operation(new: NewJob, config: Config) -> JobOperationTypeDef:
    if new.operation == "replace":
        tags = [{"Key": key, "Value": value} for key, value in new.tags]
        return {"S3PutObjectTagging": {"TagSet": tags}}  # type: ignore[typeddict-item]
    return {
        "LambdaInvoke": {
            "FunctionArn": config.backfill_function_arn,
            "InvocationSchemaVersion": "2.0",  # the one with userArguments
            "UserArguments": task.user_arguments(new.operation, dict(new.tags)),
        }
    }


def _as_dict(job: Job) -> dict[str, Any]:
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
