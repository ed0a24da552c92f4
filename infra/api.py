"""The REST API of a stage, for the command line: asked in this process, or at the address of one that runs.

In this process the app's own routes answer with the caller's AWS credentials, as `make status` has it;
nothing listens anywhere. At an address, such as the one that `make run` prints, whoever serves it does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO
from urllib.parse import urlencode, urlsplit

from infra.errors import CommandError
from infra.local_api import use_own_credentials
from infra.stage import Stage

ANSWERS_WITHIN_S = 30.0  # API Gateway's own limit is 29

# Method, path and body to the status and the body of the answer.
Send = Callable[[str, str, bytes], tuple[int, bytes]]


class Api:
    """`call` returns what the API answers."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The answer's JSON. Raises CommandError with the API's own line for what it refuses."""
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        asked = f"{path}?{urlencode(given)}" if given else path
        status, text = self._send(method, asked, json.dumps(body).encode() if body is not None else b"")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if status < 400 and answer is not None:
            return answer
        said = answer.get("error") or answer.get("Message") if isinstance(answer, dict) else None
        raise CommandError(said or f"{method} {path}: the API answers {status}, without JSON")

    def get(self, path: str, **query: str | int | None) -> Any:
        return self.call("GET", path, query)


@contextmanager
def api_of(stage: Stage | None, url: str | None) -> Iterator[Api]:
    """The API at the address, if one is given; else the stage's, in this process.

    Raises CommandError when the stage was never deployed, and when the credentials are another account's.
    """
    if url:
        yield Api(_at(url))
        return
    assert stage is not None
    use_own_credentials(stage)
    from chalice.cli.factory import CLIFactory
    from chalice.test import Client

    environment = stage.environment()
    os.environ.update(environment)
    app = CLIFactory(str(stage.root), environ=os.environ).load_chalice_app(environment)
    log = stage.root / ".cache" / f"status-{stage.name}.log"  # as `make status` keeps them
    log.parent.mkdir(exist_ok=True)
    with Client(app, stage_name=stage.name, project_dir=str(stage.root)) as client, log.open("a") as lines:
        yield Api(in_process(client, lines))


def in_process(client: Any, log: TextIO) -> Send:
    """Of Chalice's test client. What the app would log goes to `log`: our own output is the answer alone."""

    def send(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        with redirect_stdout(log):
            answer = client.http.request(method, path, headers=headers, body=body)
        return answer.status_code, answer.body

    return send


def _at(url: str) -> Send:
    """Over HTTP, without a proxy: such an address is this machine's."""
    import urllib3

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise CommandError(f"--url is {url!r}: expected an address such as http://127.0.0.1:8000")
    pool = urllib3.PoolManager(retries=False, timeout=ANSWERS_WITHIN_S)
    base = url.rstrip("/")

    def send(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            answer = pool.request(method, base + path, body=body or None, headers=headers)
        except urllib3.exceptions.HTTPError as e:
            raise CommandError(f"{base} does not answer: {type(e).__name__}; is `make run` running?") from e
        return answer.status, answer.data

    return send
