"""SQS over asyncio for the drain's four calls, under boto3's names. Everything else uses boto3.

Why not boto3 here: docs/decisions/0003-drain-client.md has the figures.
Protocol: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.http1 import NoAnswer, NotSent
from chalicelib.signing import Signer

if TYPE_CHECKING:
    from mypy_boto3_sqs import type_defs as t

ATTEMPTS = 5
FIRST_PAUSE_S = 0.2  # doubled each time, times a random 0..1: 1.5 s for all four on average
ANSWER_S = 5.0  # beyond what a long poll waits
# Refusals that mean "later". Expired credentials are here because the next attempt asks for fresh ones.
TRY_AGAIN = frozenset(
    {"ThrottlingException", "Throttling", "RequestThrottled", "KmsThrottled"}
    | {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
)


class CallFailed(Exception):
    """A call did not succeed, retries included. Each of its `unknown` attempts may have had its effect."""

    def __init__(self, message: str, *, unknown: int) -> None:
        super().__init__(message)
        self.unknown = unknown


class Transport(Protocol):
    """What carries the calls: Http1, or a test's or benchmark's own."""

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]: ...

    def close(self) -> None: ...


class AsyncSqs:
    """The SQS of one endpoint. Calls may run at the same time. Every method raises CallFailed.

    Answers carry `ResponseMetadata.UnknownAttempts`: how many attempts before the last one may have done
    the work already.
    """

    def __init__(
        self,
        transport: Transport,
        signer: Signer,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._signer = signer
        self._sleep = sleep
        self._uniform = uniform  # 0..1

    async def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        WaitTimeSeconds: int = 0,
        MessageSystemAttributeNames: Sequence[str] = (),
    ) -> t.ReceiveMessageResultTypeDef:
        request = {
            "QueueUrl": QueueUrl,
            "MaxNumberOfMessages": MaxNumberOfMessages,
            "WaitTimeSeconds": WaitTimeSeconds,
            "MessageSystemAttributeNames": MessageSystemAttributeNames,
        }
        answer: t.ReceiveMessageResultTypeDef = await self._call("ReceiveMessage", request, WaitTimeSeconds)
        return answer

    async def send_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.SendMessageBatchRequestEntryTypeDef]
    ) -> t.SendMessageBatchResultTypeDef:
        answer: t.SendMessageBatchResultTypeDef = await self._call(
            "SendMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries}
        )
        return answer

    async def delete_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.DeleteMessageBatchRequestEntryTypeDef]
    ) -> t.DeleteMessageBatchResultTypeDef:
        answer: t.DeleteMessageBatchResultTypeDef = await self._call(
            "DeleteMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries}
        )
        return answer

    async def change_message_visibility_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.ChangeMessageVisibilityBatchRequestEntryTypeDef]
    ) -> t.ChangeMessageVisibilityBatchResultTypeDef:
        request = {"QueueUrl": QueueUrl, "Entries": Entries}
        answer: t.ChangeMessageVisibilityBatchResultTypeDef = await self._call(
            "ChangeMessageVisibilityBatch", request
        )
        return answer

    def close(self) -> None:
        self._transport.close()

    async def _call(self, action: str, request: Mapping[str, object], wait_s: int = 0) -> Any:
        body = json.dumps(request).encode()
        unknown = 0
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._sleep(self._uniform() * FIRST_PAUSE_S * 2 ** (attempt - 1))
            headers = self._signer.headers(f"AmazonSQS.{action}", body)  # anew: a signature is dated
            try:
                status, text = await self._transport.post(headers, body, ANSWER_S + wait_s)
                answer = _object(text)
            except NotSent as e:
                problem = f"no connection ({e})"
                continue
            except NoAnswer as e:
                problem = f"no answer ({e})"
                unknown += 1
                continue
            if status == 200:
                answer["ResponseMetadata"] = {"RetryAttempts": attempt, "UnknownAttempts": unknown}
                return answer
            code = str(answer.get("__type", f"HTTP {status}")).rpartition("#")[2]
            problem = f"{code}: {answer.get('message') or answer.get('Message') or 'no message'}"
            if status >= 500:
                unknown += 1
            elif status != 429 and code not in TRY_AGAIN:
                break
        raise CallFailed(f"{action}: {problem}", unknown=unknown)


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object, {} for an empty body. Raises NoAnswer for anything else: a proxy's page, a torn body."""
    try:
        value = json.loads(text or b"{}")
    except ValueError as e:
        raise NoAnswer("the answer is not JSON") from e
    if not isinstance(value, dict):
        raise NoAnswer("the answer is not a JSON object")
    return value
