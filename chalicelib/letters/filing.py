"""The dead-letter queue's messages become letters of the store. SQS deletes one only when it is filed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib import events, times
from chalicelib.aws import bus, clients
from chalicelib.config.stage import APP
from chalicelib.errors import Retry
from chalicelib.letters import gauge, store
from chalicelib.letters.store import Letter, text_of
from chalicelib.queues import batching, letters, messages, word
from chalicelib.queues.tries import Tries
from chalicelib.telemetry import logs

MOST_SAID = 1000  # characters of why the bus was not told

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Config


def file_batch(
    payload: Mapping[str, Any],
    s3: S3Client,
    sqs: SQSClient,
    config: Config,
    events_client: Callable[[], EventBridgeClient] | None = None,
) -> dict[str, int]:
    """File every SQS record of the payload, and tell the stage's bus of each; returns how many.

    Raises Retry when one could not be filed or told: Lambda then deletes none, so those that are done with
    are deleted here, and the others come again when their visibility timeout ends: filed once more they are
    the same object, and told once more the same event.
    """
    filed: list[str] = []  # receipt handles
    failed: list[str] = []
    written: list[tuple[str, Letter]] = []
    for record in payload["Records"]:
        letter = letter_of(record, times.now())
        why = _filed(letter, s3, config)
        if why:
            failed.append(why)
        else:
            written.append((record["receiptHandle"], letter))
    for (handle, _), why in zip(
        written, _told(written, events_client or clients.events, config), strict=True
    ):
        if why:
            failed.append(f"the bus {config.events_bus} was not told: {why}")
        else:
            filed.append(handle)
    if filed:
        gauge.write("letters filed", s3, config, filed=len(filed))
    if failed:
        left = [why for why in messages.try_to_delete(sqs, config.dead_letter_queue_url, filed) if why]
        logs.line("letters not filed", number=len(failed), reason=failed[0], not_deleted=len(left))
        raise Retry(f"{len(failed)} of {len(payload['Records'])} letters could not be filed: {failed[0]}")
    return {"filed": len(filed)}


def _told(
    written: Sequence[tuple[str, Letter]], client: Callable[[], EventBridgeClient], config: Config
) -> list[str]:
    """For each letter why the bus has not confirmed its event; empty where it has, or there is no bus."""
    if not config.events_bus or not written:
        return [""] * len(written)
    details = [_details(letter, config) for _, letter in written]
    words = [bus.Word(word.REJECTED, one) for of_letter in details for one in of_letter]
    answers = iter(bus.tell(client(), config.events_bus, APP, words))
    return [" ".join(filter(None, [next(answers) for _ in of_letter]))[:MOST_SAID] for of_letter in details]


def _details(letter: Letter, config: Config) -> list[dict[str, Any]]:
    """Of each event of the letter, as a redrive would bring it back; one of a letter that holds none."""
    found = _objects(letter["body"])
    return [_detail(letter, one, config) for one in found] or [_detail(letter, None, config)]


def _detail(letter: Letter, one: events.ObjectCreated | None, config: Config) -> dict[str, Any]:
    of = config.of_key(one.key) if one else config
    return word.detail(
        config.stage,
        id=one.identity if one else letter["identity"],
        bucket=one.bucket if one else None,
        key=one.key if one else None,
        version_id=one.version_id if one else None,
        action=of.action,
        line=of.line or None,
        code=letter["code"],
        reason=letter["reason"],
        tries=letter["tries"],
        times={"uploaded": one.event_time if one else None, "ended": letter["rejected_at"]},
    )


def _filed(letter: Letter, s3: S3Client, config: Config) -> str:
    """Why it could not be filed, one line; empty when it is."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        store.put(s3, config.reports_bucket, letter)
    except (ClientError, BotoCoreError) as e:
        return f"{type(e).__name__}: {e}"
    return ""


def letter_of(record: Mapping[str, Any], now: datetime) -> Letter:
    """The letter in an SQS record as Lambda hands it over, whoever wrote it.

    Its time is its writer's, else SQS's, which both stay the same however often it is delivered.
    """
    body: str = record["body"]
    attributes = record.get("messageAttributes") or {}
    system = record.get("attributes") or {}
    moved_from = system.get("DeadLetterQueueSourceArn")
    failure = _failure_of(body)
    sent = str(system.get("SentTimestamp", ""))
    at = times.moment(text_of(attributes, "RejectedAt"))
    code, reason, function = text_of(attributes, "Code"), text_of(attributes, "Reason"), None
    if reason is None and moved_from:
        code, reason = "received-too-often", _moved(moved_from, system)
    elif reason is None and failure:
        code, reason, function = "enqueue-failed", _why_it_failed(failure), "enqueue"
        at = times.moment(failure.get("timestamp"))
    elif reason is None:
        code, reason = "unknown", "no reason given: it was not written by this app"
    at = at or (times.from_epoch(int(sent)) if sent.isdecimal() else now)
    found = _objects(body)
    # As it was when it was given up: what is sent back begins anew, and Tries.read tells that by RejectedAt.
    tries = Tries.read({name: one for name, one in attributes.items() if name != "RejectedAt"})
    whole_bytes = text_of(attributes, "BodyBytes") or ""
    return {
        "code": code if code and store.is_code(code) else "rejected",
        "reason": batching.plain(reason)[: letters.MAX_REASON],
        "function": text_of(attributes, "Function") or function,
        "rejected_at": times.iso(at),
        # What is no event, or several, is told apart by the message: the same text twice is two letters.
        "identity": found[0].identity if len(found) == 1 else _digest(record["messageId"] + body),
        "bucket": found[0].bucket if found else None,
        "key": found[0].key if found else None,
        "tries": tries.count,
        "first_failure": tries.first_failure or None,
        "queue": moved_from.rpartition(":")[2] if moved_from else None,
        "body": body,
        "body_bytes": int(whole_bytes) if re.fullmatch("[0-9]{1,12}", whole_bytes) else None,
        "body_sha256": text_of(attributes, "BodySha256"),
        "attributes": {name: text for name in attributes if (text := text_of(attributes, name)) is not None},
    }


def _objects(body: str) -> list[events.ObjectCreated]:
    parts = events.parse_parts(body)
    return [*parts.created, *parts.removed]


def _failure_of(body: str) -> Mapping[str, Any] | None:
    """Lambda's record of an asynchronous call that failed for good; None where the body is another thing.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or "requestPayload" not in record:
        return None
    return record if isinstance(record.get("requestContext"), dict) else None


def _why_it_failed(record: Mapping[str, Any]) -> str:
    context, answer = record["requestContext"], record.get("responsePayload")
    said = answer.get("errorMessage") if isinstance(answer, dict) else None
    count = context.get("approximateInvokeCount")
    times_ = f" after {count} tries" if isinstance(count, int) else ""
    return f"{context.get('condition', 'failed')}{times_}: {said or 'the function said nothing'}"


def _moved(arn: str, system: Mapping[str, Any]) -> str:
    queue = arn.rpartition(":")[2]
    return f"the redrive policy of {queue} moved it: received too often, and never settled"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
