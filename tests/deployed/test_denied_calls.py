"""What each function's role may not do: the neighbour's queues and buckets, and what no function needs.

Every call is made twice: as the function, which is refused, and as the account's owner, who is not. So none
is refused for being wrong.
"""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.permissions import policies
from tests.support.denied import CALLS, NEIGHBOUR

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed")]

ROLES = (*policies.GRANTS, "jobs-us-east-1")  # the functions', and what S3 Batch Operations works as
REFUSALS = ("AccessDenied", "AccessDeniedException", "AccessDeniedError")


@pytest.fixture(scope="module")
def places(deployed):
    """The neighbour's queue, bucket, parameter and log group, and our own stage's names."""
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    bucket = "s3-events-next-images-000000000000-us-east-1"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="theirs.jpg", Body=b"theirs")
    boto3.client("ssm").put_parameter(Name=f"/{NEIGHBOUR}/capacity", Value="1", Type="String")
    boto3.client("logs").create_log_group(logGroupName=f"/aws/lambda/{NEIGHBOUR}-consume")
    boto3.client("events").put_rule(Name=f"{NEIGHBOUR}-drain-event", ScheduleExpression="rate(1 minute)")
    images = deployed.settings["IMAGES_BUCKET"]
    s3.put_object(Bucket=images, Key="unrelated.txt", Body=b"ours")
    found = {
        "their_bucket": bucket,
        "their_queue": sqs.create_queue(QueueName=f"{NEIGHBOUR}-source")["QueueUrl"],
        "our_bucket": images,
        "our_queue": deployed.settings["SOURCE_QUEUE_URL"],
        "function": deployed.stage.function_name("consume"),
        "role": f"{deployed.stage.stack_name}-consume",
    }
    yield found
    boto3.client("events").delete_rule(Name=f"{NEIGHBOUR}-drain-event")
    sqs.delete_queue(QueueUrl=found["their_queue"])
    s3.delete_object(Bucket=bucket, Key="theirs.jpg")
    s3.delete_bucket(Bucket=bucket)


def client_of(pipeline, role):
    """Clients with the credentials that AWS gives the function, or the job."""
    arn = f"arn:aws:iam::000000000000:role/{pipeline.stage.stack_name}-{role}"
    given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="refused")["Credentials"]
    session = boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    return session.client


def refused(call, client, places):
    try:
        call(client, places)
    except ClientError as e:
        return e.response["Error"]["Code"] in REFUSALS
    return False


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_refused_what_it_has_no_business_with(deployed, places, role):
    client = client_of(deployed, role)
    allowed = [what for what, call in CALLS.items() if not refused(call, client, places)]
    assert allowed == []


def test_none_of_these_calls_is_refused_to_the_owner(places):
    denied = [what for what, call in CALLS.items() if refused(call, boto3.client, places)]
    boto3.client("iam").delete_user(UserName="mallory")
    assert denied == []


def test_nor_may_a_function_do_on_its_own_stage_what_another_function_does(deployed, places):
    """A taken-over consume can forward nothing; a taken-over enqueue can read nothing."""
    settings = deployed.settings

    def own(client, call, **arguments):
        return refused(lambda c, p: getattr(c("sqs"), call)(**arguments), client, places)

    enqueue, drain, consume = (client_of(deployed, name) for name in ("enqueue", "drain", "consume"))
    source, destination = settings["SOURCE_QUEUE_URL"], settings["DESTINATION_QUEUE_URL"]
    assert own(enqueue, "receive_message", QueueUrl=source)
    assert own(enqueue, "send_message", QueueUrl=destination, MessageBody="x")
    assert own(consume, "send_message", QueueUrl=destination, MessageBody="x")
    assert own(drain, "receive_message", QueueUrl=destination)
    for client in (enqueue, drain):
        for bucket in (settings["IMAGES_BUCKET"], settings["THUMBNAILS_BUCKET"]):
            get = {"Bucket": bucket, "Key": "unrelated.txt"}
            assert refused(lambda c, p, get=get: c("s3").get_object(**get), client, places)
    put = {"Bucket": settings["IMAGES_BUCKET"], "Key": "unrelated.txt", "Body": b"changed"}
    assert refused(lambda c, p: c("s3").put_object(**put), consume, places)
    letters, api = client_of(deployed, "letters"), client_of(deployed, "api_handler")
    for key in ("deployed/local.json", "jobs/report.csv"):  # what else lies in the reports bucket
        other = {"Bucket": settings["REPORTS_BUCKET"], "Key": key}
        assert refused(lambda c, p, other=other: c("s3").get_object(**other), letters, places)
        assert refused(lambda c, p, other=other: c("s3").delete_object(**other), letters, places)
    filed = {"Bucket": settings["REPORTS_BUCKET"], "Key": "letters/gone/one"}
    assert refused(lambda c, p: c("s3").delete_object(**filed), api, places)
    assert own(api, "receive_message", QueueUrl=settings["DEAD_LETTER_QUEUE_URL"])
    assert own(api, "send_message", QueueUrl=source, MessageBody="x")
    assert own(letters, "send_message", QueueUrl=destination, MessageBody="x")


def test_a_function_may_still_do_its_own(deployed, places):
    """The credentials are good ones: what is refused above is refused for its policy."""
    client = client_of(deployed, "api_handler")
    assert client("sqs").get_queue_attributes(QueueUrl=places["our_queue"], AttributeNames=["All"])
