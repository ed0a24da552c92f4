"""Chalice's own commands as somebody types them who knows Chalice and has read nothing, on a deployed stage."""

from __future__ import annotations

import json

import boto3
import pytest

from dev.pipeline import SCHEDULED_EVENT, Pipeline
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.deploying import throttle
from infra.permissions.address_policy import API_STAGE
from tests.support.chalice import chalice, clone
from tests.support.deployment import apis_of, finish, inventory, only_our_ticks, quiet, remains

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long]
SETTINGS = {"ACTION": "resize", "THUMBNAIL_SIZES": "64", "SPREAD": "off"}


def set_by_us(stage):
    """What Chalice has no word for, and the code that runs."""
    client = boto3.client("lambda")
    tick = client.get_function_event_invoke_config(FunctionName=stage.function_name("drain"))
    upload = client.get_function_event_invoke_config(FunctionName=stage.function_name("enqueue"))
    (api,) = apis_of(stage)
    limits = boto3.client("apigateway").get_stage(restApiId=api, stageName=API_STAGE)["methodSettings"]
    code = client.get_function_configuration(FunctionName=stage.function_name("consume"))["CodeSha256"]
    throttled = {
        route: (one["throttlingRateLimit"], one["throttlingBurstLimit"]) for route, one in limits.items()
    }
    assert throttled == {route[1:].replace("~1", "/"): limit for route, limit in throttle.LIMITS.items()}
    return tick["MaximumRetryAttempts"], upload["DestinationConfig"], code


def test_deploy_invoke_logs_and_delete_work_as_typed_also_in_a_clone(aws, tmp_path, photographs):
    stage = clone(tmp_path, SETTINGS, "plain")
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    before, ours = inventory(pipeline), set_by_us(stage)

    code, said = chalice(stage, "deploy", "--stage", "plain")
    assert code == 0, said
    assert (inventory(pipeline), set_by_us(stage)) == (before, ours)

    other = clone(tmp_path / "clone", SETTINGS, "plain")
    code, said = chalice(other, "deploy", "--stage", "plain")
    assert (code, said.count("\n")) == (1, 1), said
    told: list[str] = []
    deploying.fetch(other, told.append)
    assert told == []
    code, said = chalice(other, "deploy", "--stage", "plain")
    assert code == 0, said
    assert (inventory(pipeline), set_by_us(other), len(apis_of(other))) == (before, ours, 1)

    tick = json.dumps(SCHEDULED_EVENT)
    code, said = chalice(other, "invoke", "-n", "drain", "--stage", "plain", stdin=tick)
    assert (code, '"stopped"' in said) == (0, True), said
    code, said = chalice(other, "logs", "-n", "drain", "--stage", "plain")
    assert (code, '"tick"' in said) == (0, True), said

    code, said = chalice(other, "delete", "--stage", "plain")
    assert code == 0, said
    assert inventory(pipeline)["functions"] == []
    deploying.deploy(stage, quiet, tls_only=False)
    assert inventory(pipeline) == before
    upload = pipeline.upload("after chalice delete.jpg", (photographs / "rocket.jpg").read_bytes())
    with only_our_ticks(pipeline):
        finish(pipeline, [upload])
    assert destroying.destroy(stage, quiet, force=True) == []
    assert remains(stage) == 0
