"""One measured run in a process of its own: `python -m benchmarks.drain.contender NAME URL CAPACITY WORKERS`.

Prints one line of JSON: events, seconds and CPU seconds (imports and start-up left out), peak RSS.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

REGION = "us-east-1"


def main(name: str, source: str, capacity: int, workers: int) -> None:
    destination = source.rpartition("/")[0] + "/destination"
    run = THREADED.get(name) or asynchronous(name)
    begin = run(source, destination, capacity, workers)  # imports and makes what is made once
    cpu, started = _cpu(), time.perf_counter()
    events = begin()
    print(
        json.dumps(
            {
                "name": name,
                "workers": workers,
                "events": events,
                "seconds": time.perf_counter() - started,
                "cpu_s": _cpu() - cpu,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _boto3(source: str, workers: int) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sqs",
        endpoint_url=_endpoint(source),
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(max_pool_connections=workers),
    )


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def original(source: str, destination: str, capacity: int, workers: int) -> Any:
    from benchmarks.drain.original import drain

    sqs = _boto3(source, 1)
    return lambda: drain(sqs, source, destination, capacity)


def boto3_threads(source: str, destination: str, capacity: int, workers: int) -> Any:
    """The simplest thing that could do: boto3 in threads, in batches of ten."""
    sqs = _boto3(source, workers)

    def batch(_: int) -> int:
        messages = sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10).get("Messages", [])
        entries = [{"Id": str(i), "MessageBody": one["Body"]} for i, one in enumerate(messages)]
        sent = sqs.send_message_batch(QueueUrl=destination, Entries=entries)["Successful"]
        gone = [{"Id": one["Id"], "ReceiptHandle": messages[int(one["Id"])]["ReceiptHandle"]} for one in sent]
        return len(sqs.delete_message_batch(QueueUrl=source, Entries=gone)["Successful"])

    def begin() -> int:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(batch, range(capacity // 10)))

    return begin


class AiohttpTransport:
    """aiohttp in the place of Http1."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session: Any = None

    async def post(self, headers: dict[str, str], body: bytes, within_s: float) -> tuple[int, bytes]:
        import aiohttp
        from yarl import URL

        if self._session is None:
            self._url = URL(f"{self._endpoint}/")
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        timeout = aiohttp.ClientTimeout(total=within_s)
        async with self._session.post(self._url, data=body, headers=headers, timeout=timeout) as answer:
            return answer.status, await answer.read()

    def close(self) -> None:
        if self._session is not None:
            asyncio.get_running_loop().create_task(self._session.close())


class BotocoreSigner:
    """botocore's SigV4Auth in the place of Signer."""

    def __init__(self, host: str) -> None:
        from botocore.auth import SigV4Auth
        from botocore.credentials import Credentials

        self._host = host
        self._auth = SigV4Auth(Credentials("test", "test"), "sqs", REGION)

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        from botocore.awsrequest import AWSRequest

        headers = {"Content-Type": "application/x-amz-json-1.0", "Host": self._host, "X-Amz-Target": target}
        request = AWSRequest("POST", f"http://{self._host}/", headers=headers, data=body)
        self._auth.add_auth(request)
        return dict(request.headers.items())


def asynchronous(name: str) -> Any:
    """The drain itself, with the named transport and signer: ours+ours, aiohttp+botocore, ..."""
    transport_name, _, signer_name = name.partition("+")

    def run(source: str, destination: str, capacity: int, workers: int) -> Any:
        from chalicelib.aws.lean import fast_json
        from chalicelib.aws.lean.http1 import Http1
        from chalicelib.aws.lean.signing import Credentials, Signer
        from chalicelib.aws.lean.sqs import AsyncSqs
        from chalicelib.config import Config
        from chalicelib.drain import tick
        from chalicelib.drain.clock import STOP_S, Clock
        from chalicelib.drain.forward import Timing

        endpoint = _endpoint(source)
        host = urlsplit(source).netloc
        config = Config(
            images_bucket="images",
            thumbnails_bucket="thumbnails",
            source_queue_url=source,
            destination_queue_url=destination,
            dead_letter_queue_url=destination + "-dead",
            stage="bench",
            drain_workers=workers,
        )
        credentials = Credentials("test", "test")
        signer: Any = (
            Signer(lambda: credentials, service="sqs", region=REGION, host=host)
            if signer_name == "ours"
            else BotocoreSigner(host)
        )
        transport: Any = Http1(endpoint) if transport_name == "ours" else AiohttpTransport(endpoint)

        async def one_tick() -> int:
            sqs = AsyncSqs(transport, signer, encode=fast_json.encoded, decode=fast_json.decoded)
            began = time.monotonic()
            # As it is deployed: each event has its place on the clock, of a capacity that is just used up.
            capacity_at, now = (lambda at: capacity), time.time()
            clock = Clock()
            clock.begin(now, now, capacity_at)
            timing = Timing(clock, capacity_at, now + STOP_S)
            result = await tick.tick(
                sqs,
                config,
                min(capacity, clock.slots(now, timing.stop, capacity_at)),
                lambda: 60 - (time.monotonic() - began),
                timing=timing,
            )
            sqs.close()
            if result.errors:
                raise SystemExit(str(result.errors))
            return result.forwarded

        return lambda: tick.in_loop(one_tick())

    return run


THREADED = {"original": original, "boto3": boto3_threads}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
