"""`python -m infra jobs`: bulk jobs of a deployed stage.

Checks and calls are those of the REST API (chalicelib.jobs.commands), without the time limit of a request.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.jobs import batch_jobs, report_pages
from chalicelib.jobs import commands as job_commands
from chalicelib.telemetry import changes
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.stage import ROOT, Stage

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient

# "Poll no more than every 30 s": https://docs.aws.amazon.com/AmazonS3/latest/userguide/
# troubleshooting-batch-operations.html
EVERY = 30.0
WIDEST = 10_000  # characters of a line

out = Console()
err = Console(stderr=True)

Command = TypeVar("Command", bound=Callable[..., Any])


def _stage_option(command: Command) -> Command:
    return click.option("--stage", default="dev", show_default=True, help="The deployed stage.")(command)


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")(command)


def _follow_options(command: Command) -> Command:
    seconds = click.FloatRange(0)
    every = click.option(
        "--every", default=EVERY, show_default=True, type=seconds, help="Seconds between two looks."
    )
    return click.option("--follow", is_flag=True, help="Wait for the job's end.")(every(command))


def _new_job_options(command: Command) -> Command:
    """What tag and backfill share: where the objects come from, and how the job runs."""
    options = [
        click.option("--manifest", metavar="S3_URI", help="A manifest.csv: bucket,encoded-key[,version]."),
        click.option("--inventory", metavar="S3_URI", help="An S3 Inventory's manifest.json, in CSV."),
        click.option("--prefix", metavar="PREFIX", help='Objects listed now, by prefix; "" for all.'),
        click.option("--generate", metavar="PREFIX", help='Objects S3 itself lists, by prefix; "" for all.'),
        click.option("--suffix", metavar="SUFFIX", default="", help="With --prefix or --generate."),
        click.option("--created-after", metavar="MOMENT", help="With --generate: 2026-01-31T00:00:00Z."),
        click.option("--description", help="Shown in lists."),
        click.option("--priority", type=click.IntRange(0), help="Higher runs first; 10 when not given."),
        click.option("--failed-only", is_flag=True, help="A report of failures alone."),
        click.option("--token", help="The same token makes the same job, however often it is sent."),
        click.option("--check", is_flag=True, help="Check and count; make no job."),
        click.option("--run", "run_now", is_flag=True, help="Run it at once, and wait for its end."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def jobs() -> None:
    """Tag many objects, or send existing ones through the pipeline, with S3 Batch Operations.

    A new job waits until it is run. Exit codes: 0 done and nothing failed, 1 refused or something failed,
    2 the command line is wrong.
    """


@jobs.command()
@_stage_option
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="May be given ten times.")
@click.option("--merge", is_flag=True, help="Keep the tags an object has; without it, all are replaced.")
@click.option("--keep-old-tags", is_flag=True, help="Write the old tags to a manifest first, for undo.")
@_new_job_options
def tag(stage: str, tags: tuple[str, ...], merge: bool, keep_old_tags: bool, **options: Any) -> None:
    """Tag objects, in place of the tags they have.

    With --merge, beside them.
    """
    body = {
        "kind": "tag",
        "tags": dict(_pair(text) for text in tags),
        "mode": "merge" if merge else "replace",
        "keep_old_tags": keep_old_tags,
        "manifest": _manifest(options),
    }
    _create(stage, body, options)


@jobs.command()
@_stage_option
@_new_job_options
def backfill(stage: str, **options: Any) -> None:
    """Send existing objects through the pipeline.

    They are put on the bulk queue and take what the stage's capacity leaves beside new uploads.
    """
    _create(stage, {"kind": "backfill", "manifest": _manifest(options)}, options)


@jobs.command()
@_stage_option
@click.argument("job")
@click.option("--run", "run_now", is_flag=True, help="Run it at once, and wait for its end.")
def undo(stage: str, job: str, run_now: bool) -> None:
    """Give objects the tags back that they had before JOB.

    JOB was made with --keep-old-tags.
    """
    _create(stage, {"kind": "undo", "job": job}, {"run_now": run_now})


@jobs.command("list")
@_stage_option
@click.option("--status", default="", help="Such as Suspended,Active.")
@click.option("--limit", default="20", show_default=True, help="At most so many.")
@_json_option
def list_jobs(stage: str, status: str, limit: str, as_json: bool) -> None:
    """Jobs, the newest first."""
    query = {"limit": limit} | ({"status": status} if status else {})
    answer = job_commands.list_jobs(query, clients.s3control(), _config(stage))
    if as_json:
        click.echo(json.dumps(answer))
        return
    table = Table(box=None)
    for name in ("job", "status", "outcome", "done", "failed", "created"):
        table.add_column(name, no_wrap=name == "job")
    table.add_column("description", overflow="fold")
    for job in answer["jobs"]:
        done = f"{job['succeeded'] + job['failed']:,} of {job['objects']:,}"
        cells = (
            job["id"],
            job["status"],
            job["outcome"],
            done,
            f"{job['failed']:,}",
            job["created"][:16] + "Z",
        )
        table.add_row(*cells, escape(job["description"]))
    _print(table)
    if answer["total"] > len(answer["jobs"]):
        err.print(f"{answer['total'] - len(answer['jobs']):,} more; --limit shows them")


@jobs.command()
@_stage_option
@click.argument("job")
@_follow_options
@_json_option
def show(stage: str, job: str, follow: bool, every: float, as_json: bool) -> None:
    """How far a JOB is, and why it failed."""
    config = _config(stage)
    if follow:
        _follow(job, clients.s3control(), config, every)
    _end(job_commands.get_job(job, clients.s3control(), config), as_json)


@jobs.command()
@_stage_option
@click.argument("job")
@_follow_options
def run(stage: str, job: str, follow: bool, every: float) -> None:
    """Let a JOB run that waits for it."""
    config = _config(stage)
    answer = job_commands.run_job(job, clients.s3control(), config)
    _changed(config, "job run", answer["id"])
    err.print(f"> {job} runs", highlight=False)
    if follow:
        _follow(job, clients.s3control(), config, every)
        _end(job_commands.get_job(job, clients.s3control(), config))
    else:
        _next("show", stage, job, "--follow")


@jobs.command()
@_stage_option
@click.argument("job")
@click.option("--reason", default="", help="Kept with the job.")
def cancel(stage: str, job: str, reason: str) -> None:
    """Stop a JOB; what it has done stays done."""
    body = {"reason": reason} if reason else None
    config = _config(stage)
    answer = job_commands.cancel_job(job, body, clients.s3control(), config)
    _changed(config, "job cancelled", job, reason)
    out.print(f"{job}: {answer['status']}", highlight=False)


@jobs.command()
@_stage_option
@click.argument("job")
@click.argument("number", type=int)
def priority(stage: str, job: str, number: int) -> None:
    """Change a JOB's priority to NUMBER; higher runs first."""
    config = _config(stage)
    answer = job_commands.set_priority(job, {"priority": number}, clients.s3control(), config)
    _changed(config, "job priority set", f"{job}: {answer['priority']}")


