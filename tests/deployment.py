"""What the tests do to a deployed stage: stop its clock, change a function, take a permission away."""

from __future__ import annotations

import contextlib
import copy
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from dev.pipeline import Pipeline

PATIENCE = 90  # seconds, on a busy machine; the one-minute rule needs up to 60


def wait_for(condition: Callable[[], object], what: object) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.3)


def invoke(pipeline: Pipeline, function: str, payload: object) -> tuple[Any, bool]:
    """The function's answer, and whether it failed."""
    answer = boto3.client("lambda").invoke(
        FunctionName=pipeline.stage.function_name(function), Payload=json.dumps(payload)
    )
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


@contextlib.contextmanager
def only_our_ticks(pipeline: Pipeline) -> Iterator[None]:
    """The one-minute rules are off inside the block."""
    events = boto3.client("events")
    for rule in pipeline.stage.rules():
        events.disable_rule(Name=rule)
    try:
        yield
    finally:
        for rule in pipeline.stage.rules():
            events.enable_rule(Name=rule)


@contextlib.contextmanager
def nobody_consumes(pipeline: Pipeline) -> Iterator[None]:
    """Messages stay in the destination queue inside the block."""
    client = boto3.client("lambda")
    (mapping,) = mappings(pipeline)
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextlib.contextmanager
def environment(pipeline: Pipeline, function: str, **settings: str) -> Iterator[None]:
    """The function has other settings inside the block."""
    client = boto3.client("lambda")
    name = pipeline.stage.function_name(function)
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **settings}})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@contextlib.contextmanager
def without(pipeline: Pipeline, function: str, action: str, resource: str) -> Iterator[None]:
    """The function may not do the action on the resources whose ARN ends so."""
    iam = boto3.client("iam")
    role = f"{pipeline.stage.stack_name}-{function}"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.put_role_policy(
        RoleName=role, PolicyName=name, PolicyDocument=json.dumps(_reduced(policy, action, resource))
    )
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def _reduced(policy: dict[str, Any], action: str, resource: str) -> dict[str, Any]:
    reduced = copy.deepcopy(policy)
    statements = []
    found = False
    for statement in reduced["Statement"]:
        hit = [arn for arn in statement["Resource"] if arn.endswith(resource)]
        if action in statement["Action"] and hit:
            found = True
            others = [one for one in statement["Action"] if one != action]
            statements.append({**statement, "Action": others, "Resource": hit} if others else None)
            kept = [arn for arn in statement["Resource"] if arn not in hit]
            statements.append({**statement, "Resource": kept} if kept else None)
        else:
            statements.append(statement)
    assert found, f"no policy allows {action} on ...{resource}"
    reduced["Statement"] = [statement for statement in statements if statement]
    return reduced


def rest(
    pipeline: Pipeline, aws_url: str, path: str, body: object = None, *, method: str = "", signed: bool = True
) -> tuple[int, Any]:
    """Status and JSON of a route of the deployed REST API; without a method, a POST when there is a body."""
    (api_url,) = [one["rest_api_url"] for one in pipeline.stage.deployed() if "rest_api_url" in one]
    api_id = api_url.partition("://")[2].partition(".")[0]
    request = AWSRequest(
        method or ("GET" if body is None else "POST"),
        f"{aws_url}/restapis/{api_id}/api/_user_request_/{path}",
        headers={"Content-Type": "application/json"},
        data=None if body is None else json.dumps(body),
    )
    if signed:
        session = boto3.Session()
        credentials = session.get_credentials()
        assert credentials
        SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
    prepared = request.prepare()
    answer = URLLib3Session().send(prepared)
    return answer.status_code, json.loads(answer.content)


def mappings(pipeline: Pipeline) -> list[Any]:
    return boto3.client("lambda").list_event_source_mappings(
        FunctionName=pipeline.stage.function_name("consume")
    )["EventSourceMappings"]


def messages(aws_url: str, queue_url: str) -> list[dict[str, Any]]:
    """All messages of a queue, seen from behind: nothing is received."""
    query = urllib.parse.urlencode({"QueueUrl": queue_url})
    with urllib.request.urlopen(f"{aws_url}/_ministack/sqs/messages?{query}") as answer:
        accounts = json.loads(answer.read())["messages"]
    return [
        message
        for regions in accounts.values()
        for queues in regions.values()
        for found in queues.values()
        for message in found
    ]
