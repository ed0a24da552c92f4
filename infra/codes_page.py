"""The manual of the dead letters' codes as a page of its own, which the page for the person on call links to.

`python -m infra openapi` writes it to chalicelib/page/web/codes.html; a test fails when it and the codes
disagree. docs/troubleshooting.md has the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from chalicelib.letters.codes import CODES, Code

FILE = Path("chalicelib/page/web/codes.html")

START = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Codes of dead letters · S3 event scheduler</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="base.css">
<link rel="stylesheet" href="parts.css">
</head>
<body>
<main class="manual">
<h1>Codes of dead letters</h1>
<p>What each code means, and when sending such letters back helps. What happened to one
letter is in its reason. The manual: docs/troubleshooting.md; how to send back: docs/operations.md.</p>
"""
END = """</main>
</body>
</html>
"""


def text(codes: Mapping[str, Code] = CODES) -> str:
    """The page, an entry for each code."""
    return START + "".join(_entry(code, said) for code, said in codes.items()) + _own() + END


def write(root: Path) -> Path:
    """Write the page where the app serves it from."""
    file = root / FILE
    file.write_text(text())
    return file


def _entry(code: str, said: Code) -> str:
    return (
        f'<section class="card" id="{escape(code)}">\n'
        f'<h2><a href="#{escape(code)}">{escape(code)}</a></h2>\n'
        f"<p>{escape(said.means)}</p>\n"
        f"<p><b>Send back?</b> {escape(said.send_back)}</p>\n"
        f'<p class="small"><a href="../#/letters?code={escape(code)}">The letters with this code</a></p>\n'
        "</section>\n"
    )


def _own() -> str:
    return (
        '<section class="card" id="another">\n<h2>Any other</h2>\n'
        "<p>An action of your own has given it: Reject(reason, code). Its reason says what it is.</p>\n"
        "</section>\n"
    )
