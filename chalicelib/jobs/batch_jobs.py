"""Jobs on S3 Batch Operations: create, look at, run, stop, and read what became of each object.

The work is done by AWS's engine; here is only its API (https://docs.aws.amazon.com/AmazonS3/latest/API/
API_Operations_AWS_S3_Control.html) and the completion report it leaves in the reports bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from chalicelib.aws.errors import rest_errors
from chalicelib.config import Config
from chalicelib.errors import NotFound
from chalicelib.jobs import task
from chalicelib.jobs.new_job import NewJob
from chalicelib.jobs.stored_manifests import Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_s3control.type_defs import JobManifestGeneratorTypeDef, JobOperationTypeDef

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
STATES: tuple[JobState, ...] = get_args(JobState)
TERMINAL = frozenset({"Complete", "Cancelled", "Failed"})

# On every job of ours: the API's role may change no job without it (infra/permissions/policies.py).
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-tags-examples.html
STAGE_TAG = "s3-event-scheduler-stage"
LOOKERS = 8  # DescribeJob calls at the same time
MAX_LOOKED_AT = 400  # jobs of which one list asks whose they are
MAX_REMEMBERED = 10_000
_ours: dict[tuple[str, str], bool] = {}  # role, job -> whether it works as the role; that never changes

_JOB_ID = re.compile(r"[a-zA-Z0-9_-]{5,36}", re.ASCII)


@dataclass(frozen=True)
class Job:
    """A job as S3 Batch Operations sees it. `operation` is replace, merge, restore or backfill.

    ListJobs tells less than DescribeJob: there the operation of a Lambda job is `lambda`, and manifest and
    report are empty.
    """

    id: str
    status: JobState
    operation: str
    description: str
    priority: int
    total: int
    succeeded: int
    failed: int
    created: datetime
    ended: datetime | None = None
    failure_reasons: tuple[str, ...] = ()
    manifest: str = ""  # s3://bucket/key
    report_bucket: str = ""
    report_prefix: str = ""
    role_arn: str = ""  # what it works as

    @property
    def percent(self) -> float:
        """How much of it has run, 0 to 100."""
        return round(100 * (self.succeeded + self.failed) / self.total, 1) if self.total else 0.0

    @property
    def outcome(self) -> str:
        """What a person wants to know. Complete says that every task has run, not that one succeeded."""
        if self.status == "Complete":
            if not self.failed:
                return "succeeded"
            return "partly failed" if self.succeeded else "failed"
        if self.status in ("Failed", "Cancelled"):
            return self.status.lower()
        return "waiting to be run" if self.status == "Suspended" else "running"


def create(
    s3control: S3ControlClient, new: NewJob, source: Manifest | JobManifestGeneratorTypeDef, config: Config
) -> str:
    """Create a job that waits to be run, and return its id; the same token gives the same job.

    Raises BadRequest for what the service refuses and Conflict where the token belongs to another job.
    """
    partition = config.jobs_role_arn.split(":")[1]
    given: dict[str, Any]
    if isinstance(source, Manifest):
        given = {"Manifest": _manifest(source, partition)}
    else:
        given = {"ManifestGenerator": source}
    with rest_errors():
        answer = s3control.create_job(
            AccountId=account_of(config.jobs_role_arn),
            ConfirmationRequired=True,
            Operation=_new_operation(new, config),
            Report={
                "Enabled": True,
                "Bucket": f"arn:{partition}:s3:::{config.reports_bucket}",
                "Format": "Report_CSV_20180820",
                "Prefix": new.folder,
                "ReportScope": "FailedTasksOnly" if new.failed_only else "AllTasks",
            },
            ClientRequestToken=new.token,
            Description=new.description,
            Priority=new.priority,
            RoleArn=config.jobs_role_arn,
            Tags=[{"Key": STAGE_TAG, "Value": config.stage}],
            **given,
        )
    return answer["JobId"]


def _new_operation(new: NewJob, config: Config) -> JobOperationTypeDef:
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


def _manifest(manifest: Manifest, partition: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"Format": manifest.format}
    if manifest.fields:
        spec["Fields"] = list(manifest.fields)
    arn = f"arn:{partition}:s3:::{manifest.bucket}/{manifest.key}"
    return {"Spec": spec, "Location": {"ObjectArn": arn, "ETag": manifest.etag}}


def describe(s3control: S3ControlClient, account: str, job_id: str) -> Job:
    """One job of the account, whoever's it is, with its progress. Raises NotFound."""
    _check_id(job_id)
    with rest_errors(job_id):
        return _described(s3control.describe_job(AccountId=account, JobId=job_id)["Job"])


def job_of(job_id: str, s3control: S3ControlClient, config: Config) -> Job:
    """One job of the stage. Raises NotFound, also for one of another stage or of somebody else."""
    job = describe(s3control, account_of(config.jobs_role_arn), job_id)
    if not is_of(job, config):
        raise NotFound(f"no job {job_id!r} of stage {config.stage}: it works as another role")
    return job


def is_of(job: Job, config: Config) -> bool:
    """Whether the job is the stage's: every one works as the stage's own role."""
    return job.role_arn == config.jobs_role_arn


