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

FUNCTIONS = tuple(policies.GRANTS)
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
    "Lambda: call a function": lambda c, p: c("lambda").get_function(FunctionName=p["function"]),
    "Lambda: change a function": lambda c, p: c("lambda").update_function_configuration(
        FunctionName=p["function"], Description="consume"
    ),
    "logs: delete": lambda c, p: c("logs").delete_log_group(logGroupName=f"/aws/lambda/{NEIGHBOUR}-consume"),
}


def client_of(pipeline, function):
    """Clients with the credentials that Lambda gives the function."""
    role = f"arn:aws:iam::000000000000:role/{pipeline.stage.stack_name}-{function}"
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="refused")["Credentials"]
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


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_refused_what_it_has_no_business_with(deployed, places, function):
    client = client_of(deployed, function)
    allowed = [what for what, call in CALLS.items() if not refused(call, client, places)]
    assert allowed == []


def test_none_of_these_calls_is_refused_to_the_owner(places):
    denied = [what for what, call in CALLS.items() if refused(call, boto3.client, places)]
    boto3.client("iam").delete_user(UserName="mallory")
    assert denied == []


def test_a_function_may_still_do_its_own(deployed, places):
    """The credentials are good ones: what is refused above is refused for its policy."""
    client = client_of(deployed, "api_handler")
    assert client("sqs").get_queue_attributes(QueueUrl=places["our_queue"], AttributeNames=["All"])
