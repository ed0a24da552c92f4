"""What both ways of posting over HTTP/1.1 have in common: the request's head, the answer's, and their
errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

CONNECT_S = 3.0
LARGE_BYTES = 65_536  # a larger answer is to be admitted before it is read; no head is as large


class NotSent(Exception):
    """No connection could be had: the server has seen nothing."""


class NoAnswer(Exception):
    """The answer did not come, not in time, or not as HTTP: the server may have done the work."""


class Head(NamedTuple):
    """What of an answer's head is needed to read the rest."""

    status: int
    chunked: bool
    length: int  # bytes of the body, where it is not chunked
    keeps_alive: bool


class Connection(Protocol):
    """What an answer is read from. Each method raises what ended the connection."""

    async def until(self, end: bytes) -> bytes: ...

    async def exactly(self, count: int) -> bytes: ...

    async def admit(self, count: int) -> None: ...


async def read_answer(connection: Connection) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection may be used again. Raises ValueError for what is not HTTP."""
    head = parsed_head(await connection.until(b"\r\n\r\n"))
    if head.chunked:
        chunks = []
        while size := int(await connection.until(b"\r\n"), 16):
            chunks.append((await connection.exactly(size + 2))[:-2])
        await connection.until(b"\r\n")
        return head.status, b"".join(chunks), head.keeps_alive
    if head.length > LARGE_BYTES:
        await connection.admit(head.length)
    return head.status, await connection.exactly(head.length), head.keeps_alive


def request_head(headers: Mapping[str, str], length: int) -> bytes:
    """Of a POST of `length` bytes to `/`."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"POST / HTTP/1.1\r\n{lines}content-length: {length}\r\n\r\n".encode()


def parsed_head(text: bytes) -> Head:
    """An answer's head, its empty line included or not. Raises ValueError for what is not HTTP."""
    head = text.lower()
    chunked = _field(head, b"transfer-encoding") == b"chunked"
    length = 0 if chunked else int(_field(head, b"content-length"))
    return Head(int(head[9:12]), chunked, length, _field(head, b"connection") != b"close")


def line_of(error: BaseException) -> str:
    """An error as one line."""
    return f"{error.__class__.__name__}: {error}".partition("\n")[0].removesuffix(": ")


def server_of(endpoint: str, tls: ssl.SSLContext | None) -> tuple[str, int, ssl.SSLContext | None]:
    """Host, port, and what verifies its certificate (None without TLS). Raises ValueError."""
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"endpoint {endpoint!r}: expected http://HOST or https://HOST")
    if url.scheme == "http":
        return url.hostname, url.port or 80, None
    return url.hostname, url.port or 443, tls or verifying()


@cache
def verifying() -> ssl.SSLContext:
    """Verifies certificate and host name. Cached: reading the system's certificates takes a while."""
    return ssl.create_default_context()


def _field(head: bytes, name: bytes) -> bytes:
    """A field of a head in lower case; empty when it is not there."""
    _, _, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip()
