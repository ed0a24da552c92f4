"""The local AWS and the app deployed on it, once per test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import photos
from dev.fake_sqs.queues import Queues
from dev.local_aws import LocalAws, free_port, local_aws
from dev.pipeline import Pipeline
from dev.s3_batch.process import s3_batch
from tests.support.deployment import CACHE, deploy


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS that enforces IAM policies; boto3 talks to it for the rest of the session."""
    folder = tmp_path_factory.mktemp("aws")
    with local_aws(free_port(), folder, {"AUTH": "true"}) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def photographs() -> Path:
    return photos.photos(CACHE)


@pytest.fixture(scope="session")
def deployed(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The app deployed by `make deploy`'s own code, with the real Chalice CLI; bulk jobs work, too."""
    with s3_batch(free_port(), aws.url) as environment:
        yield deploy(tmp_path_factory.mktemp("app"), "local", **environment)


@pytest.fixture
def queues() -> Queues:
    """The three queues of tests/unit/test_config.py's settings, in memory."""
    queues = Queues()
    for name in ("source", "destination", "dead"):
        queues.create(name)
    return queues


@pytest.fixture(autouse=True)
def _no_real_aws(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A test not marked `aws` must find neither the local AWS nor anybody's credentials."""
    if not request.node.get_closest_marker("aws"):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it keeps credentials that an earlier test found
