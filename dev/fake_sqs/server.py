"""The fake SQS over HTTP: `python -m dev.fake_sqs.server PORT`.

Speaks SQS's JSON protocol. The latency is inside the server, so a client's figures hold for a real
endpoint at that distance. A POST to /_control with {"do": ...} fills, reads and breaks it, see _control.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import time
from typing import Any

from chalicelib.events import ObjectCreated
from dev.fake_sqs.faults import Faults
from dev.fake_sqs.queues import Answer, Queues, Refused


def as_enqueued(number: int) -> str:
    """A body as the function enqueue writes it."""
    return ObjectCreated(
        bucket="images-1a2b3c",
        key=f"uploads/2026/11/22/{number:07d}.jpeg",
        etag="0123456789abcdef0123456789abcdef",
        size=2_000_000,
        sequencer=f"{number:016X}",
        event_time="2026-11-22T12:00:00.000Z",
    ).to_body()


class Server:
    def __init__(self) -> None:
        self.faults = Faults()
        self.latency_s = 0.0
        self.queues = Queues(refuse=lambda queue, entry: self.faults.refuse(queue, entry))
        self.arrived: dict[str, asyncio.Event] = {}  # by queue: wakes the long polls
        self.ambiguous = 0  # events taken although the answer said otherwise, or none came
        self.repeated = 0  # messages given twice by one receive

    async def serve(self, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", port, ssl=tls
        )

    async def answer(self, action: str, request: dict[str, Any]) -> tuple[int, Answer]:
        """Raises ConnectionResetError where the connection is to be dropped."""
        if action == "GetParameter":  # SSM's, for the drain: nobody has set the capacity
            return 400, _error("ParameterNotFound")
        faults = self.faults
        if faults.strikes(faults.error_before):
            return 500, _error("InternalFailure")
        if faults.strikes(faults.expired):
            return 403, _error("ExpiredTokenException")
        name = request.get("QueueUrl", "").rpartition("/")[2]
        if name in faults.down and action == "SendMessageBatch":
            return 503, _error("ServiceUnavailable")
        try:
            answer = self.queues.call(action, request)
            if action == "ReceiveMessage" and not answer and request.get("WaitTimeSeconds"):
                answer = await self._long_poll(request)
        except Refused as e:
            return e.status, _error(e.code, e.message)
        if action.startswith("SendMessage"):
            self.arrived.setdefault(name, asyncio.Event()).set()
        if action == "ReceiveMessage" and answer.get("Messages") and faults.strikes(faults.same_again):
            first, *others = answer["Messages"]
            answer["Messages"] = [first, first, *others][: int(request["MaxNumberOfMessages"])]
            self.repeated += 1
        taken = _taken(action, answer)
        if faults.strikes(faults.error_after):
            self.ambiguous += taken
            return 500, _error("InternalFailure")
        if faults.strikes(faults.drop_after):
            self.ambiguous += taken
            raise ConnectionResetError
        return 200, answer

    async def _long_poll(self, request: dict[str, Any]) -> Answer:
        """Asks again whenever something is sent or becomes visible, until the time is over."""
        queue = self.queues.queue(request["QueueUrl"])
        until = time.monotonic() + float(request["WaitTimeSeconds"])
        answer: Answer = {}
        while not answer and (left := until - time.monotonic()) > 0:
            expiry = queue.next_expiry()
            if expiry is not None:
                left = min(left, max(0.001, expiry - time.monotonic()))
            event = self.arrived.setdefault(queue.name, asyncio.Event())
            event.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), left)
            self.queues.calls["ReceiveMessage"] -= 1  # still the same call
            answer = self.queues.call("ReceiveMessage", request)
        return answer

    def control(self, order: dict[str, Any]) -> Answer:
        """create, fill, faults, latency, stats, bodies or expire; the rest of the order is its arguments."""
        do = order.pop("do")
        if do == "create":
            dead = order.pop("dead_letters", None)
            self.queues.create(dead_letters=self.queues.queue(dead) if dead else None, **order)
        elif do == "fill":
            queue = self.queues.queue(order["queue"])
            for i in range(order["count"]):
                self.queues.put(queue, as_enqueued(i))
        elif do == "faults":
            order["down"] = tuple(order.get("down", ()))
            self.faults = Faults(**order)
        elif do == "latency":
            self.latency_s = order["seconds"]
        elif do == "stats":
            stats = {
                "calls": dict(self.queues.calls),
                "ambiguous": self.ambiguous,
                "repeated": self.repeated,
            }
            self.queues.calls.clear()
            self.ambiguous = self.repeated = 0
            return stats
        elif do == "bodies":
            return {"bodies": self.queues.queue(order["queue"]).bodies()}
        elif do == "expire":
            self.queues.queue(order["queue"]).expire(float("inf"))
        else:
            raise ValueError(f"no such order: {do}")
        return {}


class _Connection(asyncio.Protocol):
    """One client's requests, answered in turn."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("expect") == "100-continue" and not rest:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        request = json.loads(rest[:length] or b"{}")
        target = headers.get("x-amz-target")
        if target is None:
            self._write(200, self._server.control(request))
            return
        loop = asyncio.get_running_loop()
        action = target.partition(".")[2]
        half = self._server.latency_s / 2
        loop.call_later(half, lambda: loop.create_task(self._answer(action, request, half)))

    async def _answer(self, action: str, request: dict[str, Any], half: float) -> None:
        try:
            status, answer = await self._server.answer(action, request)
        except ConnectionResetError:
            self._transport.abort()
            return
        faults = self._server.faults
        if faults.strikes(faults.slow):
            self._server.ambiguous += _taken(action, answer)
            await self._write_slowly(status, answer, faults.slow_s)
        elif half:
            asyncio.get_running_loop().call_later(half, self._write, status, answer)
        else:
            self._write(status, answer)

    def _write(self, status: int, answer: Answer) -> None:
        if not self._transport.is_closing():
            self._transport.write(_http(status, answer))

    async def _write_slowly(self, status: int, answer: Answer, pause_s: float) -> None:
        for byte in _http(status, answer):
            if self._transport.is_closing():
                return
            self._transport.write(bytes([byte]))
            await asyncio.sleep(pause_s)


def _taken(action: str, answer: Answer) -> int:
    """How many events a send put into its queue."""
    return len(answer.get("Successful", ())) if action == "SendMessageBatch" else 0


def _error(code: str, message: str = "") -> Answer:
    return {"__type": f"com.amazonaws.sqs#{code}", "message": message or code}


def _http(status: int, answer: Answer) -> bytes:
    body = json.dumps(answer).encode()
    error = ""
    if status != 200:
        error = f"x-amzn-query-error: {answer['__type'].partition('#')[2]};Sender\r\n"
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n"
        f"content-type: application/x-amz-json-1.0\r\n{error}"
        "x-amzn-requestid: 00000000-0000-0000-0000-000000000000\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _main(port: int, tls_port: int, certificate: str) -> None:
    server = Server()
    listening = [await server.serve(port)]
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listening.append(await server.serve(tls_port, context))
    print("ports", *(one.sockets[0].getsockname()[1] for one in listening), flush=True)
    await asyncio.gather(*(one.serve_forever() for one in listening))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-port", type=int, default=0)
    parser.add_argument("--certificate", default="", help="PEM file with key and certificate")
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.port, arguments.tls_port, arguments.certificate))
