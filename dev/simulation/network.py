"""Between our code and AWS: every call may fail, be slow, lose its answer, or be the last of its process."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from chalicelib.aws.lean.transport import NoAnswer, NotSent
from dev.fake_sqs.queues import Refused
from dev.simulation.surroundings import Surroundings

if TYPE_CHECKING:
    from dev.simulation.lambdas import Sandbox

Result = TypeVar("Result")

FOREVER = -1.0  # seconds of which a dead process waits
THROTTLED = {"ThrottlingException", "Throttling", "RequestThrottled", "SlowDown", "TooManyRequestsException"}
RETRIED_BY_BOTO = {
    500,
    502,
    503,
    504,
}  # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html


@dataclass(frozen=True)
class Faults:
    """What goes wrong, each with its chance from 0 to 1."""

    # of a call
    not_sent: float = 0.0  # no connection
    error_before: float = 0.0  # 500, and nothing done
    throttled: float = 0.0
    expired: float = 0.0  # credentials
    error_after: float = 0.0  # 500, although it is done
    lost: float = 0.0  # done, and the connection breaks before the answer
    late: float = 0.0  # done, and the answer comes after the client's time limit
    dies_before: float = 0.0  # the process ends before the call
    dies_after: float = 0.0  # the process ends after the effect, before the answer
    slow: float = 0.0  # an answer takes seconds
    # of an entry of a batch call
    refused: float = 0.0  # InternalError
    unmentioned: float = 0.0  # named in neither list, and not done
    done_unmentioned: float = 0.0  # named in neither list, and done
    # of a receive
    fewer: float = 0.0  # than are there
    unseen: float = 0.0  # nothing, though something is there
    twice: float = 0.0  # a message is visible again at once
    undelete: float = 0.0  # a confirmed deletion does not last
    # of Lambda
    killed: float = 0.0  # an invocation ends at a random moment
    invoked_twice: float = 0.0  # an asynchronous event, or a scheduled one
    not_started: float = 0.0  # throttled, or an error of Lambda's own
    cold: float = 0.0  # a new sandbox although a warm one is free
    # of a downstream
    failing: float = 0.0  # a call of the action that would have worked


KINDS = tuple(field.name for field in fields(Faults))
OF_A_CALL = (
    "not_sent",
    "error_before",
    "throttled",
    "expired",
    "error_after",
    "lost",
    "late",
    "dies_before",
    "dies_after",
)
# What may make two events of one.
DOUBLING = {"error_after", "lost", "late", "dies_after", "done_unmentioned", "unmentioned", "refused"}
DOUBLING |= {"undelete", "twice", "killed", "invoked_twice", "slow"}
NO_FAULTS = Faults()


class Service(Protocol):
    """An AWS service: what a call does, or Refused."""

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]: ...


class Network:
    """Decides what becomes of each call, and lets it have its effect."""

    def __init__(self, world: Surroundings, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.services: dict[str, Service] = {}
        self.set_faults(NO_FAULTS)

    def set_faults(self, faults: Faults) -> None:
        self.faults = faults
        self._steps: list[tuple[float, str]] = []
        total = 0.0
        for name in OF_A_CALL:
            if chance := getattr(faults, name):
                total += chance
                self._steps.append((total, name))
        self._total = total
        self._entry = faults.refused + faults.unmentioned + faults.done_unmentioned
        sqs = self.world.sqs
        sqs.fewer, sqs.unseen, sqs.twice, sqs.undelete = (
            faults.fewer,
            faults.unseen,
            faults.twice,
            faults.undelete,
        )

    def strikes(self, chance: float) -> bool:
        return chance > 0 and self.chance.random() < chance

    def entry_refused(self, action: str, entry: Mapping[str, Any]) -> str:
        """Of one entry of a batch call: `refused`, `unmentioned`, `done unmentioned`, or empty."""
        if not self._entry:
            return ""
        drawn = self.chance.random()
        if drawn >= self._entry:
            return ""
        faults = self.faults
        self.world.census.excuse_entry(entry)
        if drawn < faults.refused:
            return "refused"
        return "unmentioned" if drawn < faults.refused + faults.unmentioned else "done unmentioned"

    def _fate(self) -> str:
        if not self._total:
            return ""
        drawn = self.chance.random()
        if drawn >= self._total:
            return ""
        return next(name for limit, name in self._steps if drawn < limit)

    def _latency(self) -> float:
        drawn = self.chance.random()
        seconds = 0.003 + 0.02 * drawn * drawn
        if self.faults.slow and self.chance.random() < self.faults.slow:
            seconds += 4 * drawn
        return seconds

    def exchange(
        self, sandbox: Sandbox, service: str, action: str, request: Mapping[str, Any], within_s: float
    ) -> Generator[float, None, tuple[int, dict[str, Any]]]:
        """One HTTP exchange; yields the seconds to wait. Raises NotSent or NoAnswer as the client would.

        `within_s` is the client's time limit, what a long poll waits included.
        """
        world = self.world
        world.asked[sandbox.function] += 1
        fate = self._fate()
        yield self._latency()
        if fate:
            world.census.excuse(request)
            if service == "s3" and sandbox.invocation:
                # Ten letters are sent back together: one that cannot be deleted leaves those behind it.
                world.census.excuse_messages(sandbox.invocation.sent)
        if fate == "dies_before":
            world.note(sandbox.label, f"dies before {action}", request)
            sandbox.kill("died")
            yield FOREVER
        if fate == "not_sent":
            raise NotSent("refused")
        if fate in ("error_before", "throttled", "expired"):
            world.note(sandbox.label, f"{action}: {fate}", request)
            if fate == "error_before":
                return 500, {"__type": "com.amazonaws#InternalFailure"}
            code = "ThrottlingException" if fate == "throttled" else "ExpiredTokenException"
            return 400, {"__type": f"com.amazonaws#{code}"}
        world.caller = sandbox
        try:
            answer = self.services[service].call(action, request)
            if action == "ReceiveMessage" and not answer and request.get("WaitTimeSeconds"):
                world.caller = None
                yield self._poll_s(request)
                world.caller = sandbox
                answer = self.services[service].call(action, request)
        except Refused as e:
            return e.status, {"__type": f"com.amazonaws#{e.code}", "message": e.message}
        finally:
            world.caller = None
        if fate:
            world.note(sandbox.label, f"{action}: {fate}", request, answer)
            world.census.excuse_given(answer)
        elif world.tracing:
            world.note(sandbox.label, action, request, answer)
        if fate == "dies_after":
            sandbox.kill("died")
            yield FOREVER
        if fate == "error_after":
            return 500, {"__type": "com.amazonaws#InternalFailure"}
        if fate == "lost":
            raise NoAnswer("reset")
        if fate == "late":
            yield within_s
            raise NoAnswer("late")
        seconds = self._latency()
        if seconds >= within_s:
            world.census.excuse(request)
            world.census.excuse_given(answer)
            yield within_s
            raise NoAnswer("late")
        yield seconds
        return 200, answer

    def _poll_s(self, request: Mapping[str, Any]) -> float:
        """How long a long poll finds nothing; what is sent meanwhile is seen at its end."""
        now = self.world.loop.now
        wait_s = float(request["WaitTimeSeconds"])
        queue = self.world.sqs.queues.get(request["QueueUrl"])
        at = queue.next_visible(now) if queue else None
        return wait_s if at is None else max(0.0, min(wait_s, at - now))


class Transport:
    """What carries the drain's own calls: Http1's place."""

    def __init__(self, network: Network, sandbox: Sandbox) -> None:
        self._network = network
        self._sandbox = sandbox

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        target, _, action = headers["x-amz-target"].partition(".")
        request = json.loads(body)
        sandbox = self._sandbox
        loop = self._network.world.loop
        steps = self._network.exchange(sandbox, target, action, request, within_s)
        try:
            while True:
                seconds = next(steps)
                turn = loop.create_future()
                if seconds != FOREVER and sandbox.alive:
                    loop.call_later(seconds, _wake, turn)
                else:
                    sandbox.world.graveyard.append(turn)
                await turn
                if not sandbox.alive:
                    sandbox.world.graveyard.append(turn := loop.create_future())
                    await turn
        except StopIteration as end:
            status, answer = end.value
        sandbox.answered(action, status, answer)
        return status, json.dumps(answer).encode()

    def close(self) -> None:
        """Nothing is open."""


def _wake(turn: Any) -> None:
    if not turn.done():
        turn.set_result(None)


class Unsigned:
    """In a Signer's place: signatures have tests of their own, and cost more than all the rest here."""

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        return {"x-amz-target": target}


