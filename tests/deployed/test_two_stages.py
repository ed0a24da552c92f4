"""Two stages side by side in one account, their names alike: neither notices the other."""

from __future__ import annotations

import boto3
import pytest

from chalicelib.config import override
from chalicelib.config.stage import capacity_parameter
from infra.deploying import destroy as destroying
from tests.support.deployment import deploy, finish, only_our_ticks, remains, rest, wait_for

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long]


def keys(pipeline, bucket):
    found = pipeline.s3.list_objects_v2(Bucket=pipeline.settings[bucket]).get("Contents", [])
    return {one["Key"] for one in found}


def alarms(pipeline):
    prefix = f"{pipeline.stage.stack_name}-"
    names = [
        alarm["AlarmName"]
        for page in boto3.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=prefix)
        for alarm in page["MetricAlarms"]
    ]
    return [name for name in names if not name.startswith(f"{prefix}2-")]


def names(pipeline):
    """Its settings that name something."""
    return {value for value in pipeline.settings.values() if pipeline.stage.name in value}


def steered(pipeline):
    """The capacity and the pause that are set at run time; None where nobody has."""
    name = capacity_parameter(pipeline.stage.name)
    found = boto3.client("ssm").get_parameters(Names=[name])["Parameters"]
    said = override.read(found[0]["Value"]) if found else None
    return said and (said.capacity, said.paused)


@pytest.fixture
def blue(aws, tmp_path):
    return deploy(tmp_path / "blue", "blue")


@pytest.fixture
def blue2(aws, tmp_path):
    return deploy(tmp_path / "blue-2", "blue-2")


def test_two_stages_do_their_own_work_and_one_goes_without_the_other(blue, blue2, aws, photographs):
    assert not names(blue) & names(blue2)
    contents = (photographs / "rocket.jpg").read_bytes()
    with only_our_ticks(blue), only_our_ticks(blue2):
        ours, theirs = blue.upload("blue.jpg", contents), blue2.upload("blue 2.jpg", contents)
        for stage in (blue, blue2):
            wait_for(lambda stage=stage: stage.waiting() == 1, "each stage's own event")
        finish(blue, [ours])
        assert blue2.depth("source") == 1, "a tick of one stage moves nothing of the other"
        finish(blue2, [theirs])
        assert keys(blue, "THUMBNAILS_BUCKET") == set(ours.thumbnails)
        assert keys(blue2, "THUMBNAILS_BUCKET") == set(theirs.thumbnails)

    assert rest(blue, aws.url, "capacity", {"capacity": 5}, method="PUT")[0] == 200
    assert rest(blue, aws.url, "schedule/pause", {})[0] == 200
    assert steered(blue) == (5, True)
    assert steered(blue2) is None

    before, of_blue2 = remains(blue2.stage), alarms(blue2)
    assert len(alarms(blue)) == len(of_blue2) > 10
    assert destroying.destroy(blue.stage, lambda step: None, force=True) == []
    assert remains(blue.stage) == 0
    assert alarms(blue) == []
    assert (remains(blue2.stage), alarms(blue2)) == (before, of_blue2)
    with only_our_ticks(blue2):
        later = blue2.upload("alone.jpg", contents)
        finish(blue2, [later])
    assert len(later.thumbnails) == 2
    destroying.destroy(blue2.stage, lambda step: None, force=True)
