"""Between an action and the local AWS: passes calls on as they are, or late, or answers them itself."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.error import HTTPError

from tests.support.receiver import serving


@dataclass
class Between:
    url: str = ""
    after_s: float = 0.0  # until a call is passed on
    refuses: bool = False  # answers 503, and passes nothing on


@contextlib.contextmanager
def between(target: str) -> Iterator[Between]:
    """`target` is the local AWS's address; what was signed stays as it was."""
    told = Between()

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(told.after_s)
            if told.refuses:
                return self._answer(503, {}, b"out of order")
            asked = urllib.request.Request(
                target + self.path, body or None, dict(self.headers), method=self.command
            )
            try:
                with urllib.request.urlopen(asked) as answer:
                    self._answer(answer.status, dict(answer.headers), answer.read())
            except HTTPError as e:
                self._answer(e.code, dict(e.headers), e.read())

        # A deploy goes this way too: Chalice reads the stage's settings.
        do_POST = do_GET = do_PUT = do_DELETE = _pass_on  # noqa: N815  the library's names

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            passed = {
                name: value for name, value in headers.items() if name.lower().startswith(("x-", "content-t"))
            }
            self.send_response(status)
            for name, value in {**passed, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            return None

    with serving(Handler) as told.url:
        yield told
