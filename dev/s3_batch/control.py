"""The control plane: the calls of the API, over the engine."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from dev.s3_batch.engine import TERMINAL, Engine, Job, WrongStatus
from dev.s3_batch.operations import SUPPORTED
from dev.s3_batch.wire import Params

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html and batch-ops-job-tags.html
MAX_OBJECT_TAGS = 10
MAX_JOB_TAGS = 50
MAX_PAGE = 1000


class Refused(Exception):
    """A call's error: the code that botocore raises, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Control:
    """Every call takes and gives what botocore's model names; `Refused` is its error."""

    def __init__(self, engine: Engine, region: str = "us-east-1") -> None:
        self._engine = engine
        self._region = region
        self._jobs: dict[str, Job] = {}  # in the order of their creation
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}  # account, token -> fingerprint, job id
        self._lock = threading.Lock()

    def call(self, operation: str, params: Params) -> Params:
        """Answer one call of the API by its name."""
        calls = {
            "CreateJob": self.create_job,
            "DescribeJob": self.describe_job,
            "ListJobs": self.list_jobs,
            "UpdateJobStatus": self.update_job_status,
            "UpdateJobPriority": self.update_job_priority,
            "GetJobTagging": self.get_job_tagging,
            "PutJobTagging": self.put_job_tagging,
            "DeleteJobTagging": self.delete_job_tagging,
        }
        return calls[operation](params)

    def create_job(self, params: Params) -> Params:
        _check_new(params)
        account, token = params["AccountId"], params["ClientRequestToken"]
        fingerprint = json.dumps(params, sort_keys=True, default=str)
        with self._lock:
            known = self._tokens.get((account, token))
            if known and known[0] == fingerprint:
                return {"JobId": known[1]}
            if known:
                # That the exception is for other parameters is our reading of its name:
                # docs/s3-batch-operations.md#uncertain-tokens
                raise Refused("IdempotencyException", "The token was used for a job with other parameters")
            job_id = str(uuid.uuid4())
            self._tokens[account, token] = (fingerprint, job_id)
            job = self._engine.start(_shown(params, job_id, self._region))
            job.tags = params.get("Tags") or []
            self._jobs[job_id] = job
        return {"JobId": job_id}

    def describe_job(self, params: Params) -> Params:
        with self._engine.changed:
            shown = self._job(params).shown
            return {"Job": {**shown, "ProgressSummary": dict(shown["ProgressSummary"])}}

    def list_jobs(self, params: Params) -> Params:
        """A page of jobs, oldest first: AWS promises no order, so nobody may rely on one."""
        statuses = params.get("JobStatuses") or []
        size = params.get("MaxResults") or MAX_PAGE
        start = params.get("NextToken", "0")
        if not start.isdecimal():
            raise Refused("InvalidNextTokenException", "The token is not one that ListJobs gave")
        with self._engine.changed:
            jobs = [job.shown for job in list(self._jobs.values()) if not statuses or job.status in statuses]
            page = jobs[int(start) : int(start) + size]
            answer: Params = {"Jobs": [_listed(shown) for shown in page]}
        if int(start) + size < len(jobs):
            answer["NextToken"] = str(int(start) + size)
        return answer

    def update_job_status(self, params: Params) -> Params:
        job, wanted = self._job(params), params["RequestedJobStatus"]
        if wanted not in ("Ready", "Cancelled"):
            raise Refused("BadRequestException", "RequestedJobStatus must be Ready or Cancelled")
        try:
            with self._engine.changed:
                if wanted == "Ready" and job.status != "Suspended":
                    raise WrongStatus(f"The job's status is {job.status}: only a suspended job can be run")
                to = "Ready" if wanted == "Ready" else "Cancelling"
                self._engine.move(job, to, params.get("StatusUpdateReason", ""))
                answer = {"JobId": job.id, "Status": to}
        except WrongStatus as e:
            raise Refused("JobStatusException", str(e)) from e
        if job.shown.get("StatusUpdateReason"):
            answer["StatusUpdateReason"] = job.shown["StatusUpdateReason"]
        return answer

    def update_job_priority(self, params: Params) -> Params:
        job = self._job(params)
        with self._engine.changed:
            if job.status in TERMINAL:
                # docs/s3-batch-operations.md#uncertain-codes
                raise Refused("BadRequestException", f"The job's status is {job.status}: it has ended")
            job.shown["Priority"] = params["Priority"]
            self._engine.schedule()
        return {"JobId": job.id, "Priority": params["Priority"]}

    def get_job_tagging(self, params: Params) -> Params:
        return {"Tags": self._job(params).tags}

    def put_job_tagging(self, params: Params) -> Params:
        job = self._job(params)
        if len(params["Tags"]) > MAX_JOB_TAGS:
            raise Refused("TooManyTagsException", f"A job has at most {MAX_JOB_TAGS} tags")
        job.tags = params["Tags"]
        return {}

    def delete_job_tagging(self, params: Params) -> Params:
        self._job(params).tags = []
        return {}

    def _job(self, params: Params) -> Job:
        job = self._jobs.get(params["JobId"])
        if job is None or job.shown["JobArn"].split(":")[4] != params["AccountId"]:
            # The model says NotFoundException, AWS's troubleshooting page NoSuchJobException:
            # docs/s3-batch-operations.md#uncertain-codes
            raise Refused("NotFoundException", "No such job", 404)
        return job


