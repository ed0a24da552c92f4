"""The page's files, by name, with the headers that keep a hostile object name a name.

Nothing of a request's path reaches the disk: it names a file that lies in the folder, or it is not served.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import NotFound

WEB = Path(__file__).parent / "web"
START = "index.html"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Everything comes from here, and nothing is inline. `data:` is for the placeholder of a thumbnail.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a new deployment's page at once
}

TYPES = {file.name: _TYPES[file.suffix] for file in sorted(WEB.iterdir())}


@dataclass(frozen=True)
class File:
    """A file's text, and the headers it goes out with."""

    text: str
    headers: dict[str, str]


def file(name: str) -> File:
    """One of the page's files. Raises NotFound for every other name."""
    if name not in TYPES:
        raise NotFound("the page has no such file")
    return File((WEB / name).read_text("utf-8"), {**HEADERS, "Content-Type": TYPES[name]})
