"""The page for the person on call, and its files; `chalice local --stage prod` shows it (README)."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.views import Routes

routes = Routes(__name__)


@routes.get("/", media=("text/html",))
def get_page() -> Response:
    """The page for the person on call."""
    from chalicelib.page import files

    return _answer(files.START)


@routes.get("/web/{file}", media=("text/html", "text/css", "text/javascript", "image/svg+xml"), errors=(404,))
def get_page_file(file: str) -> Response:
    """A style sheet, script or picture of the page."""
    return _answer(file)


def _answer(name: str) -> Response:
    from chalicelib.page import files

    found = files.file(name)
    return Response(found.text, headers={**found.headers})
