"""`make run`'s second half: a bulk job over what was uploaded, from its manifest to its report."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.jobs import commands
from dev.pipeline import Pipeline

TAGS = {"phototype": "finished"}
ENDED = ("succeeded", "partly failed", "failed", "cancelled")


def tag_what_was_uploaded(pipeline: Pipeline, console: Console) -> None:
    """Tag every uploaded object with an S3 Batch Operations job; print the report and one object's tags."""
    config = Config.from_env(pipeline.settings)
    s3, s3control = clients.s3(), clients.s3control()
    bucket = config.images_bucket
    example = s3.list_objects_v2(Bucket=bucket, MaxKeys=1)["Contents"][0]["Key"]
    before = _tags(pipeline, example)

    request = {"kind": "tag", "manifest": {"list": {}}, "tags": TAGS, "keep_old_tags": True}
    created = commands.create_job(request, s3, s3control, config)
    job_id = str(created["id"])
    console.print(
        f"\nTagging all {created['objects']} objects with S3 Batch Operations, job {job_id}", soft_wrap=True
    )
    wait(job_id, ("waiting to be run",), config)
    commands.run_job(job_id, s3control, config)
    _follow(job_id, config, console)

    totals = commands.get_report(job_id, None, s3, s3control, config)["totals"]
    now = _tags(pipeline, example)
    console.print(f"Report: {totals['succeeded']} succeeded, {totals['failed']} failed")
    console.print(f"Tags of {escape(example)}: {before} before, {now} now", soft_wrap=True)


def _follow(job_id: str, config: Config, console: Console) -> None:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Tagged", total=None)

        def show(job: commands.JobDetails) -> None:
            progress.update(task, total=job["objects"], completed=job["succeeded"] + job["failed"])

        wait(job_id, ENDED, config, show)


def wait(job_id: str, outcomes: tuple[str, ...], config: Config, show: Any = lambda job: None) -> None:
    """Until the job has one of the outcomes, or has ended; `show` is told of it each time."""
    while True:
        job = commands.get_job(job_id, clients.s3control(), config)
        show(job)
        if job["outcome"] in (*outcomes, *ENDED):
            return
        time.sleep(0.3)


def _tags(pipeline: Pipeline, key: str) -> str:
    found = pipeline.s3.get_object_tagging(Bucket=pipeline.settings["IMAGES_BUCKET"], Key=key)["TagSet"]
    return ", ".join(f"{tag['Key']}={tag['Value']}" for tag in found) or "none"
