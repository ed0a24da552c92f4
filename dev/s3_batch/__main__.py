"""The command: `python -m dev.s3_batch --port 4567 --endpoint http://127.0.0.1:4566`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import boto3
import click
from botocore.config import Config

from dev.s3_batch.control import Control
from dev.s3_batch.engine import Engine
from dev.s3_batch.manifests import Task
from dev.s3_batch.operations import performer
from dev.s3_batch.reports import Outcome
from dev.s3_batch.roles import Roles
from dev.s3_batch.server import make_server


@click.command(context_settings={"show_default": True})
@click.option("--port", default=4567, help="Listen here, on 127.0.0.1.")
@click.option(
    "--endpoint", default="http://127.0.0.1:4566", help="The local AWS with the objects and functions."
)
@click.option(
    "--workers", default=8, type=click.IntRange(1, 256), help="Tasks at the same time, over all jobs."
)
@click.option("--active-jobs", default=2, type=click.IntRange(1, 64), help="Jobs at the same time.")
@click.option(
    "--attempts", default=3, type=click.IntRange(1, 10), help="Tries of a task that fails for a time."
)
def main(port: int, endpoint: str, workers: int, active_jobs: int, attempts: int) -> None:
    """S3 Batch Operations for development: jobs over a local AWS. Stops on Ctrl-C or SIGTERM."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    roles = Roles(lambda service, **keys: _client(service, endpoint, region, workers, **keys))

    def perform(job: Mapping[str, Any], task: Task) -> Outcome:
        """As the job's role: a right that it lacks on AWS is lacking here too."""
        return performer(*(roles.client(service, job["RoleArn"]) for service in ("s3", "lambda")))(job, task)

    engine = Engine(
        _client("s3", endpoint, region, workers),
        perform,
        s3_as=lambda role: roles.client("s3", role),
        workers=workers,
        active_jobs=active_jobs,
        attempts=attempts,
    )
    try:
        server = make_server(Control(engine, region), port)
    except OSError as e:
        raise click.ClickException(f"port {port}: {e.strerror}") from e
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    click.echo(f"S3 Batch Operations on http://127.0.0.1:{server.server_port} over {endpoint}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo()
    finally:
        server.server_close()
        engine.close()


def _client(service: str, endpoint: str, region: str, workers: int, **keys: str) -> Any:
    # proxies: this process may inherit an HTTP_PROXY that names this very server.
    config = Config(
        max_pool_connections=workers, read_timeout=900, proxies={}, s3={"addressing_style": "path"}
    )
    make: Any = boto3.client  # its overloads know only literal names
    return make(
        service,
        endpoint_url=endpoint,
        region_name=region,
        config=config,
        **(keys or _own_keys()),
    )


def _own_keys() -> dict[str, str]:
    return {
        "aws_access_key_id": os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        "aws_secret_access_key": os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
    }


if __name__ == "__main__":
    main()
