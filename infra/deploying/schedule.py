"""A paused stage stays paused through a deploy: Chalice enables every rule that it puts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


@contextmanager
def kept_paused(client: EventBridgeClient, stage: Stage, say: Callable[[str], None]) -> Iterator[None]:
    """Whatever happens in the block, the drains' rules are disabled after it if the stage was paused before.

    A tick may run in between.
    """
    paused = [name for name, state in _rules(client, stage) if state == "DISABLED"]
    try:
        yield
    finally:
        if paused:
            for name, _ in _rules(client, stage):
                client.disable_rule(Name=name)
            say("The schedule was paused and still is: POST /schedule/resume ends that")


def _rules(client: EventBridgeClient, stage: Stage) -> list[tuple[str, str]]:
    wanted = stage.rules()
    return [
        (rule["Name"], rule["State"])
        for page in client.get_paginator("list_rules").paginate(NamePrefix=stage.stack_name)
        for rule in page["Rules"]
        if rule["Name"] in wanted
    ]
