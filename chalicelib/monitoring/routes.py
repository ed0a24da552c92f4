"""What to look at: where everything stands, and where one object is (docs/api.md)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from chalice.app import Blueprint, Response

from chalicelib.api.views import config, documented, plain_errors, query, signed
from chalicelib.aws import clients
from chalicelib.monitoring.cache import TimedCache
from chalicelib.times import now

routes = Blueprint(__name__)
cached = TimedCache()
# Seconds that an answer is kept: CloudWatch has one value a minute, and each one asked for costs.
MEASURED_S, TICK_S = 30, 5


@routes.route("/health", methods=["GET"])
@plain_errors
@documented("Health")
def get_health() -> dict[str, str]:
    """The API answers; nothing else is asked."""
    return {"status": "ok"}


@routes.route("/status", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Status")
def get_status() -> dict[str, Any]:
    """Where everything stands."""
    from chalicelib.monitoring import log_search, measures, status

    def measured() -> dict[str, Any]:
        return cached(
            "measures", MEASURED_S, lambda: measures.of_status(clients.cloudwatch(), config(), now())
        )

    def last_tick() -> dict[str, Any] | None:
        # CloudWatch Logs answers a few such questions a second, and there is one for each shard.
        kept_s = min(60, TICK_S * config().drain_shards)
        return cached(
            "last_tick", kept_s, lambda: log_search.last_tick(clients.cloudwatch_logs(), config(), now())
        )

    return status.snapshot(config(), clients, measured, last_tick)


@routes.route("/series", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Series", query="SeriesQuery")
def get_series() -> dict[str, Any]:
    """Backlog, throughput and failures, one value a minute."""
    from chalicelib.monitoring import measures

    asked, end = query(routes), now()
    name = f"series {sorted((asked or {}).items())}"
    this_minute = end.second  # so old may an answer be that has the last whole minute
    return cached(name, this_minute, lambda: measures.series(asked, clients.cloudwatch(), config(), end))


@routes.route("/recent", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Recent", query="RecentQuery")
def get_recent() -> dict[str, Any]:
    """What became of the last events, newest first."""
    from chalicelib.monitoring import log_search

    return log_search.recent(query(routes), clients.cloudwatch_logs(), config(), now())


@routes.route("/objects/{key}", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Whereabouts", errors=(400,))
def get_object(key: str) -> dict[str, Any]:
    """Where one object is, and how long each leg of its way took."""
    from chalicelib.monitoring import object_trace

    return object_trace.trace(_decoded(key), clients, config(), now())


@routes.route("/thumbnails/{key}", methods=["GET"], authorizer=signed)
@plain_errors
@documented("image/jpeg, image/png, image/webp, image/avif", errors=(400, 404, 413))
def get_thumbnail(key: str) -> Response:
    """A thumbnail's bytes. Chalice wants an Accept header that names an image type, as browsers send it."""
    from chalicelib.thumbnails import stored

    contents, media = stored.thumbnail(_decoded(key), clients.s3(), config())
    headers: dict[str, str | list[str]] = {
        "Content-Type": media,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return Response(contents, headers=headers)


def _decoded(part: str) -> str:
    """A path's part as it was meant: neither API Gateway nor `chalice local` decodes it.

    https://github.com/aws/chalice/issues/511
    """
    return unquote(part)
