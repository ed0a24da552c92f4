"""HTTP/1.1 POSTs to one host over kept-alive connections, TLS verified. Only what SQS needs.

Less CPU a call than aiohttp, and none of its import (docs/decisions/0003-drain-client.md).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

CONNECT_S = 3.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotSent(Exception):
    """No connection could be had: the server has seen nothing."""


class NoAnswer(Exception):
    """The answer did not come, not in time, or not as HTTP: the server may have done the work."""


class Http1:
    """Posts at the same time use a connection each; a free one is used again, the warmest first."""

    def __init__(self, endpoint: str, tls: ssl.SSLContext | None = None) -> None:
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"endpoint {endpoint!r}: expected http://HOST or https://HOST")
        self._host = url.hostname
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = (tls or _verifying()) if url.scheme == "https" else None
        self._idle: list[Connection] = []

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. `headers` hold `host`. Raises NotSent or NoAnswer."""
        connection = self._idle.pop() if self._idle else await self._connect()
        reader, writer = connection
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        reusable = False
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            writer.transport.abort()

        # Cheaper than asyncio.timeout, and enough: without its connection the answer cannot come.
        timer = asyncio.get_running_loop().call_later(within_s, give_up)
        try:
            writer.write(head.encode() + body)
            status, answer, reusable = await _answer(reader)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as e:
            raise NoAnswer(f"nothing whole within {within_s:g} s" if late else _line(e)) from e
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

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as e:
            raise NotSent(_line(e)) from e


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection may be used again. Raises ValueError for what is not HTTP."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if _field(head, b"transfer-encoding") == b"chunked":
        chunks = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            chunks.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        body = b"".join(chunks)
    else:
        body = await reader.readexactly(int(_field(head, b"content-length")))
    return int(head[9:12]), body, _field(head, b"connection") != b"close"


def _field(head: bytes, name: bytes) -> bytes:
    """A field of a head in lower case; empty when it is not there."""
    _, _, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip()


def _line(error: BaseException) -> str:
    return f"{error.__class__.__name__}: {error}".partition("\n")[0].removesuffix(": ")


@cache
def _verifying() -> ssl.SSLContext:
    """Verifies certificate and host name. Cached: reading the system's certificates takes a while."""
    return ssl.create_default_context()
