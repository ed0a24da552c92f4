"""An event on an EventBridge bus for each event of ours: detail-type "Object Ready", detail the message body
with its identity, by which consumers drop duplicates."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.config.stage import APP
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.errors import Retry
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from chalicelib.consume.actions import Action

NEEDS = {"events:PutEvents": "PUT_EVENT_BUS"}


def action(config: Config) -> Action:
    return partial(put_event, clients.downstream("events"), config.setting("PUT_EVENT_BUS"))


def put_event(
    events: EventBridgeClient, bus: str, created: ObjectCreated, delivery: Delivery
) -> ActionResult:
    """Confirmed is what the answer's own entry confirms: the call may succeed and its event not."""
    detail = {**json.loads(created.to_body()), "id": created.identity}
    with errors.errors_translated(f"an event on {bus}"):
        answer = events.put_events(
            Entries=[
                {
                    "EventBusName": bus,
                    "Source": APP,
                    "DetailType": "Object Ready",
                    "Detail": json.dumps(detail),
                }
            ]
        )
    (entry,) = answer["Entries"]
    if not entry.get("EventId"):
        raise Retry(f"the bus {bus}: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}")
    return ActionResult("put")
