"""A real PostgreSQL for tests, of Debian's package, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pg8000.dbapi
import pytest

from dev.local_aws import free_port

USER = "postgres"  # the server refuses to be run by root


def binaries() -> Path | None:
    """Where initdb and postgres are; None where the package is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgresql() -> Iterator[int]:
    """A server with an empty database; gives its port. Skips where there is none, but not in CI."""
    there = binaries()
    if not there:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    as_user = ["runuser", "-u", USER, "--"] if os.getuid() == 0 else []
    port = free_port()
    # Not under pytest's own folder, which every session closes to other users.
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        data = Path(folder)
        if as_user:
            shutil.chown(data, USER)
        yield from _served(data, port, [*as_user, str(there)])


def _served(data: Path, port: int, where: list[str]) -> Iterator[int]:
    *as_user, there = where
    subprocess.run(
        [*as_user, f"{there}/initdb", "-D", data, "-U", "app", "--auth=trust", "-N"],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [*as_user, f"{there}/postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(port)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGQUIT)
        server.wait(30)


def connected(port: int) -> pg8000.dbapi.Connection:
    return pg8000.dbapi.connect(host="127.0.0.1", port=port, user="app", database="postgres", timeout=10)


def _wait(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            connected(port).close()
        except (pg8000.dbapi.Error, OSError):
            assert time.monotonic() < end, "PostgreSQL does not start"
            time.sleep(0.2)
        else:
            return
