"""A tick's memory is bounded whatever waits: as large messages as SQS takes, ten to each of many workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

import pytest

from dev.fake_sqs.process import ServerProcess
from dev.workspace import ROOT
from infra.stage import Stage

MESSAGES = 100
DRAIN = r"""
import contextlib, json, re, resource, sys, time
from pathlib import Path
from chalicelib.config import Config
from chalicelib.drain import tick
from chalicelib.errors import TickFailed

began = time.monotonic()
with contextlib.suppress(TickFailed):
    tick.run(Config.from_env(), lambda: int(1000 * (600 - (time.monotonic() - began))))
if sys.platform == "linux":  # getrusage counts what the test's own process held when it started this one
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak_mb": peak / 1024}))
"""


def send(server, body):
    call = {"QueueUrl": server.url("source"), "MessageBody": body}
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage"}
    request = urllib.request.Request(server.endpoint, json.dumps(call).encode(), headers)
    urllib.request.urlopen(request, timeout=30).read()


@pytest.mark.slow
@pytest.mark.parametrize("size", [400, 1_040_000])
def test_a_tick_of_the_largest_messages_stays_within_its_functions_memory(size):
    with ServerProcess() as server:
        for name in ("dead", "source", "destination"):
            server.control("create", name=name, visibility_s=600)
        for number in range(MESSAGES):
            send(server, json.dumps({"Bucket": "images", "Key": f"{number}.jpg", "Note": "x" * size}))
        settings = {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "IMAGES_BUCKET": "images",
            "THUMBNAILS_BUCKET": "thumbnails",
            "SOURCE_QUEUE_URL": server.url("source"),
            "DESTINATION_QUEUE_URL": server.url("destination"),
            "DEAD_LETTER_QUEUE_URL": server.url("dead"),
            "STAGE": "dev",
            "SPREAD": "off",
        }
        done = subprocess.run(
            [sys.executable, "-c", DRAIN],
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
        )
    tick, memory = map(json.loads, done.stdout.splitlines())
    assert tick["forwarded"] > 0, (tick, done.stderr)
    print(f"{MESSAGES} messages of {size:,} bytes: {memory['peak_mb']:.0f} MB")
    assert memory["peak_mb"] < Stage(ROOT, "local").function_setting("drain", "lambda_memory_size")
