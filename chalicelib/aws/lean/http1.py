"""HTTP/1.1 POSTs to one host over kept-alive connections, TLS verified. Only what SQS needs.

Less CPU a call than aiohttp, and none of its import (docs/decisions/0003-drain-client.md).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar

from chalicelib.aws.lean.transport import (
    CONNECT_S,
    NoAnswer,
    NotSent,
    line_of,
    parsed_head,
    request_head,
    server_of,
)

# An answer larger than this is read only when the task's ADMISSION, where it has one, lets it in.
LARGE_BYTES = 65_536
ADMISSION: ContextVar[Callable[[int], Awaitable[None]] | None] = ContextVar("ADMISSION", default=None)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Http1:
    """Posts at the same time use a connection each; a free one is used again, the warmest first."""

    def __init__(self, endpoint: str, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = server_of(endpoint, tls)
        self._idle: list[Connection] = []

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. `headers` hold `host`. Raises NotSent or NoAnswer."""
        connection = self._warm() or await self._connect()
        reader, writer = connection
        reusable = False
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            writer.transport.abort()

        # Cheaper than asyncio.timeout, and enough: without its connection the answer cannot come.
        timer = asyncio.get_running_loop().call_later(within_s, give_up)
        try:
            writer.write(request_head(headers, len(body)) + body)
            status, answer, reusable = await _answer(reader)
        except Exception as e:  # whatever the event loop raises of a broken connection, only this call fails
            raise NoAnswer(f"nothing whole within {within_s:g} s" if late else line_of(e)) from e
        finally:  # a connection with an answer still to come must serve nobody else
            timer.cancel()
            if reusable:
                self._idle.append(connection)
            else:
                writer.close()
        return status, answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _warm(self) -> Connection | None:
        """A connection that the server has not closed meanwhile, as far as can be seen."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not writer.is_closing() and not reader.at_eof() and reader.exception() is None:
                return reader, writer
            writer.close()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as e:
            raise NotSent(line_of(e)) from e


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection may be used again. Raises ValueError for what is not HTTP."""
    head = parsed_head(await reader.readuntil(b"\r\n\r\n"))
    if head.chunked:
        chunks = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            chunks.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return head.status, b"".join(chunks), head.keeps_alive
    if head.length > LARGE_BYTES and (admit := ADMISSION.get()):
        await admit(head.length)  # meanwhile the server waits, and not we with what it sends
    return head.status, await reader.readexactly(head.length), head.keeps_alive
