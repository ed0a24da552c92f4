"""The CloudFormation stack of a stage: made, updated and deleted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from infra.errors import CommandError
from infra.stage import Account

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import WaiterConfigTypeDef

TEMPLATE = Path(__file__).with_name("template.yaml")
# A stack of buckets and queues takes a minute or two; half an hour is somebody's outage.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
DELETED_RECENTLY = re.compile(r"QueueDeletedRecently|wait 60 seconds after deleting a queue")
QUEUE_NAME_FREE_AFTER_S = 60
TRIES_AFTER_DESTROY = 2
WAITS: WaiterConfigTypeDef = {"Delay": 2, "MaxAttempts": 900}


def deploy(
    cloudformation: CloudFormationClient,
    name: str,
    parameters: dict[str, str],
    account: Account,
    say: Callable[[str], None] = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Bring the stack to the template; returns its outputs as settings, `{"IMAGES_BUCKET": ...}`.

    Buckets that an earlier `destroy` kept are taken up again, and a queue's name that it has just freed is
    waited for. Raises CommandError with the stack's own reason.
    """
    for _ in range(TRIES_AFTER_DESTROY):
        try:
            return _deploy(cloudformation, name, parameters, account)
        except CommandError as e:
            if not DELETED_RECENTLY.search(str(e)):
                raise
        say(f"A queue's name is free {QUEUE_NAME_FREE_AFTER_S} seconds after its queue was deleted: waiting")
        sleep(QUEUE_NAME_FREE_AFTER_S + 5)
    return _deploy(cloudformation, name, parameters, account)


def _deploy(
    cloudformation: CloudFormationClient, name: str, parameters: dict[str, str], account: Account
) -> dict[str, str]:
    status = _settled_status(cloudformation, name)
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        # The first try failed, or a deletion: such a stack can only be deleted.
        delete(cloudformation, name)
        status = None
    if status == "UPDATE_ROLLBACK_FAILED":
        raise CommandError(
            f"stack {name} could not go back to what it was ({_first_failure(cloudformation, name)}): mend "
            f"that, then `aws cloudformation continue-update-rollback --stack-name {name}`, then deploy again"
        )
    made = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=f"deploy-{int(time.time() * 1000)}",
        ChangeSetType="CREATE" if status is None else "UPDATE",
        TemplateBody=_with_literal_names(parameters["Stage"], account),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        ImportExistingResources=True,
    )
    if _changes_anything(cloudformation, made["Id"]):
        cloudformation.execute_change_set(ChangeSetName=made["Id"])
        done = "stack_create_complete" if status is None else "stack_update_complete"
        try:
            cloudformation.get_waiter(done).wait(StackName=name, WaiterConfig=WAITS)  # type: ignore[call-overload]
        except WaiterError as e:
            raise CommandError(f"stack {name}: {_first_failure(cloudformation, name)}") from e
    else:
        cloudformation.delete_change_set(ChangeSetName=made["Id"])
    return outputs(cloudformation, name)


def _with_literal_names(stage: str, account: Account) -> str:
    """The template, the names of what is kept filled in: only by those is what exists taken up.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    values = {"Stage": stage, "AWS::AccountId": account.id, "AWS::Region": account.region}

    def literal(name: re.Match[str]) -> str:
        return f"{name[1]}: " + re.sub(r"\$\{([\w:]+)\}", lambda found: values[found[1]], name[2])

    return re.sub(r'(BucketName|LogGroupName): !Sub "([^"]+)"', literal, TEMPLATE.read_text())


def outputs(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    """The stack's outputs as settings. Raises CommandError when there is no such stack."""
    if _status(cloudformation, name) is None:
        raise CommandError(f"stack {name}: there is none; `make deploy` makes it")
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", output["OutputKey"]).upper(): output["OutputValue"]
        for output in stack.get("Outputs", [])
    }


def exists(cloudformation: CloudFormationClient, name: str) -> bool:
    return _status(cloudformation, name) is not None


def delete(cloudformation: CloudFormationClient, name: str) -> None:
    """Delete the stack, all but its buckets; nothing to do when there is none."""
    if _settled_status(cloudformation, name) is None:
        return
    cloudformation.delete_stack(StackName=name)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=WAITS)
    except WaiterError as e:
        raise CommandError(f"stack {name} was not deleted: {_first_failure(cloudformation, name)}") from e


def _status(cloudformation: CloudFormationClient, name: str) -> str | None:
    """The stack's status; None when there is none, or only an unexecuted change set of one."""
    try:
        status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as e:
        if "does not exist" in str(e):
            return None
        raise
    return None if status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE") else status


def _settled_status(
    cloudformation: CloudFormationClient, name: str, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """The stack's status once nothing of a deploy that was broken off is still going on.

    CloudFormation goes on by itself, and refuses a second change meanwhile.
    Raises CommandError if it never ends.
    """
    end = time.monotonic() + WAITS["Delay"] * WAITS["MaxAttempts"]
    while (status := _status(cloudformation, name)) is not None and status.endswith("_IN_PROGRESS"):
        if time.monotonic() > end:
            raise CommandError(f"stack {name} is still {status}: look at its events, then deploy again")
        sleep(WAITS["Delay"])
    return status


def _changes_anything(cloudformation: CloudFormationClient, change_set: str) -> bool:
    """Whether the change set has changes. Raises CommandError when it cannot be executed."""
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(
            ChangeSetName=change_set, WaiterConfig=WAITS
        )
    except WaiterError as e:
        reason = cloudformation.describe_change_set(ChangeSetName=change_set).get("StatusReason", str(e))
        if "didn't contain changes" in reason or "No updates are to be performed" in reason:
            return False
        raise CommandError(f"the stack cannot be changed: {reason}") from e
    return True


def _first_failure(cloudformation: CloudFormationClient, name: str) -> str:
    """The reason of the earliest failure of the last change: the others follow from it."""
    reason = "no reason given"
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:  # newest first
        if event.get("ResourceStatus", "").endswith("FAILED"):
            reason = f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason', '')}"
        elif event.get("ResourceStatusReason") == "User Initiated":
            break
    return reason
