"""One contract, four backends: what the drain relies on, of the fake, of the server, of the simulation's model, of
the local AWS.

The same statements hold for AWS itself; a fake that drifts from them fails here.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextvars import copy_context
from dataclasses import replace

import pytest

from chalicelib.aws.lean import connect
from chalicelib.aws.lean.connect import AwsEnvironment
from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.aws.lean.sqs import AsyncSqs
from chalicelib.drain.tick import in_loop
from dev.fake_sqs.client import FakeSqs
from dev.fake_sqs.process import ServerProcess
from dev.simulation.lambdas import Sandbox
from dev.simulation.network import Transport, Unsigned
from dev.simulation.scenario import from_seed
from dev.simulation.world import World

names = (f"contract-{i}" for i in itertools.count())


class FakeBackend:
    def __init__(self):
        self.sqs = FakeSqs()

    run = staticmethod(in_loop)

    def client(self):
        return self.sqs

    def queue(self):
        name = next(names)
        self.sqs.queues.create(name)
        return f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"


class HttpBackend:
    """AsyncSqs to an endpoint on this machine."""

    run = staticmethod(in_loop)

    def __init__(self, endpoint, create):
        self._environment = AwsEnvironment("us-east-1", endpoint, "test", "test", "")
        self._create = create

    def client(self):
        return connect.async_sqs("http://localhost/000000000000/any", self._environment)

    def queue(self):
        return self._create(next(names))


class SimulatedBackend:
    """AsyncSqs to the simulation's model, on its virtual clock."""

    def __init__(self):
        self._world = World(replace(from_seed(0), uploads=(), orders=()))
        self._sandbox = Sandbox(self._world, "contract", 1)

    def run(self, coroutine):
        loop = self._world.loop
        loop.start(lambda: loop.complete(coroutine), copy_context())
        loop.run()

    def client(self):
        return AsyncSqs(Transport(self._world.network, self._sandbox), Unsigned())

    def queue(self):
        return self._world.sqs.create(next(names), visibility_s=30, retention_s=345_600).url


@pytest.fixture(scope="session")
def server_backend():
    with ServerProcess() as server:

        def create(name):
            server.control("create", name=name)
            return server.url(name)

        yield HttpBackend(server.endpoint, create)


@pytest.fixture(scope="session")
def ministack_backend():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.update(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SERVICES="sqs")
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(f"{endpoint}/_ministack/health", process)
            boto3_sqs = _boto3_sqs(endpoint)
            yield HttpBackend(endpoint, lambda name: boto3_sqs.create_queue(QueueName=name)["QueueUrl"])
        finally:
            process.terminate()
            process.wait(timeout=20)


def _boto3_sqs(endpoint):
    import boto3

    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _wait_for(url, process):
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            assert process.poll() is None, "ministack ended"
            time.sleep(0.1)
    pytest.fail("ministack did not start within 30 s")


# `make test-second-opinion` starts these two.
OTHERS = {
    name: url for name in ("localstack", "moto") if (url := os.environ.get(f"SECOND_OPINION_{name.upper()}"))
}


@pytest.fixture(
    params=["fake", "server", "simulated", pytest.param("ministack", marks=pytest.mark.aws), *OTHERS]
)
def backend(request):
    if url := OTHERS.get(request.param):
        boto3_sqs = _boto3_sqs(url)
        return HttpBackend(url, lambda name: boto3_sqs.create_queue(QueueName=name)["QueueUrl"])
    if request.param == "fake":
        return FakeBackend()
    if request.param == "simulated":
        return SimulatedBackend()
    return request.getfixturevalue(f"{request.param}_backend")


def contract(statement):
    """Runs an async statement about (sqs, url of a new queue)."""

    def test(backend):
        async def run():
            sqs = backend.client()
            try:
                await statement(sqs, backend.queue())
            finally:
                if not isinstance(sqs, FakeSqs):
                    sqs.close()

        backend.run(run())

    test.__doc__ = statement.__doc__
    return test


def entries(count, body="body"):
    return [{"Id": str(i), "MessageBody": f"{body} {i}"} for i in range(count)]


