"""The original scheduler's drain, made again from its description with boto3.

Receive ten, list them for deletion, send one after the other, delete without waiting for the answer; a short
poll, and an empty one ends it. Errors are printed and forgotten. Only for measuring: it loses what fails.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def drain(sqs: Any, source: str, destination: str, capacity: int) -> int:
    """Forwards about `capacity` events (rounded up to tens); returns how many."""
    sent = 0
    with ThreadPoolExecutor(1) as not_awaited:
        for _ in range(math.ceil(capacity / 10)):
            answer = sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10)
            messages = answer.get("Messages")
            if not messages:
                print("No more new message")
                break
            entries = []
            for message in messages:
                body = json.loads(message["Body"])
                entries.append({"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]})
                try:
                    sqs.send_message(
                        QueueUrl=destination,
                        DelaySeconds=0,
                        MessageAttributes={},
                        MessageBody=json.dumps(body),
                    )
                    sent += 1
                except Exception as e:  # noqa: BLE001 - as described
                    print(e)
            not_awaited.submit(sqs.delete_message_batch, QueueUrl=source, Entries=entries)
    return sent
