"""Redrive and discard, in the function `letters`: each letter goes only after the next place has it.

It is read, sent to the source queue in a batch of ten, without the tries it had, and deleted when SQS has
confirmed it. Whatever stops a run, what is not deleted is still a letter, so the same can be asked for again.
What this does not guarantee: a run that dies between a send and its delete sends that letter twice, which
does no harm.

A run has parts, each one call of the function: before its time is up it calls itself for the next
(docs/decisions/0021). A part that gets nowhere ends the run, so there are never more parts than letters. The
run's progress says who is at it: a call that comes twice finds it fresh, and a part that somebody stopped, or
that was taken for dead, may not write it any more, and ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from chalicelib import times
from chalicelib.letters import gauge, runs, store
from chalicelib.letters.runs import Order, Run, Selection
from chalicelib.letters.store import Filed, Filter, Letter
from chalicelib.queues import batching, messages
from chalicelib.queues.tries import BULK
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Config

WORKERS = 16  # batches at the same time; boto3's clients keep 16 connections (chalicelib/aws/clients.py)
TOLD_EVERY_S = 2.0
MARGIN_S = 15.0  # of the function's time: a batch that has begun ends, and the end is written
MOST_FAILED = 5  # batches in a row of which nothing could be moved: the queue or S3 is down
LISTED_WITHIN_S = 30.0  # nothing is told meanwhile
# A part that has told nothing for so long has died. Lambda calls again a minute after a call that failed.
QUIET = timedelta(seconds=45)
MOST_PARTS = 1000  # of two minutes: a day and a half
FEW = 10  # letters: so many cannot keep a new upload waiting

Group = list[Filed]  # one event's letters, the newest first: one is sent, all are deleted


@dataclass
class _Batch:
    """What became of up to ten letters."""

    moved: int = 0
    cut: int = 0
    gone: int = 0  # somebody else took them meanwhile
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """The letters to be moved, of those that were listed."""

    groups: list[Group]
    last: str  # the last store key that was listed
    complete: bool  # none follows it


def run(
    order: Order,
    s3: S3Client,
    sqs: SQSClient,
    functions: Callable[[], LambdaClient],
    config: Config,
    remaining_ms: Callable[[], int],
    now: Callable[[], datetime] = times.now,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """One part of what the order says; returns the run as last written.

    Lambda may call again with the order of a part that died: it goes on with what is left.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    progress = runs.Progress.of(runs.without_place(order), s3, config.reports_bucket)
    known = progress.run
    if known["status"] in runs.ENDED or _is_in_other_hands(known, order, now()):
        return known
    part = _Part(order, progress, s3, sqs, config, remaining_ms, now, clock)
    try:
        part.work()
        ending = part.end()
        if ending == "next":
            try:
                runs.call(functions(), config, part.order_of_next())
            except (ClientError, BotoCoreError) as e:
                part.stop(f"the next part could not be begun: {e}")
    except runs.Taken:
        part.leave()
    if part.moved:
        left = part.run["left"] or 0
        gauge.write(f"letters {order['do']}", s3, config, moved=part.moved, left=left)
    return progress.run


def _is_in_other_hands(known: Run, order: Order, now: datetime) -> bool:
    """Whether another call is at it: this one has come twice, or again though its part has ended."""
    written = times.moment(known["at"])
    if written is None or now - written > QUIET:
        return False
    return known["status"] == "running" or known["part"] > order["part"]


