"""make audit over a deployed stage whose functions were killed in the middle of their work, again and again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import infra.__main__ as commands
from dev.local_aws import LocalAws
from infra.errors import CommandError
from tests.support.deployment import deploy, only_our_ticks, wait_for

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("make_deploy")]

UPLOADS, KILLS = 60, 30
HIDDEN_S = 15  # what a killed function held comes back after this, and not after six of its time limits


def processes(aws: LocalAws, function: str) -> list[int]:
    """Of this local AWS and no other, those that run the function."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={function}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(folder.name)) == aws.group and name in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def kill_some(aws, stage, chance):
    """One of the processes that run now is gone."""
    running = [pid for name in ("drain", "consume") for pid in processes(aws, stage.function_name(name))]
    if not running:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(running), signal.SIGKILL)
    return 1


def test_after_a_run_with_kills_the_log_shows_one_fate_for_each_event(aws, tmp_path, monkeypatch, capsys):
    pipeline = deploy(tmp_path, "audited", ACTION="log", CAPACITY="7")
    for lane in ("SOURCE", "BULK", "DESTINATION"):
        pipeline.sqs.set_queue_attributes(
            QueueUrl=pipeline.settings[f"{lane}_QUEUE_URL"], Attributes={"VisibilityTimeout": str(HIDDEN_S)}
        )
    keys = {f"photos/{number:03d}.jpg" for number in range(UPLOADS)}
    over = threading.Event()

    def tick():
        while not over.is_set():
            with contextlib.suppress(CommandError):  # it was killed
                pipeline.tick()
            over.wait(0.2)

    def all_done():
        return pipeline.logged().keys() >= keys and not any(
            map(pipeline.depth, ("source", "bulk", "destination"))
        )

    chance, killed = random.Random(1), 0
    with only_our_ticks(pipeline):
        ticks = threading.Thread(target=tick)
        ticks.start()
        try:
            for key in sorted(keys):
                pipeline.upload(key, b"a picture")
                killed += kill_some(aws, pipeline.stage, chance)
                time.sleep(chance.random())
            ends = time.monotonic() + 60
            while killed < KILLS and time.monotonic() < ends:
                killed += kill_some(aws, pipeline.stage, chance)
                time.sleep(chance.random())
            wait_for(all_done, "every event to be done")
        finally:
            over.set()
            ticks.join()
    monkeypatch.setattr(commands, "ROOT", pipeline.stage.root)
    said = CliRunner().invoke(commands.cli, ["audit", "--stage", "audited"])
    with capsys.disabled():
        print(f"\n{killed} kills\n{said.output}")
    assert said.exit_code == 0, said.output
    assert killed >= KILLS
    numbers = dict(line.rsplit(maxsplit=1) for line in said.output.splitlines()[:5])
    named = {name.strip(): int(number) for name, number in numbers.items()}
    assert named["Events queued, by id"] == named["done"] == UPLOADS
    assert named["given up, with a letter"] == 0
