"""What each function's role may not do."""

from __future__ import annotations

import json

NEIGHBOUR = "s3-event-scheduler-next"  # another stage's names, alike as stages are


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
