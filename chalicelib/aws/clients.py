"""The only place clients are made: lazily, once per process, with time limits and retries.

boto3 is imported on first use: it costs a cold start more than all the rest, and drain does without it.
Region, endpoint and credentials are boto3's own business (AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
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
LIMITS = {"sqs": (2, 4, 2), "s3": (3, 8, 2), "stepfunctions": (3, 8, 2), "events": (1, 2, 2)}
OTHER_LIMITS = (3, 10, 3)

OF_ACTIONS = (3, 8, 2)  # every other service's, called by an action

# boto3's default session makes one client at a time; GET /status asks for several at once.
# https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients
_making = Lock()


@cache
def _client(service: str, limits: tuple[float, float, int] | None = None) -> Any:
    with _making:
        return _new_client(service, limits)


def downstream(service: str, limits: tuple[float, float, int] = OF_ACTIONS) -> Any:
    """A client for an action, by boto3's name of the service, such as `dynamodb`.

    A call ends within an action's time: `limits` are seconds to connect and to wait, and attempts.
    """
    return _client(service, limits)


def _new_client(service: str, limits: tuple[float, float, int] | None = None) -> Any:
    import boto3
    from botocore.config import Config

    # A service that accepts and never answers must not eat the function's whole time.
    connect_s, read_s, attempts = limits or LIMITS.get(service, OTHER_LIMITS)
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

    s3: Callable[[], S3Client]
    s3control: Callable[[], S3ControlClient]
    sqs: Callable[[], SQSClient]
    ssm: Callable[[], SSMClient]
    cloudwatch_logs: Callable[[], CloudWatchLogsClient]


s3: Callable[[], S3Client] = partial(_client, "s3")
s3control: Callable[[], S3ControlClient] = partial(_client, "s3control")
sqs: Callable[[], SQSClient] = partial(_client, "sqs")
ssm: Callable[[], SSMClient] = partial(_client, "ssm")
cloudwatch: Callable[[], CloudWatchClient] = partial(_client, "cloudwatch")
cloudwatch_logs: Callable[[], CloudWatchLogsClient] = partial(_client, "logs")
events: Callable[[], EventBridgeClient] = partial(_client, "events")
functions: Callable[[], LambdaClient] = partial(_client, "lambda")
stepfunctions: Callable[[], SFNClient] = partial(_client, "stepfunctions")
