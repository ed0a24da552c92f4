"""The only place clients are made: lazily, once per process, with time limits and retries.

boto3 is imported on first use: it costs a cold start more than all the rest, and drain does without it.
Region, endpoint and credentials are boto3's own business (AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient


# Seconds to connect, seconds to wait for an answer, attempts. Those on an event's way are short: consume
# begins nothing that could not end before its margin, and settles within it (chalicelib/consume/batch.py).
LIMITS = {"sqs": (2, 4, 2), "s3": (3, 8, 2), "stepfunctions": (3, 8, 2)}
OTHER_LIMITS = (3, 10, 3)

# boto3's default session makes one client at a time; GET /status asks for several at once.
# https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients
_making = Lock()


@cache
def _client(service: str) -> Any:
    with _making:
        return _new_client(service)


def _new_client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # A service that accepts and never answers must not eat the function's whole time.
    connect_s, read_s, attempts = LIMITS.get(service, OTHER_LIMITS)
    make: Any = boto3.client  # its overloads know only literal names
    return make(
        service,
        config=Config(
            connect_timeout=connect_s,
            read_timeout=read_s,
            retries={"mode": "standard", "max_attempts": attempts},
            max_pool_connections=16,
        ),
    )


class Clients(Protocol):
    """This module, for those who ask several services: each client is made where it is needed."""

    def s3(self) -> S3Client: ...
    def s3control(self) -> S3ControlClient: ...
    def sqs(self) -> SQSClient: ...
    def ssm(self) -> SSMClient: ...
    def cloudwatch_logs(self) -> CloudWatchLogsClient: ...
    def events(self) -> EventBridgeClient: ...


def s3() -> S3Client:
    client: S3Client = _client("s3")
    return client


def s3control() -> S3ControlClient:
    client: S3ControlClient = _client("s3control")
    return client


def sqs() -> SQSClient:
    client: SQSClient = _client("sqs")
    return client


def ssm() -> SSMClient:
    client: SSMClient = _client("ssm")
    return client


def cloudwatch() -> CloudWatchClient:
    client: CloudWatchClient = _client("cloudwatch")
    return client


def cloudwatch_logs() -> CloudWatchLogsClient:
    client: CloudWatchLogsClient = _client("logs")
    return client


def events() -> EventBridgeClient:
    client: EventBridgeClient = _client("events")
    return client


def stepfunctions() -> SFNClient:
    client: SFNClient = _client("stepfunctions")
    return client


def functions() -> LambdaClient:
    client: LambdaClient = _client("lambda")
    return client