def list_of(s3control: S3ControlClient, config: Config, statuses: tuple[JobState, ...] = ()) -> list[Job]:
    """The stage's jobs, the newest first, among the newest of the account.

    ListJobs does not say whose a job is, so each is asked for, once in a process; MAX_LOOKED_AT new ones at
    most in one call.
    """
    role = config.jobs_role_arn
    everybodys = list_all(s3control, account_of(role), statuses)
    unknown = [job for job in everybodys if (role, job.id) not in _ours][:MAX_LOOKED_AT]
    if len(_ours) + len(unknown) > MAX_REMEMBERED:
        _ours.clear()
        unknown = everybodys[:MAX_LOOKED_AT]
    with ThreadPoolExecutor(LOOKERS, thread_name_prefix="whose-job") as pool:
        whose = pool.map(lambda job: _is_ours(s3control, job.id, config), unknown)
        _ours.update({(role, job.id): ours for job, ours in zip(unknown, whose, strict=True)})
    return [job for job in everybodys if _ours.get((role, job.id))]


def _is_ours(s3control: S3ControlClient, job_id: str, config: Config) -> bool:
    try:
        return is_of(describe(s3control, account_of(config.jobs_role_arn), job_id), config)
    except NotFound:  # gone since
        return False


def list_all(s3control: S3ControlClient, account: str, statuses: tuple[JobState, ...] = ()) -> list[Job]:
    """Every job of the account that AWS still knows (90 days after its end), the newest first."""
    jobs: list[Job] = []
    more: dict[str, Any] = {}
    with rest_errors():
        while True:  # boto3 has no paginator for it
            page = s3control.list_jobs(AccountId=account, JobStatuses=statuses, MaxResults=1000, **more)
            jobs.extend(_listed(job) for job in page.get("Jobs", []))
            if not page.get("NextToken"):
                break
            more = {"NextToken": page["NextToken"]}
    return sorted(jobs, key=lambda job: job.created, reverse=True)


def run(s3control: S3ControlClient, config: Config, job_id: str) -> str:
    """Let a suspended job of the stage run; the new status. Raises NotFound, Conflict for any other."""
    account = _account_if_ours(job_id, s3control, config)
    with rest_errors(job_id):
        return s3control.update_job_status(AccountId=account, JobId=job_id, RequestedJobStatus="Ready")[
            "Status"
        ]


def cancel(s3control: S3ControlClient, config: Config, job_id: str, reason: str = "") -> str:
    """Stop a job of the stage; tasks done stay done. Raises NotFound, Conflict for one that has ended."""
    account = _account_if_ours(job_id, s3control, config)
    with rest_errors(job_id):
        if reason:
            answer = s3control.update_job_status(
                AccountId=account, JobId=job_id, RequestedJobStatus="Cancelled", StatusUpdateReason=reason
            )
        else:
            answer = s3control.update_job_status(
                AccountId=account, JobId=job_id, RequestedJobStatus="Cancelled"
            )
    return answer["Status"]


def set_priority(s3control: S3ControlClient, config: Config, job_id: str, priority: int) -> int:
    """Higher runs first. Raises NotFound, and BadRequest for a job that has ended."""
    account = _account_if_ours(job_id, s3control, config)
    with rest_errors(job_id):
        answer = s3control.update_job_priority(AccountId=account, JobId=job_id, Priority=priority)
    return answer["Priority"]


def _account_if_ours(job_id: str, s3control: S3ControlClient, config: Config) -> str:
    """The account of the stage's job. Raises NotFound."""
    job_of(job_id, s3control, config)
    return account_of(config.jobs_role_arn)


def account_of(role_arn: str) -> str:
    """The account in a role's ARN, `arn:aws:iam::ACCOUNT:role/NAME`."""
    return role_arn.split(":")[4]


def _described(job: Mapping[str, Any]) -> Job:
    location = job.get("Manifest", {}).get("Location", {}) or (
        job.get("GeneratedManifestDescriptor", {}).get("Location", {})
    )
    report = job.get("Report", {})
    return Job(
        **_common(job),
        operation=_operation(job["Operation"]),
        failure_reasons=tuple(
            f"{reason.get('FailureCode', '')}: {reason.get('FailureReason', '')}"
            for reason in job.get("FailureReasons", [])
        ),
        manifest=f"s3://{_resource(location['ObjectArn'])}" if location else "",
        report_bucket=_resource(report["Bucket"]) if report.get("Enabled") else "",
        report_prefix=report.get("Prefix", ""),
        role_arn=job.get("RoleArn", ""),
    )


def _listed(job: Mapping[str, Any]) -> Job:
    names = {"S3PutObjectTagging": "replace", "LambdaInvoke": "lambda"}
    return Job(**_common(job), operation=names.get(job["Operation"], job["Operation"]))


def _common(job: Mapping[str, Any]) -> dict[str, Any]:
    progress = job.get("ProgressSummary", {})
    return {
        "id": job["JobId"],
        "status": job["Status"],
        "description": job.get("Description", ""),
        "priority": job.get("Priority", 0),
        "total": progress.get("TotalNumberOfTasks") or 0,
        "succeeded": progress.get("NumberOfTasksSucceeded") or 0,
        "failed": progress.get("NumberOfTasksFailed") or 0,
        "created": job["CreationTime"],
        "ended": job.get("TerminationDate"),
    }


def _operation(operation: Mapping[str, Any]) -> str:
    if "S3PutObjectTagging" in operation:
        return "replace"
    invoke = operation.get("LambdaInvoke")
    if invoke is None:
        return next(iter(operation))
    return str((invoke.get("UserArguments") or {}).get("operation", "backfill"))


def _resource(arn: str) -> str:
    """What an S3 ARN names, `arn:aws:s3:::BUCKET/KEY`."""
    return arn.split(":", 5)[5]


def _check_id(job_id: str) -> None:
    if not _JOB_ID.fullmatch(job_id):
        raise NotFound(f"no job {job_id[:40]!r}: an id has 5 to 36 letters, digits, - and _")
