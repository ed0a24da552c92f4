"""boto3 clients in memory, for the calls the app makes; a contract suite runs them beside real ones."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
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
        self.page_keys = 1000

    def put_object(self, **request: Any) -> dict[str, Any]:
        self._called("PutObject", request)
        contents = bytes(request["Body"])
        etag = f'"{hashlib.md5(contents).hexdigest()}"'
        there = self._bucket(request, "PutObject")
        if "IfMatch" in request:
            self._refuse_unless_seen(there, request, "PutObject")
        if request.get("IfNoneMatch") == "*" and request["Key"] in there:
            raise _unmatched("PutObject")
        there[request["Key"]] = {
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

    def delete_object(self, **request: Any) -> dict[str, Any]:
        self._called("DeleteObject", request)
        there = self._bucket(request, "DeleteObject")
        if "IfMatch" in request:
            self._refuse_unless_seen(there, request, "DeleteObject")
        there.pop(request["Key"], None)  # twice is no error
        return {}

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        """A page of the keys that begin with Prefix, in UTF-8's order; `page_keys` of them where not told."""
        self.requests.append(("ListObjectsV2", request.get("Prefix", "")))
        self.before("ListObjectsV2", request)
        bucket = self._bucket(request, "ListObjectsV2")
        prefix = request.get("Prefix", "")
        after = request.get("ContinuationToken") or request.get("StartAfter", "")
        keys = [key for key in bucket if key.startswith(prefix) and key.encode() > after.encode()]
        keys.sort(key=str.encode)
        page = keys[: request.get("MaxKeys", self.page_keys)]
        answer: dict[str, Any] = {"KeyCount": len(page), "IsTruncated": len(page) < len(keys)}
        if page:
            answer["Contents"] = [{"Key": key, "Size": bucket[key]["ContentLength"]} for key in page]
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = page[-1]
        return answer

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(getattr(self, operation))

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

    @staticmethod
    def _refuse_unless_seen(there: dict[str, dict[str, Any]], request: dict[str, Any], action: str) -> None:
        """IfMatch: the object is as who asks has seen it."""
        if request["Key"] not in there:
            raise client_error("NoSuchKey", "The specified key does not exist.", 404, action)
        if there[request["Key"]]["ETag"] != request["IfMatch"]:
            raise _unmatched(action)

    def _called(self, action: str, request: dict[str, Any]) -> None:
        self.requests.append((action, request["Key"]))
        self.before(action, request)

    def _bucket(self, request: dict[str, Any], action: str) -> dict[str, dict[str, Any]]:
        try:
            return self.buckets[request["Bucket"]]
        except KeyError:
            raise client_error("NoSuchBucket", "The specified bucket does not exist", 404, action) from None


class FakeEvents:
    """`boto3.client("events")`: buses by name. One that is not there refuses, which the local AWS does not.

    `fails` is what the next entries are answered with, one each: an error code, or nothing.
    """

    def __init__(self, *buses: str) -> None:
        self.buses: dict[str, list[dict[str, Any]]] = {bus: [] for bus in buses}
        self.calls: list[int] = []  # how many entries each had
        self.fails: list[str] = []
        self.before: Any = lambda entries: None

    def put_events(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        self.calls.append(len(entries))
        self.before(entries)
        answers = []
        for entry in entries:
            if entry["EventBusName"] not in self.buses:
                said = f"Event bus {entry['EventBusName']} does not exist."
                raise client_error("ResourceNotFoundException", said, 400, "PutEvents")
            code = self.fails.pop(0) if self.fails else ""
            if code:
                answers.append({"ErrorCode": code, "ErrorMessage": "the fake says so"})
            else:
                self.buses[entry["EventBusName"]].append(entry)
                answers.append({"EventId": str(len(self.buses[entry["EventBusName"]]))})
        failed = sum("ErrorCode" in one for one in answers)
        return {"Entries": answers, "FailedEntryCount": failed}


class _Pages:
    """What get_paginator gives, for list_objects_v2."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._page(**request)
            yield answer
            if not answer["IsTruncated"]:
                return
            request = {**request, "ContinuationToken": answer["NextContinuationToken"]}


def _unmatched(action: str) -> ClientError:
    said = "At least one of the pre-conditions you specified did not hold"
    return client_error("PreconditionFailed", said, 412, action)


def client_error(code: str, message: str, status: int, action: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, action)
