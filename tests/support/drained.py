"""A drain over three queues in memory."""

from __future__ import annotations

import asyncio
import json

from chalicelib.config import Config
from chalicelib.drain import tick
from chalicelib.drain.refusals import Refusals
from dev import template
from dev.fake_sqs.client import FakeSqs


def config(**changes):
    return Config(
        **{
            "images_bucket": "images",
            "thumbnails_bucket": "thumbnails",
            "source_queue_url": f"{HOST}/source",
            "destination_queue_url": f"{HOST}/destination",
            "dead_letter_queue_url": f"{HOST}/dead",
            "stage": "dev",
            "drain_workers": 4,
            **changes,
        }
    )


class Stage:
    """Three queues in memory, and ticks over them."""

    def __init__(self, **changes):
        self.sqs = FakeSqs()
        self.refusals = Refusals()
        self.config = config(**changes)
        self.dead = self.sqs.queues.create("dead")
        self.source = self.sqs.queues.create(
            "source",
            visibility_s=template.visibility_s("source"),
            max_receives=template.max_receives("source"),
            dead_letters=self.dead,
        )
        self.destination = self.sqs.queues.create("destination")

    def fill(self, *bodies):
        for body in bodies:
            self.sqs.queues.put(self.source, body)
        return list(bodies)

    def tick(self, capacity=1000, seconds=60.0, **margins):
        began = self.sqs.now
        return asyncio.run(
            tick.tick(
                self.sqs,
                self.config,
                capacity,
                lambda: seconds - (self.sqs.now - began),
                refusals=self.refusals,
                clock=lambda: self.sqs.now,
                **margins,
            )
        )


def event(i):
    return json.dumps({"Bucket": "images", "Key": f"photos/{i:04d}.jpg", "Sequencer": f"{i:04X}"})


def events(count):
    return [event(i) for i in range(count)]


HOST = "https://sqs.eu-central-1.amazonaws.com/123456789012"
