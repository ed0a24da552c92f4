"""What the tests do to a deployed stage: stop its clock, change a function, take a permission away."""

from __future__ import annotations

import contextlib
import copy
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from dev import workspace
from dev.pipeline import Pipeline, Upload
from infra.deploying import deploy as deploying
from infra.deploying import leftovers
from infra.stage import Account, Stage

PATIENCE = 180  # seconds, on a busy machine; the one-minute rule needs up to 60


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
    """The one-minute rules are off inside the block, and no tick of theirs runs any more."""
    events = boto3.client("events")
    for rule in pipeline.stage.rules():
        events.disable_rule(Name=rule)
    try:
        pipeline.await_ticks()
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
        RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced(policy, action, resource))
    )
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def reduced(policy: dict[str, Any], action: str, resource: str) -> dict[str, Any]:
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


def mappings(pipeline: Pipeline, function: str = "consume") -> list[Any]:
    return boto3.client("lambda").list_event_source_mappings(
        FunctionName=pipeline.stage.function_name(function)
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


def finish(pipeline: Pipeline, uploads: list[Upload]):
    def all_ended():
        if pipeline.waiting():
            pipeline.tick()
        pipeline.settle(uploads)
        return all(upload.ended for upload in uploads)

    wait_for(all_ended, [upload.key for upload in uploads if not upload.ended])


def ticks_until(pipeline: Pipeline, condition: Callable[[], object], what: str) -> None:
    """Ticks by hand while something waits, until the condition holds."""

    def ticked():
        if pipeline.waiting():
            result = pipeline.tick()
            assert result["forwarded"] <= result["capacity"]
        return condition()

    wait_for(ticked, what)


def send(pipeline: Pipeline, queue: str, *bodies: str):
    for start in range(0, len(bodies), 10):
        answer = pipeline.sqs.send_message_batch(
            QueueUrl=pipeline.settings[f"{queue.upper()}_QUEUE_URL"],
            Entries=[
                {"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start : start + 10])
            ],
        )
        assert not answer.get("Failed")


def quiet(step):
    return None


def redeploy(pipeline):
    return deploying.deploy(pipeline.stage, quiet, tls_only=False)


def inventory(pipeline):
    """Everything of the stage that a second deploy might double."""
    name = pipeline.stage.stack_name
    functions = [
        one["FunctionName"]
        for page in boto3.client("lambda").get_paginator("list_functions").paginate()
        for one in page["Functions"]
    ]
    functions = sorted(one for one in functions if one.startswith(name))
    rules = [one["Name"] for one in boto3.client("events").list_rules(NamePrefix=name)["Rules"]]
    bucket = pipeline.settings["IMAGES_BUCKET"]
    notification = pipeline.s3.get_bucket_notification_configuration(Bucket=bucket)
    return {
        "functions": functions,
        "may call them": sum(map(callers, functions)),
        "mappings": len(mappings(pipeline)) + len(mappings(pipeline, "letters")),
        "rules": len(rules),
        "targets": sum(map(targets, rules)),
        "notifications": len(notification.get("LambdaFunctionConfigurations", [])),
        "apis": len(boto3.client("apigateway").get_rest_apis()["items"]),
    }


def targets(rule):
    return len(boto3.client("events").list_targets_by_rule(Rule=rule)["Targets"])


def callers(function):
    """How many statements let somebody else call it: S3, EventBridge, API Gateway."""
    client = boto3.client("lambda")
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return 0
    return len(policy["Statement"])


def apis_of(stage):
    """The REST APIs in front of the stage's function."""
    client = boto3.client("apigateway")
    return [
        one["id"] for one in client.get_rest_apis()["items"] if leftovers._calls(client, one["id"], stage)
    ]


def remains(stage: Stage) -> int:
    """How many functions, roles, rules, log groups and APIs the stage has."""
    functions = boto3.client("lambda").list_functions(MaxItems=1000)["Functions"]
    roles = boto3.client("iam").list_roles(MaxItems=1000)["Roles"]
    rules = boto3.client("events").list_rules()["Rules"]
    groups = boto3.client("logs").describe_log_groups()["logGroups"]
    names = [
        *(one["FunctionName"] for one in functions),
        *(one["RoleName"] for one in roles),
        *(one["Name"] for one in rules),
        *(one["logGroupName"].removeprefix("/aws/lambda/") for one in groups),
    ]
    return sum(leftovers.is_of(stage, name) for name in names) + len(apis_of(stage))


ACCOUNT = Account("123456789012", "eu-central-1")


CACHE = workspace.ROOT / ".cache"


def deploy(folder: Path, stage: str, **settings: str) -> Pipeline:
    """Without the spread, unless asked for: its clock begins 20 s late in a new process, and all are new here."""
    usual = {"ACTION": "resize", "THUMBNAIL_SIZES": "64,256", "SPREAD": "off"}
    made = workspace.make(folder / "app", {**usual, **settings}, stage)
    deploying.deploy(made, say=lambda step: None, tls_only=False)
    return Pipeline(made)
