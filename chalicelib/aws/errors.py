"""AWS's refusals as errors of ours: what never works, what may pass, and what the REST API answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.errors import AwsFailed, BadRequest, Conflict, Denied, NotFound, Reject, RestError, Retry

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


# Nothing anyone does to the queue makes these work: the object has to change.
# S3's code: what it means, and the code of the dead letter.
PERMANENT = {
    "NoSuchKey": ("the object is gone", "gone"),
    "NoSuchVersion": ("the object's version is gone", "gone"),
    "InvalidObjectState": ("the object is archived; restore it, then upload or redrive it", "archived"),
    "KeyTooLongError": ("the key is too long", "key-too-long"),
}


@contextmanager
def errors_translated(doing: str) -> Iterator[None]:
    """AWS's refusals inside the block become Reject where no later try can help, and Retry elsewhere.

    AccessDenied is a Retry: a permission can be mended, and without s3:ListBucket S3 answers it for an
    object that is gone.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as e:
        error = e.response.get("Error", {})
        code = error.get("Code", "unknown")
        if code in PERMANENT:
            means, kind = PERMANENT[code]
            raise Reject(f"{doing}: {means} ({code})", kind) from e
        raise Retry(f"{doing}: {code}: {error.get('Message', '')}") from e
    except BotoCoreError as e:
        raise Retry(f"{doing}: {e}") from e


def refusal(error: Exception) -> RestError | None:
    """What the REST API answers for an error of AWS's; None for any other error, which is a bug of ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, Retry | Reject):
        return AwsFailed(str(error))
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code = said.get("Code", "unknown")
        line = f"AWS refused {error.operation_name}: {code}: {said.get('Message', '')}"
        return Denied(line) if code.startswith("AccessDenied") else AwsFailed(line)
    if isinstance(error, BotoCoreError):
        return AwsFailed(f"AWS was not reached: {error}")
    return None


# Client errors (4xx) that pass; every other one would be the same the next time.
TRANSIENT = {
    "ConditionalRequestConflict",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "ExpiredToken",
}


def may_pass(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or status == 429 or error.response["Error"]["Code"] in TRANSIENT


@contextmanager
def rest_errors(job_id: str = "") -> Iterator[None]:
    """The service's errors as ours. The model's names and those of the documentation differ
    (docs/s3-batch-operations.md#uncertain-codes), so both are known here.
    """
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as e:
        code, message = e.response["Error"]["Code"], e.response["Error"]["Message"]
        if code in ("NotFoundException", "NoSuchJobException", "NoSuchJob"):
            raise NotFound(f"no job {job_id}; AWS forgets a job 90 days after its end") from e
        if code == "JobStatusException":
            raise Conflict(message) from e
        if code == "IdempotencyException":
            raise Conflict(f"token: {message}") from e
        if code in ("BadRequestException", "InvalidRequestException", "InvalidRequest"):
            raise BadRequest("job", message) from e
        raise