class _Part:
    """One call's work on a run. What is listed is worked through, oldest first, before more is listed."""

    def __init__(
        self,
        order: Order,
        progress: runs.Progress,
        s3: S3Client,
        sqs: SQSClient,
        config: Config,
        remaining_ms: Callable[[], int],
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self.moved = 0  # in this part
        self._order, self._progress = order, progress
        self._s3, self._sqs, self._config = s3, sqs, config
        self._remaining_ms, self._now, self._clock = remaining_ms, now, clock
        self._before = progress.run
        self._found = Found([], "", complete=False)
        self._left = 0
        self._cut = 0
        self._why = ""
        self._failed_in_a_row = 0
        self._out_of_time = False
        self._taken = False

    @property
    def run(self) -> Run:
        return self._progress.run

    @property
    def _rest(self) -> int:
        """How many of those listed could be moved and are not."""
        return self._left - self._cut

    def work(self) -> None:
        """List letters and move them until the time is nearly up, or too many are refused. Raises Taken."""
        order, bucket = self._order, self._config.reports_bucket
        self._tell({"status": "running", "cut": order["cut"], "says": "it runs"})
        within_s = min(self._left_s() / 2, LISTED_WITHIN_S)
        self._found = selected(order["select"], order["started"], self._s3, bucket, within_s, order["after"])
        self._left = len(self._found.groups)
        lane = lane_of(self._before["moved"] + self._left)
        batches = _in_tens(self._found.groups)
        told = self._clock()
        with ThreadPoolExecutor(WORKERS) as pool:
            running: set[Future[_Batch]] = set()
            while True:
                self._out_of_time = self._out_of_time or self._left_s() <= 0
                if not (self._out_of_time or self._taken or self._is_refused):
                    for batch in islice(batches, WORKERS - len(running)):
                        running.add(
                            pool.submit(_batch, batch, order, lane, self._s3, self._sqs, self._config)
                        )
                if not running:
                    break
                ended, running = wait(running, timeout=TOLD_EVERY_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._count(future.result())
                if self._clock() - told >= TOLD_EVERY_S and not self._taken:
                    told = self._clock()
                    try:
                        self._tell(self._numbers())
                    except runs.Taken:
                        self._taken = True
        if self._taken:
            raise runs.Taken

    def end(self) -> Literal["done", "stopped", "next"]:
        """Write what comes after this part, and return it. Raises Taken."""
        if not self._rest and self._found.complete:
            says = runs.in_numbers(self._with(self._numbers()))
            self._tell({**self._numbers(), "status": "done", "says": says})
            return "done"
        # Either way there is less for the next part: fewer letters, or fewer to list.
        gets_on = self._out_of_time and self.moved and not self._is_refused if self._rest else True
        if gets_on and self._before["part"] < MOST_PARTS:
            told = {"status": "asked", "part": self._before["part"] + 1}
            self._tell({**self._numbers(), **told, "says": "its next part begins within seconds"})
            return "next"
        if gets_on:
            self.stop(f"it has taken {MOST_PARTS:,} parts")
        else:
            self.stop(self._why or "the time was up before one could be moved")
        return "stopped"

    def order_of_next(self) -> Order:
        """Through with all that were listed it goes on after them, else they are listed and counted again."""
        if self._rest:
            return {**self.run, "after": self._order["after"], "cut": self._order["cut"]}
        return {**self.run, "after": self._found.last}

    def stop(self, why: str) -> None:
        """Raises Taken."""
        at_least = "" if self._found.complete else "at least "
        run = self._with(self._numbers())
        says = f"{runs.in_numbers(run)}; {at_least}{self._rest:,} are left: {why}; ask again"
        self._tell({**self._numbers(), "status": "stopped", "says": says})

    def leave(self) -> None:
        """The run is stopped, or in other hands: a stopped one is told what this part has moved."""
        if self.run["status"] != "stopped" or not self._found.groups:
            return
        run = self._with(self._numbers())
        try:
            self._tell({**self._numbers(), "says": f"{runs.in_numbers(run)}; {self.run['says']}"})
        except runs.Taken:
            logs.line("progress not written", run=self.run["id"], moved=self.moved)

    @property
    def _is_refused(self) -> bool:
        return self._failed_in_a_row >= MOST_FAILED

    def _count(self, batch: _Batch) -> None:
        self.moved += batch.moved
        self._cut += batch.cut
        self._left -= batch.moved + batch.gone
        self._why = batch.refused[0] if batch.refused else self._why
        self._failed_in_a_row = self._failed_in_a_row + 1 if batch.refused and not batch.moved else 0

    def _numbers(self) -> dict[str, Any]:
        return {
            "moved": self._before["moved"] + self.moved,
            "left": self._left,
            "cut": self._order["cut"] + self._cut,
        }

    def _tell(self, change: Mapping[str, Any]) -> None:
        """Raises Taken."""
        self._progress.write(self._with({**change, "at": times.iso(self._now())}))

    def _with(self, change: Mapping[str, Any]) -> Run:
        changed: Any = {**self.run, **change}
        return changed  # type: ignore[no-any-return]

    def _left_s(self) -> float:
        return self._remaining_ms() / 1000 - MARGIN_S


def selected(
    select: Selection, started: str, s3: S3Client, bucket: str, within_s: float, after: str = ""
) -> Found:
    """The letters that the selection means, of those rejected before `started`, oldest first.

    Those of the store keys that follow `after`; a listing that takes longer than `within_s` ends before.
    """
    found = store.listing(s3, bucket, within_s=within_s, after=after)
    earlier = [one for one in found.letters if one.rejected_at < started]
    of_event: dict[str, Group] = {}
    for one in earlier:
        of_event.setdefault(one.identity, []).append(one)
    ids = set(select.get("ids", ()))
    chosen = [one for one in store.newest_of_each(earlier) if _is_meant(one, select, ids, s3, bucket)]
    groups = [sorted(of_event[one.identity], key=lambda each: each.age_order, reverse=True) for one in chosen]
    return Found(groups[::-1], found.last, found.complete)


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
    except (ClientError, BotoCoreError) as e:
        done.refused.append(f"{type(e).__name__}: {e}")
        return done
    for group, letter in confirmed:
        if order["do"] == "discard":  # before: nothing is to vanish without a word
            _log_discarded(group[0], letter, order)
        try:
            for filed in group:
                s3.delete_object(Bucket=bucket, Key=filed.store_key)
            done.moved += 1
        except (ClientError, BotoCoreError) as e:  # it is a letter still, and sent again when asked for again
            done.refused.append(f"{type(e).__name__}: {e}")
    return done


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
