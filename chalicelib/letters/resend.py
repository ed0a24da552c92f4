"""Redrive and discard, in the function `letters`: each letter goes only after the next place has it.

It is read, sent to the source queue in a batch of ten, without the tries it had, and deleted when SQS has
confirmed it. Whatever stops a run, what is not deleted is still a letter, so the same can be asked for again.
What this does not guarantee: a run that dies between a send and its delete sends that letter twice, which
does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib import times
from chalicelib.letters import gauge, runs, store
from chalicelib.letters.runs import Run, Selection
from chalicelib.letters.store import Filed, Filter, Letter
from chalicelib.queues import batching, messages
from chalicelib.queues.tries import BULK
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Config

WORKERS = 16  # batches at the same time; boto3's clients keep 16 connections (chalicelib/aws/clients.py)
TOLD_EVERY_S = 2.0
MARGIN_S = 15.0  # of the function's time: a batch that has begun ends, and the end is written
MOST_FAILED = 5  # batches in a row of which nothing could be moved: the queue or S3 is down


@dataclass
class _Batch:
    """What became of up to ten letters."""

    moved: int = 0
    cut: int = 0
    gone: int = 0  # somebody else took them meanwhile
    refused: list[str] = field(default_factory=list)


FEW = 10  # letters: so many cannot keep a new upload waiting

Group = list[Filed]  # one event's letters, the newest first: one is sent, all are deleted


def run(
    order: Run,
    s3: S3Client,
    sqs: SQSClient,
    config: Config,
    remaining_ms: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Do what the order says until it is done or the time is nearly up; returns the run as last written.

    Lambda may call again with the order of a run that died: it goes on with what is left.
    """
    bucket = config.reports_bucket
    known = runs.read(s3, bucket, runs.key_of(order)) or order
    if known["status"] in ("done", "stopped"):
        return known
    now_run: Run = {**order, "moved": known["moved"], "status": "running", "says": "it runs"}
    _tell(s3, bucket, now_run)
    groups, complete = selected(order["select"], order["started"], s3, bucket, _left_s(remaining_ms) / 2)
    begun, left = now_run["moved"], len(groups)
    lane = lane_of(begun + left)
    failed_in_a_row, why, told = 0, "", clock()
    batches = _in_tens(groups)
    out_of_time = False
    with ThreadPoolExecutor(WORKERS) as pool:
        running: set[Future[_Batch]] = set()
        while True:
            out_of_time = out_of_time or _left_s(remaining_ms) <= 0
            if not out_of_time and failed_in_a_row < MOST_FAILED:
                for batch in islice(batches, WORKERS - len(running)):
                    running.add(pool.submit(_batch, batch, order, lane, s3, sqs, config))
            if not running:
                break
            ended, running = wait(running, timeout=TOLD_EVERY_S, return_when=FIRST_COMPLETED)
            for one in (future.result() for future in ended):
                now_run["moved"] += one.moved
                now_run["cut"] += one.cut
                left -= one.moved + one.gone
                why = one.refused[0] if one.refused else why
                failed_in_a_row = failed_in_a_row + 1 if one.refused and not one.moved else 0
            if clock() - told >= TOLD_EVERY_S:
                told = clock()
                now_run["left"] = left
                _tell(s3, bucket, now_run)
    now_run["left"] = left
    now_run["status"] = "done" if complete and left == now_run["cut"] else "stopped"
    now_run["says"] = _says(now_run, why, complete)
    _tell(s3, bucket, now_run)
    if now_run["moved"] > begun:
        gauge.write(f"letters {order['do']}", s3, config, moved=now_run["moved"] - begun, left=left)
    return now_run


def selected(
    select: Selection, started: str, s3: S3Client, bucket: str, within_s: float
) -> tuple[list[Group], bool]:
    """The letters that the selection means, of those rejected before `started`, oldest first.

    And whether those are all: a listing that takes longer than `within_s` ends before.
    """
    found = store.listing(s3, bucket, within_s=within_s)
    earlier = [one for one in found.letters if one.rejected_at < started]
    of_event: dict[str, Group] = {}
    for one in earlier:
        of_event.setdefault(one.identity, []).append(one)
    ids = set(select.get("ids", ()))
    chosen = [one for one in store.newest_of_each(earlier) if _is_meant(one, select, ids, s3, bucket)]
    groups = [sorted(of_event[one.identity], key=lambda each: each.age_order, reverse=True) for one in chosen]
    return groups[::-1], found.complete


