"""A row in a DynamoDB table for each upload: its key is the object's, its sort key the event's identity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from chalicelib.consume.actions import Action

NEEDS = {"dynamodb:PutItem": "TABLE_ARN"}


def action(config: Config) -> Action:
    return partial(put_row, clients.downstream("dynamodb"), config.setting("TABLE_ARN"))


def put_row(dynamodb: DynamoDBClient, table: str, created: ObjectCreated, delivery: Delivery) -> ActionResult:
    """A duplicate puts the same row once more. Throttled, or a table that is not there: a try that failed."""
    item = {
        "object": {"S": f"{created.bucket}/{created.key}"},
        "event": {"S": created.identity},
        "uploaded": {"S": created.event_time or ""},
        "bytes": {"N": str(created.size or 0)},
    }
    with errors.errors_translated(f"a row in {table}"):
        dynamodb.put_item(TableName=table.rpartition("/")[2], Item=item)
    return ActionResult("stored")
