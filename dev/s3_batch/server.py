"""HTTP: which operation, its parameters, its answer or its error."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from dev.s3_batch import wire
from dev.s3_batch.control import Control, Refused

MAX_BODY_BYTES = 1_000_000


def make_server(control: Control, port: int = 0) -> ThreadingHTTPServer:
    """A server on 127.0.0.1, not yet serving; port 0 takes a free one (`server.server_port`)."""
    operations = wire.operations()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length") or 0), MAX_BODY_BYTES))
            try:
                self._send(200, self._called(body))
            except Refused as e:
                self._send(e.status, wire.error_xml(e.code, str(e)))
            except Exception as e:  # noqa: BLE001 - the client must get an answer, and we a trace of it
                self.log_error("%r", e)
                self._send(500, wire.error_xml("InternalServiceException", repr(e), fault="Server"))

        def _called(self, body: bytes) -> bytes:
            url = urlsplit(self.path)  # a whole URL where we are the client's proxy, a path otherwise
            for operation in operations:
                if operation.method == self.command and operation.path.fullmatch(url.path):
                    break
            else:
                raise Refused("NotImplemented", f"{self.command} {url.path} is no call about jobs", 501)
            try:
                params = wire.parse(operation, url.path, url.query, self.headers, body)
            except wire.Unreadable as e:
                raise Refused("BadRequestException", str(e)) from e
            problems = list(wire.violations(operation.input, params))
            if problems:
                raise Refused("BadRequestException", "; ".join(problems))
            answer = control.call(operation.name, params)
            return wire.to_xml(operation.output, answer) if operation.output else b""

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names http.server calls

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Successful calls are not worth a line each."""

        def log_error(self, format: str, *args: Any) -> None:
            BaseHTTPRequestHandler.log_message(self, format, *args)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server(("127.0.0.1", port), Handler)
