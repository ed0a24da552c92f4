"""Where everything stands: the snapshot behind GET /status (docs/api.md).

Every part is asked at the same time as the others and may fail alone. Nothing here takes longer for a longer
queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import logs, steering, together
from chalicelib.eta import Eta, eta
from chalicelib.pace import DEPTHS

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

    from chalicelib.config import Config

VERSION = 1  # of the answer's shape; a field is added without a new number, never renamed


def snapshot(
    config: Config,
    sqs: Callable[[], SQSClient],
    events: Callable[[], EventBridgeClient],
    ssm: Callable[[], SSMClient],
    s3control: Callable[[], S3ControlClient],
) -> dict[str, Any]:
    """The answer of GET /status; a part that could not be asked is `{"error": ...}`, or null in its numbers.

    The clients are made when they are needed, so that one that cannot be made costs only its part.
    """
    found = together.ask(
        {
            "source": lambda: depths(sqs(), config.source_queue_url),
            "destination": lambda: depths(sqs(), config.destination_queue_url),
            "dead_letter": lambda: depths(sqs(), config.dead_letter_queue_url),
            "capacity": lambda: steering.capacity_set(ssm(), config) if config.capacity_parameter else None,
            "schedule": lambda: {"paused": steering.is_paused(events(), config)},
            "jobs": lambda: active_jobs(s3control(), config),
        }
    )
    changed = found["capacity"]
    unknown = together.failed(changed)
    capacities = steering.capacity_now(None if unknown else changed, config)
    if unknown:
        capacities["capacity"] = None
    gone = _eta(found, capacities["capacity"], config)
    return {
        "version": VERSION,
        "stage": config.stage or None,
        "at": logs.now(),
        "queues": {name: found[name] for name in ("source", "destination", "dead_letter")},
        **capacities,
        "capacity_error": changed["error"] if unknown else None,
        "max_in_destination": config.max_in_destination or None,
        "action": config.action,
        "schedule": found["schedule"],
        "drain": gone.as_dict(),
        "minutes_to_drain": gone.minutes,
        "jobs": found["jobs"],
    }


def depths(sqs: SQSClient, url: str) -> dict[str, int]:
    """The queue's messages, approximate as SQS counts them."""
    attributes: Any = list(DEPTHS.values())
    found: Mapping[Any, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"]
    return {name: int(found[attribute]) for name, attribute in DEPTHS.items()}


def active_jobs(s3control: S3ControlClient, config: Config) -> dict[str, Any]:
    """The jobs that have not ended, newest first."""
    from chalicelib import jobs_api
    from chalicelib.batch_jobs import STATUSES, TERMINAL

    wanted = ",".join(status for status in STATUSES if status not in TERMINAL)
    return {"active": jobs_api.list_jobs({"status": wanted}, s3control, config)["jobs"]}


def _eta(found: Mapping[str, Any], capacity: int | None, config: Config) -> Eta:
    """When the source queue will be empty, as long as nothing arrives: that is not known here."""
    leaving = None if capacity is None else min(capacity, config.max_in_destination or capacity)
    paused = found["schedule"].get("paused", False)
    return eta(found["source"].get("visible"), leaving, None, paused=paused)
