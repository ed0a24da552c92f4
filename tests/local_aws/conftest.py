"""The local AWS, started once, and an S3 Batch Operations server, buckets and queues for each test."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.config import Config
from dev.local_aws import free_port, local_aws
from dev.s3_batch import ENDPOINT
from dev.s3_batch.control import Control
from dev.s3_batch.engine import Engine
from dev.s3_batch.operations import Perform, performer
from dev.s3_batch.server import make_server
from tests.support.jobs import ACCOUNT, FUNCTION, ROLE, Batch, MakeBatch, Stage, client, our_function


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local AWS's URL; it enforces no policies, so roles and functions need not be deployed."""
    with local_aws(free_port(), tmp_path_factory.mktemp("jobs-aws")) as server:
        yield server.url


@pytest.fixture
def stage(endpoint: str) -> Stage:
    s3, sqs = client("s3", endpoint), client("sqs", endpoint)
    name = uuid.uuid4().hex[:12]
    for kind in ("images", "thumbnails", "reports"):
        s3.create_bucket(Bucket=f"{kind}-{name}")
    config = Config(
        images_bucket=f"images-{name}",
        thumbnails_bucket=f"thumbnails-{name}",
        source_queue_url=sqs.create_queue(QueueName=f"source-{name}")["QueueUrl"],
        destination_queue_url=f"{endpoint}/{ACCOUNT}/destination-{name}",
        dead_letter_queue_url=f"{endpoint}/{ACCOUNT}/dead-letter-{name}",
        stage="dev",
        reports_bucket=f"reports-{name}",
        jobs_role_arn=ROLE,
        backfill_function_arn=FUNCTION,
    )
    return Stage(endpoint, config, s3, sqs, client("lambda", endpoint))


@pytest.fixture
def make_batch(stage: Stage) -> Iterator[MakeBatch]:
    """Starts servers: make_batch(perform=..., workers=..., active_jobs=..., attempts=...)."""
    closing: list[Callable[[], None]] = []

    def make(perform: Perform | None = None, **settings: int) -> Batch:
        engine = Engine(stage.s3, perform or performer(stage.s3, stage.functions), **settings)
        server = make_server(Control(engine))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        closing.extend([engine.close, server.server_close, server.shutdown])
        proxy = {"http": f"http://127.0.0.1:{server.server_port}"}
        s3control = client("s3control", ENDPOINT, proxies=proxy, retries={"max_attempts": 0})
        return Batch(s3control, engine, server.server_port)

    yield make
    for close in reversed(closing):
        close()


@pytest.fixture
def batch(stage: Stage, make_batch: MakeBatch) -> Batch:
    """A server that tags on the local AWS, and calls our function in this process."""
    return make_batch(our_function(stage))


@pytest.fixture
def repository() -> Path:
    return Path(__file__).parents[2]
