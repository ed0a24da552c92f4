"""The dead letters over REST: counted, read, sent back, discarded (docs/api.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.caller import audited, caller
from chalicelib.api.views import Routes, config
from chalicelib.aws import clients
from chalicelib.times import now

if TYPE_CHECKING:
    from chalicelib.letters.browse import LettersPage, LettersQuery, WholeLetter
    from chalicelib.letters.runs import Run, RunRequest, Runs, StopRequest

routes = Routes(__name__)


@routes.get("/dead-letters", errors=(501,))
def get_dead_letters(query: LettersQuery) -> LettersPage:
    """How many dead letters there are by code, and a page of them, newest first."""
    from chalicelib.letters import browse

    return browse.page(query, clients.s3(), clients.sqs(), config())


@routes.get("/dead-letters/redrive", errors=(501,))
def get_redrives() -> Runs:
    """The last redrives and discards, and how far each is."""
    from chalicelib.letters import runs

    return runs.latest(clients.s3(), config(), now())


@routes.get("/dead-letters/{letter_id}", errors=(400, 404, 501))
def get_dead_letter(letter_id: str) -> WholeLetter:
    """One dead letter, whole."""
    from urllib.parse import unquote

    from chalicelib.letters import browse

    return browse.whole(unquote(letter_id), clients.s3(), config())


@routes.post("/dead-letters/redrive", errors=(409, 501))
def post_redrive(body: RunRequest) -> Run:
    """Begins to send dead letters back through the pipeline: by ids, code, part of the key, or all."""
    from chalicelib.letters import runs

    by = caller(routes.current_request)
    run = runs.start("redrive", body, by, clients.s3(), clients.functions(), config(), now())
    return audited(routes.current_request, "redrive asked for", run, runs.in_words(run), run["note"])


@routes.post("/dead-letters/discard", errors=(409, 501))
def post_discard(body: RunRequest) -> Run:
    """Begins to throw dead letters away for good, with a log line for each."""
    from chalicelib.letters import runs

    by = caller(routes.current_request)
    run = runs.start("discard", body, by, clients.s3(), clients.functions(), config(), now())
    return audited(routes.current_request, "discard asked for", run, runs.in_words(run), run["note"])


@routes.post("/dead-letters/stop", errors=(409, 501))
def post_stop(body: StopRequest | None = None) -> Run:
    """Stops the redrive or discard that runs; what it has not moved is still a letter."""
    from chalicelib.letters import runs

    by = caller(routes.current_request)
    run = runs.stop(body, by, clients.s3(), config(), now())
    note = (body or {}).get("note")
    return audited(routes.current_request, f"{run['do']} stopped", run, runs.in_words(run), note)
