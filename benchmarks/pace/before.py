"""The algorithms this one is compared with, on the same simulated stage.

`at 88c18dd` is this project before it had a clock, lanes, tries that travel, and a circuit. Its tick is the
present one without them (the path is the same, docs/decisions/0018-the-pace.md), its consumer is written
again here. `original` is the scheduler this project replaces, as benchmarks/drain/original.py has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from benchmarks.pace.stage import Contender, Stage
from chalicelib import events
from chalicelib.aws import clients
from dev.simulation.threads import ThreadPool

FIRST_DELAY_S, LONGEST_DELAY_S = 15, 900  # 88c18dd's, doubled with each try
MAX_TRIES = 5  # and receives, which it took for tries
THREADS = 4


def consume_at_88c18dd(stage: Stage, event: Mapping[str, Any], context: Any) -> None:
    """What failed is hidden in the destination queue, past the capacity; the fifth receive is the last."""
    records = event["Records"]
    pool: Any = ThreadPool(stage.loop, THREADS)
    with pool:
        tried = [pool.submit(_try, stage, record) for record in records]
        worked = [one.result() for one in tried]
    sqs = clients.sqs()
    failed = [record for record, ok in zip(records, worked, strict=True) if not ok]
    queue_url = stage.config.destination_queue_url
    for record in records:
        handle = record["receiptHandle"]
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        if record not in failed:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=handle)
        elif receives >= MAX_TRIES:
            sqs.send_message(QueueUrl=stage.config.dead_letter_queue_url, MessageBody=record["body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=handle)
        else:
            delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (receives - 1))
            sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=delay_s)
    if failed:
        raise RuntimeError(f"{len(failed)} come again")


def _try(stage: Stage, record: Mapping[str, Any]) -> bool:
    (created,) = events.parse_body(record["body"])
    try:
        stage.act(created)
    except ConnectionError:
        return False
    return True


def original_tick(stage: Stage, event: Mapping[str, Any], context: Any) -> None:
    """Ten received, sent one after the other, deleted; a short poll, and an empty one ends it."""
    sqs, config = clients.sqs(), stage.config
    for _ in range(math.ceil(config.capacity / 10)):
        answer = sqs.receive_message(QueueUrl=config.source_queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages") or []
        if not messages:
            return
        for message in messages:
            body = json.dumps(json.loads(message["Body"]))
            sqs.send_message(QueueUrl=config.destination_queue_url, MessageBody=body)
        entries: Any = [{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in messages]
        sqs.delete_message_batch(QueueUrl=config.source_queue_url, Entries=entries)


def original_consume(stage: Stage, event: Mapping[str, Any], context: Any) -> None:
    """One after the other; the first failure brings the whole batch again, until its receives are used up."""
    for record in event["Records"]:
        (created,) = events.parse_body(record["body"])
        stage.act(created)


_OLD = {"spread": False, "bulk_queue_url": "", "fair_by": 0, "max_in_destination": 0, "max_tries": MAX_TRIES}

NOW = Contender("now")
AT_88C18DD = Contender("at 88c18dd", _OLD, {"consume": consume_at_88c18dd})
ORIGINAL = Contender("the original", _OLD, {"drain": original_tick, "consume": original_consume})
CONTENDERS = (NOW, AT_88C18DD, ORIGINAL)
