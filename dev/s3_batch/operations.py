"""What one task does on the local AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dev.s3_batch.manifests import Task
from dev.s3_batch.reports import Outcome

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

SUPPORTED = ("S3PutObjectTagging", "LambdaInvoke")

Perform = Callable[[Mapping[str, Any], Task], Outcome]


def performer(s3: S3Client, functions: LambdaClient) -> Perform:
    """The function that does one task of a job, given as DescribeJob shows it."""

    def perform(job: Mapping[str, Any], task: Task) -> Outcome:
        try:
            if "S3PutObjectTagging" in job["Operation"]:
                return _tag(s3, job["Operation"]["S3PutObjectTagging"], task)
            return _invoke(functions, job, task)
        except ClientError as e:
            return Outcome(
                False,
                e.response["ResponseMetadata"]["HTTPStatusCode"],
                e.response["Error"]["Code"],
                e.response["Error"]["Message"],
            )
        except BotoCoreError as e:
            return Outcome(False, 500, "InternalError", str(e), temporary=True)

    return perform


def _tag(s3: S3Client, operation: Mapping[str, Any], task: Task) -> Outcome:
    version = {"VersionId": task.version_id} if task.version_id else {}
    s3.put_object_tagging(
        Bucket=task.bucket,
        Key=task.decoded_key,
        Tagging={"TagSet": operation.get("TagSet") or []},
        **version,  # type: ignore[arg-type]
    )
    return Outcome(True, 200, message="Successful")


def _invoke(functions: LambdaClient, job: Mapping[str, Any], task: Task) -> Outcome:
    operation = job["Operation"]["LambdaInvoke"]
    event = invocation(job["JobId"], operation, task)
    answer = functions.invoke(FunctionName=operation["FunctionArn"], Payload=json.dumps(event).encode())
    payload = answer["Payload"].read()
    if answer.get("FunctionError"):
        return Outcome(
            False,
            200,
            "PermanentFailure",
            f"Lambda returned function error: {payload.decode(errors='replace')}",
        )
    return outcome_of(payload, event)


def invocation(job_id: str, operation: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The event a function gets for one task.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
    """
    version = operation.get("InvocationSchemaVersion") or "1.0"
    job: dict[str, Any] = {"id": job_id}
    which = {"taskId": uuid.uuid4().hex, "s3Key": task.key, "s3VersionId": task.version_id}
    if version == "1.0":
        which["s3BucketArn"] = f"arn:aws:s3:::{task.bucket}"
    else:
        which["s3Bucket"] = task.bucket
        job["userArguments"] = operation.get("UserArguments") or {}
    return {
        "invocationSchemaVersion": version,
        "invocationId": uuid.uuid4().hex,
        "job": job,
        "tasks": [which],
    }


def outcome_of(payload: bytes, event: Mapping[str, Any]) -> Outcome:
    """What a function's answer says of the event's one task; no readable answer is a permanent failure."""
    try:
        answer = json.loads(payload)
        results = {result["taskId"]: result for result in answer["results"]}
        missing = {"resultCode": answer.get("treatMissingKeysAs", "TemporaryFailure"), "resultString": ""}
        result = results.get(event["tasks"][0]["taskId"], missing)
        code, message = result["resultCode"], str(result.get("resultString", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        return Outcome(False, 200, "PermanentFailure", f"The function's answer is not valid: {e!r}")
    if code == "Succeeded":
        return Outcome(True, 200, message=message)
    return Outcome(False, 200, code, message, temporary=code == "TemporaryFailure")
