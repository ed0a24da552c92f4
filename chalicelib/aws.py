"""The only place clients are made: lazily, once per process, with time limits and retries.

boto3 is imported on first use: it costs a cold start more than all the rest, and drain does without it.
Region, endpoint and credentials are boto3's own business (AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.config import AwsEnvironment
from chalicelib.errors import AwsFailed, ConfigError, Denied, Reject, RestError, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from chalicelib.client.signing import Credentials
    from chalicelib.client.sqs_http import AsyncSqs
    from chalicelib.client.ssm_http import AsyncSsm

# sqs.REGION.amazonaws.com, sqs-fips.REGION.amazonaws.com, ID.sqs.REGION.vpce.amazonaws.com
_SQS_HOST = re.compile(r"(?:[\w-]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?")


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


def async_sqs(queue_url: str, environment: AwsEnvironment | None = None) -> AsyncSqs:
    """The drain's client, for the queues of one region. Close it when the tick ends.

    The queue's own URL names endpoint and region unless AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL overrides
    them. Raises ConfigError when no region or no credentials can be found.
    """
    from chalicelib.client.http1 import Http1
    from chalicelib.client.signing import Signer
    from chalicelib.client.sqs_http import AsyncSqs

    environment = environment or AwsEnvironment.from_env()
    queue = urlsplit(queue_url)
    endpoint = environment.sqs_endpoint_url or f"{queue.scheme}://{queue.netloc}"
    host = urlsplit(endpoint).netloc
    region = _region(queue_url, environment)
    return AsyncSqs(
        Http1(endpoint), Signer(_credentials(environment), service="sqs", region=region, host=host)
    )


def async_ssm(queue_url: str, environment: AwsEnvironment | None = None) -> AsyncSsm:
    """The drain's client for parameters, in the queue's region. Close it when they are read.

    AWS_ENDPOINT_URL_SSM or AWS_ENDPOINT_URL overrides the endpoint. Raises ConfigError like async_sqs.
    """
    from chalicelib.client.http1 import Http1
    from chalicelib.client.signing import Signer
    from chalicelib.client.ssm_http import CONTENT_TYPE, AsyncSsm

    environment = environment or AwsEnvironment.from_env()
    region = _region(queue_url, environment)
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    endpoint = environment.ssm_endpoint_url or f"https://ssm.{region}.{domain}"
    signer = Signer(
        _credentials(environment),
        service="ssm",
        region=region,
        host=urlsplit(endpoint).netloc,
        content_type=CONTENT_TYPE,
    )
    return AsyncSsm(Http1(endpoint), signer)


def _region(queue_url: str, environment: AwsEnvironment) -> str:
    named = _SQS_HOST.fullmatch(urlsplit(queue_url).netloc)
    region = named.group(1) if named else environment.region
    if not region:
        raise ConfigError(f"AWS_REGION is not set, and {queue_url} does not name the region")
    return region


def _credentials(environment: AwsEnvironment) -> Callable[[], Credentials]:
    """Asked before every call. Lambda gives each sandbox, in its environment, credentials that outlive it."""
    from chalicelib.client.signing import Credentials

    if environment.access_key and environment.secret_key:
        fixed = Credentials(environment.access_key, environment.secret_key, environment.session_token or None)
        return lambda: fixed

    # Anywhere else botocore finds them (profile, SSO, instance role), and refreshes them before they expire.
    from botocore.session import Session

    found = Session().get_credentials()
    if found is None:
        raise ConfigError("no AWS credentials: set AWS_ACCESS_KEY_ID, or AWS_PROFILE, or use a role")

    def current() -> Credentials:
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    return current


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
