"""Other partitions than `aws`: names, endpoints and policies follow from the region, by botocore."""

from __future__ import annotations

import json

import pytest

from chalicelib.aws.lean.connect import AwsEnvironment, async_sqs, async_ssm
from dev import workspace
from infra import partitions
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.permissions import policies
from infra.stage import Account

pytestmark = pytest.mark.slow

REGIONS = {
    "eu-central-1": ("aws", "amazonaws.com"),
    "cn-north-1": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-west-1": ("aws-us-gov", "amazonaws.com"),
    "eusc-de-east-1": ("aws-eusc", "amazonaws.eu"),
    "us-iso-east-1": ("aws-iso", "c2s.ic.gov"),
    "us-isob-east-1": ("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-west-1": ("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-south-1": ("aws-iso-f", "csp.hci.ic.gov"),
}


@pytest.fixture(params=REGIONS)
def region(request):
    return request.param


@pytest.fixture
def stage(tmp_path, region):
    """Recorded as a deploy there would."""
    partition, _ = REGIONS[region]
    stage = workspace.make(tmp_path / "app", {}, "dev")
    account = Account("123456789012", region, partition)
    role = f"arn:{partition}:iam::123456789012:role/jobs"
    deploying.record(stage, {**deploying.expected_settings(stage, account), "JOBS_ROLE_ARN": role}, account)
    return stage


def test_a_stage_knows_its_partition_and_every_arn_of_its_policies_has_it(stage, region):
    partition, _ = REGIONS[region]
    assert stage.account() == Account("123456789012", region, partition)
    for document in policies.documents(stage, stage.account()).values():
        arns = [arn for one in document["Statement"] for arn in one["Resource"] if arn != "*"]
        assert {arn.split(":")[1] for arn in arns} == {partition}
    deploying.check_settings(stage, stage.environment(), stage.account())


def test_outside_aws_itself_the_api_has_a_regional_endpoint_unless_people_say_otherwise(stage, region):
    settings = json.loads(stage.config_file.read_text())["stages"]["dev"]
    wanted = None if REGIONS[region][0] == "aws" else "REGIONAL"
    assert settings.get("api_gateway_endpoint_type") == wanted
    stage.set_regional_endpoints()
    stage.set_regional_endpoints()
    assert (
        json.loads(stage.config_file.read_text())["stages"]["dev"]["api_gateway_endpoint_type"] == "REGIONAL"
    )


def test_the_lean_clients_go_to_the_partitions_own_endpoints(stage, region):
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    url, (_, domain) = stage.environment()["SOURCE_QUEUE_URL"], REGIONS[region]
    environment = AwsEnvironment.from_env(keys)
    for connect, service in ((async_sqs, "sqs"), (async_ssm, "ssm")):
        signer = connect(url, environment)._signer
        assert (signer._host, signer._region) == (f"{service}.{region}.{domain}", region)


def test_a_region_that_this_botocore_does_not_know_is_one_line():
    with pytest.raises(CommandError, match="mars-north-1 is no region that this botocore knows"):
        partitions.partition_of("mars-north-1")
