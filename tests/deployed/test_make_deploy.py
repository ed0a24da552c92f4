"""make deploy and make destroy, for real on a local AWS: repeatable, also after a failure half-way."""

import boto3
import pytest

from chalicelib.config.stage import capacity_parameter
from dev import workspace
from infra.commands import verify
from infra.deploying import deploy as deploying
from infra.deploying import destroy as destroying
from infra.errors import CommandError
from tests.support.deployment import (
    deploy,
    finish,
    inventory,
    only_our_ticks,
    quiet,
    redeploy,
    remains,
    send,
    ticks_until,
    wait_for,
)

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("make_deploy")]


@pytest.fixture(scope="module")
def first(aws, tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("twice"), "twice")


def test_a_second_deploy_doubles_nothing_and_loses_no_message(first):
    before = inventory(first)
    assert (before["mappings"], before["rules"], before["targets"], before["notifications"]) == (2, 1, 1, 1)
    assert before["functions"] == [
        "s3-event-scheduler-twice",
        "s3-event-scheduler-twice-backfill",
        "s3-event-scheduler-twice-consume",
        "s3-event-scheduler-twice-drain",
        "s3-event-scheduler-twice-enqueue",
        "s3-event-scheduler-twice-letters",
    ]
    with only_our_ticks(first):
        send(first, "source", '{"Bucket": "any", "Key": "waits.jpg"}')
        redeploy(first)
        assert first.depth("source") == 1
        first.sqs.purge_queue(QueueUrl=first.settings["SOURCE_QUEUE_URL"])  # else it is tried for hours
    assert inventory(first) == before


def test_what_chalice_cannot_set_is_set(first):
    client = boto3.client("lambda")
    name = first.stage.function_name
    tick = client.get_function_event_invoke_config(FunctionName=name("drain"))
    assert (tick["MaximumRetryAttempts"], tick["MaximumEventAgeInSeconds"]) == (0, 60)
    upload = client.get_function_event_invoke_config(FunctionName=name("enqueue"))
    assert upload["DestinationConfig"]["OnFailure"]["Destination"].endswith(
        ":s3-event-scheduler-twice-dead-letter"
    )
    concurrency = client.get_function_concurrency(FunctionName=name("drain"))
    assert concurrency["ReservedConcurrentExecutions"] == 1


def logs_kept(pipeline):
    """For how many days, by the log group's name, for every group of the stage."""
    groups = boto3.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/lambda/{pipeline.stage.stack_name}"
    )
    return {one["logGroupName"]: one.get("retentionInDays") for one in groups["logGroups"]}


def test_every_functions_log_is_kept_for_thirty_days(first):
    found = logs_kept(first)
    assert {f"/aws/lambda/{function}" for function in inventory(first)["functions"]} <= set(found)
    assert set(found.values()) == {30}


def test_a_deploy_that_failed_half_way_is_mended_by_the_next(first, monkeypatch):
    """Chalice writes down what it made only at its very end: the worst moment is just before."""
    before = inventory(first)
    chalice = deploying.run_chalice

    def dies_before_it_writes(stage, *arguments):
        chalice(stage, *arguments)
        stage.deployed_file.unlink()
        raise CommandError("the machine went down")

    monkeypatch.setattr(deploying, "run_chalice", dies_before_it_writes)
    kept = deploying.deployed_key(first.stage)
    first.s3.delete_object(Bucket=first.settings["REPORTS_BUCKET"], Key=kept)
    with pytest.raises(CommandError, match="the machine went down"):
        redeploy(first)
    monkeypatch.undo()
    redeploy(first)
    assert inventory(first) == before


def test_another_machine_deploys_the_same_stage_and_doubles_nothing(first, tmp_path):
    before = inventory(first)
    elsewhere = workspace.make(tmp_path / "app", {"ACTION": "resize", "THUMBNAIL_SIZES": "64,256"}, "twice")
    deploying.deploy(elsewhere, quiet, tls_only=False)
    assert inventory(first) == before


def test_a_changed_setting_reaches_the_functions(first):
    first.stage.record({"CAPACITY": "77"}, {})
    redeploy(first)
    found = boto3.client("lambda").get_function_configuration(FunctionName=first.stage.function_name("drain"))
    assert found["Environment"]["Variables"]["CAPACITY"] == "77"


