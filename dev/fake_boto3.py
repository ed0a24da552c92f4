"""boto3 clients in memory, for the calls the app makes; a contract suite runs them beside real ones."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from botocore.exceptions import ClientError

from dev.fake_sqs.queues import Queues, Refused


class FakeBotoSqs:
    """`boto3.client("sqs")` over queues in memory."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("SendMessageBatch", request)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        return self._call("ReceiveMessage", request)

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("DeleteMessageBatch", request)

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("ChangeMessageVisibilityBatch", request)

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return self._call("GetQueueAttributes", request)

    def _call(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.queues.call(action, request)
        except Refused as e:
            raise client_error(e.code, e.message, e.status, action) from e


class FakeS3:
    """`boto3.client("s3")` over a dictionary; `before(action, request)` may raise."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, dict[str, Any]]] = {bucket: {} for bucket in buckets}
        self.requests: list[tuple[str, str]] = []  # action and key
        self.before: Any = lambda action, request: None

    def put_object(self, **request: Any) -> dict[str, Any]:
        self._called("PutObject", request)
        contents = bytes(request["Body"])
        etag = f'"{hashlib.md5(contents).hexdigest()}"'
        self._bucket(request, "PutObject")[request["Key"]] = {
            "Body": contents,
            "ETag": etag,
            "ContentLength": len(contents),
            "ContentType": request.get("ContentType", "binary/octet-stream"),
            "CacheControl": request.get("CacheControl", ""),
            "Metadata": request.get("Metadata", {}),
        }
        return {"ETag": etag}

    def get_object(self, **request: Any) -> dict[str, Any]:
        self._called("GetObject", request)
        found = self._bucket(request, "GetObject").get(request["Key"])
        if found is None:
            raise client_error("NoSuchKey", "The specified key does not exist.", 404, "GetObject")
        return {**found, "Body": io.BytesIO(found["Body"])}

    def head_object(self, **request: Any) -> dict[str, Any]:
        self._called("HeadObject", request)
        found = self._bucket(request, "HeadObject").get(request["Key"])
        if found is None:
            raise client_error("404", "Not Found", 404, "HeadObject")
        return {name: value for name, value in found.items() if name != "Body"}

    def delete_objects(self, **request: Any) -> dict[str, Any]:
        """Quiet, as the app asks for it."""
        for asked in request["Delete"]["Objects"]:
            self._called("DeleteObject", {**request, **asked})
            self._bucket(request, "DeleteObjects").pop(asked["Key"], None)
        return {}

    def _called(self, action: str, request: dict[str, Any]) -> None:
        self.requests.append((action, request["Key"]))
        self.before(action, request)

    def _bucket(self, request: dict[str, Any], action: str) -> dict[str, dict[str, Any]]:
        try:
            return self.buckets[request["Bucket"]]
        except KeyError:
            raise client_error("NoSuchBucket", "The specified bucket does not exist", 404, action) from None


def client_error(code: str, message: str, status: int, action: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, action)
