"""Dead letters looked at, and sent back.

They go to the **source** queue, always: so they pass the capacity again. Our own dead letters have no queue
that SQS could call their source (docs/decisions/0013-redrive.md).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import events, times
from chalicelib.errors import BadRequest, Conflict, Reject
from chalicelib.fields import Body, Query, schema
from chalicelib.queues import messages
from chalicelib.queues.depths import depths, queue_arn
from chalicelib.queues.letters import MAX_REASON

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from chalicelib.config import Config

# A dead letter without our Reason was moved by a queue's redrive policy.
TRIED_TOO_OFTEN = "received too often; see the log of the function that should have handled it"
MAX_READ = 100  # messages that GET /dead-letters looks at
MAX_BODY = 2000  # characters of a body shown
LOOKING_S = 20  # how long a message is hidden from others while it is looked at
MAX_PER_SECOND = (
    500  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
)
BY_REASON_S = 15  # of API Gateway's 29
HIDDEN_S = 60  # longer than that, so no message is met twice
TASKS = 10  # the most that SQS lists


class DeadLettersQuery(TypedDict, total=False):
    limit: Annotated[int, schema(minimum=1, maximum=MAX_READ)]


class DeadLetter(TypedDict):
    id: str
    bucket: str | None
    key: str | None
    reason: str
    function: str | None
    rejected_at: str | None
    body: str


class DeadLetters(TypedDict):
    total: int
    reasons: dict[str, int]
    letters: list[DeadLetter]
    complete: bool


class RedriveRequest(TypedDict, total=False):
    """All of them, at most `per_second`; or those with exactly this `reason`, not both."""

    reason: Annotated[str, schema(minLength=1, maxLength=MAX_REASON)]
    per_second: Annotated[int, schema(minimum=1, maximum=MAX_PER_SECOND)] | None


class Redrive(TypedDict):
    redrive: Literal["started", "done", "stopped"]
    handle: str | None
    moved: int | None
    says: str


class RedriveTask(TypedDict):
    status: str
    moved: int | None
    to_move: int | None
    started: str
    reason: str | None


class RedriveTasks(TypedDict):
    tasks: list[RedriveTask]


def letters(query: Mapping[str, Any] | None, sqs: SQSClient, config: Config) -> DeadLetters:
    """GET /dead-letters?limit=20: how many, why, and some of them. Raises BadRequest.

    Looking at them hides them from other readers for a moment, and changes nothing else.
    """
    limit = Query.of(query, "limit").whole("limit", 1, MAX_READ, 20)
    url = config.dead_letter_queue_url
    waiting = depths(sqs, url)
    total = waiting["visible"] + waiting["in_flight"]
    read: dict[str, MessageTypeDef] = {}
    while len(read) < MAX_READ:
        found = _receive(sqs, url, LOOKING_S)
        if not found or all(message["MessageId"] in read for message in found):
            break
        read.update((message["MessageId"], message) for message in found)
    _show(sqs, url, read)
    return {
        "total": max(total, len(read)),
        "reasons": dict(Counter(map(_reason, read.values())).most_common()),
        "letters": [_letter(message) for message in read.values()][:limit],
        "complete": len(read) >= total,
    }


def redrive(
    body: Any, sqs: SQSClient, config: Config, clock: Callable[[], float] = time.monotonic
) -> Redrive:
    """POST /dead-letters/redrive: all of them, by SQS itself, or those with one reason, here and now.

    Raises BadRequest, and Conflict while SQS is still moving them.
    """
    fields = Body.of(body, "reason", "per_second", optional=True)
    speed: dict[str, int] = {}
    if fields.given("per_second") is not None:
        speed["MaxNumberOfMessagesPerSecond"] = fields.whole("per_second", 1, MAX_PER_SECOND)
    if "reason" in fields:
        reason = fields.text("reason", MAX_REASON)
        if speed:
            raise BadRequest("per_second", "SQS cannot select by reason: give one or the other")
        return _by_reason(reason, sqs, config, clock)
    if any(task["status"] == "RUNNING" for task in tasks(sqs, config)["tasks"]):
        raise Conflict("SQS is moving the dead letters already: GET /dead-letters/redrive shows how far")
    started = sqs.start_message_move_task(
        SourceArn=queue_arn(sqs, config.dead_letter_queue_url),
        DestinationArn=queue_arn(sqs, config.source_queue_url),
        **speed,
    )
    return {
        "redrive": "started",
        "handle": started["TaskHandle"],
        "moved": None,
        "says": "SQS moves all dead letters to the source queue; GET /dead-letters/redrive shows how far",
    }


def tasks(sqs: SQSClient, config: Config) -> RedriveTasks:
    """GET /dead-letters/redrive: what SQS has moved, or is moving, the latest first."""
    arn = queue_arn(sqs, config.dead_letter_queue_url)
    found = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=TASKS).get("Results", [])
    return {
        "tasks": [
            {
                "status": task["Status"],
                "moved": task.get("ApproximateNumberOfMessagesMoved"),
                "to_move": task.get("ApproximateNumberOfMessagesToMove"),
                "started": times.iso(times.from_epoch(task["StartedTimestamp"])),
                "reason": task.get("FailureReason"),
            }
            for task in found
        ]
    }


def _by_reason(reason: str, sqs: SQSClient, config: Config, clock: Callable[[], float]) -> Redrive:
    """Sent first, deleted after: what dies in between arrives twice, which does no harm."""
    url, ends = config.dead_letter_queue_url, clock() + BY_REASON_S
    moved, complete = 0, False
    others: dict[str, MessageTypeDef] = {}
    while clock() < ends:
        found = _receive(sqs, url, HIDDEN_S)
        if not found:
            complete = True
            break
        chosen = [message for message in found if _reason(message) == reason]
        others |= {message["MessageId"]: message for message in found if message not in chosen}
        if chosen:
            messages.send(sqs, config.source_queue_url, [{"MessageBody": one["Body"]} for one in chosen])
            messages.delete(sqs, url, [message["ReceiptHandle"] for message in chosen])
            moved += len(chosen)
    _show(sqs, url, others)
    if complete:
        says = f"{moved} dead letters with this reason are in the source queue"
    else:
        says = f"{moved} are in the source queue, and time was up before all were looked at: ask again"
    return {"redrive": "done" if complete else "stopped", "handle": None, "moved": moved, "says": says}


def _receive(sqs: SQSClient, url: str, hidden_s: int) -> list[MessageTypeDef]:
    return sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=hidden_s,
        WaitTimeSeconds=1,  # a long poll asks all of SQS's servers
        MessageAttributeNames=["All"],
    ).get("Messages", [])


def _show(sqs: SQSClient, url: str, read: Mapping[str, MessageTypeDef]) -> None:
    """Let others, and the next look, have them at once; else the visibility timeout does."""
    messages.delay(sqs, url, {message["ReceiptHandle"]: 0 for message in read.values()})


def _reason(message: MessageTypeDef) -> str:
    return _attribute(message, "Reason") or TRIED_TOO_OFTEN


def _attribute(message: MessageTypeDef, name: str) -> str | None:
    attribute = message.get("MessageAttributes", {}).get(name)
    return attribute.get("StringValue") if attribute else None


def _letter(message: MessageTypeDef) -> DeadLetter:
    bucket = key = None
    try:
        for created in events.parse_body(message["Body"])[:1]:
            bucket, key = created.bucket, created.key
    except Reject:
        pass  # shown by its body
    return {
        "id": message["MessageId"],
        "bucket": bucket,
        "key": key,
        "reason": _reason(message),
        "function": _attribute(message, "Function"),
        "rejected_at": _attribute(message, "RejectedAt"),
        "body": message["Body"][:MAX_BODY],
    }
