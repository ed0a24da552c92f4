"""A deploy that fails, at every step of its way: the next one mends it, and nothing is there twice."""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from dev import workspace
from dev.pipeline import Pipeline
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.errors import CommandError
from tests.support.deployment import (
    apis_of,
    finish,
    inventory,
    nobody_consumes,
    only_our_ticks,
    quiet,
    redeploy,
    remains,
    send,
    targets,
)

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long]

SETTINGS = {"ACTION": "resize", "THUMBNAIL_SIZES": "64"}
CHANGED = {"CAPACITY": "77", "ALARM_AFTER_TICKS": "31"}  # one of the functions, one of the stack
READS = ("Get", "List", "Describe", "Head")


def steps() -> list[tuple[Any, str]]:
    """Every step of `deploy`, read from its own code: where its name is looked up, and the name.

    But those that only some settings make.
    """
    found = {}
    tree = ast.parse(inspect.getsource(deploying.deploy))
    ifs = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    perhaps = {id(inner) for node in ifs for one in node.body for inner in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in perhaps:
            continue
        match node:
            case ast.Call(func=ast.Name(id=name)):
                place = deploying
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
                place = vars(deploying).get(module)
            case _:
                continue
        step = getattr(place, name, None)
        if getattr(step, "__module__", "").startswith("infra.") and not inspect.isclass(step):
            found[place, name] = node.lineno
    return [step for step in sorted(found, key=found.__getitem__) if not step[1].startswith("_")]


def changes(operations: Iterable[str]) -> list[str]:
    """Those that change something, each once, in the order of its first call."""
    return [one for one in dict.fromkeys(operations) if not one.startswith(READS)]


def make(folder, name):
    return workspace.make(folder / "app", SETTINGS, name)


def break_chalice(monkeypatch, when, operation):
    code = f"import sys; sys.path.append({str(workspace.ROOT)!r}); import tests.support.broken_chalice"
    monkeypatch.setattr(deploying, "CHALICE", (sys.executable, "-c", code, when, operation))


def whole(pipeline):
    """Everything once, and it works."""
    found = inventory(pipeline)
    assert (found["mappings"], found["rules"], found["notifications"]) == (2, 1, 1)
    assert len(found["functions"]) == 6
    return found


def one_waits_in_each_queue(pipeline):
    for queue in ("source", "destination"):
        send(pipeline, queue, '{"Bucket": "any", "Key": "waits.jpg"}')


def waiting(pipeline):
    """In both queues: while Chalice has the rule enabled, a tick may move one to the second."""
    return pipeline.depth("source") + pipeline.depth("destination")


def upload_works(pipeline, photographs, key):
    upload = pipeline.upload(key, (photographs / "rocket.jpg").read_bytes())
    with only_our_ticks(pipeline):
        finish(pipeline, [upload])
    assert len(upload.thumbnails) == 1


def test_a_first_deploy_may_fail_at_each_of_our_steps(aws, tmp_path, monkeypatch, photographs):
    stage = make(tmp_path, "steps")
    for module, step in steps():
        with monkeypatch.context() as patch:

            def goes_down(*arguments, **named):
                raise CommandError("the machine went down")

            patch.setattr(module, step, goes_down)
            with pytest.raises(CommandError, match="the machine went down"):
                deploying.deploy(stage, quiet, tls_only=False)
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    whole(pipeline)
    assert len(apis_of(stage)) == 1
    upload_works(pipeline, photographs, "after every failure.jpg")
    destroying.destroy(stage, quiet, force=True)


@dataclass(frozen=True)
class Calls:
    """What one deploy that goes well changes, by Chalice and by ourselves before and after it."""

    chalice: list[str]
    ours: list[str]


def calls_of_a_deploy(patch, folder, stage) -> Calls:
    file, seen, call = folder / "calls.txt", [], BaseClient._make_api_call

    def recorded(client, name, parameters):
        seen.append(name)
        return call(client, name, parameters)

    with patch.context() as recording:
        break_chalice(recording, "record", str(file))
        recording.setattr(BaseClient, "_make_api_call", recorded)
        deploying.deploy(stage, quiet, tls_only=False)
    found = Calls(changes(file.read_text().split()), changes(seen))
    file.unlink()
    return found


@pytest.fixture(scope="module")
def calls(aws, tmp_path_factory):
    """Those of a first deploy, and of a second one after a setting has changed."""
    folder = tmp_path_factory.mktemp("model")
    stage = make(folder, "model")
    with pytest.MonkeyPatch.context() as patch:
        first = calls_of_a_deploy(patch, folder, stage)
        stage.record(CHANGED, {})
        again = calls_of_a_deploy(patch, folder, stage)
    destroying.destroy(stage, quiet, force=True)
    assert set(first.chalice) >= {"CreateFunction", "CreateEventSourceMapping", "PutTargets", "ImportRestApi"}
    assert set(first.ours) >= {"ExecuteChangeSet", "PutFunctionEventInvokeConfig", "PutObject"}
    every = {*first.chalice, *first.ours, *again.chalice, *again.ours}
    assert not {"PutParameter", "DeleteParameter"} & every, "a pause is a parameter: no deploy touches it"
    assert first.chalice.index("PutFunctionEventInvokeConfig") < first.chalice.index("PutTargets")
    assert set(again.chalice) >= {"UpdateFunctionConfiguration", "PutRestApi"}
    return first, again


def die_after(patch, operation):
    """This process's AWS calls end with the operation: AWS has done it, or refused, and we do not know."""
    call = BaseClient._make_api_call

    def broken(client, name, parameters):
        if name != operation:
            return call(client, name, parameters)
        with contextlib.suppress(ClientError):
            call(client, name, parameters)
        raise CommandError(f"the machine went down after {operation}")

    patch.setattr(BaseClient, "_make_api_call", broken)


def test_the_steps_are_those_of_the_deploy():
    """Each of them fails below. Read from the code, so that a step that is added fails there too."""
    names = [name for _, name in steps()]
    assert names[0] == "current_account"
    assert names[-1] == "keep_deployed"
    assert {"build", "deploy", "record", "stop_shards", "set_limits", "run_chalice", "finish"} <= set(names)
    assert len(names) > 15


def runs_with_its_retries_set(stage):
    """Those of enqueue and drain that something calls by now, each with what Chalice has no settings for."""
    client, on = boto3.client("lambda"), set()
    bucket = stage.environment()["IMAGES_BUCKET"]
    found = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    told = bool(found.get("LambdaFunctionConfigurations"))
    with contextlib.suppress(ClientError):
        told = told or targets(f"{stage.function_name('enqueue')}-event") > 0
    if told:
        config = client.get_function_event_invoke_config(FunctionName=stage.function_name("enqueue"))
        assert config["DestinationConfig"]["OnFailure"]["Destination"].endswith("-dead-letter")
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 21_600)
        on.add("enqueue")
    with contextlib.suppress(ClientError):
        if targets(stage.rules()[0]):
            config = client.get_function_event_invoke_config(FunctionName=stage.function_name("drain"))
            assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)
            reserved = client.get_function_concurrency(FunctionName=stage.function_name("drain"))
            assert reserved["ReservedConcurrentExecutions"] == 1
            on.add("drain")
    return on


