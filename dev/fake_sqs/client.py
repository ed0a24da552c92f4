"""Stand-ins for AWS, each shown by a contract suite to answer as the real interface does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.aws.lean.json_calls import CallFailed
from dev.fake_sqs.queues import Queues, Refused


class FakeSqs:
    """AsyncSqs over queues in memory. An empty receive advances the clock by its long poll.

    `before(action, request)` and `after(action, request)` may raise: a fault without or with the call's
    effect; `before` may also await for ever.
    """

    def __init__(self, queues: Queues | None = None) -> None:
        self.now = 0.0
        self.queues = queues or Queues(clock=lambda: self.now)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str, dict[str, Any]], Any] = lambda action, request: None
        self.after: Callable[[str, dict[str, Any]], Any] = lambda action, request: None

    def count(self, action: str) -> int:
        return sum(1 for called, _ in self.requests if called == action)

    async def receive_message(self, **request: Any) -> dict[str, Any]:
        answer = await self._call("ReceiveMessage", request)
        if not answer.get("Messages"):
            self.now += request.get("WaitTimeSeconds", 0)
        return answer

    async def send_message_batch(self, **request: Any) -> dict[str, Any]:
        return await self._call("SendMessageBatch", request)

    async def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        return await self._call("DeleteMessageBatch", request)

    async def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        return await self._call("ChangeMessageVisibilityBatch", request)

    async def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return await self._call("GetQueueAttributes", request)

    async def _call(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        request = json.loads(json.dumps(request))  # what cannot travel is found here
        self.requests.append((action, request))
        waiting = self.before(action, request)
        if waiting is not None:
            await waiting
        try:
            answer = self.queues.call(action, request)
        except Refused as e:
            raise CallFailed(f"{action}: {e}", unknown=0, code=e.code) from e
        self.after(action, request)
        return {**answer, "ResponseMetadata": {"RetryAttempts": 0, "UnknownAttempts": 0}}
