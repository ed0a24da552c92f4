"""A stage with two lanes and a drain whose clock is set by hand."""

from __future__ import annotations

import asyncio
import json

from chalicelib.aws.lean.json_calls import CallFailed
from chalicelib.drain.clock import Clock
from chalicelib.drain.tick import Process, paced
from dev.fake_sqs.client import FakeSqs
from tests.support.drained import HOST, config

MINUTE = 1_769_860_800.0
NOT_FOUND = CallFailed("GetParameter: ParameterNotFound", unknown=0, code="ParameterNotFound")


class Parameter:
    """What people set."""

    def __init__(self):
        self.value = ""
        self.error = None
        self.reads = 0

    async def get_parameter(self, *, Name):  # noqa: N803  boto3's name
        self.reads += 1
        if self.error:
            raise self.error
        if not self.value:
            raise NOT_FOUND
        return {"Parameter": {"Name": Name, "Value": self.value}}


class Lanes:
    """A stage with two lanes, its clock already warm."""

    def __init__(self, **changes):
        self.sqs = FakeSqs()
        self.sqs.now = MINUTE
        self.ssm = Parameter()
        self.config = config(stage="prod", bulk_queue_url=f"{HOST}/bulk", **{"capacity": 100, **changes})
        self.queues = {
            name: self.sqs.queues.create(name, visibility_s=360)
            for name in ("source", "bulk", "destination", "dead")
        }
        self.process = Process(Clock())
        self.process.paused = False
        self.process.clock.begin(MINUTE - 600, MINUTE - 600, lambda at: 100)
        self.minute = MINUTE
        self.shard = 0

    def fill(self, name, bodies):
        for body in bodies:
            self.sqs.queues.put(self.queues[name], body)

    def take(self, name, count):
        """A consumer has received so many, and is at work on them."""
        queue = self.queues[name]
        while count > 0:
            count -= len(queue.receive(min(10, count), self.sqs.now))

    def tick(self):
        self.sqs.now = max(self.sqs.now, self.minute + 1)
        began = self.sqs.now
        found = asyncio.run(
            paced(
                self.sqs,
                self.ssm,
                self.config,
                lambda: 60.0 - (self.sqs.now - began),
                self.minute,
                self.process,
                self.shard,
                clock=lambda: self.sqs.now,
            )
        )
        self.minute += 60
        return found

    def arrived(self):
        """Keys in the destination, by when they are visible."""
        queue = self.queues["destination"]
        there = [(self.sqs.now, message) for message in queue.ready]
        there += [(due, message) for due, _, message in queue.delayed]
        return [
            (at - self.minute + 60, json.loads(message.body)["Key"])
            for at, message in sorted(there, key=lambda one: one[0])
        ]


def bulk(count):
    return [
        json.dumps({"Bucket": "images", "Key": f"old/{i:05d}", "Sequencer": f"{i:X}"}) for i in range(count)
    ]
