"""The app as `make deploy` puts it, on a local AWS that enforces the generated IAM policies."""

import io
import json
import time

import boto3
import pytest
from PIL import Image

from infra.commands import plan as planning
from tests.support.deployment import (
    deploy,
    environment,
    finish,
    mappings,
    nobody_consumes,
    only_our_ticks,
    rest,
    send,
    wait_for,
)

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed")]


def test_real_images_of_every_format_become_thumbnails_and_the_bad_one_a_dead_letter(deployed, photographs):
    uploads = []
    for file in sorted(photographs.iterdir()):
        if file.suffix:
            uploads.append(deployed.upload(f"album 1/{file.name}", file.read_bytes()))
            time.sleep(0.2)  # the local AWS starts a process for each event it cannot queue
    finish(deployed, uploads)
    rejected = {upload.key: upload.rejected for upload in uploads if upload.rejected}
    assert list(rejected) == ["album 1/not an image.jpg"]
    assert "formats taken" in rejected["album 1/not an image.jpg"]
    good = [upload for upload in uploads if not upload.rejected]
    assert len(good) == 8
    for upload in good:
        sizes = [Image.open(io.BytesIO(contents)).size for contents in upload.thumbnails.values()]
        assert [max(size) for size in sizes] == [64, 256], upload.key
        width, height = sizes[1]
        assert width >= height, f"{upload.key} lies on its side"


def test_the_schedule_ticks_by_itself_every_minute(deployed, photographs):
    upload = deployed.upload("by itself.jpg", (photographs / "rocket.jpg").read_bytes())

    def settled():
        deployed.settle([upload])
        return upload.ended

    wait_for(settled, "the tick of the one-minute rule")
    assert len(upload.thumbnails) == 2


@pytest.mark.parametrize(("waiting", "forwarded", "stopped"), [(100, 25, "capacity"), (7, 7, "empty")])
def test_a_tick_forwards_exactly_capacity_or_all_there_is(deployed, waiting, forwarded, stopped):
    def one_tick():
        """Messages sent, one tick, its result; None when the schedule's own tick came between."""
        for queue in ("SOURCE_QUEUE_URL", "DESTINATION_QUEUE_URL"):
            deployed.sqs.purge_queue(QueueUrl=deployed.settings[queue])
        bodies = [json.dumps({"Bucket": "nobodys-bucket", "Key": f"{i}.jpg"}) for i in range(waiting)]
        send(deployed, "source", *bodies)
        result = deployed.tick()
        return result if deployed.depth("destination") == result["forwarded"] else None

    # A scheduled tick that was held back by ours runs a minute later, rule or no rule.
    with only_our_ticks(deployed), nobody_consumes(deployed), environment(deployed, "drain", CAPACITY="25"):
        result = one_tick() or one_tick() or one_tick()
        assert (result["forwarded"], result["stopped"]) == (forwarded, stopped)
        assert deployed.depth("source") == waiting - forwarded
        assert deployed.depth("destination") == forwarded
        for queue in ("SOURCE_QUEUE_URL", "DESTINATION_QUEUE_URL"):
            deployed.sqs.purge_queue(QueueUrl=deployed.settings[queue])


def test_a_poison_body_among_good_ones_costs_only_itself(deployed, photographs):
    uploads = []
    with only_our_ticks(deployed):
        send(deployed, "source", "Hello from SQS!")
        for i in range(3):
            uploads.append(
                deployed.upload(f"beside poison {i}.jpg", (photographs / "rocket.jpg").read_bytes())
            )
            time.sleep(0.2)
        finish(deployed, uploads)
    assert all(len(upload.thumbnails) == 2 for upload in uploads)
    wait_for(lambda: "not JSON" in deployed.dead_letters().get("Hello from SQS!", ""), "the dead letter")


def test_consume_waits_a_second_for_what_is_due_evenly_to_fill_a_batch(deployed):
    (mapping,) = mappings(deployed)
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (10, 1)


def test_a_second_event_of_the_same_contents_makes_no_thumbnail_again(deployed, photographs):
    """As a backfill's: only an upload's own first delivery is taken to be new."""

    def made_at(upload):
        (last,) = list(upload.thumbnails)[-1:]
        bucket = deployed.settings["THUMBNAILS_BUCKET"]
        return deployed.s3.head_object(Bucket=bucket, Key=last)["Metadata"]["made-at"]

    contents = (photographs / "rocket.jpg").read_bytes()
    with only_our_ticks(deployed):
        first = deployed.upload("twice.jpg", contents)
        finish(deployed, [first])
        before = made_at(first)
        event = {"Bucket": deployed.settings["IMAGES_BUCKET"], "Key": "twice.jpg"}
        send(deployed, "source", json.dumps(event))
        assert deployed.tick()["forwarded"] == 1
        wait_for(lambda: not deployed.depth("destination"), "its consumption")
    assert made_at(first) == before


def test_the_log_action_writes_one_line_for_each_event(deployed):
    keys = {f"to be logged {i}.txt" for i in range(5)}
    with environment(deployed, "consume", ACTION="log"):
        send(deployed, "destination", *(json.dumps({"Bucket": "any", "Key": key}) for key in sorted(keys)))
        wait_for(lambda: keys <= deployed.logged().keys(), "five lines")


