"""`make run`: the pipeline deployed for real onto a local AWS, with real photographs through it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from chalicelib.config import Config
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.queues.batching import plain
from dev import burst, photos, tagging, workspace
from dev.local_aws import PUTS_FAIL, LocalAws, free_port, lead_here, local_aws
from dev.pipeline import Pipeline, Upload, dimensions, save
from dev.s3_batch.process import s3_batch
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.local_api import local_api, refuse_taken_port

SHOWN = 20  # rows of the table; the rest is in a file
# What systems and unfinished downloads leave in a folder of pictures.
JUNK = {".ds_store", "thumbs.db", "desktop.ini"}
UNFINISHED = (".part", ".crdownload", ".tmp", "~")
OUT = workspace.ROOT / "thumbnails"  # where thumbnails are written unless the user says otherwise
SETTLES_WITHIN = 120  # seconds without any progress, on a busy machine
UPLOADS_A_SECOND = 4  # the local AWS starts a process for each event it cannot queue


@dataclass(frozen=True)
class Options:
    """The command line of `make run`."""

    images: Path | None
    capacity: int | None
    action: str
    once: bool
    port: int
    status_port: int
    out: Path
    burst: int = 0  # that many events in place of photographs


def run(options: Options, console: Console) -> int:
    """The exit code: 0 when every object ended where it should, 1 when one is missing."""
    if options.burst:
        return _run_burst(options, console)
    _refuse_no_folder(options.out)
    files = _files(options.images or photos.photos(workspace.ROOT / ".cache"), console)
    folder = workspace.run_folder(options.port)
    if not options.once:
        refuse_taken_port(options.status_port, "--status-port")
    with local_aws(options.port, folder) as aws, s3_batch(free_port(), aws.url) as jobs:
        lead_here(aws.environment())
        console.print(f"Local AWS on {aws.url}, no account needed")
        pipeline = _deploy(options, folder, jobs, console)
        uploads = _upload_and_follow(pipeline, files, console)
        if options.out == OUT:  # ours to empty; a folder the user names is not
            shutil.rmtree(OUT, ignore_errors=True)
        written = save(uploads, options.out)
        console.print(_table(uploads, pipeline.settings["ACTION"]))
        if len(uploads) > SHOWN:
            console.print(_write_all(uploads, folder / "objects.tsv"), highlight=False, soft_wrap=True)
        if options.action == "log":
            log = pipeline.stage.function_name("consume")
            console.print(
                f"The lines: aws --endpoint-url {aws.url} logs tail /aws/lambda/{log}", soft_wrap=True
            )
        if written:
            console.print(f"{written} thumbnails in {_relative(options.out)}{os.sep}")
        missing = [upload.key for upload in uploads if upload.ended is None]
        for key in missing:
            console.print(
                f"[red]missing:[/] {shown(key)} ended neither done nor dead-lettered", soft_wrap=True
            )
        if not missing:
            os.environ.update(jobs)
            tagging.tag_what_was_uploaded(pipeline, console)
        if not options.once:
            # Ctrl-C is the way to end it.
            with contextlib.suppress(KeyboardInterrupt), _page(aws, pipeline, options, console):
                _stay(aws, pipeline, options, console)
            console.print("\nStopped.")
    return 1 if missing else 0


def _run_burst(options: Options, console: Console) -> int:
    """The exit code: 0 when every event was done in the end, or somebody ended it before."""
    folder = workspace.run_folder(options.port)
    fails = folder / "fails"
    if not options.once:
        refuse_taken_port(options.status_port, "--status-port")
    with (
        local_aws(options.port, folder, {PUTS_FAIL: str(fails)}) as aws,
        s3_batch(free_port(), aws.url) as jobs,
    ):
        lead_here(aws.environment())
        console.print(f"Local AWS on {aws.url}, no account needed")
        pipeline = _deploy(options, folder, jobs, console, burst.SETTINGS)
        os.environ.update(jobs)
        story = burst.Story(pipeline, options.burst, fails, console)
        if options.once:
            return 0 if story.tell() else 1
        well = True
        with contextlib.suppress(KeyboardInterrupt), _page(aws, pipeline, options, console):
            well = story.tell()
            console.print("The page stays, with what came of it, until Ctrl-C.")
            _stay(aws, pipeline, options, console)
        console.print("\nStopped.")
    return 0 if well else 1


def _refuse_no_folder(out: Path) -> None:
    """Raises CommandError where no thumbnail can be written, before an hour is spent."""
    there = next(one for one in (out, *out.absolute().parents) if one.exists())
    if not there.is_dir():
        raise CommandError(f"--out {out}: {there} is a file; expected a folder, or one that can be made")
    if not os.access(there, os.W_OK):
        raise CommandError(f"--out {out}: {there} may not be written")


def _files(folder: Path, console: Console) -> list[Path]:
    """Those to be uploaded. Raises CommandError where there is none."""
    if not folder.is_dir():
        raise CommandError(f"--images {folder}: there is no such folder")
    found = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    why = {file: reason for file in found if (reason := _why_not(file, folder))}
    for reason in dict.fromkeys(why.values()):
        names = [file.name for file in found if why.get(file) == reason]
        more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
        console.print(f"Skipped, {reason}: {shown(', '.join(names[:3]))}{more}", soft_wrap=True)
    files = [file for file in found if file not in why]
    if not files:
        raise CommandError(f"--images {folder}: the folder holds no file that can be uploaded")
    return files


def _why_not(file: Path, folder: Path) -> str:
    """Why a file is not uploaded; empty where it is."""
    name = file.name.lower()
    if name in JUNK or name.startswith("._"):
        return "a system's own file"
    if name.endswith(UNFINISHED):
        return "not finished"
    try:
        key = f"photos/{file.relative_to(folder).as_posix()}".encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8, which a key has to be"
    return f"its key would be longer than {MAX_KEY_BYTES:,} bytes" if len(key) > MAX_KEY_BYTES else ""


def _deploy(
    options: Options,
    folder: Path,
    jobs: dict[str, str],
    console: Console,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Pipeline:
    chosen = burst.capacity_for(options.burst) if options.burst else Config.capacity
    settings = {
        **jobs,
        "ACTION": options.action,
        "CAPACITY": str(options.capacity or chosen),
        "SPREAD": "off",  # its clock begins 20 s late in a new process, and all are new here
        "THUMBNAIL_SIZES": ",".join(map(str, ThumbnailSettings.sizes)),
        **more,
    }
    stage = workspace.make(folder / "app", settings)
    with console.status("Deploying") as status:

        def say(step: str) -> None:
            status.update(f"Deploying: {shown(step)}")
            console.print(f"  {shown(step)}", highlight=False)

        deploying.deploy(stage, say, tls_only=False)
    return Pipeline(stage)


def _upload_and_follow(pipeline: Pipeline, files: list[Path], console: Console) -> list[Upload]:
    """Upload, tick while something waits, until every object has ended."""
    uploads: list[Upload] = []
    with _progress(console) as progress:
        task = progress.add_task("Uploading", total=len(files))
        for file in files:
            uploads.append(pipeline.upload(_key(file, files), file.read_bytes()))
            progress.advance(task)
            time.sleep(1 / UPLOADS_A_SECOND)
        forwarding = progress.add_task("Forwarded by drain", total=len(files))
        ending = progress.add_task("Done or rejected", total=len(files))
        last_progress = time.monotonic()
        while any(upload.ended is None for upload in uploads):
            forwarded = pipeline.tick()["forwarded"] if pipeline.waiting() else 0
            progress.advance(forwarding, forwarded)
            ended = pipeline.settle(uploads)
            progress.advance(ending, len(ended))
            if forwarded or ended:
                last_progress = time.monotonic()
            elif time.monotonic() - last_progress > SETTLES_WITHIN:
                break
            time.sleep(0.3)
    return uploads


def _key(file: Path, files: list[Path]) -> str:
    root = Path(os.path.commonpath([one.parent for one in files]))
    return f"photos/{file.relative_to(root).as_posix()}"


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _table(uploads: list[Upload], action: str) -> Table:
    """The first of them, those that were not done before all others."""
    title = "What became of each object"
    if len(uploads) > SHOWN:
        title = f"What became of {SHOWN} of {len(uploads):,} objects"
    table = Table(title=title, title_justify="left")
    table.add_column("Object", overflow="fold")
    table.add_column("Thumbnails" if action == "resize" else "Done", overflow="fold")
    table.add_column("Seconds", justify="right")
    bad_first = sorted(uploads, key=lambda upload: bool(upload.ended and not upload.rejected))
    for upload in bad_first[:SHOWN]:
        seconds = f"{upload.seconds:.1f}" if upload.seconds is not None else "-"
        table.add_row(shown(upload.key), _outcome(upload), seconds)
    return table


def _write_all(uploads: list[Upload], file: Path) -> str:
    """All of them into a file, one a line; the sentence that counts them."""
    lines = [f"{plain(upload.key)}\t{Text.from_markup(_outcome(upload)).plain}" for upload in uploads]
    file.write_text("".join(line.replace("\n", ", ") + "\n" for line in lines))
    rejected = sum(bool(upload.rejected) for upload in uploads)
    missing = sum(upload.ended is None for upload in uploads)
    done = len(uploads) - rejected - missing
    return f"{done:,} done, {rejected:,} dead letters, {missing:,} missing; each is in {_relative(file)}"


def _outcome(upload: Upload) -> str:
    if upload.rejected:
        return f"[yellow]dead letter:[/] {shown(upload.rejected)}"
    if upload.thumbnails:
        return "\n".join(dimensions(contents) for contents in upload.thumbnails.values())
    return shown(upload.logged) or "[red]missing[/]"


def shown(text: str) -> str:
    """As it may be printed: nothing in it is markup, moves the cursor, or turns the line round."""
    return escape(plain(text))


def tell_error(line: str) -> None:
    """One line for a command that cannot go on."""
    Console(stderr=True).print(f"[red]error:[/] {shown(line)}", soft_wrap=True, highlight=False)


def _relative(path: Path) -> Path:
    with contextlib.suppress(ValueError):
        return path.resolve().relative_to(Path.cwd())
    return path


@contextlib.contextmanager
def _page(aws: LocalAws, pipeline: Pipeline, options: Options, console: Console) -> Iterator[None]:
    """Serve the page and the API for as long as the block lasts."""
    bucket = pipeline.settings["IMAGES_BUCKET"]
    port = "" if options.port == workspace.PORT else f' ARGS="--port {options.port}"'
    with local_api(pipeline.stage, options.status_port, pipeline.stage.root.parent / "status-api.log") as url:
        console.print(
            f"\n[bold]See it and steer it: {url}[/]   (as JSON: {url}status)\n"
            f"In a terminal: make watch URL={url}\n"
            f"One more: make drop FILE=photo.jpg{port}   (or: aws --endpoint-url {aws.url} s3 cp photo.jpg "
            f"s3://{bucket}/)\nA tick comes every minute by itself. Ctrl-C stops everything.",
            highlight=False,
            soft_wrap=True,
        )
        yield


def _stay(aws: LocalAws, pipeline: Pipeline, options: Options, console: Console) -> None:
    """Show every new object, until Ctrl-C."""
    known = _objects(pipeline)
    waiting: list[Upload] = []
    while aws.alive():
        time.sleep(2)
        now = _objects(pipeline)
        for key, uploaded in now - known:
            if key.endswith("/"):  # a folder's marker: there is nothing to do for it
                continue
            console.print(f"  {shown(key)}: uploaded, waits for the next tick", highlight=False)
            waiting.append(Upload(key, uploaded))
        known = now
        for upload in pipeline.settle(waiting):
            save([upload], options.out)
            waiting.remove(upload)
            console.print(f"  {shown(upload.key)}: {_outcome(upload)}".replace("\n", ", "), highlight=False)
    raise CommandError(f"the local AWS has ended; its log: {aws.log_file}")


def _objects(pipeline: Pipeline) -> set[tuple[str, datetime]]:
    """What is in the images bucket: key and time of upload, so that a second upload counts again."""
    pages = pipeline.s3.get_paginator("list_objects_v2").paginate(Bucket=pipeline.settings["IMAGES_BUCKET"])
    return {(one["Key"], one["LastModified"]) for page in pages for one in page.get("Contents", [])}
