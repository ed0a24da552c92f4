"""/jobs: bulk work on S3 Batch Operations (docs/jobs.md)."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.api.views import config, documented, json_body, plain_errors, query, signed
from chalicelib.aws import clients

routes = Blueprint(__name__)


@routes.route("/jobs", methods=["POST"], authorizer=signed)
@plain_errors
@documented("NewJobAnswer", body="NewJob", errors=(404, 409, 501))
def post_job() -> dict[str, Any]:
    """A bulk job, checked; it waits until somebody runs it."""
    from chalicelib.jobs import commands

    return commands.create_job(json_body(routes), clients.s3(), clients.s3control(), config())


@routes.route("/jobs", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Jobs", query="JobsQuery", errors=(501,))
def get_jobs() -> dict[str, Any]:
    """The newest first."""
    from chalicelib.jobs import commands

    return commands.list_jobs(query(routes), clients.s3control(), config())


@routes.route("/jobs/{job_id}", methods=["GET"], authorizer=signed)
@plain_errors
@documented("JobDetails", errors=(404, 501))
def get_job(job_id: str) -> dict[str, Any]:
    """Its status, progress and failures."""
    from chalicelib.jobs import commands

    return commands.get_job(job_id, clients.s3control(), config())


@routes.route("/jobs/{job_id}/run", methods=["POST"], authorizer=signed)
@plain_errors
@documented("JobStatus", errors=(404, 409, 501))
def run_job(job_id: str) -> dict[str, Any]:
    """The job begins."""
    from chalicelib.jobs import commands

    return commands.run_job(job_id, clients.s3control(), config())


@routes.route("/jobs/{job_id}/cancel", methods=["POST"], authorizer=signed)
@plain_errors
@documented("JobStatus", body="Cancel | None", errors=(404, 409, 501))
def cancel_job(job_id: str) -> dict[str, Any]:
    """The job ends; what it has done stays done."""
    from chalicelib.jobs import commands

    return commands.cancel_job(job_id, json_body(routes), clients.s3control(), config())


@routes.route("/jobs/{job_id}/priority", methods=["PUT"], authorizer=signed)
@plain_errors
@documented("JobPriority", body="Priority", errors=(404, 409, 501))
def put_priority(job_id: str) -> dict[str, Any]:
    """Of the jobs that wait, the highest number runs first."""
    from chalicelib.jobs import commands

    return commands.set_priority(job_id, json_body(routes), clients.s3control(), config())


@routes.route("/jobs/{job_id}/report", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Report", query="ReportQuery", errors=(404, 409, 501))
def get_report(job_id: str) -> dict[str, Any]:
    """Totals, and a page of rows with their reasons."""
    from chalicelib.jobs import commands

    return commands.get_report(job_id, query(routes), clients.s3(), clients.s3control(), config())
