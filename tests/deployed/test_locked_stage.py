"""A stage with its own KMS key, and an API that only some addresses may call."""

from __future__ import annotations

import json

import boto3
import pytest

from dev import workspace
from dev.template import RESOURCES
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.permissions import address_policy, policies
from tests.support.deployment import ACCOUNT, deploy, finish, only_our_ticks, rest

KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def stage(tmp_path):
    found = workspace.make(tmp_path / "app", {}, "dev")
    found.record(deploying.expected_settings(found, ACCOUNT), {})
    found.record({"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}, {})
    return found


def on_key(stage):
    """What each function may do with the key."""
    found = {}
    for function, policy in policies.documents(stage, ACCOUNT).items():
        for statement in policy["Statement"]:
            if any(action.startswith("kms:") for action in statement["Action"]):
                assert statement["Resource"] == [KEY]
                found[function] = statement["Action"]
    return found


def test_without_a_key_no_function_may_use_any(stage):
    assert on_key(stage) == {}


def test_with_a_key_each_function_may_read_or_write_with_it_as_its_queues_and_buckets_need(stage):
    stage.record({"KMS_KEY_ARN": KEY}, {})
    both = ["kms:Decrypt", "kms:GenerateDataKey"]
    functions = ("enqueue", "drain", "consume", "letters", "backfill", "api_handler")
    assert on_key(stage) == dict.fromkeys(functions, both)


@pytest.mark.parametrize("key", ["alias/mine", "11111111-2222", KEY.replace("key/", "alias/")])
def test_a_key_that_is_no_arn_of_one_is_refused_before_anything_is_made(stage, key):
    with pytest.raises(CommandError, match=r"KMS_KEY_ARN is '.*': expected a KMS key's ARN"):
        deploying.check_settings(stage, {"KMS_KEY_ARN": key}, ACCOUNT)


def test_only_the_listed_networks_are_not_refused():
    allowed, refused = address_policy.policy(["192.0.2.0/24"])["Statement"]
    assert (allowed["Effect"], allowed["Resource"]) == ("Allow", "execute-api:/*/GET/health")
    assert (refused["Effect"], refused["Resource"]) == ("Deny", "execute-api:/*")
    assert refused["Condition"] == {"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}


def test_addresses_are_networks_or_refused_by_name(stage):
    assert address_policy.addresses(" 192.0.2.7, 2001:db8::/32,") == ["192.0.2.7/32", "2001:db8::/32"]
    for wrong in ("192.0.2.1/24", "office", "300.0.0.1"):
        with pytest.raises(CommandError, match=f"ALLOWED_ADDRESSES has '{wrong}': "):
            deploying.check_settings(stage, {"ALLOWED_ADDRESSES": f"192.0.2.0/24,{wrong}"}, ACCOUNT)


def test_taking_the_addresses_out_takes_the_policy_away(stage):
    stage.record({"ALLOWED_ADDRESSES": "192.0.2.0/24"}, {})
    stage.set_api_policy(address_policy.write(stage))
    file = stage.config_file.with_name("api-policy-dev.json")
    assert json.loads(file.read_text())["Statement"][1]["Effect"] == "Deny"
    assert json.loads(stage.config_file.read_text())["stages"]["dev"]["api_gateway_policy_file"] == file.name
    stage.record({"ALLOWED_ADDRESSES": ""}, {})
    stage.set_api_policy(address_policy.write(stage))
    assert not file.exists()
    assert "api_gateway_policy_file" not in json.loads(stage.config_file.read_text())["stages"]["dev"]


def test_every_bucket_is_encrypted_with_the_key_where_there_is_one():
    """Read from the template: the local AWS's CloudFormation passes over a bucket's encryption."""
    resources = RESOURCES
    buckets = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::S3::Bucket"]
    assert len(buckets) == 3
    for bucket in buckets:
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"]["Fn::If"][:2] == ["UseKmsKey", True]
        by_default = rule["ServerSideEncryptionByDefault"]
        assert by_default["SSEAlgorithm"]["Fn::If"] == ["UseKmsKey", "aws:kms", "AES256"]
        assert by_default["KMSMasterKeyID"]["Fn::If"][:2] == ["UseKmsKey", {"Ref": "KmsKeyArn"}]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.xdist_group("locked")
def test_a_locked_stage_is_deployed_with_its_key_and_refuses_other_addresses(aws, tmp_path, photographs):
    key = KEY.replace("123456789012", "000000000000")  # the local AWS encrypts nothing: any will do
    locked = deploy(tmp_path, "locked", KMS_KEY_ARN=key, ALLOWED_ADDRESSES="192.0.2.0/24")
    for queue in ("SOURCE", "DESTINATION", "DEAD_LETTER"):
        found = locked.sqs.get_queue_attributes(
            QueueUrl=locked.settings[f"{queue}_QUEUE_URL"], AttributeNames=["All"]
        )
        assert found["Attributes"]["KmsMasterKeyId"] == key
    upload = locked.upload("locked.jpg", (photographs / "rocket.jpg").read_bytes())
    with only_our_ticks(locked):
        finish(locked, [upload])
    assert len(upload.thumbnails) == 2

    # The local AWS knows no source address: to the policy, every request comes from elsewhere.
    assert rest(locked, aws.url, "health", signed=False)[0] == 403
    (api,) = [one for one in boto3.client("apigateway").get_rest_apis()["items"] if "policy" in one]
    assert "192.0.2.0/24" in api["policy"]
    locked.stage.record({"ALLOWED_ADDRESSES": ""}, {})
    deploying.deploy(locked.stage, lambda step: None, tls_only=False)
    assert rest(locked, aws.url, "health", signed=False)[0] == 200
    assert rest(locked, aws.url, "status")[0] == 200
