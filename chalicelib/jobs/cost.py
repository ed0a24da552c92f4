"""What a job costs: the engine's price for it and for each object, and what the work on an object takes.

Lambda's duration depends on the memory, and is left out.
"""

from __future__ import annotations

from chalicelib.planning.prices import PRICES

BY_LAMBDA = PRICES.batch_object + PRICES.lambda_request
OBJECT_USD = {
    "replace": PRICES.batch_object + PRICES.s3_put,
    "merge": BY_LAMBDA + PRICES.s3_get + PRICES.s3_put,
    "restore": BY_LAMBDA + PRICES.s3_put,
    "backfill": BY_LAMBDA + PRICES.sqs_request,
}


def estimated_cost_usd(objects: int, operation: str) -> float:
    """What a job will cost, in US dollars to the cent."""
    return round(PRICES.batch_job + objects * OBJECT_USD[operation], 2)
