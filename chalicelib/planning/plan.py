"""What if so many objects came: how long, how much at once, which limit, and for how much. Pure arithmetic.

scenario (what is asked) -> forecast (the ticks) -> quotas (what AWS allows) -> costs (what it takes)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from chalicelib.planning.costs import CostLine, lines
from chalicelib.planning.forecast import forecast
from chalicelib.planning.prices import PRICES, Prices
from chalicelib.planning.quotas import QuotaUse, lost, quotas
from chalicelib.planning.scenario import Scenario


class Cost(TypedDict):
    lines: list[CostLine]
    total: float


class Plan(TypedDict):
    version: Literal[1]  # of the answer's shape; see docs/api.md
    given: dict[str, Any]
    minutes_to_clear: int
    peak_backlog: int
    longest_wait_minutes: int
    most_in_one_tick: int
    lost: str | None  # why events may be lost, and the capacity that saves them
    concurrency: dict[str, float]
    first_quota: QuotaUse
    quotas: list[QuotaUse]
    cost_per_month_usd: Cost
    prices_of: str
    assumed: list[str]
    backlog: list[list[int]]


def plan(scenario: Scenario, prices: Prices = PRICES) -> Plan:
    """The answer of GET /plan for one scenario."""
    ahead = forecast(scenario)
    limits = quotas(scenario, ahead)
    bill = lines(scenario, prices)
    return {
        "version": 1,
        "given": scenario.as_dict(),
        "minutes_to_clear": ahead.minutes_to_clear,
        "peak_backlog": ahead.peak_backlog,
        "longest_wait_minutes": ahead.longest_wait,
        "most_in_one_tick": ahead.most_in_one_tick,
        "lost": lost(scenario, ahead),
        "concurrency": {name: round(value, 1) for name, value in ahead.concurrency.items()},
        "first_quota": limits[0].as_dict(),
        "quotas": [limit.as_dict() for limit in limits],
        "cost_per_month_usd": {
            "lines": [line.as_dict() for line in bill],
            "total": round(sum(line.usd for line in bill), 2),
        },
        "prices_of": prices.of,
        "assumed": scenario.assumed(),
        "backlog": [list(point) for point in ahead.backlog],
    }


def from_query(query: Mapping[str, Any] | None, settings: Mapping[str, str | int]) -> Plan:
    """GET /plan: the query's values, the stage's settings for what it does not say. Raises BadRequest."""
    return plan(Scenario.read({**settings, **(query or {})}))
