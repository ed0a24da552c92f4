"""The two servers, each for as long as a block lasts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.workspace import ROOT
from infra.errors import CommandError

ENVIRONMENTS = ROOT / ".cache" / "second-opinion"
STARTS_WITHIN = 120  # seconds, on a busy machine
# All that a stage needs. KMS too; no Docker, no DNS, no certificate of theirs, nothing sent home.
SERVICES = "sqs,s3,cloudformation,iam,sts,events,logs,cloudwatch,ssm,sns,lambda,apigateway,kms,stepfunctions"


@contextlib.contextmanager
def localstack(port: int, folder: Path) -> Iterator[str]:
    """Its URL. A queue's name is free 60 seconds after its queue is deleted, as on AWS.

    Raises CommandError where its environment is missing, and when it does not start.
    """
    settings = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": SERVICES,
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "SQS_DELAY_RECENTLY_DELETED": "1",
        "FILESYSTEM_ROOT": str(folder / "localstack"),
    }
    server = str(Path(__file__).with_name("localstack_server.py"))
    with _running(
        "localstack", [server], settings, f"http://127.0.0.1:{port}", "/_localstack/health", folder
    ):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def moto(port: int, folder: Path) -> Iterator[str]:
    """The URL of moto's server. Raises CommandError as above."""
    command = ["-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with _running("moto", command, {}, f"http://127.0.0.1:{port}", "/moto-api/", folder):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(
    name: str, command: list[str], settings: Mapping[str, str], url: str, health: str, folder: Path
) -> Iterator[None]:
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        raise CommandError(f"{python} is missing: make test-second-opinion makes it")
    folder.mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(python), *command],
            env={**own, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + STARTS_WITHIN
        while not _answers(url + health):
            if process.poll() is not None or time.monotonic() > end:
                raise CommandError(f"{name} did not start; its log: {log_file}")
            time.sleep(0.3)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
