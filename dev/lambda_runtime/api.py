"""The Lambda Runtime API for one sandbox: hands out events one at a time, and notes when what came.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "/2018-06-01/runtime"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:under-test"


@dataclass(frozen=True)
class Answer:
    """What the function sent back, and when by `time.perf_counter()`."""

    payload: Any
    failed: bool  # payload is then Lambda's {errorMessage, errorType, stackTrace}
    began: float
    ended: float


class RuntimeApi:
    """The state behind the server. `ready` is when the function's module was imported; None before."""

    def __init__(self) -> None:
        self.ready: float | None = None
        self.address = ""  # host:port
        self._events: queue.Queue[tuple[str, bytes, int]] = queue.Queue()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._began = 0.0
        self._number = 0

    def send(self, event: object, limit_s: float) -> None:
        """One event for the function, which is told that it has `limit_s` seconds."""
        self._number += 1
        self._events.put((f"request-{self._number}", json.dumps(event).encode(), int(limit_s * 1000)))

    def answer(self, within_s: float) -> Answer | None:
        """The next answer, or None when there is none in time."""
        try:
            return self._answers.get(timeout=within_s)
        except queue.Empty:
            return None

    def next(self) -> tuple[str, bytes, int]:
        if self.ready is None:
            self.ready = time.perf_counter()
        event = self._events.get()
        self._began = time.perf_counter()
        return event

    def answered(self, body: bytes, failed: bool) -> None:
        ended = time.perf_counter()
        self._answers.put(Answer(json.loads(body or b"null"), failed, self._began, ended))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: RuntimeApi

    def do_GET(self) -> None:
        if self.path != f"{VERSION}/invocation/next":
            self._say(404, {}, b"{}")
            return
        request_id, event, limit_ms = self.api.next()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + limit_ms),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        self._say(200, headers, event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        if self.path.endswith(("/response", "/error")):
            self.api.answered(body, failed=self.path.endswith("/error"))
        self._say(202, {}, b'{"status": "OK"}')

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # one waits in next() for an event that never comes

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent: a function is killed in the middle of its next question."""


@contextmanager
def serving() -> Iterator[RuntimeApi]:
    """A Runtime API on a free port for as long as the block lasts."""
    api = RuntimeApi()
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    api.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
