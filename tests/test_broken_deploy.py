"""A deploy that fails, at every step of its way: the next one mends it, and nothing is there twice."""

from __future__ import annotations

import sys

import boto3
import pytest

from dev import workspace
from dev.pipeline import Pipeline
from infra import deploy as deploying
from infra import destroy as destroying
from infra import leftovers, notify, package, stack
from infra.errors import Unusable
from infra.stage import Stage
from tests.deployment import only_our_ticks
from tests.test_deployed import finish, send
from tests.test_make_deploy import inventory, quiet, redeploy

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.package]

SETTINGS = {"ACTION": "resize", "THUMBNAIL_SIZES": "64"}
STEPS = [
    (package, "build"),
    (stack, "deploy"),
    (deploying, "record"),
    (deploying, "fetch_deployed"),
    (notify, "point_bucket"),
    (leftovers, "remove_mappings"),
    (leftovers, "remove_apis"),
    (deploying, "run_chalice"),
    (deploying, "finish"),
    (deploying, "keep_deployed"),
]
# What Chalice asks of AWS to make everything, in its order.
CALLS = [
    "CreateRole",
    "PutRolePolicy",
    "CreateFunction",
    "PutFunctionConcurrency",
    "PutRetentionPolicy",
    "CreateEventSourceMapping",
    "PutBucketNotificationConfiguration",
    "PutRule",
    "PutTargets",
    "ImportRestApi",
    "CreateDeployment",
    "AddPermission",
]


def make(folder, name):
    return workspace.make(folder / "app", SETTINGS, name)


def break_chalice(monkeypatch, when, operation):
    code = f"import sys; sys.path.append({str(workspace.ROOT)!r}); import tests.broken_chalice"
    monkeypatch.setattr(deploying, "CHALICE", (sys.executable, "-c", code, when, operation))


def whole(pipeline):
    """Everything once, and it works."""
    found = inventory(pipeline)
    assert (found["mappings"], found["rules"], found["notifications"]) == (1, 1, 1)
    assert len(found["functions"]) == 5
    return found


def apis_of(stage):
    """The REST APIs in front of the stage's function."""
    client = boto3.client("apigateway")
    return [
        one["id"] for one in client.get_rest_apis()["items"] if leftovers._calls(client, one["id"], stage)
    ]


def upload_works(pipeline, photographs, key):
    upload = pipeline.upload(key, (photographs / "rocket.jpg").read_bytes())
    with only_our_ticks(pipeline):
        finish(pipeline, [upload])
    assert len(upload.thumbnails) == 1


def test_a_first_deploy_may_fail_at_each_of_our_steps(aws, tmp_path, monkeypatch, photographs):
    stage = make(tmp_path, "steps")
    for module, step in STEPS:
        with monkeypatch.context() as patch:

            def goes_down(*arguments, **named):
                raise Unusable("the machine went down")

            patch.setattr(module, step, goes_down)
            with pytest.raises(Unusable, match="the machine went down"):
                deploying.deploy(stage, quiet, tls_only=False)
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    whole(pipeline)
    assert len(apis_of(stage)) == 1
    upload_works(pipeline, photographs, "after ten failures.jpg")
    destroying.destroy(stage, quiet, force=True)


def test_a_first_deploy_may_die_after_each_call_that_chalice_makes(aws, tmp_path, monkeypatch, photographs):
    stage = make(tmp_path, "calls")
    for operation in CALLS:
        with monkeypatch.context() as patch:
            break_chalice(patch, "after", operation)
            with pytest.raises(Unusable, match=f"the machine went down after {operation}"):
                deploying.deploy(stage, quiet, tls_only=False)
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    whole(pipeline)
    assert len(apis_of(stage)) == 1
    upload_works(pipeline, photographs, "after twelve failures.jpg")

    before = inventory(pipeline)
    with only_our_ticks(pipeline):
        send(pipeline, "source", '{"Bucket": "any", "Key": "waits.jpg"}')
        for operation in ("UpdateFunctionCode", "PutRestApi"):
            with monkeypatch.context() as patch:
                break_chalice(patch, "before", operation)
                with pytest.raises(Unusable, match=f"the machine went down before {operation}"):
                    redeploy(pipeline)
        redeploy(pipeline)
        assert pipeline.depth("source") == 1
    assert inventory(pipeline) == before
    destroying.destroy(stage, quiet, force=True)


def test_a_function_more_is_only_a_function_more_and_rolling_back_takes_it_away(aws, tmp_path):
    stage = make(tmp_path, "more")
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    before = whole(pipeline)
    old = (stage.root / "app.py").read_text()
    more = "\n\n@app.lambda_function()\ndef extra(event, context):\n    return 'extra'\n"
    (stage.root / "app.py").write_text(old + more)
    with only_our_ticks(pipeline):
        send(pipeline, "source", '{"Bucket": "any", "Key": "waits.jpg"}')
        redeploy(pipeline)
        after = inventory(pipeline)
        assert set(after["functions"]) - set(before["functions"]) == {f"{stage.stack_name}-extra"}
        assert {**after, "functions": None} == {**before, "functions": None}
        (stage.root / "app.py").write_text(old)
        redeploy(pipeline)
        assert pipeline.depth("source") == 1
    assert inventory(pipeline) == before
    destroying.destroy(stage, quiet, force=True)


def test_destroy_after_a_deploy_that_died_leaves_nothing_and_touches_no_stage_with_a_like_name(
    aws, tmp_path, monkeypatch, photographs
):
    """Of what nobody wrote down, destroy can go only by names: `die` must not be taken for `die-2`."""
    neighbour = make(tmp_path / "neighbour", "die-2")
    deploying.deploy(neighbour, quiet, tls_only=False)
    before = whole(Pipeline(neighbour))
    stage = make(tmp_path, "die")
    with monkeypatch.context() as patch:
        break_chalice(patch, "after", "CreateDeployment")
        with pytest.raises(Unusable, match="the machine went down"):
            deploying.deploy(stage, quiet, tls_only=False)
    assert remains(stage) > 10
    destroying.destroy(stage, quiet, force=True)
    assert remains(stage) == 0
    assert whole(Pipeline(neighbour)) == before
    upload_works(Pipeline(neighbour), photographs, "the neighbour goes on.jpg")
    assert remains(neighbour) > 10
    logs = boto3.client("logs")
    group = f"/aws/lambda/{neighbour.function_name('consume')}"
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    destroying.destroy(neighbour, quiet, force=True)
    assert remains(neighbour) == 0


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
