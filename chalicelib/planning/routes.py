"""/plan: what if so many objects came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.views import Routes, config

if TYPE_CHECKING:
    from chalicelib.planning.plan import Plan
    from chalicelib.planning.scenario import PlanQuery

routes = Routes(__name__)


@routes.get("/plan")
def get_plan(query: PlanQuery) -> Plan:
    """Minutes to clear, executions, the nearest limit and the cost of a month, for ?objects=1e6&per=24h."""
    from chalicelib.planning import plan, scenario

    return plan.from_query(query, scenario.defaults(config()))