def chalice_dies(monkeypatch, stage, when, operation):
    with monkeypatch.context() as patch:
        break_chalice(patch, when, operation)
        with pytest.raises(CommandError, match=f"the machine went down {when} {operation}"):
            deploying.deploy(stage, quiet, tls_only=False)


def we_die(monkeypatch, stage, operation):
    with monkeypatch.context() as patch:
        die_after(patch, operation)
        with pytest.raises(CommandError, match=f"the machine went down after {operation}"):
            deploying.deploy(stage, quiet, tls_only=False)


def test_a_first_deploy_may_die_after_each_call_that_chalice_makes(
    aws, calls, tmp_path, monkeypatch, photographs
):
    stage = make(tmp_path, "calls")
    switched_on = set()
    for operation in calls[0].chalice:
        chalice_dies(monkeypatch, stage, "after", operation)
        switched_on |= runs_with_its_retries_set(stage)
    assert switched_on == {"enqueue", "drain"}
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    before = whole(pipeline)
    assert len(apis_of(stage)) == 1
    upload_works(pipeline, photographs, "after a failure at every call.jpg")

    stage.record(CHANGED, {})
    with only_our_ticks(pipeline), nobody_consumes(pipeline):
        one_waits_in_each_queue(pipeline)
        for operation in calls[1].chalice:
            chalice_dies(monkeypatch, stage, "before", operation)
        redeploy(pipeline)
        assert waiting(pipeline) == 2
    assert inventory(pipeline) == before
    destroying.destroy(stage, quiet, force=True)