@jobs.command()
@_stage_option
@click.argument("job")
@click.option("--all", "everything", is_flag=True, help="Successes too.")
@_json_option
def report(stage: str, job: str, everything: bool, as_json: bool) -> None:
    """What became of each object of a JOB.

    The failures alone, unless --all is given. With --json one object a row.
    """
    config = _config(stage)
    found = batch_jobs.job_of(job, clients.s3control(), config)
    for row in report_pages.results(clients.s3(), found, failed_only=not everything):
        if as_json:
            click.echo(json.dumps(row.as_dict()))
        else:
            what = "succeeded" if row.succeeded else f"failed {row.http_status or ''} {row.error_code}"
            which = f"{row.key!r} {row.version_id or ''}"
            click.echo(f"{which.rstrip()}: {what.rstrip()}: {row.message!r}")
    err.print(
        f"{found.succeeded:,} succeeded, {found.failed:,} failed, of {found.total:,}: {found.outcome}",
        highlight=False,
    )


def _create(stage: str, body: dict[str, Any], options: dict[str, Any]) -> None:
    for name in ("description", "priority", "token"):
        if options.get(name) is not None:
            body[name] = options[name]
    body |= {"check": True} if options.get("check") else {}
    body |= {"report": "failed"} if options.get("failed_only") else {}
    config = _config(stage)
    with err.status("Checking ..."):
        created = job_commands.create_job(body, clients.s3(), clients.s3control(), config, in_request=False)
    if created["id"]:
        _changed(config, "job created", job_commands.in_words(body, created["id"]))
    _print_pairs({name: value for name, value in created.items() if value is not None})
    if options.get("run_now") and created["id"]:
        control = clients.s3control()
        _follow(created["id"], control, config, EVERY, until=("Suspended",))
        if job_commands.get_job(created["id"], control, config)["status"] == "Suspended":
            job_commands.run_job(created["id"], control, config)
            _changed(config, "job run", created["id"])
        _follow(created["id"], control, config, EVERY)
        _end(job_commands.get_job(created["id"], control, config))
    elif created["id"]:
        _next("run", stage, created["id"], "--follow")


