"""What each function's role may not do: the neighbour's queues and buckets, and what no function needs.

Every call is made twice: as the function, which is refused, and as the account's owner, who is not. So none
is refused for being wrong.
"""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import policies

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed")]

ROLES = (*policies.GRANTS, "jobs-us-east-1")  # the functions', and what S3 Batch Operations works as
REFUSALS = ("AccessDenied", "AccessDeniedException", "AccessDeniedError")
NEIGHBOUR = "s3-event-scheduler-next"  # another stage's names, alike as stages are


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


# Each leaves the deployed stage as it is when the owner does it.
CALLS = {
    "the neighbour's queue: send": lambda c, p: c("sqs").send_message(
        QueueUrl=p["their_queue"], MessageBody="x"
    ),
    "the neighbour's queue: receive": lambda c, p: c("sqs").receive_message(QueueUrl=p["their_queue"]),
    "the neighbour's queue: attributes": lambda c, p: c("sqs").get_queue_attributes(
        QueueUrl=p["their_queue"], AttributeNames=["All"]
    ),
    "the neighbour's queue: delete a message": lambda c, p: c("sqs").delete_message(
        QueueUrl=p["their_queue"], ReceiptHandle="none"
    ),
    "the neighbour's queue: change a message": lambda c, p: c("sqs").change_message_visibility(
        QueueUrl=p["their_queue"], ReceiptHandle="none", VisibilityTimeout=0
    ),
    "the neighbour's queue: purge": lambda c, p: c("sqs").purge_queue(QueueUrl=p["their_queue"]),
    "the neighbour's bucket: get": lambda c, p: c("s3").get_object(
        Bucket=p["their_bucket"], Key="theirs.jpg"
    ),
    "the neighbour's bucket: put": lambda c, p: c("s3").put_object(
        Bucket=p["their_bucket"], Key="theirs.jpg", Body=b"theirs"
    ),
    "the neighbour's bucket: list": lambda c, p: c("s3").list_objects_v2(Bucket=p["their_bucket"]),
    "the neighbour's bucket: tags": lambda c, p: c("s3").put_object_tagging(
        Bucket=p["their_bucket"], Key="theirs.jpg", Tagging={"TagSet": []}
    ),
    "the neighbour's bucket: delete": lambda c, p: c("s3").delete_object(
        Bucket=p["their_bucket"], Key="nothing.jpg"
    ),
    "the neighbour's capacity": lambda c, p: c("ssm").get_parameter(Name=f"/{NEIGHBOUR}/capacity"),
    "the neighbour's capacity: set": lambda c, p: c("ssm").put_parameter(
        Name=f"/{NEIGHBOUR}/capacity", Value="1", Overwrite=True
    ),
    "the neighbour's schedule": lambda c, p: c("events").disable_rule(Name=f"{NEIGHBOUR}-drain-event"),
    "our bucket: delete an object": lambda c, p: c("s3").delete_object(
        Bucket=p["our_bucket"], Key="nothing.jpg"
    ),
    "our bucket: change its policy": lambda c, p: c("s3").put_bucket_versioning(
        Bucket=p["our_bucket"], VersioningConfiguration={"Status": "Suspended"}
    ),
    "our queue: change it": lambda c, p: c("sqs").set_queue_attributes(
        QueueUrl=p["our_queue"], Attributes={"ReceiveMessageWaitTimeSeconds": "0"}
    ),
    "list the buckets": lambda c, p: c("s3").list_buckets(),
    "list the queues": lambda c, p: c("sqs").list_queues(),
    "list the functions": lambda c, p: c("lambda").list_functions(),
    "IAM: list roles": lambda c, p: c("iam").list_roles(),
    "IAM: read its own policy": lambda c, p: c("iam").list_role_policies(RoleName=p["role"]),
    "IAM: make a user": lambda c, p: c("iam").create_user(UserName="mallory"),
    "IAM: give itself more": lambda c, p: c("iam").put_role_policy(
        RoleName=p["role"],
        PolicyName="nothing",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    ),
    "Lambda: run a function": lambda c, p: c("lambda").invoke(
        FunctionName=p["function"], InvocationType="DryRun"
    ),
    "Lambda: read a function": lambda c, p: c("lambda").get_function(FunctionName=p["function"]),
    "Lambda: change a function": lambda c, p: c("lambda").update_function_configuration(
        FunctionName=p["function"], Description="consume"
    ),
    "logs: delete": lambda c, p: c("logs").delete_log_group(logGroupName=f"/aws/lambda/{NEIGHBOUR}-consume"),
}


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
    assert own(consume, "send_message", QueueUrl=source, MessageBody="x")
    assert own(consume, "send_message", QueueUrl=destination, MessageBody="x")
    assert own(drain, "receive_message", QueueUrl=destination)
    for client in (enqueue, drain):
        for bucket in (settings["IMAGES_BUCKET"], settings["THUMBNAILS_BUCKET"]):
            get = {"Bucket": bucket, "Key": "unrelated.txt"}
            assert refused(lambda c, p, get=get: c("s3").get_object(**get), client, places)
    put = {"Bucket": settings["IMAGES_BUCKET"], "Key": "unrelated.txt", "Body": b"changed"}
    assert refused(lambda c, p: c("s3").put_object(**put), consume, places)


def test_a_function_may_still_do_its_own(deployed, places):
    """The credentials are good ones: what is refused above is refused for its policy."""
    client = client_of(deployed, "api_handler")
    assert client("sqs").get_queue_attributes(QueueUrl=places["our_queue"], AttributeNames=["All"])
