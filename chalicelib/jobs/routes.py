"""/jobs: bulk work on S3 Batch Operations (docs/jobs.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.caller import audited
from chalicelib.api.views import Routes, config
from chalicelib.aws import clients

if TYPE_CHECKING:
    from chalicelib.jobs.commands import (
        Cancel,
        CreatedJob,
        JobChanged,
        JobDetails,
        JobPriority,
        JobReport,
        Jobs,
        JobsQuery,
        NewPriority,
        ReportQuery,
        RunJob,
    )
    from chalicelib.jobs.new_job import JobRequest

routes = Routes(__name__)


@routes.post("/jobs", errors=(404, 409, 501))
def post_job(body: JobRequest) -> CreatedJob:
    """A bulk job, checked; it waits until somebody runs it."""
    from chalicelib.jobs import commands

    made = commands.create_job(body, clients.s3(), clients.s3control(), config())
    if made["id"] is None:  # only checked
        return made
    what = commands.in_words(body, made["id"])
    return audited(routes.current_request, "job created", made, what)


@routes.get("/jobs", errors=(501,))
def get_jobs(query: JobsQuery) -> Jobs:
    """The stage's jobs, the newest first."""
    from chalicelib.jobs import commands

    return commands.list_jobs(query, clients.s3control(), config())


@routes.get("/jobs/{job_id}", errors=(404, 501))
def get_job(job_id: str) -> JobDetails:
    """A job's status, progress and failures."""
    from chalicelib.jobs import commands

    return commands.get_job(job_id, clients.s3control(), config())


@routes.post("/jobs/{job_id}/run", errors=(404, 409, 501))
def run_job(job_id: str, body: RunJob | None) -> JobChanged:
    """Run a job that waits for it."""
    from chalicelib.jobs import commands

    note = commands.note_of(body)
    answer = commands.run_job(job_id, clients.s3control(), config())
    return audited(routes.current_request, "job run", answer, job_id, note)


@routes.post("/jobs/{job_id}/cancel", errors=(404, 409, 501))
def cancel_job(job_id: str, body: Cancel | None) -> JobChanged:
    """Stop a job; what it has done stays done."""
    from chalicelib.jobs import commands

    answer = commands.cancel_job(job_id, body, clients.s3control(), config())
    return audited(routes.current_request, "job cancelled", answer, job_id, (body or {}).get("reason"))


@routes.put("/jobs/{job_id}/priority", errors=(404, 409, 501))
def put_priority(job_id: str, body: NewPriority) -> JobPriority:
    """Change a job's priority: of the jobs that wait, the highest number runs first."""
    from chalicelib.jobs import commands

    answer = commands.set_priority(job_id, body, clients.s3control(), config())
    return audited(routes.current_request, "job priority set", answer, f"{job_id}: {answer['priority']}")


@routes.get("/jobs/{job_id}/report", errors=(404, 409, 501))
def get_report(job_id: str, query: ReportQuery) -> JobReport:
    """A job's totals, and a page of its objects with what became of each."""
    from chalicelib.jobs import commands

    return commands.get_report(job_id, query, clients.s3(), clients.s3control(), config())
