"""make run, as a user runs it: in a process of its own."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from rich.console import Console

from dev import run as running
from dev.local_aws import free_port
from dev.pipeline import Upload
from dev.workspace import ROOT
from tests.support.deployment import PATIENCE


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dev", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def left_over(port):
    """Processes of this run that are still there, and its port if somebody listens."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return [f"something listens on {port}"]
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if f".run/{port}" in line or f"--port {port}" in line]


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.xdist_group("run")
def test_once_makes_the_users_own_images_and_ends_with_0(tmp_path, photographs):
    images, out, port = tmp_path / "images", tmp_path / "out", free_port()
    (images / "deep").mkdir(parents=True)
    (images / "deep" / "[red]rocket.jpg").write_bytes((photographs / "rocket.jpg").read_bytes())
    (images / "letter.jpg").write_text("Dear all")
    out.mkdir()
    (out / "the user's own").touch()  # stays, whatever we write beside it
    arguments = ["--once", "--images", str(images), "--out", str(out), "--port", str(port), "--capacity", "1"]
    done = run("run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    (out / "the user's own").unlink()
    assert sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()) == [
        "photos/deep/[red]rocket.jpg_1024.jpg",
        "photos/deep/[red]rocket.jpg_256.jpg",
    ]
    assert "[red]rocket.jpg" in done.stdout
    assert "dead letter:" in done.stdout
    assert "Report: 2 succeeded, 0 failed" in done.stdout
    assert "none before, phototype=finished now" in done.stdout
    assert left_over(port) == []


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.xdist_group("run")
def test_it_stays_up_takes_one_more_image_serves_the_status_and_ends_with_ctrl_c(tmp_path, photographs):
    images, port, status_port = tmp_path / "images", free_port(), free_port()
    images.mkdir()
    (images / "rocket.jpg").write_bytes((photographs / "rocket.jpg").read_bytes())
    command = [sys.executable, "-u", "-m", "dev", "run", "--images", str(images), "--port", str(port)]
    command += ["--status-port", str(status_port), "--out", str(tmp_path / "out")]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:

        def wait_for(pattern):
            end = time.monotonic() + PATIENCE
            while not re.search(pattern, log.read_text()):
                assert time.monotonic() < end, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)

        wait_for("Ctrl-C stops everything")
        with urllib.request.urlopen(f"http://127.0.0.1:{status_port}/status") as answer:
            assert b'"capacity":1000' in answer.read()
        assert f"See it and steer it: http://127.0.0.1:{status_port}/" in log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{status_port}/") as answer:
            assert b"S3 event scheduler" in answer.read()
        assert run("drop", str(photographs / "astronaut.png"), "--port", str(port)).returncode == 0
        wait_for(r"astronaut\.png: 256 x 256 jpeg")  # by the tick of the one-minute rule
        assert (tmp_path / "out" / "astronaut.png_256.jpg").exists()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert "Stopped." in log.read_text()
        assert left_over(port) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.minutes  # seven, nearly all of it waiting
@pytest.mark.xdist_group("run")
def test_a_burst_shows_a_lone_upload_pass_the_circuit_open_and_close_and_all_done(tmp_path):
    port, status_port, log = free_port(), free_port(), tmp_path / "log"
    command = [sys.executable, "-u", "-m", "dev", "run", "--burst", "150", "--capacity", "60"]
    command += ["--port", str(port), "--status-port", str(status_port)]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )

    def status():
        with urllib.request.urlopen(f"http://127.0.0.1:{status_port}/status") as answer:
            return json.load(answer)

    def wait_for(pattern, patience_s=PATIENCE):
        end = time.monotonic() + patience_s
        while not (found := re.search(pattern, log.read_text())):
            assert time.monotonic() < end, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        return found

    try:
        wait_for("zoe uploads one picture")
        waiting = status()
        assert waiting["queues"]["bulk"]["visible"] > 100
        assert waiting["groups"]["largest"][0]["group"] == "acme"
        done = wait_for(r"zoe's picture is done, .* with (.*); (\d+) of acme's still wait")
        assert done[1] in ("the next tick", "tick 2 from then")  # the first may have begun just then
        assert int(done[2]) > 50
        wait_for("the circuit is open")
        assert status()["downstream"]["paused"]
        wait_for("the circuit is closed")
        wait_for("The page stays", 600)
        assert re.search(r"Events done +│ 166 of 166", log.read_text()), log.read_text()
        assert re.search(r"Dead letters +│ 0 ", log.read_text())
        assert not status()["downstream"]["paused"]
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert left_over(port) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.xdist_group("run")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_in_the_middle_leaves_nothing_running(tmp_path, photographs, ending):
    """A kill, or a terminal that is closed: to the command alone, not to what it started."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-u", "-m", "dev", "run", "--once", "--port", str(port)]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    end = time.monotonic() + PATIENCE
    while "Package" not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    process.send_signal(ending)
    assert process.wait(60) != 0
    assert "Traceback" not in log.read_text()
    assert left_over(port) == []


def test_a_port_in_use_is_one_line(tmp_path, photographs):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("run", "--once", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: port {port} is in use: stop what uses it, or give another with --port\n"


def test_a_missing_or_an_empty_folder_is_one_line(tmp_path):
    done = run("run", "--once", "--images", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr == f"error: --images {tmp_path / 'nowhere'}: there is no such folder\n"
    done = run("run", "--once", "--images", str(tmp_path))
    assert done.stderr == f"error: --images {tmp_path}: the folder holds no file that can be uploaded\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--capacity", "0"], "Invalid value for '--capacity': 0 is not in the range x>=1."),
        (["--action", "rezise"], "Invalid value for '--action': 'rezise' is not one of 'log', 'resize'."),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(arguments, line):
    done = run("run", "--once", *arguments)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_an_object_that_went_missing_is_named_and_the_exit_code_says_so(monkeypatch, tmp_path, capsys):
    @contextlib.contextmanager
    def nothing(*_):
        yield SimpleNamespace(url="http://nowhere", environment=dict)

    lost = [Upload("photos/lost.jpg", datetime.now(UTC))]
    (tmp_path / "a.jpg").touch()
    monkeypatch.setattr(running, "local_aws", nothing)
    monkeypatch.setattr(running, "s3_batch", nothing)
    monkeypatch.setattr(running, "_deploy", lambda *_: SimpleNamespace(settings={"ACTION": "resize"}))
    monkeypatch.setattr(running, "_upload_and_follow", lambda *_: lost)
    options = running.Options(tmp_path, 10, "resize", True, 0, 0, tmp_path / "out")
    assert running.run(options, Console()) == 1
    assert "missing: photos/lost.jpg ended neither done nor dead-lettered" in capsys.readouterr().out
