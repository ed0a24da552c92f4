"""Processes to kill: one tick, or a consumer of batches. Forked, so that a kill costs no start of Python."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from chalicelib.config import Config
from chalicelib.consume.batch import consume_batch
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.drain import tick
from chalicelib.errors import Reject, Retry, TickFailed
from chalicelib.events import ObjectCreated

BATCH = 10  # of app.py's event source
FORK = multiprocessing.get_context("fork")
ACTION_S = 0.004


def forked(function: Callable[..., None], *args: Any) -> Any:
    process = FORK.Process(target=_quiet, args=(function, *args), daemon=True)
    process.start()
    return process


def one_tick(config: Config) -> None:
    began = time.monotonic()
    with contextlib.suppress(TickFailed):
        tick.run(config, lambda: int(1000 * (60 - (time.monotonic() - began))))


def consume_all(config: Config, sqs: Any, done: int) -> None:
    """What Lambda's poller and its function do, batch by batch. What is done is written to `done`, a pipe."""

    def act(created: ObjectCreated, delivery: Delivery) -> ActionResult:
        time.sleep(ACTION_S)
        fate = hashlib.sha256(created.key.encode()).digest()[0] % 10
        if fate == 0:
            raise Reject("this one never works")
        if fate in (1, 2):
            raise Retry("not yet")
        os.write(done, f"{created.key}\n".encode())
        return ActionResult("logged")

    url = config.destination_queue_url
    while True:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        received = answer.get("Messages", [])
        if not received:
            return
        records = [_record(message) for message in received]
        try:
            consume_batch({"Records": records}, act, sqs, config, lambda: 120_000)
        except Retry:
            continue  # Lambda deletes nothing then
        entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(received)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def _record(message: dict[str, Any]) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in attributes.items()
        },
    }


def _quiet(function: Callable[..., None], *args: Any) -> None:
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the log lines; until the process ends
    function(*args)
