"""The page for the person on call, and its files; `chalice local --stage prod` shows it (README)."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.api.views import documented, plain_errors, signed

routes = Blueprint(__name__)


@routes.route("/", methods=["GET"], authorizer=signed)
@plain_errors
@documented("text/html")
def get_page() -> Response:
    """The page."""
    from chalicelib.page import files

    return _answer(files.START)


@routes.route("/web/{file}", methods=["GET"], authorizer=signed)
@plain_errors
@documented("text/css, text/javascript, image/svg+xml", errors=(404,))
def get_page_file(file: str) -> Response:
    """One of its files."""
    return _answer(file)


def _answer(name: str) -> Response:
    from chalicelib.page import files

    found = files.file(name)
    return Response(found.text, headers={**found.headers})
