"""The server as a process of its own, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dev.s3_batch import environment

ROOT = Path(__file__).parents[2]
ENDS_WITHIN = 30  # seconds, on a busy machine


@contextlib.contextmanager
def s3_batch(port: int, endpoint: str) -> Iterator[dict[str, str]]:
    """S3 Batch Operations over the local AWS at the endpoint; yields what its clients' environment needs.

    Raises RuntimeError when the server does not start; why is on the terminal.
    """
    command = [sys.executable, "-m", "dev.s3_batch", "--port", str(port), "--endpoint", endpoint]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # it is a pipe
        try:
            if not server.stdout.readline():
                raise RuntimeError(f"S3 Batch Operations did not start on port {port}")
            yield environment(port)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(ENDS_WITHIN)
            server.kill()