def test_a_deploy_by_eventbridge_that_dies_leaves_no_upload_that_is_tried_only_once(
    aws, tmp_path, monkeypatch
):
    """Enqueue then has a rule, like a drain, and is no tick: also on the way of each deploy after the first."""
    stage = make(tmp_path, "bridge")
    stage.record({"S3_NOTIFIES": "eventbridge"}, {})
    for _ in range(2):
        chalice_dies(monkeypatch, stage, "after", "PutTargets")
        assert "enqueue" in runs_with_its_retries_set(stage)
        deploying.deploy(stage, quiet, tls_only=False)
        assert runs_with_its_retries_set(stage) == {"enqueue", "drain"}
    destroying.destroy(stage, quiet, force=True)


def test_a_deploy_may_die_after_each_call_that_we_make_ourselves(
    aws, calls, tmp_path, monkeypatch, photographs
):
    stage = make(tmp_path, "ours")
    for operation in calls[0].ours:
        we_die(monkeypatch, stage, operation)
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    before = whole(pipeline)
    stage.record(CHANGED, {})
    with only_our_ticks(pipeline), nobody_consumes(pipeline):
        one_waits_in_each_queue(pipeline)
        for operation in calls[1].ours:
            we_die(monkeypatch, stage, operation)
        redeploy(pipeline)
        assert waiting(pipeline) == 2
    assert inventory(pipeline) == before
    upload_works(pipeline, photographs, "after a failure at every call of ours.jpg")
    destroying.destroy(stage, quiet, force=True)


def code_of(pipeline) -> set[str]:
    """What the stage's functions run, by its digest."""
    client = boto3.client("lambda")
    names = inventory(pipeline)["functions"]
    return {client.get_function_configuration(FunctionName=name)["CodeSha256"] for name in names}


def test_a_function_more_is_only_a_function_more_and_rolling_back_gives_the_very_same_code(aws, tmp_path):
    stage = make(tmp_path, "more")
    deploying.deploy(stage, quiet, tls_only=False)
    pipeline = Pipeline(stage)
    before, old_code = whole(pipeline), code_of(pipeline)
    assert len(old_code) == 1
    app, module = stage.root / "app.py", stage.root / "chalicelib" / "capacity.py"
    old = {file: file.read_text() for file in (app, module)}
    app.write_text(old[app] + "\n\n@app.lambda_function()\ndef extra(event, context):\n    return 'extra'\n")
    module.write_text(old[module] + "\nNEWER = True\n")
    with only_our_ticks(pipeline), nobody_consumes(pipeline):
        one_waits_in_each_queue(pipeline)
        redeploy(pipeline)
        after = inventory(pipeline)
        assert set(after["functions"]) - set(before["functions"]) == {f"{stage.stack_name}-extra"}
        assert {**after, "functions": None} == {**before, "functions": None}
        assert len(code_of(pipeline)) == 1
        assert code_of(pipeline) != old_code
        for file, text in old.items():
            file.write_text(text)
        redeploy(pipeline)
        assert waiting(pipeline) == 2
    assert inventory(pipeline) == before
    assert code_of(pipeline) == old_code
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
        with pytest.raises(CommandError, match="the machine went down"):
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
