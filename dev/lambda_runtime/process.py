"""A function in a sandbox: the Runtime Interface Client as Lambda starts it, over an unpacked package."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.lambda_runtime.api import Answer, RuntimeApi, serving
from dev.lambda_runtime.interpreters import LambdaPython
from dev.local_aws import REGION

PATIENCE_S = 60.0  # for one answer, on a busy machine


class Sandbox:
    """A running function. Times are seconds of `time.perf_counter()`."""

    def __init__(self, api: RuntimeApi, process: subprocess.Popen[bytes], log: Path, began: float) -> None:
        self.began = began
        self.log = log
        self._api = api
        self._process = process

    @property
    def import_s(self) -> float:
        """From the process's start until the function asked for its first event."""
        assert self._api.ready is not None, "nothing was invoked yet"
        return self._api.ready - self.began

    def invoke(self, event: object, limit_s: float = 60.0) -> Answer:
        """The function's answer. Raises AssertionError with its log when it dies instead."""
        self._api.send(event, limit_s)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            if answer := self._api.answer(within_s=0.5):
                return answer
        raise AssertionError(f"the function gave no answer; its log: {self.log.read_text()[-2000:]}")


@contextlib.contextmanager
def sandbox(
    python: LambdaPython, package: Path, handler: str, settings: Mapping[str, str], log: Path
) -> Iterator[Sandbox]:
    """The function `handler`, such as `app.drain`, of an unpacked package, with the stage's settings.

    `-S` and the empty environment leave of this machine only the interpreter and its standard library.
    """
    with serving() as api, log.open("wb") as output:
        environment = {
            **settings,
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # Lambda sets both, and boto3 reads this one
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python.version}",
            "AWS_LAMBDA_FUNCTION_NAME": "under-test",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": settings.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONPATH": os.pathsep.join((str(package), str(python.libraries))),
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's /var/task cannot be written to
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": "/usr/local/bin:/usr/bin/:/bin",
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(python.interpreter), "-S", "-m", "awslambdaric", handler],
            cwd=package,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Sandbox(api, process, log, began)
        finally:
            process.kill()
            process.wait()
