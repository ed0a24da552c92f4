"""`python -m dev.second_opinion [pytest's options]`: both servers, and the tests that ask them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.local_aws import free_port
from dev.second_opinion.servers import localstack, moto
from infra.errors import CommandError

TESTS = ("tests/second_opinion", "tests/local_aws/test_sqs_contract.py")


def main(options: list[str]) -> int:
    """pytest's exit code; 1 when a server is missing."""
    for ending in (signal.SIGTERM, signal.SIGHUP):  # so that the servers end with us
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with localstack(free_port(), folder) as one, moto(free_port(), folder) as other:
                urls = {"SECOND_OPINION_LOCALSTACK": one, "SECOND_OPINION_MOTO": other}
                command = [sys.executable, "-m", "pytest", "--quiet", *TESTS, "-k", "localstack or moto"]
                return subprocess.run([*command, *options], env={**os.environ, **urls}).returncode
        except CommandError as e:
            print(f"error: {e}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
