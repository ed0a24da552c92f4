"""AWS's partitions, as botocore knows them: China, GovCloud, the European Sovereign Cloud, the isolated ones.

Tried is none of them but `aws`, and that on a local AWS.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.exceptions import UnknownRegionError

from infra.errors import CommandError


@cache
def partition_of(region: str) -> str:
    """Such as `aws` or `aws-cn`. Raises CommandError for a region that this botocore does not know."""
    try:
        return boto3.Session().get_partition_for_region(region)
    except UnknownRegionError as e:
        raise CommandError(
            f"{region} is no region that this botocore knows: pip install --upgrade boto3"
        ) from e


@cache
def dns_suffix(partition: str) -> str:
    """Such as `amazonaws.com`, with which the names of its endpoints end."""
    resolver: Any = boto3.Session()._session.get_component("endpoint_resolver")
    found: str = resolver.get_partition_dns_suffix(partition)
    return found


def has_edge_endpoints(partition: str) -> bool:
    """Whether API Gateway has edge-optimized endpoints there, Chalice's default: they stand on CloudFront.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-endpoint-types.html
    """
    return partition == "aws"
