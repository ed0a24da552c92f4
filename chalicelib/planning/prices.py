"""AWS's prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chalicelib.errors import BadRequest


@dataclass(frozen=True)
class Prices:
    """US dollars, us-east-1, x86, written down by hand: `of` says when. AWS's own pages have today's.

    https://aws.amazon.com/lambda/pricing/ /sqs/pricing/ /s3/pricing/ /cloudwatch/pricing/
    """

    of: str = "us-east-1, June 2025"
    lambda_request: float = 0.20e-6
    lambda_gb_second: float = 16.6667e-6
    sqs_request: float = 0.40e-6
    s3_put: float = 5e-6
    s3_get: float = 0.4e-6
    s3_gb_month: float = 0.023
    log_gb: float = 0.50
    metric_month: float = 0.30
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    step_transition: float = 25e-6
    bus_event: float = 1e-6  # EventBridge, a custom event of at most 64 KB
    batch_job: float = 0.25  # S3 Batch Operations
    batch_object: float = 1e-6

    def with_changes(self, changes: Mapping[str, Any]) -> Prices:
        """Other prices for some names. Raises BadRequest for a name that is none, or a value below 0."""
        names = {one.name for one in fields(self)}
        for name, value in changes.items():
            if name not in names:
                raise BadRequest(name, f"is no price; prices are {', '.join(sorted(names))}")
            if name != "of" and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise BadRequest(name, f"{value!r}: expected a number of US dollars, 0 or more")
        return replace(self, **changes)


PRICES = Prices()
