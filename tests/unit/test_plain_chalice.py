"""Chalice's own commands in a clone, as typed: what they need and is not there is one line, and no traceback."""

from __future__ import annotations

import json

import pytest

from infra.deploying import deploy as deploying
from infra.deploying import plain_chalice
from infra.errors import CommandError
from infra.permissions import address_policy, policies
from tests.support.chalice import chalice, clone
from tests.support.deployment import ACCOUNT

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(tmp_path):
    return clone(tmp_path, {}, "dev")


@pytest.fixture
def set_up(tmp_path):
    """Settings and policies are there, and no record of Chalice's: a clone of a stage that is deployed."""
    stage = clone(tmp_path, {}, "dev")
    role = {"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}
    deploying.record(stage, {**deploying.expected_settings(stage, ACCOUNT), **role}, ACCOUNT)
    return stage


def one_line(answer):
    code, said = answer
    assert said.count("\n") == 1, said
    return code, said


@pytest.mark.parametrize(
    "words", ["deploy", "local --no-autoreload", "package out", "dev plan", "generate-models"]
)
def test_before_the_first_deploy_a_command_names_the_one_that_is_needed(fresh, words):
    code, said = one_line(chalice(fresh, *words.split()))
    assert code == 1
    assert said.startswith("error: stage dev has no buckets and queues yet: make deploy STAGE=dev makes them")


def test_chalice_local_that_restarts_itself_ends_with_the_same_line(fresh):
    _, said = one_line(chalice(fresh, "local"))
    assert "make deploy STAGE=dev" in said


def test_a_bad_setting_ends_chalice_local_in_one_line(fresh, set_up):
    set_up.record({"CAPACITY": "0"}, {})
    code, said = one_line(chalice(set_up, "local", "--no-autoreload"))
    assert (code, said.startswith("error: configuration: CAPACITY is '0': expected")) == (1, True)


def test_a_clone_without_chalices_record_deploys_nothing_twice(set_up):
    code, said = one_line(chalice(set_up, "deploy"))
    assert (code, "make fetch STAGE=dev" in said) == (1, True)


def test_the_committed_stage_local_has_its_policies_and_is_refused_in_a_line(fresh):
    code, said = one_line(chalice(fresh, "deploy", "--stage", "local"))
    assert (code, "make fetch STAGE=local" in said) == (1, True)


def test_another_memory_than_the_last_make_deploy_wrote_down_is_refused(set_up):
    config = json.loads(set_up.config_file.read_text())
    config["lambda_functions"]["consume"]["lambda_memory_size"] = 3008
    set_up.config_file.write_text(json.dumps(config))
    line = "FUNCTION_MEMORY_MB is '256,256,1024', and .* says '256,256,3008': make deploy STAGE=dev"
    with pytest.raises(CommandError, match=line):
        plain_chalice.check(set_up, "deploy")


# What Chalice writes down, as far as it tells who calls enqueue.
RECORDS = {
    "lambda": [{"name": "enqueue-s3event", "resource_type": "s3_event", "bucket": "images"}],
    "eventbridge": [{"name": "enqueue-event", "resource_type": "cloudwatch_event"}],
    "queue": [{"name": "drain-event", "resource_type": "cloudwatch_event"}],
}


def deployed_by(stage, notifies):
    stage.deployed_file.parent.mkdir(exist_ok=True)
    stage.deployed_file.write_text(json.dumps({"resources": RECORDS[notifies]}))


def test_a_policy_that_is_not_the_codes_is_refused(set_up):
    file = set_up.policy_file("drain")
    file.write_text(file.read_text().replace("sqs:ReceiveMessage", "sqs:PurgeQueue"))
    deployed_by(set_up, "lambda")
    with pytest.raises(CommandError, match="the policy of drain is not the one its code needs: make deploy"):
        plain_chalice.check(set_up, "deploy")
    policies.write(set_up, set_up.account())
    plain_chalice.check(set_up, "deploy")


@pytest.mark.parametrize("there", RECORDS)
@pytest.mark.parametrize("here", RECORDS)
def test_another_way_to_tell_of_uploads_is_made_by_make_deploy_alone(set_up, here, there):
    """Chalice would take away the old one, make no new one, and nobody would be told of an upload."""
    deployed_by(set_up, there)
    set_up.record({"S3_NOTIFIES": here}, {})
    if here == there:
        plain_chalice.check(set_up, "deploy")
    else:
        with pytest.raises(CommandError, match=f"with S3_NOTIFIES={there}, which is {here} now: make deploy"):
            plain_chalice.check(set_up, "deploy")


def test_addresses_that_the_apis_policy_does_not_have_yet_are_refused(set_up):
    """Its user would take the API for locked."""
    deployed_by(set_up, "lambda")
    for allowed in ("192.0.2.0/24", "198.51.100.7", ""):
        set_up.record({"ALLOWED_ADDRESSES": allowed}, {})
        with pytest.raises(CommandError, match="not the one of ALLOWED_ADDRESSES: make deploy STAGE=dev"):
            plain_chalice.check(set_up, "deploy")
        set_up.set_api_policy(address_policy.write(set_up))
        plain_chalice.check(set_up, "deploy")


def test_chalice_package_works_where_no_bucket_calls_a_function_and_says_so_elsewhere(
    set_up, tmp_path, monkeypatch
):
    code, said = one_line(chalice(set_up, "package", "out"))
    assert (code, "S3_NOTIFIES=queue or eventbridge" in said) == (1, True)
    monkeypatch.setenv("AWS_DEFAULT_REGION", ACCOUNT.region)
    for notifies in ("queue", "eventbridge"):
        set_up.record({"S3_NOTIFIES": notifies}, {})
        code, said = chalice(set_up, "package", str(tmp_path / notifies))
        assert code == 0, said
        assert {file.name for file in (tmp_path / notifies).iterdir()} == {"deployment.zip", "sam.json"}
    template = json.loads((tmp_path / "eventbridge" / "sam.json").read_text())["Resources"]
    patterns = [
        event["Properties"]["Pattern"]
        for one in template.values()
        for event in one["Properties"].get("Events", {}).values()
        if event["Type"] == "CloudWatchEvent"
    ]
    assert [one["detail-type"] for one in patterns] == [["Object Created"]]


def test_chalice_delete_without_a_record_names_make_destroy(set_up):
    code, said = one_line(chalice(set_up, "delete"))
    assert (code, "make destroy STAGE=dev" in said) == (1, True)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("chalice deploy", ("deploy", "dev")),
        ("chalice --debug deploy --stage prod", ("deploy", "prod")),
        ("chalice local --port 8001 --stage=blue", ("local", "blue")),
        ("chalice generate-sdk sdk", ("", "dev")),
    ],
)
def test_the_command_and_its_stage_are_read_from_the_command_line(line, found):
    assert plain_chalice.asked(line.split()) == found


def test_a_stage_whose_settings_are_another_where_it_is_deployed_is_told(set_up):
    class Lambda:
        def get_function_configuration(self, **asked):
            return {"Environment": {"Variables": {**set_up.environment(), "CAPACITY": "500"}}}

    assert deploying.differences(Lambda(), set_up) == [
        "CAPACITY is '500' where it is deployed, 'not set' here"
    ]
