"""HTTP/1.1 POSTs to one host over kept-alive connections, TLS verified. Only what SQS needs.

Less CPU a call than aiohttp, and none of its import (docs/decisions/0003-drain-client.md).
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import cast

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

# An answer larger than this is read only when the task's ADMISSION, where it has one, lets it in.
ADMISSION: ContextVar[Callable[[int], Awaitable[None]] | None] = ContextVar("ADMISSION", default=None)


class Http1:
    """Posts at the same time use a connection each; a free one is used again, the warmest first."""

    def __init__(self, endpoint: str, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = server_of(endpoint, tls)
        self._idle: list[_Connection] = []

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. `headers` hold `host`. Raises NotSent or NoAnswer."""
        connection = self._warm() or await self._connect()
        reusable = False
        try:
            connection.send(request_head(headers, len(body)) + body, within_s)
            status, answer, reusable = await read_answer(connection)
        except Exception as e:  # whatever the event loop raises of a broken connection, only this call fails
            raise NoAnswer(f"nothing whole within {within_s:g} s" if connection.late else line_of(e)) from e
        finally:  # a connection with an answer still to come must serve nobody else
            connection.answered()
            if reusable:
                self._idle.append(connection)
            else:
                connection.close()
        return status, answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _warm(self) -> _Connection | None:
        """A connection that the server has not closed meanwhile, as far as can be seen."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as e:
            raise NotSent(line_of(e)) from e
        return connection


class _Connection(asyncio.Protocol):
    """One connection: sends a request, and hands out its answer as it is asked for.

    In the place of asyncio's streams, which take 5 of the 20 µs that a call took. Of one call at a time.
    """

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._came = b""  # and was not taken yet
        self._lost: Exception | None = None  # why nothing comes any more
        self._waiting: asyncio.Future[None] | None = None  # for more
        self._paused = False
        self._due = math.inf  # until when the answer may take, by the loop's time
        self._timer: asyncio.TimerHandle | None = None
        self.late = False  # the answer took longer, and was cut off

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing came that nobody asked for."""
        return not (self._came or self._lost or self._transport.is_closing())

    def send(self, request: bytes, within_s: float) -> None:
        """An answer that is not `answered` within so many seconds is cut off."""
        self._due = self._loop.time() + within_s
        # One timer serves many calls: when it goes off it looks what is due.
        if self._timer is None or self._timer.when() > self._due:
            self._look_at(self._due)
        self._transport.write(request)

    def answered(self) -> None:
        self._due = math.inf

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    async def until(self, end: bytes) -> bytes:
        """What comes until `end`, which is part of it. Raises what ended the connection."""
        while (at := self._came.find(end)) < 0:
            if len(self._came) > LARGE_BYTES:
                raise ValueError(f"no end of a line or head in {len(self._came)} bytes")
            await self._more()
        return self._taken(at + len(end))

    async def exactly(self, count: int) -> bytes:
        """So many bytes. Raises what ended the connection."""
        if count < 0:
            raise ValueError(f"a length of {count}")
        parts = []
        while len(self._came) < count:
            count -= len(self._came)
            parts.append(self._taken(len(self._came)))
            await self._more()
        parts.append(self._taken(count))
        return b"".join(parts)

    async def admit(self, count: int) -> None:
        """Waits until so many bytes may be read; meanwhile the server waits, not we with what it sends."""
        if admit := ADMISSION.get():
            await admit(count)

    def _taken(self, count: int) -> bytes:
        taken, self._came = self._came[:count], self._came[count:]
        return taken

    def _more(self) -> asyncio.Future[None]:
        """Done when something has come, or nothing will. Raises what ended the connection."""
        if self._lost:
            raise self._lost
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._waiting = self._loop.create_future()
        return self._waiting

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due <= self._loop.time():
            self.late = True
            self._transport.abort()  # without its connection the answer cannot come
        elif self._due < math.inf:
            self._look_at(self._due)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        if self._waiting is not None:
            self._wake()
        elif len(self._came) > LARGE_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._lost or exc or EOFError("the connection was closed")
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
