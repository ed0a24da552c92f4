"""The same calls without an event loop, for a function that makes one after the other.

asyncio costs a cold start as much as all the rest of such a function. A coroutine that never has to wait runs
to its end when it is begun: here the transport blocks instead of waiting, so every call of this package does.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from chalicelib.aws.lean.transport import (
    CONNECT_S,
    NoAnswer,
    NotSent,
    line_of,
    parsed_head,
    request_head,
    server_of,
)

Result = TypeVar("Result")


def finish(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns. Raises RuntimeError for one that waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as e:
        result: Result = e.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits: it needs an event loop")


async def sleep(seconds: float) -> None:
    """asyncio.sleep's place, blocking."""
    time.sleep(seconds)


class BlockingHttp1:
    """Posts to one host over one kept-alive connection, TLS verified."""

    def __init__(self, endpoint: str, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = server_of(endpoint, tls)
        self._kept: socket.socket | None = None

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. `headers` hold `host`. Raises NotSent or NoAnswer."""
        connection = self._warm() or self._connect()
        reusable = False
        try:
            connection.settimeout(within_s)
            connection.sendall(request_head(headers, len(body)) + body)
            status, answer, reusable = _answer(connection)
        except (OSError, EOFError, ValueError) as e:
            raise NoAnswer(line_of(e)) from e
        finally:  # a connection with an answer still to come must serve no other call
            if reusable:
                self._kept = connection
            else:
                connection.close()
        return status, answer

    def close(self) -> None:
        if self._kept:
            self._kept.close()
            self._kept = None

    def _warm(self) -> socket.socket | None:
        """The kept connection, unless the server has closed it: a sandbox may have slept for minutes."""
        kept, self._kept = self._kept, None
        if kept and select.select([kept], [], [], 0)[0]:
            kept.close()
            return None
        return kept

    def _connect(self) -> socket.socket:
        try:
            plain = socket.create_connection((self._host, self._port), CONNECT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(plain, server_hostname=self._host) if self._tls else plain
        except OSError as e:
            raise NotSent(line_of(e)) from e


def _answer(connection: socket.socket) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection may be used again."""
    with connection.makefile("rb") as stream:
        lines = []
        while (line := stream.readline(65_537)) not in (b"\r\n", b"\n", b""):
            lines.append(line)
        if not lines:
            raise EOFError("the connection was closed")
        head = parsed_head(b"".join(lines))
        if head.chunked:
            chunks = []
            while size := int(stream.readline(65_537), 16):
                chunks.append(stream.read(size + 2)[:-2])
            stream.readline(65_537)
            return head.status, b"".join(chunks), head.keeps_alive
        body = stream.read(head.length)
    if len(body) < head.length:
        raise EOFError("the answer ends early")
    return head.status, body, head.keeps_alive