def test_more_shards_are_more_functions_each_once_at_a_time_and_fewer_take_them_away_again(first):
    before = inventory(first)
    first.stage.record({"DRAIN_SHARDS": "2"}, {})
    redeploy(first)
    after = inventory(first)
    assert set(after["functions"]) - set(before["functions"]) == {"s3-event-scheduler-twice-drain-1"}
    assert after["rules"] == 2
    client = boto3.client("lambda")
    for name in map(first.stage.function_name, ("drain", "drain-1")):
        assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 1
        assert client.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 0
        assert logs_kept(first)[f"/aws/lambda/{name}"] == 30
    first.stage.record({"DRAIN_SHARDS": "1"}, {})
    redeploy(first)
    assert inventory(first) == before


def test_a_bad_setting_stops_a_deploy_before_it_changes_anything(first):
    before = first.stage.config_file.read_text()
    first.stage.record({"ACTION": "rezise"}, {})
    with pytest.raises(CommandError, match=r"ACTION is 'rezise': expected .* or resize or start_execution"):
        redeploy(first)
    first.stage.config_file.write_text(before)


def test_destroy_stops_at_waiting_messages_keeps_full_buckets_unless_told_and_leaves_nothing_else(
    aws, tmp_path, photographs
):
    doomed = deploy(tmp_path, "doomed")
    upload = doomed.upload("keep me.jpg", (photographs / "rocket.jpg").read_bytes())
    finish(doomed, [upload])
    wait_for(lambda: not doomed.depth("destination"), "consumption")
    with only_our_ticks(doomed):
        send(doomed, "source", '{"Bucket": "any", "Key": "waits.jpg"}')
        with pytest.raises(CommandError, match="-doomed-source holds 1 messages"):
            destroying.destroy(doomed.stage, quiet)
        doomed.sqs.purge_queue(QueueUrl=doomed.settings["SOURCE_QUEUE_URL"])

    parameter = capacity_parameter("doomed")
    boto3.client("ssm").put_parameter(Name=parameter, Value="5", Type="String")
    asked = []
    kept = destroying.destroy(doomed.stage, quiet, ask=asked.append)  # which is no yes
    assert kept == [doomed.settings["IMAGES_BUCKET"], doomed.settings["THUMBNAILS_BUCKET"]]
    assert asked == [f"{bucket} holds objects. Delete them all, for good?" for bucket in kept]
    notifications = doomed.s3.get_bucket_notification_configuration(Bucket=kept[0])
    assert not [name for name in notifications if name.endswith("Configurations")]
    assert "SOURCE_QUEUE_URL" not in doomed.stage.environment()
    assert boto3.client("ssm").get_parameters(Names=[parameter])["Parameters"] == []
    cloudwatch, prefix = boto3.client("cloudwatch"), doomed.stage.stack_name
    assert cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=prefix)["DashboardEntries"] == []
    topics = [one["TopicArn"] for one in boto3.client("sns").list_topics()["Topics"]]
    assert not [topic for topic in topics if f":{prefix}-" in topic]
    assert doomed.s3.get_object(Bucket=kept[0], Key="keep me.jpg")["ContentLength"] > 0
    left = inventory(doomed)
    assert (left["functions"], left["rules"], left["mappings"]) == ([], 0, 0)
    assert not boto3.client("sqs").list_queues(QueueNamePrefix=doomed.stage.stack_name).get("QueueUrls")
    groups = boto3.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/lambda/{doomed.stage.stack_name}"
    )
    assert groups["logGroups"] == []

    again = deploy(tmp_path, "doomed")  # takes the kept buckets up again
    assert again.s3.get_object(Bucket=kept[0], Key="keep me.jpg")["ContentLength"] > 0
    assert destroying.destroy(again.stage, quiet, ask=lambda question: True) == []
    names = [bucket["Name"] for bucket in again.s3.list_buckets()["Buckets"]]
    assert not [name for name in names if "doomed" in name]
    assert destroying.destroy(again.stage, quiet) == []  # and may be repeated


def test_destroy_goes_on_where_somebody_has_deleted_parts_by_hand(aws, tmp_path):
    """Chalice stops at the first that it does not find, each time."""
    stage = deploy(tmp_path, "byhand").stage
    settings, (rule,) = stage.environment(), stage.rules()
    events, s3 = boto3.client("events"), boto3.client("s3")
    events.remove_targets(
        Rule=rule, Ids=[one["Id"] for one in events.list_targets_by_rule(Rule=rule)["Targets"]]
    )
    events.delete_rule(Name=rule)
    boto3.client("lambda").delete_function(FunctionName=stage.function_name("letters"))
    s3.delete_object(Bucket=settings["REPORTS_BUCKET"], Key=deploying.deployed_key(stage))
    for name in ("IMAGES_BUCKET", "REPORTS_BUCKET"):
        s3.delete_bucket(Bucket=settings[name])
    told = []
    assert destroying.destroy(stage, told.append) == []
    assert len([line for line in told if "going on by the stage's own names" in line]) == 1
    assert remains(stage) == 0


