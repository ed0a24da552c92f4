"""A stage's buckets and queues, and the local S3 Batch Operations, for the tests of jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from chalicelib.config import Config
from chalicelib.jobs import task as job_task
from dev.s3_batch.engine import TERMINAL, Engine
from dev.s3_batch.manifests import Task
from dev.s3_batch.operations import Perform, invocation, outcome_of, performer
from dev.s3_batch.reports import Outcome

FINISHED = {"phototype": "finished"}


ACCOUNT = "000000000000"


ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"


FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:backfill"


def client(service: str, endpoint: str, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=ClientConfig(max_pool_connections=32, s3={"addressing_style": "path"}, **config),
    )


@dataclass(frozen=True)
class Stage:
    """Buckets and queues of one test, and the clients for them."""

    endpoint: str
    config: Config
    s3: Any
    sqs: Any
    functions: Any

    def put(self, *keys: str, tags: str = "") -> None:
        for key in keys:
            self.s3.put_object(Bucket=self.config.images_bucket, Key=key, Body=key.encode(), Tagging=tags)

    def tags(self, key: str, **version: str) -> dict[str, str]:
        answer = self.s3.get_object_tagging(Bucket=self.config.images_bucket, Key=key, **version)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def store(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.config.reports_bucket, Key=key, Body=body)
        return f"s3://{self.config.reports_bucket}/{key}"

    def messages(self) -> list[dict[str, str]]:
        """What is in the source queue, taken out of it."""
        bodies: list[dict[str, str]] = []
        while True:
            url = self.config.source_queue_url
            got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not got:
                return bodies
            bodies += [json.loads(message["Body"]) for message in got]
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
            self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def our_function(stage: Stage) -> Perform:
    """Runs tasks as the server does, but calls the function in this process instead of through Lambda."""
    on_aws = performer(stage.s3, stage.functions)

    def perform(job: Mapping[str, Any], task: Task) -> Outcome:
        operation = job["Operation"].get("LambdaInvoke")
        if operation is None:
            return on_aws(job, task)
        event = invocation(job["JobId"], operation, task)
        answer = job_task.handle(json.loads(json.dumps(event)), stage.s3, stage.sqs, stage.config)
        return outcome_of(json.dumps(answer).encode(), event)

    return perform


@dataclass(frozen=True)
class Batch:
    """A running S3 Batch Operations server and an ordinary client of it."""

    s3control: Any
    engine: Engine
    port: int

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.s3control.describe_job(AccountId=ACCOUNT, JobId=job_id)["Job"]
        return job

    def wait_for(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job once it is in one of these statuses; the end of the job, where none is given."""
        wanted = set(statuses or TERMINAL)
        with self.engine.changed:
            self.engine.changed.wait_for(lambda: self.job_status(job_id) in wanted | TERMINAL, timeout=300)
            assert self.job_status(job_id) in wanted
        return self.job(job_id)

    def job_status(self, job_id: str) -> str:
        return next(job.status for job in self.engine._jobs if job.id == job_id)

    def run(self, job_id: str) -> dict[str, Any]:
        self.wait_for(job_id, "Suspended")
        self.s3control.update_job_status(AccountId=ACCOUNT, JobId=job_id, RequestedJobStatus="Ready")
        return self.wait_for(job_id)


MakeBatch = Callable[..., Batch]
