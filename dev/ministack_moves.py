"""SQS's message move tasks, which ministack 1.5.33 lacks: dead letters sent back by SQS itself.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

from ministack.services import sqs

FASTEST = 500  # messages a second
Task = dict[str, Any]

_tasks: list[Task] = []  # the latest first
_running: set[asyncio.Task[None]] = set()  # asyncio keeps no hold of them itself


async def start(request: dict[str, Any], url: str) -> dict[str, Any]:
    """StartMessageMoveTask: from a dead-letter queue, one task at a time, at so many messages a second."""
    source = _queue(request["SourceArn"], "SourceArn")
    if not _is_for_dead_letters(request["SourceArn"]):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    if any(task["Status"] == "RUNNING" and task["SourceArn"] == request["SourceArn"] for task in _tasks):
        raise sqs._Err("AWS.SimpleQueueService.UnsupportedOperation", "There is already a task running.")
    destination = _queue(request["DestinationArn"], "DestinationArn")
    task: Task = {
        "TaskHandle": uuid.uuid4().hex,
        "Status": "RUNNING",
        "SourceArn": request["SourceArn"],
        "DestinationArn": request["DestinationArn"],
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": len(source["messages"]),
        "StartedTimestamp": int(time.time() * 1000),
    }
    _tasks.insert(0, task)
    speed = int(request.get("MaxNumberOfMessagesPerSecond") or FASTEST)
    move = asyncio.get_running_loop().create_task(_move(task, source, destination, speed))
    _running.add(move)
    move.add_done_callback(_running.discard)
    return {"TaskHandle": task["TaskHandle"]}


def listed(request: dict[str, Any], url: str) -> dict[str, Any]:
    """ListMessageMoveTasks. A task that has ended has no handle."""
    found = [task for task in _tasks if task["SourceArn"] == request["SourceArn"]]
    hidden = {"TaskHandle"}
    return {
        "Results": [
            task
            if task["Status"] == "RUNNING"
            else {name: value for name, value in task.items() if name not in hidden}
            for task in found[: int(request.get("MaxResults") or 1)]
        ]
    }


async def _move(task: Task, source: Any, destination: Any, speed: int) -> None:
    left = task["ApproximateNumberOfMessagesToMove"]
    while left and source["messages"]:
        ready = [one for one in source["messages"] if one["visible_at"] <= time.time()]
        if not ready:
            await asyncio.sleep(0.5)  # somebody looks at them
            continue
        message = ready[0]
        source["messages"].remove(message)
        now = time.time()
        message.update(receive_count=0, receipt_handle=None, first_receive_at=None, visible_at=now)
        message["sys"].pop("DeadLetterQueueSourceArn", None)
        destination["messages"].append(message)
        task["ApproximateNumberOfMessagesMoved"] += 1
        left -= 1
        sqs.esm_wake.set()  # type: ignore[attr-defined]
        await asyncio.sleep(1 / speed)
    task["Status"] = "COMPLETED"


def _queue(arn: str, name: str) -> Any:
    found = sqs._queue_by_arn(arn)
    if found is None:
        raise sqs._Err("ResourceNotFoundException", f"The resource of {name} doesn't exist.", 404)
    return found


def _is_for_dead_letters(arn: str) -> bool:
    policies = (queue["attributes"].get("RedrivePolicy") for _, queue in sqs._queues.all_items())
    return any(json.loads(policy).get("deadLetterTargetArn") == arn for policy in policies if policy)


def add() -> None:
    """To ministack's own calls."""
    sqs._HANDLERS["StartMessageMoveTask"] = start
    sqs._HANDLERS["ListMessageMoveTasks"] = listed
