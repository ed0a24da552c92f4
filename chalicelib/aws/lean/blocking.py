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
    LARGE_BYTES,
    NoAnswer,
    NotSent,
    line_of,
    read_answer,
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
        answer = _Answer(connection, within_s)
        try:
            connection.settimeout(within_s)
            connection.sendall(request_head(headers, len(body)) + body)
            status, text, reusable = await read_answer(answer)
        except (OSError, EOFError, ValueError) as e:
            late = isinstance(e, TimeoutError)
            raise NoAnswer(f"nothing whole within {within_s:g} s" if late else line_of(e)) from e
        finally:  # a connection with an answer still to come must serve no other call
            if reusable and not answer.came:
                self._kept = connection
            else:
                connection.close()
        return status, text

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


class _Answer:
    """What comes over the connection, within so many seconds in all."""

    def __init__(self, connection: socket.socket, within_s: float) -> None:
        self._connection = connection
        self._ends = time.monotonic() + within_s
        self.came = b""  # and was not taken yet

    async def until(self, end: bytes) -> bytes:
        while (at := self.came.find(end)) < 0:
            if len(self.came) > LARGE_BYTES:
                raise ValueError(f"no end of a line or head in {len(self.came)} bytes")
            self._more()
        return self._taken(at + len(end))

    async def exactly(self, count: int) -> bytes:
        if count < 0:
            raise ValueError(f"a length of {count}")
        while len(self.came) < count:
            self._more()
        return self._taken(count)

    async def admit(self, count: int) -> None:
        """One call at a time: there is room."""

    def _taken(self, count: int) -> bytes:
        taken, self.came = self.came[:count], self.came[count:]
        return taken

    def _more(self) -> None:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        found = self._connection.recv(65_536)
        if not found:
            raise EOFError("the connection was closed")
        self.came += found
