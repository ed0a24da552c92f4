"""A local AWS in a process of its own: ministack, with what it lacks added by dev.ministack_server."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore

from infra.errors import CommandError
from infra.local_api import refuse_taken_port

SERVICES = "s3,sqs,lambda,iam,sts,events,dynamodb,apigateway,cloudformation,logs,monitoring,ssm,sns,states"
REGION = "us-east-1"
PUTS_FAIL = "LOCAL_AWS_PUTS_FAIL"  # the path of a file that names a bucket: its PUTs fail while it is there
STARTS_WITHIN = 60  # seconds, on a busy machine


class LocalAws:
    """The running local AWS."""

    def __init__(self, port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log_file = folder / "local-aws.log"
        self._folder = folder
        self._process = process

    def environment(self) -> dict[str, str]:
        return client_environment(self.url, self._folder)

    @property
    def group(self) -> int:
        """The process group of the server and its Lambda workers."""
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server and its Lambda workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)


@contextlib.contextmanager
def local_aws(port: int, folder: Path, extra: Mapping[str, str] | None = None) -> Iterator[LocalAws]:
    """A local AWS for as long as the block lasts; `extra` is environment for the server, such as AUTH=true.

    Raises CommandError when the port is taken or the server does not start.
    """
    refuse_taken_port(port, "--port")
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = without_own_aws(os.environ) | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SERVICES": SERVICES,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TMPDIR": str(folder / "tmp"),  # it leaves its workers' folders behind
        **(extra or {}),
    }
    with (folder / "local-aws.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.ministack_server"],
            env=environment,
            cwd=Path(__file__).parent.parent,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = LocalAws(port, folder, process)
    try:
        _wait_until_up(server)
        yield server
    finally:
        server.stop()


def without_own_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Without any AWS setting of the user's, of which each may lead to the real one; and past every proxy."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    local = "127.0.0.1,localhost"
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = f"{kept[name]},{local}" if kept.get(name) else local
    return kept


def lead_here(environment: Mapping[str, str]) -> None:
    """From now on this process, and those that it starts, use the AWS of the environment and no other."""
    kept = without_own_aws(os.environ)
    os.environ.clear()
    os.environ.update({**kept, **environment})


def client_environment(url: str, folder: Path) -> dict[str, str]:
    """What makes boto3 and Chalice talk to the local AWS at the URL instead of the real one."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DATA_PATH": str(_quick_waiters(folder / "botocore")),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(server: LocalAws) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and server.alive():
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{server.url}/_ministack/health", timeout=2),
        ):
            return
        time.sleep(0.1)
    raise CommandError(f"the local AWS did not start; its log: {server.log_file}")


def _quick_waiters(folder: Path) -> Path:
    """botocore's own Lambda waiters, asking each second: 5 s a function is most of a local deploy."""
    version = "lambda/2015-03-31/waiters-2.json"
    waiters = json.loads((Path(botocore.__file__).parent / "data" / version).read_text())
    for waiter in waiters["waiters"].values():
        waiter["delay"] = 1
        waiter["maxAttempts"] = 300
    file = folder / version
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(waiters))
    return folder