def test_the_start_execution_action_starts_one_execution_an_event_even_for_a_duplicate(
    aws, tmp_path, photographs
):
    """A second stage of its own, beside the first one in the same account."""
    states = boto3.client("stepfunctions")
    role = boto3.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    machine = states.create_state_machine(
        name="downstream",
        roleArn=role,
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
    )["stateMachineArn"]
    steps = deploy(tmp_path, "steps", ACTION="start_execution", STATE_MACHINE_ARN=machine)
    with only_our_ticks(steps):
        steps.upload("order 1.jpg", (photographs / "rocket.jpg").read_bytes())
        wait_for(steps.waiting, "the event")
        (event,) = steps.sqs.receive_message(
            QueueUrl=steps.settings["SOURCE_QUEUE_URL"], VisibilityTimeout=0
        )["Messages"]
        send(steps, "source", event["Body"], event["Body"])  # SQS may deliver twice
        assert steps.tick()["forwarded"] == 3

        def executions():
            return states.list_executions(stateMachineArn=machine)["executions"]

        wait_for(lambda: executions() and not steps.depth("destination"), "the execution")
    (execution,) = executions()
    assert execution["name"].startswith("order-1-jpg-")

    def found():
        return states.describe_execution(executionArn=execution["executionArn"])

    assert json.loads(found()["input"])["Key"] == "order 1.jpg"
    wait_for(lambda: found()["status"] == "SUCCEEDED", "the execution to succeed")
    assert not steps.dead_letters()


def test_the_rest_api_answers_only_signed_requests_but_for_health(deployed, aws):
    assert rest(deployed, aws.url, "health", signed=False) == (200, {"status": "ok"})
    for path, body in [("status", None), ("jobs", None), ("jobs", {"kind": "backfill"})]:
        assert rest(deployed, aws.url, path, body, signed=False)[0] == 403
    status, answer = rest(deployed, aws.url, "status")
    assert (status, answer["version"]) == (200, 1)


def test_the_deployed_plan_knows_the_functions_memory_and_is_the_one_that_make_plan_gives(deployed, aws):
    client = boto3.client("lambda")
    memory = [
        client.get_function_configuration(FunctionName=deployed.stage.function_name(function))["MemorySize"]
        for function in ("enqueue", "drain", "consume")
    ]
    asked = {"objects": "1e6", "per": "2h", "size": "2MB"}
    told = rest(deployed, aws.url, "plan?objects=1e6&per=2h&size=2MB")
    assert told == (200, planning.answer(asked, deployed.stage, None))
    assert [told[1]["given"][f"{name}_mb"] for name in ("enqueue", "drain", "consume")] == memory
    assert deployed.settings["FUNCTION_MEMORY_MB"] == ",".join(map(str, memory))


def test_an_object_that_is_gone_is_a_try_that_failed_as_aws_answers_this_role(deployed):
    """Consume may not list the bucket: of what is not there S3 says AccessDenied, as of a missing permission."""
    bulk = deployed.settings["BULK_QUEUE_URL"]
    body = json.dumps({"Bucket": deployed.settings["IMAGES_BUCKET"], "Key": "gone.jpg"})
    lane = {"Lane": {"DataType": "String", "StringValue": "bulk"}}  # whose wait no other test disturbs

    def waiting():
        names = ["ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessages"]
        found = deployed.sqs.get_queue_attributes(QueueUrl=bulk, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())

    with only_our_ticks(deployed):
        deployed.sqs.send_message(
            QueueUrl=deployed.settings["DESTINATION_QUEUE_URL"], MessageBody=body, MessageAttributes=lane
        )
        wait_for(lambda: waiting() == 1, "the object's event in the bulk lane once more")
        carried = {}

        def received():
            for message in deployed.sqs.receive_message(QueueUrl=bulk, MessageAttributeNames=["All"]).get(
                "Messages", []
            ):
                carried.update(message["MessageAttributes"])
                deployed.sqs.delete_message(QueueUrl=bulk, ReceiptHandle=message["ReceiptHandle"])
            return carried

        wait_for(received, "its delay to end")
    assert carried["Tries"]["StringValue"] == "1"
    assert "AccessDenied" in carried["LastReason"]["StringValue"]


def test_a_burst_is_spread_over_the_minute_by_the_deployed_drain(aws, tmp_path):
    """With the spread as it is deployed: what is not due yet is delayed in the destination."""
    pipeline = deploy(tmp_path, "spread", ACTION="log", SPREAD="on", CAPACITY="60")
    with only_our_ticks(pipeline), nobody_consumes(pipeline):
        send(pipeline, "source", *(json.dumps({"Bucket": "b", "Key": f"{i}.jpg"}) for i in range(30)))
        result = pipeline.tick()
        assert 15 <= result["forwarded"] <= 30  # a tick by hand may be late in its minute
        names = ["ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessages"]
        url = pipeline.settings["DESTINATION_QUEUE_URL"]
        found = pipeline.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        delayed, visible = (int(found[name]) for name in names)
        assert delayed >= 10
        assert delayed + visible == result["forwarded"]
