"""A process held to a part of one CPU, as Lambda holds a function to its memory's share."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

PERIOD_S = 0.1
# A function gets one vCPU at 1,769 MB, and less in proportion:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MB_PER_VCPU = 1769


def throttle(process: subprocess.Popen[str], share: float) -> threading.Thread:
    """Stops the process for the rest of each period in which it has had its share, until it ends."""
    thread = threading.Thread(target=_hold, args=(process, share), daemon=True)
    thread.start()
    return thread


def _hold(process: subprocess.Popen[str], share: float) -> None:
    clock = (~process.pid << 3) | 2  # the CPU clock of a process, as in clock_getcpuclockid(3)
    with contextlib.suppress(OSError):  # it has ended
        while True:
            ends = time.monotonic() + PERIOD_S
            allowed = time.clock_gettime(clock) + share * PERIOD_S
            os.kill(process.pid, signal.SIGCONT)
            while time.clock_gettime(clock) < allowed and time.monotonic() < ends:
                time.sleep(0.002)
            if time.monotonic() < ends:
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(max(0.0, ends - time.monotonic()))
