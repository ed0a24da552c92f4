"""A webhook for each event: POST to POST_URL, signed as Standard Webhooks says.

    {"type": "object.created", "timestamp": <when it was uploaded, or is sent>, "data": <the message body>}

`webhook-id` is the event's identity, the same on every try: by it the receiver knows a duplicate. The secret
is the SSM parameter POST_SECRET_PARAMETER, a SecureString; two may stand there with a space between, and both
sign: so one is changed without a gap.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from functools import partial
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any

import urllib3
from standardwebhooks import Webhook
from urllib3.connection import HTTPConnection, HTTPSConnection

from chalicelib import times
from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery, short
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from chalicelib.consume.actions import Action

NEEDS = {"ssm:GetParameter": "POST_SECRET_PARAMETER"}
SETTINGS = ("POST_URL",)

# What says that this very event is wrong. Everything else may pass: an expired secret, which is answered with
# 401, must not turn a backlog into letters.
LETTERS = (400, 413, 422)
REFUSED = 401
MOST_READ = 2048  # bytes of an answer
SECRETS_KEPT_S = 300.0
SECRETS_KEPT_AFTER_401_S = (
    10.0  # no sooner again: a receiver that refuses all is no reason to ask SSM each time
)


def action(config: Config) -> Action:
    secrets = Secrets(clients.downstream("ssm"), config.setting("POST_SECRET_PARAMETER"))
    return partial(
        post, pool(config.consume_threads), secrets, config.setting("POST_URL"), config.post_timeout_s
    )


class Secrets:
    """The secrets of the parameter, read again after five minutes, and after an answer 401."""

    def __init__(self, ssm: SSMClient, parameter: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._ssm, self._parameter, self._clock = ssm, parameter, clock
        self._lock = Lock()
        self._found: list[Webhook] = []
        self._read = self._until = 0.0

    def signers(self) -> list[Webhook]:
        """At least one. Raises Retry while there is none that can be read: no letter for a missing secret."""
        with self._lock:
            if not self._found or self._clock() >= self._until:
                with errors.errors_translated(f"the secret in {self._parameter}"):
                    text = read_parameter(self._ssm, self._parameter)
                try:
                    found = [Webhook(secret) for secret in text.split()]
                except Exception as e:
                    raise Retry(f"{self._parameter} holds no secret of Standard Webhooks, whsec_...") from e
                if not found:
                    raise Retry(f"{self._parameter} is empty: expected whsec_...")
                self._found, self._read = found, self._clock()
                self._until = self._read + SECRETS_KEPT_S
            return self._found

    def refused(self) -> None:
        """The receiver took none of them: there may be a new one."""
        with self._lock:
            self._until = min(self._until, max(self._clock(), self._read + SECRETS_KEPT_AFTER_401_S))


class _Timed:
    """A connection whose answer has its time as a whole: a socket's timeout holds for each piece of it."""

    ends: Timer | None = None
    sock: Any
    timeout: Any

    def getresponse(self, *rest: Any, **named: Any) -> Any:
        self.ends = Timer(self.timeout, self._end, (self.sock,))
        self.ends.daemon = True
        self.ends.start()
        try:
            return super().getresponse(*rest, **named)  # type: ignore[misc]
        except BaseException:
            self.ends.cancel()
            raise

    def _end(self, sock: socket.socket) -> None:
        """Whoever reads from it finds its end; it is not used again."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _TimedHttp(_Timed, HTTPConnection):
    pass


class _TimedHttps(_Timed, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _TimedHttp


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TimedHttps


def pool(connections: int = 1) -> urllib3.PoolManager:
    """What `post` asks with, by so many threads at once."""
    http = urllib3.PoolManager(maxsize=connections)
    http.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return http


def read_parameter(ssm: SSMClient, name: str) -> str:
    return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]


def post(
    http: urllib3.PoolManager,
    secrets: Secrets,
    url: str,
    timeout_s: float,
    created: ObjectCreated,
    delivery: Delivery,
) -> ActionResult:
    """Tell the receiver once. It is not asked to follow a redirect, and urllib3 tries nothing twice.

    `timeout_s` is the time of it all, but for looking up the receiver's name; where that has several
    addresses, it holds for connecting to each. One that trickles its headers is given up then, and of an
    answer that trickles after its status the status counts. Raises Reject, Retry.
    """
    within_s = min(timeout_s, delivery.left_s())
    if within_s <= 0:
        raise Retry("no time left to ask the downstream")
    body = _body(created)
    now = times.now()  # in UTC, as the library wants it
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "s3-event-scheduler",
        "webhook-id": created.identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(one.sign(created.identity, now, body) for one in secrets.signers()),
    }
    try:
        status, retry_after, text = _ask(http, url, body.encode(), headers, within_s)
    except (urllib3.exceptions.HTTPError, OSError) as e:
        raise Retry(f"the downstream gives no answer within {within_s:.3g} s: {short(str(e))}") from e
    says = f"the downstream answers {status}" + (f": {short(text)}" if text else "")
    if status in LETTERS:
        raise Reject(says, "refused-by-downstream")
    if status == REFUSED:
        secrets.refused()
    if not 200 <= status < 300:
        raise Retry(says, after=retry_after)
    return ActionResult("posted", says=says)


def _body(created: ObjectCreated) -> str:
    told = {
        "type": "object.created",
        "timestamp": created.event_time or times.iso(times.now()),
        "data": json.loads(created.to_body()),
    }
    return json.dumps(told)


def _ask(
    http: urllib3.PoolManager, url: str, body: bytes, headers: dict[str, str], within_s: float
) -> tuple[int, str | None, str]:
    """The answer's status, its Retry-After, and the beginning of its text."""
    answer = http.request(
        "POST",
        url,
        body=body,
        headers=headers,
        timeout=urllib3.Timeout(total=within_s),
        retries=False,
        redirect=False,
        preload_content=False,
    )
    ends = getattr(answer.connection, "ends", None)
    text = b""
    try:  # the status is the answer, whatever becomes of its text
        while len(text) < MOST_READ:
            if not (piece := answer.read(1, decode_content=False)):
                answer.release_conn()  # read to its end: the connection is good for the next
                break
            text += piece
    except (urllib3.exceptions.HTTPError, OSError):
        text += b" ..."
    finally:
        if ends:
            ends.cancel()
        answer.close()
    return answer.status, answer.headers.get("Retry-After"), text.decode(errors="replace")
