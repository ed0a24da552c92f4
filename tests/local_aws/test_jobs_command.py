"""`python -m infra jobs`, as a person calls it: a process of its own, with nothing but the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import times
from chalicelib.config import Config
from chalicelib.telemetry import changes
from dev.s3_batch import environment
from infra.commands import jobs
from tests.support.jobs import FINISHED, Batch, Stage

pytestmark = pytest.mark.aws

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(stage: Stage, batch: Batch, repository: Path, tmp_path: Path) -> Run:
    """Runs the command for a stage whose settings are those of this test."""
    config = stage.config
    settings = {
        "IMAGES_BUCKET": config.images_bucket,
        "THUMBNAILS_BUCKET": config.thumbnails_bucket,
        "SOURCE_QUEUE_URL": config.source_queue_url,
        "DESTINATION_QUEUE_URL": config.destination_queue_url,
        "DEAD_LETTER_QUEUE_URL": config.dead_letter_queue_url,
        "STAGE": config.stage,
        "REPORTS_BUCKET": config.reports_bucket,
        "JOBS_ROLE_ARN": config.jobs_role_arn,
        "BACKFILL_FUNCTION_ARN": config.backfill_function_arn,
    }
    stages = {"stages": {"dev": {"environment_variables": settings}, "bare": {}}}
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(stages))
    assert Config.from_env(settings) == config
    env = {
        "PATH": os.environ["PATH"],
        "COLUMNS": "60",
        "AWS_ENDPOINT_URL": stage.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        **environment(batch.port),
    }
    code = (
        "from pathlib import Path; from infra.__main__ import main; from infra.commands import jobs; "
        f"jobs.ROOT = Path({str(tmp_path)!r}); main()"
    )

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, "jobs", *args],
            cwd=repository, env=env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run


def pairs(text: str) -> dict[str, str]:
    """The two-column table of a job."""
    rows = [line.strip().split("  ", 1) for line in text.splitlines() if "  " in line.strip()]
    return {name: value.strip() for name, value in rows}


def test_a_job_from_tagging_to_undo(stage: Stage, command: Run) -> None:
    stage.put("a b.png", "c.png", tags="owner=ann")
    tagged = command("tag", "--prefix", "", "--tag", "phototype=finished", "--keep-old-tags", "--run")
    assert tagged.returncode == 0, tagged.stderr
    shown = pairs(tagged.stdout)
    assert (shown["outcome"], shown["succeeded"], shown["failed"]) == ("succeeded", "2", "0")
    assert stage.tags("a b.png") == stage.tags("c.png") == FINISHED
    report = command("report", shown["id"], "--all", "--json")
    rows = [json.loads(line) for line in report.stdout.splitlines()]
    assert sorted(row["key"] for row in rows) == ["a b.png", "c.png"]
    assert report.stderr == "2 succeeded, 0 failed, of 2: succeeded\n"
    undone = command("undo", shown["id"], "--run")
    assert undone.returncode == 0, undone.stderr
    assert stage.tags("a b.png") == {"owner": "ann"}
    listed = command("list").stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [pairs(undone.stdout)["id"], shown["id"]]
    as_json = json.loads(command("list", "--json").stdout)
    assert [job["id"] for job in as_json["jobs"]] == [pairs(undone.stdout)["id"], shown["id"]]
    assert json.loads(command("show", shown["id"], "--json").stdout)["outcome"] == "succeeded"


def test_a_job_waits_until_it_is_run_and_its_failures_are_the_exit_code(stage: Stage, command: Run) -> None:
    stage.put("a")
    images = stage.config.images_bucket
    uri = stage.store("m.csv", f"{images},a\n{images},gone\n".encode())
    made = command("tag", "--manifest", uri, "--tag", "phototype=finished")
    assert made.returncode == 0, made.stderr
    job = pairs(made.stdout)["id"]
    assert pairs(made.stdout)["status"] == "waiting to be run"
    assert stage.tags("a") == {}
    typed = made.stderr.splitlines()[-1].removeprefix("next: python -m infra jobs ").split()
    assert typed == ["run", "--stage", "dev", job, "--follow"]
    assert command("priority", job, "3").returncode == 0
    ran = command(*typed)
    assert ran.stderr.splitlines()[-1] == "> Complete: 2 of 2"
    assert ran.returncode == 1
    assert pairs(ran.stdout)["outcome"] == "partly failed"
    assert pairs(ran.stdout)["priority"] == "3"
    assert command("show", job).returncode == 1
    assert command("report", job).stdout.startswith("'gone': failed 404 NoSuchKey: ")


def test_a_backfill_and_a_cancel(stage: Stage, command: Run) -> None:
    stage.put("a", "p/b")
    filled = command("backfill", "--prefix", "p/", "--run")
    assert (filled.returncode, pairs(filled.stdout)["operation"]) == (0, "backfill")
    assert [message["Key"] for message in stage.messages()] == ["p/b"]
    job = pairs(command("backfill", "--generate", "").stdout)["id"]
    assert command("cancel", job, "--reason", "no").stdout in (f"{job}: Cancelling\n", f"{job}: Cancelled\n")
    told = changes.latest(None, stage.s3, stage.config, times.now())["changes"]
    assert [(one["did"], one["note"]) for one in told] == [
        ("job cancelled", "no"),
        ("job created", None),
        ("job run", None),
        ("job created", None),
    ]
    assert told[0]["what"] == job
    assert told[0]["by"].startswith("arn:aws:")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["tag", "--tag", "a=b"], 2, "give one of --manifest, --inventory, --prefix and --generate"),
        (["tag", "--prefix", "", "--tag", "a"], 2, "'a' is not KEY=VALUE"),
        (["tag", "--prefix", "none/", "--tag", "a=b"], 1, "error: manifest: no object matches"),
        (["backfill", "--prefix", "", "--stage", "bare"], 1, "error: IMAGES_BUCKET is not set"),
        (["show", "no-such-job"], 1, "error: no job no-such-job; AWS forgets a job 90 days after its end"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    command: Run, args: list[str], code: int, message: str
) -> None:
    done = command(*args)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_every_problem_of_a_manifest_is_printed(stage: Stage, command: Run) -> None:
    uri = stage.store("bad.csv", b"Bucket,Key\nphotos,a b\n")
    done = command("tag", "--manifest", uri, "--tag", "a=b", "--check")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        'error: line 1: looks like a header row ("Bucket,Key"); a manifest has none',
        'error: line 2: the key "a b" is not URL-encoded; write "a%20b"',
    ]


def test_every_command_has_help() -> None:
    commands: dict[str, Any] = dict(jobs.jobs.commands)
    assert set(commands) == {
        "tag", "backfill", "undo", "list", "show", "run", "cancel", "priority", "report",
    }  # fmt: skip
    assert all(command.help for command in commands.values())
