"""For each Python of this machine that Lambda has: the package, unpacked, and the AWS its functions see."""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from dev.lambda_runtime.interpreters import VERSIONS, prepared
from dev.lambda_runtime.packages import Unpacked, unpacked
from dev.lambda_runtime.process import Sandbox, sandbox
from dev.local_aws import LocalAws
from infra.errors import CommandError

Start = Callable[..., contextlib.AbstractContextManager[Sandbox]]


@pytest.fixture(scope="session", params=VERSIONS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The package of this checkout for one Python."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the package is for Linux on x86_64, and could not run here")
    try:
        python = prepared(request.param)
    except CommandError as e:
        pytest.skip(str(e))
    return unpacked(python, tmp_path_factory.mktemp(f"package-{request.param}"))


@pytest.fixture(scope="session")
def settings(aws: LocalAws) -> dict[str, str]:
    """A stage's environment: buckets and queues of its own, and where AWS is."""
    buckets = {f"{name.upper()}_BUCKET": f"package-{name}" for name in ("images", "thumbnails", "reports")}
    for bucket in buckets.values():
        boto3.client("s3").create_bucket(Bucket=bucket)
    queues = {
        f"{name.upper().replace('-', '_')}_QUEUE_URL": boto3.client("sqs").create_queue(
            QueueName=f"package-{name}"
        )["QueueUrl"]
        for name in ("source", "destination", "dead-letter")
    }
    access = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {
        **buckets,
        **queues,
        **{name: value for name, value in aws.environment().items() if name in access},
        "THUMBNAIL_SIZES": "64",
        "STAGE": "package",
    }


@pytest.fixture
def start(package: Unpacked, settings: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a function of the package, `start("drain")`, with the stage's settings and perhaps others."""
    with contextlib.ExitStack() as running:

        def started(function: str, folder: Path = package.folder, **more: str) -> Sandbox:
            log = tmp_path / f"{function}.log"
            return running.enter_context(
                sandbox(package.python, folder, f"app.{function}", {**settings, **more}, log)
            )

        yield started
