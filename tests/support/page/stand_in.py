"""A server in the API's place: the page's own files, and whatever answers a test gives it."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from PIL import Image

from chalicelib.errors import NotFound, RestError
from chalicelib.page import files
from tests.support.page import canned

Answer = Any  # JSON; a RestError; a function of the request's body that returns one of them; or OfQuery


@dataclass
class OfQuery:
    """A GET's answer that depends on its query."""

    answer: Callable[[dict[str, str]], Any]


class StandIn:
    """`answers` by method and path, such as "GET status"; `down` cuts every connection without an answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.down = False
        self.slow_s = 0.0  # a GET's answer takes so long
        self.photographs: Sequence[Path] = ()
        self.asked: list[tuple[str, Any]] = []  # every call but GET: method and path, body
        self.read: list[tuple[str, int]] = []  # every GET: path, and how many were answered before it came
        self.answered = 0
        self.answers: dict[str, Answer] = {
            "GET status": canned.status,
            "GET series": canned.series,
            "GET recent": canned.recent,
            "GET dead-letters": canned.letters,
            "GET dead-letters/redrive": {"runs": []},
            "GET jobs": canned.jobs,
            "GET changes": canned.changes,
            "GET objects": OfQuery(canned.objects),
            "GET plan": canned.plan,
        }

    def thumbnail(self, name: str) -> bytes:
        """A PNG: of the photograph with such a name where there is one, else a pattern of the name's own."""
        found = [file for file in self.photographs if file.stem.partition(",")[0].split(" ")[0] in name]
        with Image.open(found[0]) if found else _pattern(name) as image:
            image.thumbnail((256, 256))
            contents = io.BytesIO()
            image.convert("RGB").save(contents, "PNG")
        return contents.getvalue()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        call = f"{method} {path}"
        if method == "GET":
            self.read.append((path, self.answered))
            time.sleep(self.slow_s)
            self.answered += 1
        else:
            self.asked.append((call, body))
        if path.startswith("objects/") and call not in self.answers:
            return canned.traced(unquote(path.removeprefix("objects/")))
        given = self.answers.get(call, NotFound("no such thing"))
        if isinstance(given, OfQuery):
            return given.answer(query)
        if callable(given):
            return given() if method == "GET" else given(body)
        return given


def _handler(stand_in: Callable[[], StandIn]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            server, path = stand_in(), urlsplit(self.path).path.lstrip("/")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if server.down:
                self.close_connection = True
                return
            name = path.removeprefix("web/") or files.START
            if name in files.TYPES:
                file = files.file(name)
                self._send(200, file.text.encode(), file.headers)
                return
            if path.startswith("thumbnails/"):
                self._send(200, server.thumbnail(unquote(path)), {"Content-Type": "image/png"})
            else:
                query = dict(parse_qsl(urlsplit(self.path).query))
                answer = server.answer(self.command, path, query, json.loads(body) if body else None)
                status = answer.status if isinstance(answer, RestError) else 200
                told = answer.as_dict() if isinstance(answer, RestError) else answer
                self._send(status, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # the page is closed already
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            return None

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

    return Handler


def _pattern(name: str) -> Image.Image:
    hue = sum(name.encode()) % 256
    image = Image.merge("HSV", [Image.new("L", (96, 96), value) for value in (hue, 90, 200)])
    image.paste(((hue + 40) % 256, 120, 150), (0, 56, 96, 96))
    return image


@contextlib.contextmanager
def serve() -> Iterator[StandIn]:
    """A stand-in on a free port, for as long as the block lasts."""
    holder: list[StandIn] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda: holder[0]))
    holder.append(StandIn(f"http://127.0.0.1:{server.server_port}/"))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield holder[0]
    finally:
        server.shutdown()
        server.server_close()
