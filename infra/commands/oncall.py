"""What the person on call does from a terminal: look, pause, change the capacity, send letters back.

Each is a call of the REST API: what may be asked, and what is answered, is what docs/api.md says.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from chalicelib import times
from chalicelib.queues.batching import plain
from infra.api import Api, api_of
from infra.errors import CommandError
from infra.stage import ROOT, Stage

Command = TypeVar("Command", bound=Callable[..., Any])

EVERY_S = 5.0  # between two looks
COLOURS = {"ok": "green", "warn": "yellow", "bad": "red", "paused": "cyan", "unknown": "yellow"}
RUN_ENDED = ("done", "stopped")
QUEUES = {  # as the page calls them
    "source": "live lane",
    "bulk": "bulk lane",
    "destination": "destination queue",
    "dead_letter": "dead letters being filed",
}

out = Console()
err = Console(stderr=True)


def _where(command: Command) -> Command:
    """The options that say which stage, and in what form the answer is printed."""
    stage = click.option("--stage", help="The deployed stage. [default: dev, where no --url is given]")
    url = click.option(
        "--url", metavar="URL", help="The API to ask instead, such as the one that `make run` prints."
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="The API's answer as it is.")
    return stage(url(as_json(command)))


@contextmanager
def _api(stage: str | None, url: str | None) -> Iterator[Api]:
    if stage and url:
        raise click.UsageError("give --stage or --url: an address is one stage's already")
    with api_of(None if url else Stage(ROOT, stage or "dev"), url) as found:
        yield found


_note = click.option("--note", help="Why, for whoever looks later.")


@click.command()
@_where
@_note
def pause(stage: str | None, url: str | None, as_json: bool, note: str | None) -> None:
    """Forward nothing until `resume`. Uploads are still taken, and wait."""
    with _api(stage, url) as api:
        answer = api.call("POST", "/schedule/pause", body={"note": note} if note else None)
        _print(answer, as_json, "Paused. What was forwarded before is still due, within 80 seconds.")


@click.command()
@_where
@_note
def resume(stage: str | None, url: str | None, as_json: bool, note: str | None) -> None:
    """Forward again, from the next tick on."""
    with _api(stage, url) as api:
        answer = api.call("POST", "/schedule/resume", body={"note": note} if note else None)
        _print(answer, as_json, "Resumed: the next tick forwards.")


@click.command()
@_where
@click.argument("events", required=False)
@click.option("--until", metavar="MOMENT", help="Then what is deployed holds again: 2026-01-31T12:00:00Z.")
@click.option("--by-hour", metavar="HOURS", help='"Mon-Fri 08:00-18:00=200, else=5000; Europe/Berlin".')
@_note
def capacity(
    stage: str | None,
    url: str | None,
    as_json: bool,
    events: str | None,
    until: str | None,
    by_hour: str | None,
    note: str | None,
) -> None:
    """Show the capacity, or set it: EVENTS a minute, or `deployed` for what the deploy says."""
    if events and by_hour:
        raise click.UsageError("give EVENTS or --by-hour")
    with _api(stage, url) as api:
        if not events and not by_hour:
            status = api.get("/status")
            told = {name: status[name] for name in ("capacity", "capacity_deployed", "capacity_set")}
            answer = {**told, **status["set_by"], "error": status["capacity_error"]}
            _print(answer, as_json)
            return
        body: dict[str, Any] = {"by_hour": by_hour} if by_hour else {"capacity": _events(events or "")}
        body |= {name: value for name, value in (("until", until), ("note", note)) if value}
        _print(api.call("PUT", "/capacity", body=body), as_json)


def _events(text: str) -> int | None:
    if text == "deployed":
        return None
    if not text.isdecimal():
        raise click.BadParameter(f"{text!r} is neither a number nor `deployed`", param_hint="EVENTS")
    return int(text)


@click.command("object")
@_where
@click.argument("key")
def object_(stage: str | None, url: str | None, as_json: bool, key: str) -> None:
    """Where the object with this KEY is, how long each leg took, and what cannot be known.

    Exit code 1: it was rejected, or nothing is known of it.
    """
    with _api(stage, url) as api:
        found = api.get(f"/objects/{quote(key, safe='')}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        reason = {"reason": found["reason"]} if found["reason"] else {}
        thumbnails = (
            {"thumbnails": [one["key"] for one in found["thumbnails"]]} if found["thumbnails"] else {}
        )
        legs = {name: value for name, value in found["legs"].items() if value is not None}
        parts = {"state": found["state"], **reason, "known from": found["known_from"], **legs, **thumbnails}
        _pairs({**parts, "not known": found["not_known"]} if found["not_known"] else parts)
    sys.exit(1 if found["state"] in ("rejected", "not seen") else 0)


# dead letters


@click.group()
def letters() -> None:
    """List dead letters, read one, send them back, discard them."""


@letters.command("list")
@_where
@click.option("--code", help="Only those, such as not-an-image.")
@click.option("--prefix", help="Only of objects whose keys begin so.")
@click.option("--contains", metavar="TEXT", help="Only of objects whose keys contain it.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@click.option("--after", metavar="ID", help="Those that follow it; the last line of a list names it.")
def list_letters(
    stage: str | None,
    url: str | None,
    as_json: bool,
    code: str | None,
    prefix: str | None,
    contains: str | None,
    limit: int,
    after: str | None,
) -> None:
    """How many dead letters there are by code, and the newest of them."""
    with _api(stage, url) as api:
        page = api.get("/dead-letters", code=code, prefix=prefix, contains=contains, limit=limit, after=after)
    if as_json:
        click.echo(json.dumps(page, indent=2))
        return
    least = "" if page["complete"] else "at least "
    filing = f", {page['being_filed']:,} being filed" if page["being_filed"] else ""
    out.print(f"{least}{_count(page['total'], 'dead letter')}{filing}", highlight=False)
    if page["codes"]:
        codes = Table("code", "letters", "oldest", "send them back?", box=None)
        for name, one in page["codes"].items():
            codes.add_row(name, f"{one['letters']:,}", one["oldest"], escape(one["send_back"]))
        out.print(codes)
    for one in page["letters"]:
        # One a line and uncut, so that it can be piped.
        click.echo(f"{one['id']}  {_shown(one['key'] or '-')}  {_shown(one['reason'])}")
    if page["next"]:
        err.print(f"more: --after {page['next']}", highlight=False, soft_wrap=True)


@letters.command("show")
@_where
@click.argument("letter")
def show_letter(stage: str | None, url: str | None, as_json: bool, letter: str) -> None:
    """One LETTER, whole, by its id."""
    with _api(stage, url) as api:
        found = api.get(f"/dead-letters/{quote(letter, safe='')}")
    _print(found, as_json)


def _selecting(command: Command) -> Command:
    options = [
        click.argument("ids", nargs=-1),
        click.option("--all", "everything", is_flag=True, help="All that were rejected before now."),
        click.option("--code", help="Those with this code."),
        click.option("--prefix", help="Those of objects whose keys begin so."),
        click.option("--contains", metavar="TEXT", help="Those of objects whose keys contain it."),
        click.option("--note", help="Why, for whoever looks later."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for the end."),
    ]
    for option in reversed(options):
        command = option(command)
    return _where(command)


@letters.command()
@_selecting
def redrive(stage: str | None, url: str | None, as_json: bool, **selected: Any) -> None:
    """Send letters back through the pipeline: by IDS, --code, --prefix, --contains or --all.

    They pass the capacity again, and have all their tries again. It goes on without this command: `stop`
    ends it. Exit code 1: it was stopped before its end.
    """
    _run("redrive", stage, url, as_json, selected)


@letters.command()
@_selecting
def discard(stage: str | None, url: str | None, as_json: bool, **selected: Any) -> None:
    """Throw letters away for good: by IDS, --code, --prefix, --contains or --all.

    Each leaves a line in the log of the function letters. It goes on without this command: `stop` ends it.
    Exit code 1: it was stopped before its end.
    """
    _run("discard", stage, url, as_json, selected)


@letters.command()
@_where
@click.option("--note", help="Why, for whoever looks later.")
def stop(stage: str | None, url: str | None, as_json: bool, note: str | None) -> None:
    """Stop the redrive or discard that runs. What it has not moved is still a letter."""
    with _api(stage, url) as api:
        run = api.call("POST", "/dead-letters/stop", body={"note": note} if note else None)
    _print(run, as_json, f"Stopped: the {run['do']} that {run['by']} began ends within seconds.")


def _run(do: str, stage: str | None, url: str | None, as_json: bool, selected: Mapping[str, Any]) -> None:
    body: dict[str, Any] = {}
    if selected["everything"]:
        body["all"] = True
    if selected["ids"]:
        body["ids"] = list(selected["ids"])
    body |= {
        name: selected[name] for name in ("code", "prefix", "contains", "note") if selected[name] is not None
    }
    if not set(body) - {"note"}:
        raise click.UsageError("say which: letters' ids, --code, --prefix, --contains, or --all")
    with _api(stage, url) as api:
        if not selected["yes"]:
            count = len(selected["ids"]) or _matching(api, body)
            what = "sent back, at the stage's capacity" if do == "redrive" else "discarded, for good"
            if not sys.stdin.isatty():
                raise click.UsageError(
                    f"{_count(count, 'letter')} would be {what}: --yes does it without asking"
                )
            click.confirm(f"{_count(count, 'letter')} will be {what}. Go on?", abort=True, err=True)
        run = api.call("POST", f"/dead-letters/{do}", body=body)
        while selected["follow"] and run["status"] not in RUN_ENDED:
            time.sleep(1.0)
            run = next(one for one in api.get("/dead-letters/redrive")["runs"] if one["id"] == run["id"])
            left = f", {run['left']:,} left" if run["left"] is not None else ""
            err.print(f"{run['status']}: {run['moved']:,} moved{left}", highlight=False)
    _print(run, as_json)
    sys.exit(1 if run["status"] == "stopped" else 0)


def _matching(api: Api, body: Mapping[str, Any]) -> int:
    asked = {name: body.get(name) for name in ("code", "prefix", "contains")}
    page = api.get("/dead-letters", **asked, limit=1)
    return int(page["matching"])


# the terminal's page


@click.command()
@_where
@click.option("--once", is_flag=True, help="Look once, and end: exit code 1 where something is wrong.")
@click.option(
    "--every", default=EVERY_S, show_default=True, type=click.FloatRange(1), help="Seconds between two looks."
)
def watch(stage: str | None, url: str | None, as_json: bool, once: bool, every: float) -> None:
    """Does it keep up, what failed and why? Looks again until Ctrl-C."""
    with _api(stage, url) as api:
        if once or as_json or not out.is_terminal:
            status = api.get("/status")
            if as_json:
                click.echo(json.dumps(status, indent=2))
            else:
                out.print(screen(status))
            sys.exit(0 if status["verdict"]["state"] in ("ok", "paused") and not problems(status) else 1)
        with Live(console=out, auto_refresh=False, screen=False) as live:
            try:
                while True:
                    try:
                        live.update(screen(api.get("/status")), refresh=True)
                    except CommandError as e:  # a look that fails is not the end of the watch
                        live.update(Text(f"The API does not answer: {e}", style="red"), refresh=True)
                    time.sleep(every)
            except KeyboardInterrupt:
                return


def screen(status: Mapping[str, Any]) -> Group:
    """The verdict, where everything stands, and what is wrong."""
    says = status["verdict"]
    lines: list[Any] = [Text(_shown(says["headline"]), style=f"bold {COLOURS[says['state']]}")]
    lines += [Text(f"! {problem}", style="red") for problem in problems(status)]
    table = Table("", box=None)
    for column in ("waiting", "in flight", "delayed", "oldest"):
        table.add_column(column, justify="right")
    for name, of in status["queues"].items():
        if of is None:
            continue
        if "error" in of:
            table.add_row(QUEUES[name], Text(_shown(of["error"]), style="red"))
            continue
        cells = (f"{of[part]:,}" for part in ("visible", "in_flight", "delayed"))
        age = _age(of["oldest_age"]) if of["visible"] else ""
        table.add_row(QUEUES[name], *cells, age)
    lines += ["", table, "", *_facts(status)]
    return Group(*lines, Text(f"stage {status['stage']}, {status['at']}", style="dim"))


def _facts(status: Mapping[str, Any]) -> list[Text]:
    set_by = status["set_by"]
    capacity = "not known" if status["capacity"] is None else f"{status['capacity']:,} a minute"
    facts = [Text(f"Capacity {capacity}")]
    if set_by["who"]:  # of a pause, too
        note = f": {set_by['note']}" if set_by["note"] else ""
        facts.append(Text(_shown(f"Last changed by {set_by['who']} at {set_by['when']}{note}")))
    arrivals = status["arrivals_per_minute"]
    coming = "not known" if arrivals is None else f"{_number(arrivals)} a minute"
    hour = status["hour"]
    if "error" not in hour and hour["forwarded_per_minute"] is not None:
        coming += f"; {_number(hour['forwarded_per_minute'])} a minute forwarded in the last hour"
    facts.append(Text(f"Arrivals {coming}"))
    tick = status["last_tick"]
    if tick and "error" not in tick:
        ended = f"{tick['forwarded']:,} forwarded, {tick['failed']:,} failed; {tick['says']}"
        facts.append(Text(f"Last tick {tick['at']}: {ended}"))
    counted = status["dead_letters"]
    if "error" not in counted:
        codes = ", ".join(f"{one['letters']:,} {name}" for name, one in counted["codes"].items())
        facts.append(Text(f"Dead letters {counted['total']:,}" + (f": {codes}" if codes else "")))
    return facts


def problems(status: Mapping[str, Any]) -> list[str]:
    """One line for each thing that somebody has to look at."""
    notes = status["verdict"]["notes"]
    hint = " (`make letters` shows why)"
    return [
        _shown(one["text"] + hint * ((one["about"], one["state"]) == ("letters", "bad"))) for one in notes
    ]


def _age(seconds: float | None) -> str:
    return "not known" if seconds is None else times.duration(seconds)


def _number(value: float) -> str:
    """1,234; 41.5 below a hundred, as on the page."""
    return f"{value:,.{1 if value < 100 else 0}f}".removesuffix(".0")


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def _print(answer: Mapping[str, Any], as_json: bool, sentence: str = "") -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif sentence:
        click.echo(sentence)
    else:
        _pairs({name: value for name, value in answer.items() if value not in (None, [], {})})


def _pairs(values: Mapping[str, Any]) -> None:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        for number, line in enumerate(value if isinstance(value, list) else [value]):
            text = (
                json.dumps(line)
                if isinstance(line, dict)
                else f"{line:,}"
                if type(line) is int
                else str(line)
            )
            label = name.replace("_", " ") if number == 0 else ""
            click.echo(f"{label:<{width}}  {_shown(text)}")


def _shown(text: str) -> str:
    """Nothing in it moves the cursor or turns the line round."""
    return plain(text)
