"""One task of an S3 Batch Operations job, done by our function: backfill, merge or restore.

backfill  the object goes to the source queue, so what was there before flows at the pace of what is new
merge     tags are added to those the object has; the service itself can only replace them
restore   the tags that a restore manifest has for the object are put back

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import may_pass
from chalicelib.config import Config
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated
from chalicelib.jobs import manifests, tags, undo
from chalicelib.queues.tries import BULK
from chalicelib.telemetry import metrics

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SCHEMAS = ("1.0", "2.0")
MERGES = 3  # of one object's tags, where another job writes them too

# userArguments: at most 10, values of at most 1,024 characters (botocore's model of CreateJob).
ARGUMENT_CHARACTERS = 1024


@dataclass(frozen=True)
class Task:
    """One task of an invocation, the key decoded."""

    id: str
    bucket: str
    key: str
    version_id: str | None

    @property
    def row(self) -> tags.Row:
        return self.bucket, self.key, self.version_id


def user_arguments(operation: str, tags: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a job tells the function: the operation, and its tags as JSON in as many pieces as it needs."""
    text = json.dumps(tags, ensure_ascii=False, separators=(",", ":")) if tags else ""
    pieces = range(0, len(text), ARGUMENT_CHARACTERS)
    return {"operation": operation} | {
        f"tags{number}": text[at : at + ARGUMENT_CHARACTERS] for number, at in enumerate(pieces)
    }


