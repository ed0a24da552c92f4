"""Dead letters for tests: as SQS hands them to Lambda, and as they lie in the store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chalicelib.letters import filing, store
from chalicelib.letters.store import Filed
from dev.fake_boto3 import FakeS3
from dev.fake_sqs.queues import Queues


def event(key: str = "a.jpg") -> str:
    return json.dumps({"Bucket": "images", "Key": key, "Id": "1"})


def records(queues: Queues, name: str = "dead", **system: str) -> dict[str, Any]:
    """Up to ten messages of the queue, received, in the form of Lambda's SQS event."""
    url = f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"
    request = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
    found = queues.call("ReceiveMessage", request).get("Messages", [])
    return {"Records": [_record(message, system) for message in found]}


def _record(message: dict[str, Any], system: dict[str, str]) -> dict[str, Any]:
    attributes = {
        name: {"stringValue": one["StringValue"], "dataType": one["DataType"]}
        for name, one in (message.get("MessageAttributes") or {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {**message.get("Attributes", {}), **system},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    }


def filed_keys(s3: FakeS3, bucket: str = "reports") -> list[str]:
    """The objects' keys of the letters that lie in the store."""
    found = [Filed.of(key) for key in s3.buckets[bucket]]
    return sorted(one.key_part for one in found if one)


def put_letter(s3: FakeS3, key: str, code: str = "gave-up", minute: int = 0, **more: Any) -> Filed:
    """File a letter of the object with this key, as it would be filed at so many minutes past twelve."""
    record = {"messageId": key, "body": event(key)}
    letter = filing.letter_of(record, datetime(2026, 1, 31, 12, minute, tzinfo=UTC))
    letter.update(code=code, reason="why")
    letter["rejected_at"] = more.pop("at", letter["rejected_at"])
    letter.update(**more)
    found = Filed.of(store.put(s3, "reports", letter))
    assert found
    return found
