"""How many requests the REST API takes a second: what bounds its cost and its executions.

API Gateway's own limit is 10,000 a second for the account, and anybody may ask for /health. A limit stays
through deploys by Chalice, which has no word for it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.permissions.address_policy import API_STAGE
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient

# Route -> requests a second, and at once. An open page asks some ten times a second, and for thumbnails.
LIMITS = {"/*/*": (50, 100), "/~1health/GET": (2, 5)}


def set_limits(client: APIGatewayClient, stage: Stage) -> None:
    """Set them on the stage's API; may be repeated."""
    for api in (one["rest_api_id"] for one in stage.deployed() if "rest_api_id" in one):
        client.update_stage(
            restApiId=api,
            stageName=API_STAGE,
            patchOperations=[
                {"op": "replace", "path": f"{route}/throttling/{name}", "value": str(value)}
                for route, limits in LIMITS.items()
                for name, value in zip(("rateLimit", "burstLimit"), limits, strict=True)
            ],
        )