def read_user_arguments(arguments: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The operation and the tags of `user_arguments`; a job without arguments is a backfill."""
    text = "".join(arguments[name] for name in sorted(arguments) if name.startswith("tags"))
    return arguments.get("operation", "backfill"), json.loads(text) if text else {}


def handle(payload: Mapping[str, Any], s3: S3Client, sqs: SQSClient, config: Config) -> dict[str, Any]:
    """Answer one invocation of schema 1.0 or 2.0. Raises Reject for a payload that is neither.

    Succeeded says that the work is done and confirmed; TemporaryFailure that S3 Batch Operations shall try
    again; PermanentFailure that it need not. A second try does no harm.
    """
    schema = payload.get("invocationSchemaVersion")
    if schema not in SCHEMAS:
        raise Reject(f"invocation schema {schema!r}, expected {' or '.join(SCHEMAS)}")
    operation, tags = read_user_arguments(payload["job"].get("userArguments") or {})
    perform = _operations(s3, sqs, config, tags, payload["job"].get("id") or "").get(operation)
    if perform is None:
        raise Reject(f"operation {operation!r}, expected backfill, merge or restore")
    results = [_result(task, perform) for task in payload["tasks"]]
    _log(payload, operation, results, config)
    return {
        "invocationSchemaVersion": schema,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": payload["invocationId"],
        "results": results,
    }


def _log(payload: Mapping[str, Any], operation: str, results: list[dict[str, str]], config: Config) -> None:
    """The tasks by bucket and key as the job names them, with their ids in the other functions' logs."""
    tasks, job = [], payload["job"].get("id") or ""
    for raw, result in zip(payload["tasks"], results, strict=True):
        bucket, key = _bucket_and_key(raw)
        made_by = _made_by(job) if operation == "backfill" else None
        created = ObjectCreated(bucket, key, raw.get("s3VersionId") or None, id=made_by)
        ids = {"id": created.identity, "object": created.object_id, "key": key}
        tasks.append({**ids, "code": result["resultCode"], "said": result["resultString"]})
    succeeded = sum(result["resultCode"] == "Succeeded" for result in results)
    values = {"TasksSucceeded": succeeded, "TasksFailed": len(results) - succeeded}
    metrics.line("tasks", config.stage, "backfill", values, job=job, operation=operation, tasks=tasks)


def _operations(
    s3: S3Client, sqs: SQSClient, config: Config, tags: dict[str, str], job: str
) -> dict[str, Callable[[Task], str]]:
    return {
        "backfill": lambda task: _enqueue(s3, sqs, config, task, job),
        "merge": lambda task: _merge(s3, task, tags),
        "restore": lambda task: _restore(s3, task),
    }


def _result(raw: Mapping[str, Any], perform: Callable[[Task], str]) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    code = "Succeeded"
    try:
        text = perform(_task(raw))
    except Reject as e:
        code, text = "PermanentFailure", e.reason
    except Retry as e:
        code, text = "TemporaryFailure", str(e)
    except ClientError as e:
        code = "TemporaryFailure" if may_pass(e) else "PermanentFailure"
        text = f"{e.response['Error']['Code']}: {e.response['Error']['Message']}"
    except BotoCoreError as e:  # no answer at all: a time limit, a broken connection
        code, text = "TemporaryFailure", f"{type(e).__name__}: {e}"
    return {"taskId": raw["taskId"], "resultCode": code, "resultString": text}


def _task(raw: Mapping[str, Any]) -> Task:
    """A task of either schema: 1.0 has the bucket's ARN, 2.0 its name."""
    bucket, key = _bucket_and_key(raw)
    if not bucket or not key:
        raise Reject("the task names no bucket or no key")
    if manifests.percent_decoded(raw["s3Key"]) is None:  # it would be another object's key
        raise Reject("the task's key is not URL-encoded UTF-8")
    return Task(raw["taskId"], bucket, key, raw.get("s3VersionId") or None)


def _bucket_and_key(raw: Mapping[str, Any]) -> tuple[str, str]:
    bucket = raw.get("s3Bucket") or str(raw.get("s3BucketArn", "")).rpartition(":")[2]
    return bucket, manifests.decode_key(raw.get("s3Key") or "")


def _enqueue(s3: S3Client, sqs: SQSClient, config: Config, task: Task, job: str) -> str:
    created = ObjectCreated(
        task.bucket, task.key, task.version_id, size=_size(s3, task, config.images_bucket), id=_made_by(job)
    )
    if why := config.why_ignored(created):
        return f"ignored: {why}"
    if task.bucket != config.images_bucket:
        raise Reject(f'bucket "{task.bucket}" is not the images bucket, "{config.images_bucket}"')
    # The body has no ETag: that would cost a call an object here, and the action asks S3 anyway.
    sent = sqs.send_message(QueueUrl=config.lane_url(BULK), MessageBody=created.to_body())
    return f"queued as {sent['MessageId']}"


def _made_by(job: str) -> str:
    """The `Id` of a job's events: a second try of a task makes the same event, a second job new ones."""
    return f"backfill {job}"


def _size(s3: S3Client, task: Task, bucket: str) -> int | None:
    """Bytes, of an object whose name is a folder marker's; None for all others, and where S3 does not say."""
    from botocore.exceptions import ClientError

    if not task.key.endswith("/") or task.bucket != bucket:
        return None
    version: Any = {"VersionId": task.version_id} if task.version_id else {}
    try:
        return s3.head_object(Bucket=task.bucket, Key=task.key, **version)["ContentLength"]
    except ClientError as e:
        if may_pass(e):
            raise
        return None  # the action will find out


def _merge(s3: S3Client, task: Task, wanted: dict[str, str]) -> str:
    """S3 replaces the whole set: what another job writes between our read and our write would be lost.

    So the set is read once more after the write, and merged again where it is not the one written.
    """
    if not wanted:
        raise Reject("the job names no tags to merge")
    before = tags.tags_of(s3, task.row)
    old = before
    for _ in range(MERGES):
        new = old | wanted
        if new == old:
            return "unchanged: it has these tags" if old is before else _merged(before, old)
        if len(new) > tags.MAX_TAGS:
            raise Reject(f"it would have {len(new)} tags, S3 allows {tags.MAX_TAGS}")
        tags.put_tags(s3, task.row, new)
        old = tags.tags_of(s3, task.row)
        if old == new:
            return _merged(before, new)
    raise Retry("somebody else changes its tags at the same time")


def _merged(before: dict[str, str], now: dict[str, str]) -> str:
    return f"{len(before)} tags before, {len(now)} now"


def _restore(s3: S3Client, task: Task) -> str:
    key, old = undo.parse_restore_key(task.key)
    tags.put_tags(s3, (task.bucket, key, task.version_id), old)
    return f"{len(old)} tags put back"
