"""What all routes of the REST API share: one decorator binds a view, and answers for its errors.

Every function imports the routes, and only one of them answers the API: so a view imports what it needs when
it is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from chalice.app import BadRequestError, Blueprint, IAMAuthorizer, Request, Response

from chalicelib.aws import errors
from chalicelib.config import Config
from chalicelib.errors import BadRequest, RestError, TooLarge

View = TypeVar("View", bound=Callable[..., Any])
SIGNED = IAMAuthorizer()  # SigV4, and execute-api:Invoke
config = cache(Config.from_env)
# The longest that means something, a thousand letters' ids, has some 60 KB; JSON read is many times its text.
MAX_BODY_BYTES = 1_000_000


def in_one_shape(event: Request, get_response: Callable[[Request], Response]) -> Response:
    """Chalice's middleware: what Chalice refuses itself (405, 415, an Accept header) answers as we do."""
    response = get_response(event)
    body = response.body
    if isinstance(body, dict) and body.keys() == {"Code", "Message"}:
        response.body = {"error": body["Message"]}
    return response


class Routes(Blueprint):
    """The routes of one part; app.py puts the parts together. Every route but /health wants a signed request.

    A view with a parameter `query` or `body` gets the request's query parameters or JSON as they came, or
    None. The annotation says what a caller is to send: it makes the OpenAPI document, and checks nothing.
    `errors` are statuses of the view's own, beside those that any route may have; `media` the types of an
    answer that is not JSON.
    """

    def get(
        self, path: str, *, errors: tuple[int, ...] = (), media: tuple[str, ...] = (), signed: bool = True
    ) -> Callable[[View], View]:
        return self._bind("GET", path, errors, media, signed)

    def post(self, path: str, *, errors: tuple[int, ...] = ()) -> Callable[[View], View]:
        return self._bind("POST", path, errors)

    def put(self, path: str, *, errors: tuple[int, ...] = ()) -> Callable[[View], View]:
        return self._bind("PUT", path, errors)

    def _bind(
        self,
        method: str,
        path: str,
        errors: tuple[int, ...],
        media: tuple[str, ...] = (),
        signed: bool = True,
    ) -> Callable[[View], View]:
        def bind(view: View) -> View:
            parameters = view.__code__.co_varnames[: view.__code__.co_argcount]

            @wraps(view)
            def answer(**parts: Any) -> Any:
                request = self.current_request
                if "query" in parameters:
                    parts["query"] = request.query_params
                if "body" in parameters:
                    try:
                        parts["body"] = _json_body(request)
                    except RestError as e:
                        return Response(e.as_dict(), status_code=e.status)
                return _answered(view, parts)

            answer.__dict__["documented"] = {"errors": errors, "media": media}  # by infra/openapi.py
            self.route(path, methods=[method], authorizer=SIGNED if signed else None)(answer)
            return view

        return bind


def _json_body(request: Request) -> Any:
    """The body as JSON that can be sent on; None for none. Raises BadRequest, and TooLarge."""
    if not request.raw_body:
        return None
    if len(request.raw_body) > MAX_BODY_BYTES:
        raise TooLarge(f"body: {len(request.raw_body):,} bytes; at most {MAX_BODY_BYTES:,} are read")
    try:
        body = request.json_body
        json.dumps(body, ensure_ascii=False).encode()
    except BadRequestError:
        raise BadRequest("body", "expected JSON") from None
    except RecursionError:
        raise BadRequest("body", "expected JSON that is not nested so deeply") from None
    except UnicodeEncodeError:
        raise BadRequest("body", "expected Unicode text: it holds half a surrogate pair") from None
    return body


def _answered(view: Callable[..., Any], given: dict[str, Any]) -> Any:
    """The view's answer; its RestError, or AWS's refusal, as a status and one clear line."""
    try:
        return view(**given)
    except Exception as e:
        refused = e if isinstance(e, RestError) else errors.refusal(e)
        if refused is None:
            raise
        return Response(refused.as_dict(), status_code=refused.status)
