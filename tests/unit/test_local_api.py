"""`chalice local` as `make status` and `make run` start it: it ends with them, however they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dev import workspace
from dev.local_aws import free_port
from infra.deploying import deploy as deploying
from tests.support.deployment import ACCOUNT

PATIENCE = 60
PARENT = """
import signal, sys, time
from pathlib import Path
for ending in (signal.SIGHUP, signal.SIGTERM):  # whoever runs the tests in the background ignores some
    signal.signal(ending, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from infra.local_api import local_api
from infra.stage import Stage
folder, port = Path(sys.argv[1]), int(sys.argv[2])
with local_api(Stage(folder / "app", "dev"), port, folder / "log"):
    print("up", flush=True)
    time.sleep(600)
"""


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_whoever_started_it(tmp_path, ending):
    stage = workspace.make(tmp_path / "app", {}, "dev")
    stage.record(deploying.expected_settings(stage, ACCOUNT), {})
    port = free_port()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(port)],
        cwd=workspace.ROOT,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        assert parent.stdout.readline() == "up\n", (tmp_path / "log").read_text()
        assert listens(port)
        parent.send_signal(ending)
        parent.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while listens(port):
        assert time.monotonic() < end, "it still listens"
        time.sleep(0.1)
