"""The capacity set without a deploy, in place of the deployed one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from chalicelib.capacity import MAX_CAPACITY, capacity_of
from chalicelib.errors import AwsFailed
from chalicelib.fields import Body, schema

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from chalicelib.config import Config


class NewCapacity(TypedDict):
    capacity: Annotated[int, schema(minimum=1, maximum=MAX_CAPACITY)] | None


class Capacity(TypedDict):
    """Events a tick: what the next one uses, what was deployed, and what somebody set in its place."""

    capacity: int
    capacity_deployed: int
    capacity_set: int | None


def put_capacity(body: Any, ssm: SSMClient, config: Config) -> Capacity:
    """PUT /capacity with {"capacity": 500}, or null for the deployed one. The next tick uses it."""
    fields = Body.of(body, "capacity")
    if body == {"capacity": None}:
        _delete(ssm, config)
        return capacities(None, config)
    override = fields.whole("capacity", 1, MAX_CAPACITY, other=", or null for the deployed one")
    ssm.put_parameter(Name=config.capacity_parameter, Value=str(override), Type="String", Overwrite=True)
    return capacities(override, config)


def capacity_override(ssm: SSMClient, config: Config) -> int | None:
    """The capacity that somebody set; None when there is none. Raises AwsFailed for a value that is none."""
    try:
        found = ssm.get_parameter(Name=config.capacity_parameter)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None
    try:
        return capacity_of(found)
    except ValueError as e:
        raise AwsFailed(f"the capacity {config.capacity_parameter} is {e}; no tick runs until it is") from e


def capacities(override: int | None, config: Config) -> Capacity:
    return {
        "capacity": config.capacity if override is None else override,
        "capacity_deployed": config.capacity,
        "capacity_set": override,
    }


def _delete(ssm: SSMClient, config: Config) -> None:
    try:
        ssm.delete_parameter(Name=config.capacity_parameter)
    except ssm.exceptions.ParameterNotFound:
        return  # it is the deployed one already
