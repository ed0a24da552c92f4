"""`python -m infra`: deploy a stage, destroy it, look at it, run its bulk jobs, write its policies."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib.errors import BadRequest, ConfigError, RestError
from infra import eventually, local_api
from infra.commands import audit as auditing
from infra.commands import jobs, new_action, oncall
from infra.commands import plan as planning
from infra.commands import verify as verifying
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.errors import CommandError
from infra.permissions import policies as policy_files
from infra.stage import ROOT, Stage

console = Console(stderr=True)


@click.group(context_settings={"max_content_width": 110})
def cli() -> None:
    """Put the S3 event scheduler into an AWS account, and take it out again.

    The account is the one your AWS credentials lead to (AWS_PROFILE, AWS_DEFAULT_REGION, ...).
    Exit codes: 0 done, 1 something failed and may be repeated, 2 the command line is wrong.
    """


cli.add_command(jobs.jobs)
for command in (oncall.pause, oncall.resume, oncall.capacity, oncall.letters, oncall.object_, oncall.watch):
    cli.add_command(command)


@cli.command()
@click.option("--stage", required=True, help="The stage's name in .chalice/config.json, such as dev.")
@click.option("--no-tls", is_flag=True, help="For a local AWS that speaks no TLS.")
def deploy(stage: str, no_tls: bool) -> None:
    """Make or update everything of a stage. May be repeated, also after a failure."""
    made = deploying.deploy(Stage(ROOT, stage), _say, tls_only=not no_tls)
    table = Table(title=f"{made.account.id} {made.account.region} {stage}", show_header=False, box=None)
    for name, value in sorted(made.settings.items()):
        table.add_row(name, escape(value))
    table.add_row("Status", f"{made.rest_url}status" if made.rest_url else "chalice local")
    Console().print(table)


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
def fetch(stage: str) -> None:
    """Make this clone ready for Chalice's own commands, for a stage that is deployed already."""
    there = deploying.fetch(Stage(ROOT, stage), _say)
    console.print(
        f"Stage {stage} of {there.id}, {there.region}: settings, policies and Chalice's record are here"
    )


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
@click.option("--force", is_flag=True, help="Also delete all objects, and messages that still wait.")
def destroy(stage: str, force: bool) -> None:
    """Remove a stage. Buckets with objects are kept, unless forced, or told so when asked at a terminal."""
    ask = click.confirm if sys.stdin.isatty() else lambda question: False
    kept = destroying.destroy(Stage(ROOT, stage), _say, force, ask)
    for bucket in kept:
        console.print(f"kept: {bucket} holds objects; FORCE=1 deletes them", soft_wrap=True)
    console.print(f"Stage {stage} is gone" + (", its buckets are not" if kept else ""))


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Where the page listens, on this machine.",
)
@click.option(
    "--open/--no-open",
    "browse",
    default=None,
    help="Open it in a browser. [default: where there is a screen]",
)
def status(stage: str, port: int, browse: bool | None) -> None:
    """The page of a stage that is deployed, on this machine, with your own AWS credentials."""
    log = ROOT / ".cache" / f"status-{stage}.log"
    browse = local_api.has_a_screen() if browse is None else browse
    local_api.status(Stage(ROOT, stage), port, log, click.echo, browse=browse)


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
def policies(stage: str) -> None:
    """Write .chalice/policy-STAGE-FUNCTION.json from the code, for a stage that was deployed once."""
    there = Stage(ROOT, stage)
    for file in policy_files.write(there, there.account()).values():
        click.echo(file.relative_to(ROOT))


