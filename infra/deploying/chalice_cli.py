"""Chalice's command line, mended in two places.

`python -m infra.deploying.chalice_cli deploy` is `chalice deploy`.

Our packager is in the place of its own: nothing unchecked is uploaded. And S3 is asked again while it does
not see yet that it may call a new function, at which Chalice would give up.
"""

from __future__ import annotations

import sys
from typing import Any

from chalice import cli
from chalice.awsclient import TypedAWSClient
from chalice.deploy import deployer

from infra.deploying import plain_chalice
from infra.deploying.notify import NOT_YET
from infra.eventually import settled
from infra.package.build import CheckedPackager

_connect = TypedAWSClient.connect_s3_bucket_to_lambda


def connect_patiently(client: TypedAWSClient, *arguments: Any, **named: Any) -> None:
    """Chalice's connect_s3_bucket_to_lambda, which is done again until S3 believes the function's policy."""
    settled(lambda: _connect(client, *arguments, **named), NOT_YET)


def main() -> int:
    """Chalice's exit code."""
    plain_chalice.made_ready = True
    # Chalice has no hook for either. Its version is pinned, and a test looks at what was deployed.
    deployer.LambdaDeploymentPackager = CheckedPackager  # type: ignore[attr-defined]
    TypedAWSClient.connect_s3_bucket_to_lambda = connect_patiently  # type: ignore[assignment, method-assign]
    code: int = cli.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