def lane_of(many: int) -> str:
    """Where so many letters are sent back to, always through the capacity: a few live, more behind live."""
    return BULK if many > FEW else ""


def _is_meant(one: Filed, select: Selection, ids: set[str], s3: S3Client, bucket: str) -> bool:
    if "ids" in select:
        return one.id in ids
    wanted = Filter(select.get("code", ""), select.get("prefix", ""), select.get("contains", ""))
    taken = wanted.takes(one)
    if taken is None:  # the name is cut before that can be told
        letter = store.get(s3, bucket, one.store_key)
        return bool(letter and wanted.takes_key(letter["key"] or ""))
    return taken


def _batch(
    groups: Sequence[Group], order: Run, lane: str, s3: S3Client, sqs: SQSClient, config: Config
) -> _Batch:
    """Up to ten letters; an error of AWS's is an answer here, and leaves them as they are."""
    from botocore.exceptions import BotoCoreError, ClientError

    done = _Batch()
    bucket = config.reports_bucket
    try:
        read = [(group, store.get(s3, bucket, group[0].store_key)) for group in groups]
        there = [(group, letter) for group, letter in read if letter]
        done.gone = len(groups) - len(there)
        going = there if order["do"] == "discard" else [one for one in there if one[1]["body_bytes"] is None]
        done.cut = len(there) - len(going)
        if order["do"] == "redrive":
            bodies = [{"MessageBody": batching.sendable(letter["body"])} for _, letter in going]
            answers = messages.try_to_send(sqs, config.lane_url(lane), bodies)
        else:
            answers = [""] * len(going)
        confirmed = [one for one, why in zip(going, answers, strict=True) if not why]
        done.refused = [why for why in answers if why]
        _delete(s3, bucket, [filed.store_key for group, _ in confirmed for filed in group])
        done.moved = len(confirmed)
        if order["do"] == "discard":
            for group, letter in confirmed:
                _log_discarded(group[0], letter, order)
    except (ClientError, BotoCoreError) as e:
        done.refused.append(f"{type(e).__name__}: {e}")
    return done


def _delete(s3: S3Client, bucket: str, keys: Sequence[str]) -> None:
    """Each, also after one that fails: a letter that stays is sent again. Raises the last failure."""
    from botocore.exceptions import BotoCoreError, ClientError

    failed: Exception | None = None
    for key in keys:
        try:
            s3.delete_object(Bucket=bucket, Key=key)
        except (ClientError, BotoCoreError) as e:
            failed = e
    if failed:
        raise failed


def _log_discarded(filed: Filed, letter: Letter, order: Run) -> None:
    logs.line(
        "letter discarded",
        letter=filed.id,
        bucket=letter["bucket"],
        key=letter["key"],
        reason=letter["reason"],
        run=order["id"],
        by=order["by"],
        note=order["note"],
    )


def _in_tens(groups: Sequence[Group]) -> Iterator[Sequence[Group]]:
    for start in range(0, len(groups), batching.MAX_ENTRIES):
        yield groups[start : start + batching.MAX_ENTRIES]


def _left_s(remaining_ms: Callable[[], int]) -> float:
    return remaining_ms() / 1000 - MARGIN_S


def _tell(s3: S3Client, bucket: str, now_run: Run) -> None:
    now_run["at"] = times.iso(times.now())
    runs.write(s3, bucket, now_run)


def _says(ended: Run, why: str, complete: bool) -> str:
    verb = "are in the source queue" if ended["do"] == "redrive" else "are discarded"
    said: list[Any] = [f"{ended['moved']:,} {verb}"]
    if ended["cut"]:
        said.append(f"{ended['cut']:,} stay: their bodies are not whole")
    if ended["status"] == "stopped":
        rest = (ended["left"] or 0) - ended["cut"]
        more = f"{rest:,} are left" if complete else f"at least {rest:,} are left"
        said.append(f"{more}{f': {why}' if why else ', time was up'}; ask again")
    return "; ".join(said)