@cli.command()
@click.option("--objects", required=True, help="How many arrive, such as 1e9.")
@click.option("--per", required=True, help="Within how long, evenly: 90s, 5m, 24h, 7d.")
@click.option("--size", help="Of one object: 500KB, 2MB (default), 1GB.")
@click.option("--capacity", help="CAPACITY: events a tick.")
@click.option("--shards", help="DRAIN_SHARDS.")
@click.option("--action", help="ACTION, such as resize.")
@click.option("--notifies", help="S3_NOTIFIES: lambda, queue or eventbridge.")
@click.option("--events", help="on: EVENTS_BUS is told of each ending.")
@click.option("--thumbnails", help="Thumbnails of one object.")
@click.option("--seconds", help="consume's time for one object; estimated where not given.")
@click.option("--times", help="How often a month this happens (default 1).")
@click.option("--concurrency", help="The account's Lambda quota (default 1000).")
@click.option("--prices", type=click.Path(path_type=Path), help="A JSON file with other prices.")
@click.option(
    "--stage", default="dev", show_default=True, help="Its settings are used where nothing is given."
)
@click.option("--json", "as_json", is_flag=True, help="The answer of GET /plan.")
def plan(prices: Path | None, stage: str, as_json: bool, **given: str | None) -> None:
    """What if so many objects came: how long, which limit, how much a month. Asks AWS nothing.

    Exit code 1: events may be lost, and which capacity saves them.
    """
    values = {name: value for name, value in given.items() if value is not None}
    found = planning.answer(values, Stage(ROOT, stage), prices)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        planning.show(found, Console())
    if found["lost"]:
        raise CommandError(found["lost"])


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
@click.option("--hours", default=1.0, show_default=True, help="How many hours to look at.")
@click.option("--until", type=click.DateTime(), help="Its end, in UTC. [default: now]")
def audit(stage: str, hours: float, until: datetime | None) -> None:
    """From the stage's own log: did every event end once, and no tick exceed its capacity?

    Exit code 1: something is wrong.
    """
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    lines = auditing.lines_of(boto3.client("logs"), Stage(ROOT, stage), end - timedelta(hours=hours), end)
    found = auditing.audit(lines)
    auditing.show(found, Console())
    sys.exit(1 if found.problems else 0)


@cli.command("new-action")
@click.option("--name", required=True, help="The action's name, such as index.")
def write_action(name: str) -> None:
    """Begin an action of your own: its file and its test. Nothing else has to be changed."""
    for file in new_action.write(ROOT, name):
        click.echo(file.relative_to(ROOT))
    console.print(
        f"Then: ACTION={name} in the stage's environment_variables, and make deploy (docs/actions.md)"
    )


@cli.command()
@click.option("--stage", required=True, help="The stage's name.")
@click.option(
    "--upload", is_flag=True, help="Send one small picture of its own through, and remove it again."
)
@click.option("--letter", is_flag=True, help="Make a dead letter; the alarm dead-letters will ring.")
@click.option("--job", is_flag=True, help="Run a bulk job over one object of its own; costs $0.25.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify(stage: str, upload: bool, letter: bool, job: bool, as_json: bool) -> None:
    """Is what is deployed what the code and the settings say? Read only, unless told otherwise.

    Exit code 1: something is wrong. What your credentials may not look at is "not checked": no error.
    """
    there = Stage(ROOT, stage)
    account = there.account()
    os.environ["AWS_DEFAULT_REGION"] = account.region
    deploying.refuse_another_account(there, deploying.current_account())
    deployed = verifying.of(there, account)
    rows = verifying.look(deployed)
    wanted = [name for name, asked in (("upload", upload), ("letter", letter), ("job", job)) if asked]
    if wanted:
        rows += verifying.try_it(deployed, wanted, _say)
    if as_json:
        click.echo(verifying.as_json(rows))
    else:
        verifying.show(rows, Console())
    sys.exit(1 if any(row.state == "wrong" for row in rows) else 0)


@cli.command()
def openapi() -> None:
    """Write what is made from the code: chalicelib/openapi.json, docs/api-calls.md, the page of the codes."""
    from chalice.cli.factory import CLIFactory

    from infra import codes_page
    from infra import openapi as documents

    app = CLIFactory(str(ROOT), environ=os.environ).load_chalice_app(Stage(ROOT, "local").environment())
    for file in (*documents.write(app, ROOT), codes_page.write(ROOT)):
        click.echo(file.relative_to(ROOT))


def _say(step: str) -> None:
    console.print(f"[bold]>[/] {escape(step)}", soft_wrap=True, highlight=False)


def main() -> None:
    """The command line. An error that has a reason is a line for each problem, and exit code 1."""
    eventually.be_patient_when_throttled()
    try:
        cli(prog_name="python -m infra")
    except BadRequest as e:
        problems = e.problems or (str(e),)
    except (CommandError, policy_files.Disagreement, ConfigError, RestError, ClientError, BotoCoreError) as e:
        problems = (str(e),)
    for line in problems:
        console.print(f"[red]error:[/] {escape(line)}", soft_wrap=True, highlight=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
