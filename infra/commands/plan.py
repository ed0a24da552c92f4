"""`make plan`: what if so many objects came, as tables or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib.config import Config
from chalicelib.errors import BadRequest
from chalicelib.planning import scenario
from chalicelib.planning.plan import Plan, plan
from chalicelib.planning.prices import PRICES, Prices
from chalicelib.times import duration
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.stage import Account, Stage

NOBODY = Account("000000000000", "us-east-1")  # names of what is not made yet need one


def settings(stage: Stage) -> dict[str, str | int]:
    """What the stage says of a scenario, as its GET /plan does; before a deploy, by its settings so far."""
    names = deploying.expected_settings(stage, NOBODY)
    told = {**names, **stage.environment(), "FUNCTION_MEMORY_MB": stage.function_memory()}
    return scenario.defaults(Config.from_env(told))


def prices(file: Path | None) -> Prices:
    """The table, but for the prices in a JSON file such as `{"of": "eu-west-1, May", "s3_put": 5.4e-6}`."""
    if file is None:
        return PRICES
    try:
        changes = json.loads(file.read_text())
    except (OSError, ValueError) as e:
        raise CommandError(f"--prices {file}: {e}") from e
    if not isinstance(changes, dict):
        raise CommandError(f"--prices {file}: expected an object of prices")
    return PRICES.with_changes(changes)


def answer(given: Mapping[str, str], stage: Stage, price_file: Path | None) -> Plan:
    """The plan as GET /plan has it. Raises CommandError with one line for a value that cannot be."""
    try:
        return plan(scenario.Scenario.read({**settings(stage), **given}), prices(price_file))
    except BadRequest as e:
        raise CommandError(f"--{e}") from e


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print it for people."""
    given = found["given"]
    console.print(
        f"{given['objects']:,} objects within {duration(given['per_s'])}, "
        f"CAPACITY={given['capacity']:,}, DRAIN_SHARDS={given['shards']}, ACTION={given['action']}\n",
        soft_wrap=True,
    )
    facts = Table(show_header=False, box=None)
    facts.add_column()
    facts.add_column(justify="right")
    facts.add_row("Source queue empty after", duration(60 * found["minutes_to_clear"]))
    facts.add_row("Longest wait of an event", duration(60 * found["longest_wait_minutes"]))
    facts.add_row("Peak backlog", f"{found['peak_backlog']:,} events")
    for function, executions in found["concurrency"].items():
        facts.add_row(f"Executions of {function} at the same time", f"{executions:,.1f}")
    console.print(facts)
    limits = Table(title="\nLimits, the nearest first", title_justify="left")
    for column in ("Limit", "Allowed", "Needed", "Exceeded from CAPACITY"):
        limits.add_column(column, justify="left" if column == "Limit" else "right")
    for one in found["quotas"]:
        style = "red" if one["met"] else ""
        start = f"{one['from_capacity']:,}" if one["from_capacity"] else "-"
        is_time = one["unit"] == "minutes"
        allowed = duration(60 * one["limit"]) if is_time else f"{one['limit']:,.0f}"
        needed = duration(60 * one["needed"]) if is_time else f"{one['needed']:,.1f}"
        limits.add_row(one["name"], allowed, needed, start, style=style)
    console.print(limits)
    for one in found["quotas"]:
        if one["met"]:
            console.print(f"[red]{escape(one['name'])}[/]: {escape(one['advice'])}", soft_wrap=True)
    bill = Table(title=f"\nUS dollars a month, list prices of {found['prices_of']}", title_justify="left")
    bill.add_column("For")
    for column in ("Amount", "USD"):
        bill.add_column(column, justify="right")
    for line in found["cost_per_month_usd"]["lines"]:
        unit = line["unit"].removesuffix("s") if line["amount"] == 1 else line["unit"]
        bill.add_row(line["what"], f"{_amount(line['amount'])} {unit}", f"{line['usd']:,.2f}")
    bill.add_section()
    bill.add_row("Total", "", f"{found['cost_per_month_usd']['total']:,.2f}")
    console.print(bill)
    console.print("Assumed: " + "; ".join(found["assumed"]) + ".", soft_wrap=True, highlight=False)


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:,.1f}"
