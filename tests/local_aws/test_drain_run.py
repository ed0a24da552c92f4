"""The drain whole: settings in, calls over HTTP, one line of log out; shards; TLS."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import times
from chalicelib.aws.lean import connect
from chalicelib.aws.lean.connect import AwsEnvironment
from chalicelib.aws.lean.http1 import Http1
from chalicelib.aws.lean.transport import NotSent
from chalicelib.capacity import share
from chalicelib.config import Config
from chalicelib.drain import tick
from chalicelib.errors import TickFailed
from dev.fake_sqs.certificate import make_certificate
from dev.fake_sqs.process import ServerProcess
from tests.support.drained import Stage, events


@pytest.fixture
def server():
    tick._processes.clear()
    with ServerProcess() as server:
        for queue in ("source", "destination", "dead"):
            server.control("create", name=queue)
        yield server


def now() -> str:
    """A tick's scheduled time: it is not late."""
    return times.iso(times.now())


@pytest.fixture
def config(server, monkeypatch):
    """Settings for the server's queues; the credentials are in the environment, as on Lambda."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Config.from_env(
        {
            "IMAGES_BUCKET": "images",
            "THUMBNAILS_BUCKET": "thumbnails",
            "SOURCE_QUEUE_URL": server.url("source"),
            "DESTINATION_QUEUE_URL": server.url("destination"),
            "DEAD_LETTER_QUEUE_URL": server.url("dead"),
            "STAGE": "dev",
            "CAPACITY": "25",
            "DRAIN_SHARDS": "2",
        }
    )


def test_a_tick_over_http_logs_one_line(server, config, capsys):
    """And a shard forwards its share."""
    server.control("fill", queue="source", count=100)
    config = replace(config, spread=False)  # else how many it is hangs on where the second stands
    result = tick.run(config, lambda: 60_000, shard=1, scheduled=now())
    (line,) = capsys.readouterr().out.splitlines()
    written = json.loads(line)
    assert written.pop("at")
    told = json.loads(json.dumps(result.as_dict()))
    measured = {name: written.pop(name) for name in ("Received", "Forwarded", "Rejected", "Failed")}
    assert measured == {name: told[name.lower()] for name in measured}
    assert written.pop("CapacityUnread") == 0
    assert (written.pop("TickDuration"), written.pop("Function")) == (told["seconds"], "drain")
    assert written.pop("_aws")["CloudWatchMetrics"]
    assert written.pop("OldestReceived") > 0
    assert written.pop("Stage") == "dev"
    assert written.pop("Renewed") == 0
    assert written.pop("Capacity") == told["stage_capacity"] == config.capacity
    assert written.pop("ForwardedBulk") == told["forwarded_bulk"] == 0
    assert written.pop("scheduled")
    assert written == {"message": "tick", "shard": 1, **told}
    assert (result.forwarded, result.stopped, result.errors) == (12, "capacity", ())
    assert len(server.control("bodies", queue="destination")["bodies"]) == 12


def test_a_tick_with_errors_raises_after_all_good_work(server, config, capsys):
    """Lambda counts it as a failure; the result is in the log and in the error."""
    server.control("fill", queue="source", count=100)
    server.control("faults", refuse_for_ever=0.3)
    config = replace(config, spread=False)  # a refused one has taken a place in time, too
    with pytest.raises(TickFailed) as caught:
        tick.run(config, lambda: 60_000, scheduled=now())
    assert caught.value.result["forwarded"] == 13
    assert caught.value.result["failed"] > 0
    assert json.loads(capsys.readouterr().out)["forwarded"] == 13


def test_a_tick_a_minute_late_forwards_nothing_so_that_lambdas_own_second_try_does_no_harm(server, config):
    """A drain whose retries were never set, because a deploy died before, is run again after a minute."""
    server.control("fill", queue="source", count=100)
    late = times.iso(times.now() - timedelta(seconds=tick.LATE_S + 1))
    result = tick.run(config, lambda: 60_000, scheduled=late)
    assert (result.stopped, result.received, result.errors) == ("late", 0, ())


@pytest.mark.parametrize(("capacity", "shards"), [(100, 3), (7, 10)])
def test_shards_together_forward_exactly_the_capacity_and_none_is_lost(capacity, shards):
    stage = Stage()
    bodies = stage.fill(*events(200))

    async def minute():
        return await asyncio.gather(
            *(
                tick.tick(stage.sqs, stage.config, share(capacity, shards, index), lambda: 60.0)
                for index in range(shards)
            )
        )

    assert sum(result.forwarded for result in asyncio.run(minute())) == capacity
    assert len(stage.destination.bodies()) == capacity
    assert sorted(stage.destination.bodies() + stage.source.bodies()) == bodies


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made with openssl")
def test_tls_is_verified(tmp_path):
    """A certificate nobody vouches for, or of another host, ends the call before anything is sent."""
    certificate = make_certificate(tmp_path)

    async def post(endpoint, tls=None):
        http = Http1(endpoint, tls)
        try:
            return await http.post({"host": "h"}, json.dumps({"do": "stats"}).encode(), 5.0)
        finally:
            http.close()

    with ServerProcess(str(certificate)) as server:
        trusted = ssl.create_default_context(cafile=str(certificate))
        status, _ = tick.in_loop(post(server.tls_endpoint, trusted))
        assert status == 200
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            tick.in_loop(post(server.tls_endpoint))
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            tick.in_loop(post(server.tls_endpoint.replace("127.0.0.1", "localhost"), trusted))


def test_without_keys_in_the_environment_botocore_finds_and_refreshes_them(tmp_path, monkeypatch):
    """As on a developer's machine with a profile."""
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = AKPROFILE\naws_secret_access_key = s\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    sqs = connect.async_sqs("http://127.0.0.1:1/000000000000/q", AwsEnvironment("us-east-1", "", "", "", ""))
    assert "AKPROFILE" in sqs._signer.headers("AmazonSQS.ReceiveMessage", b"")["authorization"]


def test_the_drains_imports_leave_botocore_out():
    """A cold start on Lambda waits for every import; botocore alone is twice all of the drain's."""
    code = "import sys, chalicelib.drain, chalicelib.aws.lean.http1; print('botocore' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
