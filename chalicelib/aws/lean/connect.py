"""How the clients without boto3 reach AWS: endpoint, region and credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from chalicelib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.aws.lean.signing import Credentials, Signer
    from chalicelib.aws.lean.sqs import AsyncSqs
    from chalicelib.aws.lean.ssm import AsyncSsm


# sqs.REGION.amazonaws.com, sqs-fips.REGION.amazonaws.com, ID.sqs.REGION.vpce.amazonaws.com; and with the
# domain of another partition, such as amazonaws.com.cn, amazonaws.eu, c2s.ic.gov
_SQS_HOST = re.compile(
    r"(?:[\w-]+\.)?sqs(?:-fips)?\.([a-z]+(?:-[a-z]+)+-[0-9]+)\.(?:vpce\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
)


def async_sqs(queue_url: str, environment: AwsEnvironment | None = None) -> AsyncSqs:
    """The drain's client, for the queues of one region. Close it when the tick ends.

    The queue's own URL names endpoint and region unless AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL overrides
    them. Raises ConfigError when no region or no credentials can be found.
    """
    from chalicelib.aws.lean import fast_json
    from chalicelib.aws.lean.http1 import Http1
    from chalicelib.aws.lean.sqs import AsyncSqs

    endpoint, signer = _sqs(queue_url, environment or AwsEnvironment.from_env())
    return AsyncSqs(Http1(endpoint), signer, encode=fast_json.encoded, decode=fast_json.decoded)


def blocking_sqs(queue_url: str, environment: AwsEnvironment | None = None) -> AsyncSqs:
    """The same for `blocking.finish`, and with sends repeated that may have arrived."""
    from chalicelib.aws.lean.blocking import BlockingHttp1, sleep
    from chalicelib.aws.lean.sqs import AsyncSqs

    endpoint, signer = _sqs(queue_url, environment or AwsEnvironment.from_env())
    return AsyncSqs(BlockingHttp1(endpoint), signer, repeat_sends=True, sleep=sleep)


def _sqs(queue_url: str, environment: AwsEnvironment) -> tuple[str, Signer]:
    """Endpoint and signer for the queue."""
    from chalicelib.aws.lean.signing import Signer

    queue = urlsplit(queue_url)
    endpoint = environment.sqs_endpoint_url or f"{queue.scheme}://{queue.netloc}"
    region = _region(queue_url, environment)
    host = urlsplit(endpoint).netloc
    return endpoint, Signer(_credentials(environment), service="sqs", region=region, host=host)


def async_ssm(queue_url: str, environment: AwsEnvironment | None = None) -> AsyncSsm:
    """The drain's client for parameters, in the queue's region. Close it when they are read.

    AWS_ENDPOINT_URL_SSM or AWS_ENDPOINT_URL overrides the endpoint. Raises ConfigError like async_sqs.
    """
    from chalicelib.aws.lean.http1 import Http1
    from chalicelib.aws.lean.signing import Signer
    from chalicelib.aws.lean.ssm import CONTENT_TYPE, AsyncSsm

    environment = environment or AwsEnvironment.from_env()
    region = _region(queue_url, environment)
    named = _SQS_HOST.fullmatch(urlsplit(queue_url).netloc)
    domain = named[2] if named else "amazonaws.com"
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
    region = named[1] if named else environment.region
    if not region:
        raise ConfigError(f"AWS_REGION is not set, and {queue_url} does not name the region")
    return region


def _credentials(environment: AwsEnvironment) -> Callable[[], Credentials]:
    """Asked before every call. Lambda gives each sandbox, in its environment, credentials that outlive it."""
    from chalicelib.aws.lean.signing import Credentials

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


class AwsEnvironment(NamedTuple):
    """What boto3 too would read from the environment, for the client that does without it."""

    region: str
    sqs_endpoint_url: str
    access_key: str
    secret_key: str
    session_token: str
    ssm_endpoint_url: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> AwsEnvironment:
        return cls(
            region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "",
            sqs_endpoint_url=env.get("AWS_ENDPOINT_URL_SQS") or env.get("AWS_ENDPOINT_URL") or "",
            access_key=env.get("AWS_ACCESS_KEY_ID", ""),
            secret_key=env.get("AWS_SECRET_ACCESS_KEY", ""),
            session_token=env.get("AWS_SESSION_TOKEN", ""),
            ssm_endpoint_url=env.get("AWS_ENDPOINT_URL_SSM") or env.get("AWS_ENDPOINT_URL") or "",
        )
