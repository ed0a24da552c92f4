"""The only place clients are made: lazily, once per process, with time limits and retries.

boto3 is imported on first use: it costs a cold start more than all the rest, and drain does without it.
Region, endpoint and credentials are boto3's own business (AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.errors import Reject, Retry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


@cache
def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # Standard retries: 3 tries with jitter. A hung connection must not eat the function's whole time.
    make: Any = boto3.client  # its overloads know only literal names
    return make(
        service,
        config=Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "max_attempts": 3},
            max_pool_connections=16,
        ),
    )


def s3() -> S3Client:
    client: S3Client = _client("s3")
    return client


def sqs() -> SQSClient:
    client: SQSClient = _client("sqs")
    return client


def stepfunctions() -> SFNClient:
    client: SFNClient = _client("stepfunctions")
    return client


# Nothing anyone does to the queue makes these work: the object has to change.
_NEVER = {
    "NoSuchKey": "the object is gone",
    "NoSuchVersion": "the object's version is gone",
    "InvalidObjectState": "the object is archived; restore it, then upload or redrive it",
    "KeyTooLongError": "the key is too long",
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
        if code in _NEVER:
            raise Reject(f"{doing}: {_NEVER[code]} ({code})") from e
        raise Retry(f"{doing}: {code}: {error.get('Message', '')}") from e
    except BotoCoreError as e:
        raise Retry(f"{doing}: {e}") from e
