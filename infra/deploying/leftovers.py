"""What a deploy has made and, failing later, not written down. Chalice knows nothing of it.

A deploy takes up functions, roles and rules of that kind by their names, but would make event source mappings
and the REST API a second time. A destroy would leave all of it. So both look for it here, by the stage's own
names only: stages may have names that begin alike.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.config.stage import APP
from infra.errors import CommandError
from infra.permissions import aws_calls, policies
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient

Say = Callable[[str], None]
GONE_WITHIN, PAUSE_S = 180, 2  # seconds


def remove_mappings(client: LambdaClient, stage: Stage, say: Say) -> None:
    """Delete event source mappings nobody wrote down. The queue keeps its messages meanwhile.

    Chalice would make each a second time, which AWS refuses.
    """
    known = {resource.get("event_uuid") for resource in stage.deployed()}
    for function in policies.POLLED:
        for uuid in _mappings(client, stage.function_name(function)):
            if uuid not in known:
                say(f"Event source mapping {uuid} is left from a failed deploy: removing it")
                remove_mapping(client, uuid)


def remove_mapping(client: LambdaClient, uuid: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Delete an event source mapping and wait until it is gone; one in motion is waited for.

    Raises CommandError for one that never goes.
    """
    for _ in range(GONE_WITHIN // PAUSE_S):
        try:
            if client.get_event_source_mapping(UUID=uuid)["State"] != "Deleting":
                client.delete_event_source_mapping(UUID=uuid)
        except client.exceptions.ResourceNotFoundException:
            return
        except client.exceptions.ResourceInUseException:
            pass  # it is being made, changed or deleted: asked again
        sleep(PAUSE_S)
    raise CommandError(f"event source mapping {uuid} is still being deleted: deploy again in a minute")


def known_mappings(stage: Stage) -> list[str]:
    """Those that Chalice has written down."""
    return [one["event_uuid"] for one in stage.deployed() if one.get("event_uuid")]


def _mappings(client: LambdaClient, function: str) -> list[str]:
    try:
        pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
        return [mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"]]
    except client.exceptions.ResourceNotFoundException:
        return []  # no function yet


def remove_apis(client: APIGatewayClient, functions: LambdaClient, stage: Stage, say: Say) -> None:
    """Delete REST APIs in front of the stage's function that nobody wrote down, and their leave to call it.

    Every stage's API has the app's name; which function it calls tells the stage.
    """
    known = {resource.get("rest_api_id") for resource in stage.deployed()}
    for page in client.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == APP and api["id"] not in known and _calls(client, api["id"], stage):
                say(f"REST API {api['id']} is left from a failed deploy: removing it")
                client.delete_rest_api(restApiId=api["id"])
                _forbid(functions, stage.function_name("api_handler"), api["id"])


def remove_all(stage: Stage, say: Say) -> None:
    """Delete what is still there of a stage after `chalice delete`, or without one."""
    client = boto3.client("lambda")
    remove_mappings(client, stage, say)
    remove_apis(boto3.client("apigateway"), client, stage, say)
    _remove_rules(boto3.client("events"), stage, say)
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if is_of(stage, function["FunctionName"]):
                say(f"Function {function['FunctionName']} is left from a failed deploy: removing it")
                client.delete_function(FunctionName=function["FunctionName"])
    _remove_roles(boto3.client("iam"), stage, say)


def stop_shards(client: EventBridgeClient, stage: Stage, say: Say) -> None:
    """No tick more of the drains that this deploy takes away: the others get their part of the capacity.

    Chalice deletes them at its end; until then those that stay would have the whole of it beside them.
    """
    theirs = re.compile(rf"{re.escape(stage.stack_name)}-drain-[0-9]+-event")
    for page in client.get_paginator("list_rules").paginate(NamePrefix=f"{stage.stack_name}-drain-"):
        for rule in page["Rules"]:
            name = rule["Name"]
            if theirs.fullmatch(name) and name not in stage.rules() and rule.get("State") != "DISABLED":
                say(f"Rule {name} of a drain that goes: stopping it")
                client.disable_rule(Name=name)


def is_of(stage: Stage, name: str) -> bool:
    """Whether a function, or what Chalice names like one (role, rule, log group), is the stage's own."""
    return bool(_names(stage).fullmatch(name))


@cache
def _names(stage: Stage) -> re.Pattern[str]:
    """Once for a stage: the functions' names are read from all of its code."""
    functions = "|".join(map(re.escape, aws_calls.handlers(stage.root)))
    return re.compile(rf"{re.escape(stage.stack_name)}(-({functions}|drain-[0-9]+)(-event)?)?")


def _calls(client: APIGatewayClient, api: str, stage: Stage) -> bool:
    function = f":function:{stage.function_name('api_handler')}/"
    return any(function in uri for uri in _integrations(client, api))


def _forbid(client: LambdaClient, function: str, api: str) -> None:
    """Take away the API's permission to call the function; Chalice gives each API one of its own."""
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return  # no function any more, or nobody may call it
    for statement in policy["Statement"]:
        if f":{api}/" in json.dumps(statement.get("Condition", {})):
            client.remove_permission(FunctionName=function, StatementId=statement["Sid"])


def _integrations(client: APIGatewayClient, api: str) -> Iterator[str]:
    for page in client.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"]):
        for resource in page["items"]:
            methods: dict[str, Any] = dict(resource.get("resourceMethods", {}))
            for method in methods.values():
                yield method.get("methodIntegration", {}).get("uri", "")


def _remove_rules(client: EventBridgeClient, stage: Stage, say: Say) -> None:
    for page in client.get_paginator("list_rules").paginate(NamePrefix=stage.stack_name):
        for rule in page["Rules"]:
            if is_of(stage, rule["Name"]):
                say(f"Rule {rule['Name']} is left from a failed deploy: removing it")
                targets = client.list_targets_by_rule(Rule=rule["Name"])["Targets"]
                if targets:
                    client.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
                client.delete_rule(Name=rule["Name"])


def _remove_roles(client: IAMClient, stage: Stage, say: Say) -> None:
    for page in client.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            name = role["RoleName"]
            if is_of(stage, name):
                say(f"Role {name} is left from a failed deploy: removing it")
                for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
                    client.delete_role_policy(RoleName=name, PolicyName=policy)
                client.delete_role(RoleName=name)
