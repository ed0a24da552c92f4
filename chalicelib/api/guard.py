"""Against other web pages in the operator's browser.

`chalice local` asks for no signature: whoever reaches its port acts with the operator's credentials. It
listens on this machine only, but a page of another site, open in the same browser, reaches it as well.
Browsers say where a request comes from, and that is asked here, for every route at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from chalice.app import Request, Response

READS = ("GET", "HEAD", "OPTIONS")
# What asks AWS nothing and tells nothing: a link elsewhere may lead to the page.
OPEN = ("/", "/web/{file}", "/health", "/openapi.json")
FORBIDDEN = 403


def refuse_other_sites(event: Request, get_response: Callable[[Request], Response]) -> Response:
    """Chalice's middleware: 403 with one line, or the route's own answer."""
    why = refusal(event.method, event.headers, event.path, behind_api_gateway="apiId" in event.context)
    if why:
        return Response({"error": why}, status_code=FORBIDDEN)
    return get_response(event)


def refusal(method: str, headers: Mapping[str, str], path: str, *, behind_api_gateway: bool) -> str:
    """Why the request is not answered; empty when it is. `path` is the route's, such as `/objects/{key}`.

    Reading is refused too: it asks AWS in the operator's name, which takes time, quotas and money.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    host = headers.get("host", "")
    if not behind_api_gateway and host and not _is_this_machine(host):
        # A name whose owner lets it point at 127.0.0.1: to the browser it is all one site (DNS rebinding).
        return f"Host: {host!r} is no address of this machine; use 127.0.0.1 or localhost"
    if method in READS and path in OPEN:
        return ""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return f"Origin: {origin!r} is another site; only this one's own page may ask"
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "Sec-Fetch-Site: this comes from another site; only this one's own page may ask"
    return ""


def _is_this_machine(host: str) -> bool:
    """`localhost`, or any address: rebinding needs a name."""
    import ipaddress  # not for every function's cold start

    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