def _next(command: str, stage: str, job: str, *options: str) -> None:
    """The command that comes next, as it is typed."""
    typed = " ".join(("python -m infra jobs", command, "--stage", stage, job, *options))
    err.print(f"next: {typed}", soft_wrap=True, highlight=False)


def _changed(config: Config, did: str, what: str, note: str = "") -> None:
    """Kept among the changes, as the API keeps them. The change is made by now, so a failure is only said."""
    try:
        by = deploying.current_account().caller
    except CommandError:
        by = "not known"
    with redirect_stdout(sys.stderr):  # the output is the answer alone
        changes.record(by, did, what, note, clients.s3(), config)


def _follow(
    job_id: str, s3control: S3ControlClient, config: Config, every: float, until: tuple[str, ...] = ()
) -> None:
    """Wait for the job's end, or one of these statuses; close looks first, for small jobs are quick.

    What has changed is a moving bar in a terminal, and a line elsewhere.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        line = progress.add_task("", total=None)
        pause, said = min(0.5, every), ""
        while True:
            job = job_commands.get_job(job_id, s3control, config)
            done = job["succeeded"] + job["failed"]
            progress.update(line, description=job["status"], completed=done, total=job["objects"] or None)
            says = f"{job['status']}: {done:,} of {job['objects']:,}"
            if not err.is_terminal and says != said:
                err.print(f"> {says}", highlight=False)
                said = says
            if job["status"] in batch_jobs.TERMINAL or job["status"] in until:
                return
            time.sleep(pause)
            pause = min(2 * pause, every)


def _end(job: job_commands.JobDetails, as_json: bool = False) -> None:
    """Show a job; exit code 1 where anything failed."""
    if as_json:
        click.echo(json.dumps(job))
    else:
        _print_pairs({name: value for name, value in job.items() if value not in (None, [])})
    if job["failed"] or job["status"] in ("Failed", "Cancelled"):
        sys.exit(1)


def _print_pairs(values: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), escape(_plain(value)))
    _print(table)


def _print(table: Table) -> None:
    """As wide as the terminal, but no id is ever cut; where there is none, a row is a line."""
    needs = out.measure(table, options=out.options.update(max_width=WIDEST))
    width = max(out.width, needs.minimum if out.is_terminal else needs.maximum)
    Console(width=width).print(table)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(value)
    return f"{value:,}" if type(value) is int else str(value)


def _manifest(options: dict[str, Any]) -> dict[str, Any]:
    """The one of the four forms that was given."""
    chosen = {name: options[name] for name in ("manifest", "inventory", "prefix", "generate")}
    given = [name for name, value in chosen.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError("give one of --manifest, --inventory, --prefix and --generate")
    (name,) = given
    if name in ("manifest", "inventory"):
        return {"csv" if name == "manifest" else name: chosen[name]}
    wanted = {"prefix": chosen[name], "suffix": options["suffix"], "created_after": options["created_after"]}
    kept = {key: value for key, value in wanted.items() if value}
    return {"list" if name == "prefix" else "generate": kept}


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--tag")
    return key, value


def _config(stage: str) -> Config:
    return Config.from_env(Stage(ROOT, stage).environment())
