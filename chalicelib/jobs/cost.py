"""What a job costs."""

from __future__ import annotations

# US dollars, list prices of us-east-1 (https://aws.amazon.com/s3/pricing/, /lambda/pricing/, /sqs/pricing/):
# $0.25 a job; for each object $1.00 per million by the engine, and per million requests $5.00 for a PUT,
# $0.40 for a GET, $0.20 for an invocation, $0.40 for a message. Lambda's duration depends on the memory
# and is left out.
JOB_USD = 0.25


OBJECT_USD = {
    "replace": (1.00 + 5.00) / 1e6,
    "merge": (1.00 + 0.20 + 0.40 + 5.00) / 1e6,
    "restore": (1.00 + 0.20 + 5.00) / 1e6,
    "backfill": (1.00 + 0.20 + 0.40) / 1e6,
}


def estimated_cost_usd(objects: int, operation: str) -> float:
    """What a job will cost, in US dollars to the cent; see OBJECT_USD for what is in it."""
    return round(JOB_USD + objects * OBJECT_USD[operation], 2)
