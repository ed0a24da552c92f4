"""Pause, capacity and back-pressure on a deployed stage of two shards, through its API."""

from __future__ import annotations

import json

import boto3
import pytest

from dev.pipeline import SCHEDULED_EVENT
from infra.deploying import deploy as deploying
from tests.support.deployment import deploy, invoke, nobody_consumes, only_our_ticks, rest, send

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("control")]


class Steered:
    """A deployed stage and its API."""

    def __init__(self, pipeline, aws_url):
        self.pipeline, self.aws_url = pipeline, aws_url

    def ask(self, path, body=None, method=""):
        status, answer = rest(self.pipeline, self.aws_url, path, body, method=method)
        assert status == 200, answer
        return answer


@pytest.fixture(scope="module")
def steered(aws, tmp_path_factory):
    """Ticked by hand, and all at once: what is due when is not this file's."""
    pipeline = deploy(tmp_path_factory.mktemp("steered"), "steered", DRAIN_SHARDS="2", SPREAD="off")
    # Nobody consumes, so nothing of one test comes back to the source queue in the next.
    with only_our_ticks(pipeline), nobody_consumes(pipeline):
        yield Steered(pipeline, aws.url)


@pytest.fixture(autouse=True)
def _empty(steered):
    for queue in ("SOURCE", "DESTINATION", "DEAD_LETTER"):
        steered.pipeline.sqs.purge_queue(QueueUrl=steered.pipeline.settings[f"{queue}_QUEUE_URL"])


def bodies(count, name):
    return [json.dumps({"Bucket": "nobodys", "Key": f"{name}-{i}"}) for i in range(count)]


def ticks(pipeline):
    """Both shards' ticks, run by hand."""
    found = []
    for shard in ("drain", "drain-1"):
        result, failed = invoke(pipeline, shard, SCHEDULED_EVENT)
        assert not failed, result
        found.append(result)
    return found


def test_a_capacity_holds_from_the_very_next_tick_exactly_and_null_takes_it_back(steered):
    send(steered.pipeline, "source", *bodies(40, "capacity"))
    answer = steered.ask("capacity", {"capacity": 7}, "PUT")
    assert (answer["capacity"], answer["capacity_deployed"], answer["capacity_set"]) == (7, 1000, 7)
    assert answer["who"].startswith("arn:aws:")
    results = ticks(steered.pipeline)
    assert [one["forwarded"] for one in results] == [4, 3]
    assert [one["capacity"] for one in results] == [4, 3]
    assert {one["stopped"] for one in results} == {"capacity"}
    assert steered.pipeline.depth("source") == 33
    steered.ask("capacity", {"capacity": None}, "PUT")
    assert sum(one["forwarded"] for one in ticks(steered.pipeline)) == 33


def test_a_value_by_hand_that_is_no_capacity_fails_the_tick_and_moves_nothing(steered):
    name = "/s3-event-scheduler/steered/capacity"
    boto3.client("ssm").put_parameter(Name=name, Value="many", Type="String", Overwrite=True)
    try:
        send(steered.pipeline, "source", *bodies(1, "by hand"))
        answer, failed = invoke(steered.pipeline, "drain", SCHEDULED_EVENT)
        assert failed
        assert f"the capacity {name} is 'many'" in answer["errorMessage"]
        assert steered.pipeline.depth("source") == 1
    finally:
        steered.ask("capacity", {"capacity": None}, "PUT")
    assert sum(one["forwarded"] for one in ticks(steered.pipeline)) == 1


def test_back_pressure_keeps_the_destination_under_its_limit(steered):
    pipeline = steered.pipeline
    client = boto3.client("lambda")
    names = [pipeline.stage.function_name(shard) for shard in ("drain", "drain-1")]
    before = client.get_function_configuration(FunctionName=names[0])["Environment"]["Variables"]
    limited = {**before, "MAX_IN_DESTINATION": "15"}
    try:
        for name in names:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": limited})
        send(pipeline, "source", *bodies(40, "pressed"))
        for _ in range(3):
            results = ticks(pipeline)
            assert pipeline.depth("destination") <= 15
        assert pipeline.depth("destination") >= 14  # each shard leaves half of an odd room
        assert {one["stopped"] for one in results} == {"back_pressure"}
        assert pipeline.depth("source") == 40 - pipeline.depth("destination")
        pipeline.sqs.purge_queue(QueueUrl=pipeline.settings["DESTINATION_QUEUE_URL"])
        assert sum(one["forwarded"] for one in ticks(pipeline)) >= 11  # as room comes back
    finally:
        for name in names:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_pause_stops_every_shard_a_deploy_keeps_it_and_resume_ends_it(steered):
    assert steered.ask("schedule/pause", {}) == {"paused": True}
    send(steered.pipeline, "source", *bodies(1, "paused"))
    assert {one["stopped"] for one in ticks(steered.pipeline)} == {"paused"}
    deploying.deploy(steered.pipeline.stage, print, tls_only=False)
    with only_our_ticks(steered.pipeline):
        assert {one["stopped"] for one in ticks(steered.pipeline)} == {"paused"}
        assert steered.pipeline.depth("source") == 1
        assert steered.ask("schedule/resume", {}) == {"paused": False}
        assert sum(one["forwarded"] for one in ticks(steered.pipeline)) == 1
