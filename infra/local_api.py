"""`chalice local` for a stage: the page and the API on this machine, with its user's own credentials."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.stage import Account, Stage

# Chalice's command line, which ends with this process.
CHALICE = deploying.chalice_program("chalice_cli.end_with_stdin()")
STARTS_WITHIN = 60  # seconds, on a busy machine


@contextlib.contextmanager
def local_api(stage: Stage, port: int, log: Path) -> Iterator[str]:
    """Serves on 127.0.0.1 alone for as long as the block lasts; yields the page's address.

    Raises CommandError when it does not start; why is in the log.
    """
    command = [*CHALICE, "local", "--stage", stage.name, "--port", str(port), "--no-autoreload"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        # The pipe closes when this process ends, however: the server ends with it.
        process = subprocess.Popen(
            command, cwd=stage.root, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + STARTS_WITHIN
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise CommandError(f"the status API did not start; its log: {log}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def use_own_credentials(stage: Stage) -> Account:
    """This process asks AWS where the stage is, as the caller, whose ARN the app is told; returns that place.

    Raises CommandError when the stage was never deployed, and when the credentials are missing or another
    account's.
    """
    there = stage.account()
    os.environ["AWS_DEFAULT_REGION"] = there.region  # the stage's, whatever the profile says
    here = deploying.current_account()
    if here.id != there.id:
        raise CommandError(
            f"stage {stage.name} is in account {there.id}, your AWS credentials are for {here.id}: "
            "set AWS_PROFILE to the right one"
        )
    os.environ["LOCAL_CALLER"] = here.caller
    os.environ["FUNCTION_MEMORY_MB"] = stage.function_memory()
    return there


def status(stage: Stage, port: int, log: Path, say: Callable[[str], None], *, browse: bool) -> None:
    """Shows a deployed stage until Ctrl-C.

    Raises CommandError when the stage was never deployed, when the credentials are missing or are another
    account's, and when the port is taken.
    """
    stage.account()
    refuse_taken_port(port, "PORT=")
    there = use_own_credentials(stage)
    with local_api(stage, port, log) as url, contextlib.suppress(KeyboardInterrupt):
        say(f"Stage {stage.name}, account {there.id}, {there.region}: {url}")
        say("Only this machine can open it. Ctrl-C ends it.")
        if browse:
            webbrowser.open(url)
        while _listens(port):
            time.sleep(2)
        raise CommandError(f"the status API has ended; its log: {log}")


def has_a_screen() -> bool:
    """Whether opening a browser opens a window, and not a text browser in this terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def refuse_taken_port(port: int, option: str) -> None:
    """Raises CommandError when something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as e:
            raise CommandError(
                f"port {port} is in use: stop what uses it, or give another with {option}"
            ) from e


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