class BlockingTransport(Transport):
    """Its coroutine never waits: it blocks, as the functions do that have no event loop."""

    async def post(self, headers: Mapping[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        target, _, action = headers["x-amz-target"].partition(".")
        sandbox = self._sandbox
        steps = self._network.exchange(sandbox, target, action, json.loads(body), within_s)
        status, answer = blocked(sandbox, steps)
        sandbox.answered(action, status, answer)
        return status, json.dumps(answer).encode()


def blocked(sandbox: Sandbox, steps: Generator[float, None, Result]) -> Result:
    """What the exchange returns; the calling function waits meanwhile, for ever if its process dies."""
    try:
        while True:
            seconds = next(steps)
            if seconds == FOREVER:
                sandbox.world.loop.forever()
            sandbox.sleep(seconds)
    except StopIteration as end:
        result: Result = end.value
        return result


class BotoClient:
    """A boto3 client of one sandbox, with botocore's standard retries. `call` is its only way out."""

    def __init__(self, network: Network, sandbox: Sandbox, service: str) -> None:
        self._network = network
        self._sandbox = sandbox
        self._service = service
        self._limits = network.world.limits.clients[service]
        self.exceptions = Exceptions()

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        action = "".join(part.title() for part in name.split("_"))

        def call(**request: Any) -> dict[str, Any]:
            return self.call(action, request)

        setattr(self, name, call)
        return call

    def get_paginator(self, name: str) -> Paginator:
        return Paginator(getattr(self, name))

    def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises ClientError or another BotoCoreError once botocore would give up."""
        error: Exception = AssertionError("no attempt")
        for attempt in range(self._limits.attempts):
            if attempt:
                self._sandbox.sleep(self._network.chance.random() * min(2 ** (attempt - 1), 20))
            try:
                status, answer = self._attempt(action, request)
            except NotSent:
                error = boto.EndpointConnectionError(endpoint_url="https://aws")
                continue
            except NoAnswer:
                error = boto.ReadTimeoutError(endpoint_url="https://aws")
                continue
            self._sandbox.answered(action, status, answer)
            if status == 200:
                return answer
            code = answer["__type"].rpartition("#")[2]
            told: Any = {
                "Error": {"Code": code, "Message": answer.get("message", "")},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            error = self.exceptions.of(code)(told, action)
            if status not in RETRIED_BY_BOTO and code not in THROTTLED:
                break
        raise error

    def _attempt(self, action: str, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        steps = self._network.exchange(self._sandbox, self._service, action, request, self._limits.read_s)
        return blocked(self._sandbox, steps)


class Paginator:
    """Of a listing: a call a page."""

    def __init__(self, call: Callable[..., dict[str, Any]]) -> None:
        self._call = call

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        page = self._call(**request)
        yield page
        while token := page.get("NextContinuationToken"):
            page = self._call(**request, ContinuationToken=token)
            yield page


class Exceptions:
    """A client's `exceptions`: an error class for each code, made when it is first asked for."""

    _classes: ClassVar[dict[str, type[ClientError]]] = {}

    def of(self, code: str) -> type[ClientError]:
        name = re.sub(r"\W", "", code)
        return self._classes.setdefault(name, type(name, (ClientError,), {}))

    def __getattr__(self, name: str) -> type[ClientError]:
        return self.of(name)
