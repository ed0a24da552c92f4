"""What to look at: where everything stands, and where one object is (docs/api.md)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import unquote

from chalice.app import Response

from chalicelib.api.views import Routes, config
from chalicelib.aws import clients
from chalicelib.errors import BadRequest
from chalicelib.times import now

if TYPE_CHECKING:
    from chalicelib.letters.browse import Counted
    from chalicelib.monitoring.cache import TimedCache
    from chalicelib.monitoring.groups import Groups
    from chalicelib.monitoring.log_search import Downstream, Tick
    from chalicelib.monitoring.measures import Measured, Series, SeriesQuery
    from chalicelib.monitoring.object_search import Objects, ObjectsQuery
    from chalicelib.monitoring.object_trace import ObjectTrace
    from chalicelib.monitoring.recent import Recent, RecentQuery
    from chalicelib.monitoring.status import Status

routes = Routes(__name__)
# Seconds that an answer is kept: CloudWatch has one value a minute, and each one asked for costs.
MEASURED_S, TICK_S, GROUPS_S = 30, 5, 20
# The dead letters are counted by a listing, which grows with them: it takes a twentieth of the time at most.
LETTERS_S, LETTERS_SHARE = 5, 0.05


@cache
def cached() -> TimedCache:
    """What this process keeps of CloudWatch's answers."""
    from chalicelib.monitoring import cache as caches

    return caches.TimedCache()


class Health(TypedDict):
    status: Literal["ok"]


@routes.get("/health", signed=False)
def get_health() -> Health:
    """Whether the API answers; it asks nothing else."""
    return {"status": "ok"}


@routes.get("/status")
def get_status() -> Status:
    """Where everything stands."""
    from chalicelib.letters import browse
    from chalicelib.monitoring import groups, log_search, measures, status

    def measured() -> Measured:
        return measures.of_status(clients.cloudwatch(), config(), now())

    def letters() -> Counted:
        return browse.counted(clients.s3(), clients.sqs(), config())

    def last_tick() -> Tick | None:
        return log_search.last_tick(clients.cloudwatch_logs(), config(), now())

    def downstream() -> Downstream:
        return log_search.downstream(clients.cloudwatch_logs(), config(), now())

    def largest() -> Groups | None:
        return groups.largest(clients.cloudwatch_logs(), config(), now())

    # CloudWatch Logs answers a few such questions a second, and there is one for each shard.
    tick_kept_s = min(60, TICK_S * config().drain_shards)
    return status.snapshot(
        config(),
        clients,
        measured=lambda: cached()("measures", MEASURED_S, measured),
        last_tick=lambda: cached()("last_tick", tick_kept_s, last_tick),
        dead_letters=lambda: cached()("letters", LETTERS_S, letters, LETTERS_SHARE),
        downstream=lambda: cached()("downstream", TICK_S, downstream),
        groups=lambda: cached()("groups", GROUPS_S, largest),
    )


@routes.get("/series")
def get_series(query: SeriesQuery) -> Series:
    """Backlog, throughput and failures, one value a minute."""
    from chalicelib.monitoring import measures

    end = now()
    name = f"series {sorted((query or {}).items())}"
    this_minute = end.second  # so old may an answer be that has the last whole minute
    return cached()(name, this_minute, lambda: measures.series(query, clients.cloudwatch(), config(), end))


@routes.get("/recent")
def get_recent(query: RecentQuery) -> Recent:
    """What became of the last events, and which of the last uploads wait, newest first."""
    from chalicelib.monitoring import recent

    return recent.recent(query, clients.cloudwatch_logs(), config(), now())


@routes.get("/objects")
def get_objects(query: ObjectsQuery) -> Objects:
    """Objects whose keys begin so, by key."""
    from chalicelib.monitoring import object_search

    return object_search.page(query, clients.s3(), config())


@routes.get("/objects/{key}", errors=(400,))
def get_object(key: str) -> ObjectTrace:
    """Where one object is, and how long each leg of its way took."""
    from chalicelib.monitoring import object_trace

    return object_trace.trace(_decoded(key), clients, config(), now())


@routes.get(
    "/thumbnails/{key}",
    media=("image/jpeg", "image/png", "image/webp", "image/avif"),
    errors=(400, 404, 413),
)
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

    Raises BadRequest for bytes that are no UTF-8, which no key can have: another key must not be asked for.
    https://github.com/aws/chalice/issues/511
    """
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("key", "expected URL-encoded UTF-8") from None
