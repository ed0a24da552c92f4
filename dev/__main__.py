"""`python -m dev`: the pipeline on this machine, without an AWS account."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from chalicelib.config import Config
from chalicelib.config.stage import OF_ACTIONS, actions_in
from dev import run as running
from dev.local_aws import client_environment, lead_here
from dev.pipeline import Pipeline
from dev.workspace import PORT, run_folder
from infra.errors import CommandError
from infra.permissions.policies import Disagreement
from infra.stage import Stage

A_PORT = click.IntRange(1, 65_535)


@click.group()
def cli() -> None:
    """The S3 event scheduler on a local AWS: nothing leaves this machine."""


@cli.command()
@click.option(
    "--images", type=click.Path(path_type=Path), help="A folder of your own images; photographs by default."
)
@click.option(
    "--capacity",
    type=click.IntRange(1),
    help=f"Events a tick may forward. [default: {Config.capacity}; with --burst what takes a few minutes]",
)
@click.option(
    "--action",
    default="resize",
    show_default=True,
    type=click.Choice([action for action in actions_in() if action not in OF_ACTIONS]),
    help="What is done with each event.",
)
@click.option(
    "--burst",
    type=click.IntRange(20, 100_000),
    help="In place of photographs: so many small uploads of one tenant, a lone one of another behind them, a "
    "backfill, and a downstream that fails for a minute.",
)
@click.option("--once", is_flag=True, help="Do the job and exit: 0 when every object ended where it should.")
@click.option("--port", default=PORT, show_default=True, type=A_PORT, help="Of the local AWS.")
@click.option("--status-port", default=8000, show_default=True, type=A_PORT, help="Of the page and the API.")
@click.option(
    "--out",
    default=running.OUT,
    type=click.Path(path_type=Path),
    help="Where the thumbnails are written. [default: thumbnails/, emptied first]",
)
def run(
    images: Path | None,
    capacity: int | None,
    action: str,
    burst: int | None,
    once: bool,
    port: int,
    status_port: int,
    out: Path,
) -> None:
    """Deploy the app onto a local AWS and send images through it.

    With --burst the pace is to be seen: how a lone upload passes thousands, how evenly those flow, and how
    the circuit opens and closes.

    Exit codes: 0 every object ended in its thumbnails, its log line or, if it was bad, in the dead-letter
    queue with its reason; 1 one is missing, or it could not be done; 2 the command line is wrong.
    """
    # All as Ctrl-C, which a shell lets its background ignore: the local AWS ends with us.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    if burst and (images or action != "resize"):
        raise click.UsageError(
            "--burst makes pictures of its own, and thumbnails of them: leave out --images and --action"
        )
    if port == status_port and not once:
        raise click.UsageError(f"--port and --status-port are both {port}: two servers need two ports")
    options = running.Options(images, capacity, action, once, port, status_port, out, burst or 0)
    sys.exit(running.run(options, Console()))


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--port", default=PORT, show_default=True, type=A_PORT, help="Of the local AWS that `make run` started."
)
def drop(file: Path, port: int) -> None:
    """Upload one more image while `make run` is up."""
    folder = run_folder(port)
    stage = Stage(folder / "app", "local")
    lead_here(client_environment(f"http://127.0.0.1:{port}", folder))
    try:
        upload = Pipeline(stage).upload(file.name, file.read_bytes())
    except Exception as e:  # not up, or up without the app: the same remedy
        raise CommandError(f"no pipeline on port {port} ({e}): start it with `make run`") from e
    click.echo(f"{upload.key} is uploaded; the next tick takes it")


if __name__ == "__main__":
    try:
        cli(prog_name="python -m dev")
    except OSError as e:  # a full disk, a folder that may not be written, a name that it does not take
        about = f"{e.filename}: " if e.filename else ""
        running.tell_error(f"{about}{e.strerror or e}")
    except (BotoCoreError, ClientError) as e:
        running.tell_error(f"the local AWS does not answer as it should; its log is in .run: {e}")
    except (CommandError, Disagreement) as e:
        running.tell_error(str(e))
    sys.exit(1)
