"""The page's files, by name, with the headers that keep a hostile object name a name.

Nothing of a request's path reaches the disk: a name is in the table, or it is not served.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import NotFound

WEB = Path(__file__).parent / "web"
START = "index.html"

_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_JS = "text/javascript; charset=utf-8"

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

_MODULES = (
    "api",
    "chart",
    "dialog",
    "dom",
    "format",
    "history",
    "icons",
    "job_form",
    "jobs",
    "letter_dialogs",
    "letters",
    "main",
    "pipeline",
    "pipeline_layout",
    "plan",
    "poll",
    "recent",
    "report",
    "steering",
    "theme",
    "trace",
    "verdict",
)
TYPES = {
    START: _HTML,
    "icon.svg": "image/svg+xml",
    "base.css": _CSS,
    "parts.css": _CSS,
    **{f"{name}.js": _JS for name in _MODULES},
}


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
