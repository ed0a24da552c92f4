"""The REST API's routes, one blueprint for each part; app.py puts them together.

Every route but /health wants a signed request (SigV4) and execute-api:Invoke. A view imports what it needs
when it is called: every function imports this package, and only one of them answers the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, TypeVar

from chalice.app import Blueprint, IAMAuthorizer, Response

from chalicelib.aws import errors
from chalicelib.config import Config
from chalicelib.errors import RestError

View = TypeVar("View", bound=Callable[..., Any])
signed = IAMAuthorizer()
config = cache(Config.from_env)


def plain_errors(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view's RestError, or AWS's refusal, becomes its status and one clear line."""

    @wraps(view)
    def answered(**path: str) -> Any:
        try:
            return view(**path)
        except RestError as e:
            return Response(e.as_dict(), status_code=e.status)
        except Exception as e:
            refused = errors.refusal(e)
            if refused is None:
                raise
            return Response(refused.as_dict(), status_code=refused.status)

    return answered


def documented(
    answer: str, *, query: str = "", body: str = "", errors: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """What the view takes and answers, for the OpenAPI document: names of types in infra/api_types.py.

    `errors` are the statuses of its own; infra/openapi.py adds those that any route may have.
    """

    def marked(view: View) -> View:
        view.__dict__["documented"] = {"answer": answer, "query": query, "body": body, "errors": errors}
        return view

    return marked


def json_body(routes: Blueprint) -> Any:
    """The request's JSON; None when it has no body."""
    return routes.current_request.json_body if routes.current_request.raw_body else None


def query(routes: Blueprint) -> Mapping[str, str] | None:
    """The request's query parameters, each once; None when there are none."""
    return routes.current_request.query_params