def _check_new(params: Params) -> None:
    operations = [name for name in params["Operation"] if params["Operation"][name] is not None]
    if len(operations) != 1:
        raise Refused("BadRequestException", "Operation must name exactly one operation")
    if operations[0] not in SUPPORTED:
        raise Refused("NotImplemented", f"This server runs {' and '.join(SUPPORTED)} only", 501)
    if bool(params.get("Manifest")) == bool(params.get("ManifestGenerator")):
        raise Refused("BadRequestException", "Give either Manifest or ManifestGenerator")
    report = params["Report"]
    if report.get("Enabled") and not all(report.get(name) for name in ("Bucket", "Format", "ReportScope")):
        raise Refused("BadRequestException", "An enabled Report needs Bucket, Format and ReportScope")
    spec = (params.get("Manifest") or {}).get("Spec", {})
    if spec.get("Format") == "S3BatchOperations_CSV_20180820" and not spec.get("Fields"):
        raise Refused("BadRequestException", "A CSV manifest needs Fields")
    tags = (params["Operation"].get("S3PutObjectTagging") or {}).get("TagSet") or []
    if len(tags) > MAX_OBJECT_TAGS or len({tag["Key"] for tag in tags}) < len(tags):
        raise Refused("BadRequestException", f"An object has at most {MAX_OBJECT_TAGS} tags, each key once")
    invoke = params["Operation"].get("LambdaInvoke") or {}
    if invoke.get("UserArguments") and invoke.get("InvocationSchemaVersion") != "2.0":
        raise Refused("BadRequestException", "UserArguments need InvocationSchemaVersion 2.0")
    if len(params.get("Tags") or []) > MAX_JOB_TAGS:
        raise Refused("TooManyTagsException", f"A job has at most {MAX_JOB_TAGS} tags")


def _shown(params: Params, job_id: str, region: str) -> dict[str, Any]:
    """A new job as DescribeJob shows it."""
    kept = ("Operation", "Report", "Manifest", "ManifestGenerator", "Description", "Priority", "RoleArn")
    return {
        **{name: params[name] for name in kept if params.get(name) is not None},
        "JobId": job_id,
        "JobArn": f"arn:aws:s3:{region}:{params['AccountId']}:job/{job_id}",
        "Status": "New",
        "ConfirmationRequired": bool(params.get("ConfirmationRequired")),
        "CreationTime": datetime.now(UTC),
        "ProgressSummary": {
            "TotalNumberOfTasks": 0,
            "NumberOfTasksSucceeded": 0,
            "NumberOfTasksFailed": 0,
        },
    }


def _listed(shown: dict[str, Any]) -> dict[str, Any]:
    names = ("JobId", "Description", "Priority", "Status", "CreationTime", "TerminationDate")
    return {
        **{name: shown[name] for name in names if name in shown},
        "Operation": next(iter(shown["Operation"])),
        "ProgressSummary": dict(shown["ProgressSummary"]),
    }
