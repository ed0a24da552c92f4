"""S3 as far as the pipeline keeps something there: objects by key, listed a page at a time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

from dev.fake_sqs.queues import Refused
from dev.simulation.surroundings import Surroundings

PAGE = 7  # AWS's is 1,000: few, so that listings have several pages


class S3:
    """One bucket."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self.objects: dict[str, bytes] = {}

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if action == "ListObjectsV2":
            return self._list(request)
        key = request["Key"]
        if action == "PutObject":
            body = bytes(request["Body"])
            if "IfMatch" in request and key not in self.objects:
                raise Refused("NoSuchKey", key, 404)
            seen = _etag(self.objects[key]) if key in self.objects else None
            if request.get("IfMatch", seen) != seen or ("IfNoneMatch" in request and seen):
                raise Refused("PreconditionFailed", key, 412)
            self._world.census.stored(key, self.objects.get(key), body)
            self.objects[key] = body
            return {"ETag": _etag(body)}
        if action == "DeleteObject":
            if body := self.objects.pop(key, b""):
                self._world.census.unstored(key, body)
            return {}
        if key not in self.objects:
            raise Refused("NoSuchKey", key, 404)
        return {"Body": io.BytesIO(self.objects[key]), "ETag": _etag(self.objects[key])}

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        after = request.get("ContinuationToken") or request.get("StartAfter", "")
        most = min(PAGE, request.get("MaxKeys", PAGE))
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]) and key > after)
        page: dict[str, Any] = {
            "Contents": [{"Key": key} for key in keys[:most]],
            "IsTruncated": len(keys) > most,
        }
        if page["IsTruncated"]:
            page["NextContinuationToken"] = keys[most - 1]
        return page


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
