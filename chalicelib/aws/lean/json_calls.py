"""Calls of AWS's JSON protocols as coroutines, tried again where that may help.

Why not boto3: docs/decisions/0003-drain-client.md has the figures.
Protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from chalicelib.aws.lean.signing import Signer
from chalicelib.aws.lean.transport import NoAnswer, NotSent

ATTEMPTS = 5
FIRST_PAUSE_S = 0.2  # doubled each time, times a random 0..1: 1.5 s for all four on average
ANSWER_S = 5.0  # beyond what a long poll waits
# Refusals that mean "later". Expired credentials are here because the next attempt asks for fresh ones.
TRY_AGAIN = frozenset(
    {"ThrottlingException", "Throttling", "RequestThrottled", "KmsThrottled"}
    | {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
)
# What reading an answer raises that is not as it should be.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)

# Our requests hold nothing twice: looking for that takes as long as all the rest of it.
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


def encoded(request: object) -> bytes:
    """The request's JSON, in ASCII. Raises TypeError for what JSON has not."""
    return _encode(request).encode()


def decoded(text: bytes) -> Any:
    """The value. Raises ValueError for what is no JSON."""
    return json.loads(text.decode())


class CallFailed(Exception):
    """A call did not succeed, retries included. Each of its `unknown` attempts may have had its effect."""

    def __init__(self, message: str, *, unknown: int, code: str = "") -> None:
        super().__init__(message)
        self.unknown = unknown
        self.code = code  # AWS's name of its refusal; empty when there was no answer


class Transport(Protocol):
    """What carries the calls: Http1, or a test's or benchmark's own."""

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]: ...

    def close(self) -> None: ...


class JsonCalls:
    """The calls of one service at one endpoint; they may run at the same time.

    `target` is the service's prefix of X-Amz-Target, such as `AmazonSQS`. `encode` and `decode` are as
    `encoded` and `decoded` above, or faster.
    """

    def __init__(
        self,
        transport: Transport,
        signer: Signer,
        target: str,
        *,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        uniform: Callable[[], float] = random.random,
        encode: Callable[[object], bytes] = encoded,
        decode: Callable[[bytes], Any] = decoded,
    ) -> None:
        self._transport = transport
        self._signer = signer
        self._target = target
        self._sleep = sleep or _sleep
        self._uniform = uniform  # 0..1
        self._encode = encode
        self._decode = decode

    def close(self) -> None:
        self._transport.close()

    async def call(
        self,
        action: str,
        request: Mapping[str, object],
        wait_s: int = 0,
        *,
        repeat: bool = True,
        check: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Any:
        """The answer, with `ResponseMetadata.UnknownAttempts`: how many attempts before the last one may have
        done the work already. `wait_s` is what the call itself may wait. Raises CallFailed.

        Without `repeat` it is not tried again once an attempt may have done the work. `check` raises one of
        MALFORMED for an answer without what its reader needs: that is as good as none.
        """
        body = self._encode(request)
        unknown = 0
        problem = code = ""
        for attempt in range(ATTEMPTS):
            if unknown and not repeat:
                break
            if attempt:
                await self._sleep(self._uniform() * FIRST_PAUSE_S * 2 ** (attempt - 1))
            headers = self._signer.headers(f"{self._target}.{action}", body)  # anew: a signature is dated
            try:
                status, text = await self._transport.post(headers, body, ANSWER_S + wait_s)
                answer = self._object(text)
                if check and status == 200:
                    _checked(answer, check)
            except NotSent as e:
                problem, code = f"no connection ({e})", ""
                continue
            except NoAnswer as e:
                problem, code = f"no answer ({e})", ""
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
        raise CallFailed(f"{action}: {problem}", unknown=unknown, code=code)

    def _object(self, text: bytes) -> dict[str, Any]:
        """A JSON object, {} for an empty body. Raises NoAnswer for anything else, such as a proxy's page."""
        try:
            value = self._decode(text or b"{}")
        except (ValueError, RecursionError) as e:
            raise NoAnswer("the answer is not JSON") from e
        if not isinstance(value, dict):
            raise NoAnswer("the answer is not a JSON object")
        return value


def _checked(answer: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None]) -> None:
    try:
        check(answer)
    except MALFORMED as e:
        raise NoAnswer("the answer lacks what it should hold") from e


async def _sleep(seconds: float) -> None:
    import asyncio  # who has no event loop brings a sleep of its own

    await asyncio.sleep(seconds)
