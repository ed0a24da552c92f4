"""The schedule stopped and started, without a deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from chalicelib.capacity import shard_names

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from chalicelib.config import Config


class Schedule(TypedDict):
    paused: bool


def set_paused(paused: bool, events: EventBridgeClient, config: Config) -> Schedule:
    """POST /schedule/pause and /schedule/resume: the one-minute rules of all shards. May be repeated.

    A tick that runs already ends as usual.
    """
    for rule in rules(config):
        if paused:
            events.disable_rule(Name=rule)
        else:
            events.enable_rule(Name=rule)
    return {"paused": paused}


def is_paused(events: EventBridgeClient, config: Config) -> bool:
    """Whether no shard ticks; one of several that ticks is not paused."""
    states = [events.describe_rule(Name=rule)["State"] for rule in rules(config)]
    return all(state == "DISABLED" for state in states)


def rules(config: Config) -> list[str]:
    """EventBridge's rule of each shard, as Chalice names them."""
    return [f"{config.function_name(name)}-event" for name in shard_names(config.drain_shards)]
