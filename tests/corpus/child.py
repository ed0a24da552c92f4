"""Work in a process of its own: a crash, a time-out or too much memory costs only that."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

PLENTY = 8 * 1024 * 1024 * 1024  # bytes
SECONDS = 60


def run(work: Callable[[], object], limit: int) -> tuple[str, dict[str, Any], int]:
    """(how it ended, what `work` returned, its peak resident bytes), in a process with `limit` bytes of
    address space. It ended with "" when all went well; what is returned has to be JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            signal.alarm(SECONDS)
            os.write(writing, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        ended = "time-out" if os.WTERMSIG(status) == signal.SIGALRM else f"signal {os.WTERMSIG(status)}"
    else:
        ended = "" if os.WEXITSTATUS(status) == 0 else "exception"
    return ended, json.loads(said) if said else {}, usage.ru_maxrss * 1024