def test_eventbridge_may_tell_enqueue_by_patterns_and_the_change_doubles_nothing(first, photographs):
    before, contents = inventory(first), (photographs / "rocket.jpg").read_bytes()
    first.stage.record({"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "told/*.jpg,also*told.jpg"}, {})
    redeploy(first)
    bucket = first.settings["IMAGES_BUCKET"]
    try:
        found = first.s3.get_bucket_notification_configuration(Bucket=bucket)
        assert "EventBridgeConfiguration" in found
        assert not found.get("LambdaFunctionConfigurations")
        after = inventory(first)
        assert (after["rules"], after["targets"], after["notifications"]) == (2, 2, 0)
        rows = verify.look(verify.of(first.stage, first.stage.account()))
        assert [row for row in rows if row.state == "wrong"] == []
        redeploy(first)  # and again: nothing changes
        assert inventory(first) == after
        with only_our_ticks(first):
            first.upload("not told.jpg", contents)
            uploads = [first.upload(key, contents) for key in ("told/a b+.jpg", "also/told.jpg")]
            finish(first, uploads)
            ticks_until(first, lambda: not first.waiting() and not first.depth("destination"), "all to end")
            assert first.thumbnails_of("not told.jpg") == {}
    finally:
        first.stage.record({"S3_NOTIFIES": "lambda", "IMAGES_PATTERNS": ""}, {})
        redeploy(first)
    # Chalice leaves the function the permission of the rule that is gone: nobody can use it.
    assert {**inventory(first), "may call them": before["may call them"]} == before
    assert "EventBridgeConfiguration" not in first.s3.get_bucket_notification_configuration(Bucket=bucket)


def test_s3_may_notify_the_source_queue_itself_and_the_change_doubles_nothing(first, photographs):
    """No function between: drain reads S3's own message."""
    contents = (photographs / "rocket.jpg").read_bytes()
    first.stage.record({"S3_NOTIFIES": "queue"}, {})
    redeploy(first)
    bucket = first.settings["IMAGES_BUCKET"]
    try:
        found = first.s3.get_bucket_notification_configuration(Bucket=bucket)
        assert not found.get("LambdaFunctionConfigurations")
        assert len(found["QueueConfigurations"]) == 1
        rows = verify.look(verify.of(first.stage, first.stage.account()))
        assert [row for row in rows if row.state == "wrong"] == []
        redeploy(first)  # and again: nothing changes
        assert (
            first.s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
            == (found["QueueConfigurations"])
        )
        upload = first.upload("straight to the queue +.jpg", contents)
        finish(first, [upload])
        assert len(upload.thumbnails) == 2
    finally:
        first.stage.record({"S3_NOTIFIES": "lambda"}, {})
        redeploy(first)
    found = first.s3.get_bucket_notification_configuration(Bucket=bucket)
    assert not found.get("QueueConfigurations")
    assert len(found["LambdaFunctionConfigurations"]) == 1
    upload = first.upload("through enqueue again.jpg", contents)
    finish(first, [upload])
    assert len(upload.thumbnails) == 2


def test_from_the_queue_to_eventbridge_and_back_there_is_one_who_is_told(first, photographs):
    contents = (photographs / "rocket.jpg").read_bytes()
    before, bucket = inventory(first), first.settings["IMAGES_BUCKET"]
    try:
        for number, (way, told) in enumerate(
            (
                ("queue", "QueueConfigurations"),
                ("eventbridge", "EventBridgeConfiguration"),
                ("queue", "QueueConfigurations"),
            )
        ):
            first.stage.record({"S3_NOTIFIES": way}, {})
            redeploy(first)
            found = first.s3.get_bucket_notification_configuration(Bucket=bucket)
            assert [name for name in found if name != "ResponseMetadata"] == [told]
            assert inventory(first)["rules"] == (2 if way == "eventbridge" else 1)
            upload = first.upload(f"turn {number}.jpg", contents)
            finish(first, [upload])
            assert len(upload.thumbnails) == 2
    finally:
        first.stage.record({"S3_NOTIFIES": "lambda"}, {})
        redeploy(first)
    assert {**inventory(first), "may call them": before["may call them"]} == before