async def received(sqs, url, most=10):
    answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=1)
    return answer.get("Messages") or []


@contract
async def test_what_is_sent_is_received(sqs, url):
    """Bodies come back as they were, non-ASCII too, each with an id and a receipt handle."""
    await sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "Grüße, 世界 🌍"}])
    (message,) = await received(sqs, url)
    assert message["Body"] == "Grüße, 世界 🌍"
    assert message["MessageId"]
    assert message["ReceiptHandle"]


@contract
async def test_every_entry_of_a_send_is_confirmed_by_its_id(sqs, url):
    answer = await sqs.send_message_batch(QueueUrl=url, Entries=entries(10))
    assert sorted(entry["Id"] for entry in answer["Successful"]) == [str(i) for i in range(10)]
    assert not answer.get("Failed")


@contract
async def test_a_receive_gives_at_most_what_was_asked(sqs, url):
    await sqs.send_message_batch(QueueUrl=url, Entries=entries(10))
    assert 1 <= len(await received(sqs, url, 3)) <= 3


@contract
async def test_an_empty_queue_gives_no_messages_after_a_long_poll(sqs, url):
    assert await received(sqs, url) == []


@contract
async def test_what_is_received_is_hidden_and_what_is_deleted_is_gone(sqs, url):
    await sqs.send_message_batch(QueueUrl=url, Entries=entries(2))
    messages = await received(sqs, url)
    deletes = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(messages)]
    answer = await sqs.delete_message_batch(QueueUrl=url, Entries=deletes)
    assert len(answer["Successful"]) == len(messages) == 2
    assert await received(sqs, url) == []


@contract
async def test_visibility_zero_gives_a_message_back_at_once(sqs, url):
    await sqs.send_message_batch(QueueUrl=url, Entries=entries(1))
    (message,) = await received(sqs, url)
    shown = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}]
    answer = await sqs.change_message_visibility_batch(QueueUrl=url, Entries=shown)
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [one["Body"] for one in await received(sqs, url)] == [message["Body"]]


@contract
async def test_the_receive_count_is_told(sqs, url):
    await sqs.send_message_batch(QueueUrl=url, Entries=entries(1))
    for count in ("1", "2"):
        answer = await sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=1, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
        (message,) = answer["Messages"]
        assert message["Attributes"]["ApproximateReceiveCount"] == count
        shown = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}]
        await sqs.change_message_visibility_batch(QueueUrl=url, Entries=shown)


@contract
async def test_a_queue_that_does_not_exist_is_a_refusal_of_known_outcome(sqs, url):
    with pytest.raises(CallFailed, match=r"QueueDoesNotExist|NonExistentQueue") as caught:
        await sqs.receive_message(QueueUrl=f"{url}-not-there", MaxNumberOfMessages=1)
    assert not caught.value.unknown


@contract
async def test_eleven_entries_are_refused(sqs, url):
    with pytest.raises(CallFailed, match="TooManyEntriesInBatchRequest") as caught:
        await sqs.send_message_batch(QueueUrl=url, Entries=entries(11))
    assert not caught.value.unknown
    assert await received(sqs, url) == []


@contract
async def test_the_same_id_twice_is_refused(sqs, url):
    with pytest.raises(CallFailed, match="BatchEntryIdsNotDistinct"):
        await sqs.send_message_batch(QueueUrl=url, Entries=[*entries(1), *entries(1)])


@contract
async def test_more_than_one_mebibyte_together_is_refused(sqs, url):
    with pytest.raises(CallFailed, match="BatchRequestTooLong"):
        await sqs.send_message_batch(QueueUrl=url, Entries=entries(2, "x" * 600_000))


@contract
async def test_calls_run_at_the_same_time(sqs, url):
    await asyncio.gather(
        *(sqs.send_message_batch(QueueUrl=url, Entries=entries(10, f"part {i}")) for i in range(8))
    )
    bodies = [message["Body"] for part in [await received(sqs, url) for _ in range(8)] for message in part]
    assert len(set(bodies)) == 80
