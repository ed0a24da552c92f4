"""/plan: what if so many objects came."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.api.views import config, documented, plain_errors, query, signed

routes = Blueprint(__name__)


@routes.route("/plan", methods=["GET"], authorizer=signed)
@plain_errors
@documented("Plan", query="PlanQuery")
def get_plan() -> dict[str, Any]:
    """Minutes to clear, concurrency, the first quota and the cost of a month, for ?objects=1e6&per=24h."""
    from chalicelib.planning import plan, scenario

    return plan.from_query(query(routes) or {}, scenario.defaults(config()))
