"""How messages leave the destination queue: deleted, sent back to the source queue, or as dead letters.

Each leaves only after the next place has confirmed it, and one that cannot leave costs the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import times
from chalicelib.aws.bus import Word
from chalicelib.config import Config
from chalicelib.consume.outcomes import DONE, FINISHED, REJECTED, RETRY, UNTRIED, ActionResult
from chalicelib.queues import batching, letters, messages, tries
from chalicelib.queues.tries import BULK, Tries

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_ASKED_S = 9000.0  # a downstream that asks for more is asked again after 2.5 hours


@dataclass
class Ended:
    """One message and what became of it: `done`, `rejected`, `retry`, `untried` or `ignored`."""

    receipt_handle: str
    body: str
    tries: Tries  # with this one, where it ran
    state: str = DONE
    reason: str = ""
    code: str = ""  # of a rejection
    wait_s: float = 0.0  # until it may be tried again
    results: list[ActionResult] = field(default_factory=list)  # one for each event that was done
    line: str = ""  # of the action table, by which its first event goes
    ignored: bool = False  # the action table ignores an event of it
    words: list[Word] = field(default_factory=list)  # for the bus, of each event that has ended
    seconds: list[float] = field(default_factory=list)  # from upload to done, of those that know

    def rejected(self, code: str, reason: str) -> None:
        """It never works."""
        self.state, self.code, self.reason = REJECTED, code, reason[: letters.MAX_REASON]

    def failed(self, reason: str, config: Config, now: datetime, after_s: float = 0.0) -> None:
        """This try failed; another one may not, until there were MAX_TRIES.

        `after_s` is what the downstream asked for: it lengthens the delay, and never shortens it.
        """
        count = self.tries.count + 1
        first = self.tries.first_failure or times.iso(now)
        self.tries = Tries(count, reason, first, lane=self.tries.lane)
        wait_s = max(config.retry_delay_s(count), min(after_s, LONGEST_ASKED_S))
        if count >= config.max_tries:
            self.rejected("gave-up", f"gave up after {count} tries; the last: {reason}")
        elif tries.entry(self.body, self.tries, wait_s, now.timestamp()) is None:
            self.rejected("too-long", f"too long to carry its number of tries; the last: {reason}")
        else:
            self.state, self.reason, self.wait_s = RETRY, reason, wait_s

    def not_tried(self, reason: str, wait_s: Callable[[int], float] = lambda untried: 0.0) -> None:
        """The action has not run: no try is counted. `wait_s` is told how often that was so in a row."""
        self.tries = replace(self.tries, untried=self.tries.untried + 1)
        self.state, self.reason, self.wait_s = UNTRIED, reason, wait_s(self.tries.untried)


def settle(ended: Sequence[Ended], sqs: SQSClient, config: Config, now: datetime) -> list[str]:
    """Takes the messages out of the destination queue. Returns a line for each that is still in it.

    The quickest first: a dead-letter queue that is down keeps nobody else waiting.
    """
    done = [one for one in ended if one.state in FINISHED]
    left = [f"not deleted: {why}" for why in _delete(done, sqs, config) if why]
    for lane in ("", BULK):
        returning = [one for one in ended if one.state in (RETRY, UNTRIED) and one.tries.lane == lane]
        left += _send_back(returning, lane, sqs, config, now)
    rejected = [one for one in ended if one.state == REJECTED]  # those too that could not be sent back
    return left + _dead_letter(rejected, sqs, config, now)


def _send_back(ended: Sequence[Ended], lane: str, sqs: SQSClient, config: Config, now: datetime) -> list[str]:
    """To their lane, and so through the capacity once more."""
    entries = [
        tries.entry(one.body, one.tries, one.wait_s, now.timestamp()) or {"MessageBody": one.body}
        for one in ended
    ]
    answers = messages.try_to_send(sqs, config.lane_url(lane), entries)
    for one, why in zip(ended, answers, strict=True):
        if batching.for_ever(why):
            one.rejected("refused", f"the source queue does not take it back: {why}; the last: {one.reason}")
    going = [(one, why) for one, why in zip(ended, answers, strict=True) if one.state != REJECTED]
    return _leave([one for one, _ in going], [why for _, why in going], "not sent back", sqs, config)


def _dead_letter(ended: Sequence[Ended], sqs: SQSClient, config: Config, now: datetime) -> list[str]:
    those = [
        letters.message(one.body, one.reason, "consume", code=one.code, tries=one.tries, now=now)
        for one in ended
    ]
    answers = messages.send_letters(sqs, config.dead_letter_queue_url, those)
    return _leave(ended, answers, "no dead letter", sqs, config)


def _leave(
    ended: Sequence[Ended], answers: Sequence[str], not_done: str, sqs: SQSClient, config: Config
) -> list[str]:
    """Deletes those of which the next place has confirmed that it has them."""
    confirmed = [one for one, why in zip(ended, answers, strict=True) if not why]
    deleted = [f"not deleted: {why}" for why in _delete(confirmed, sqs, config) if why]
    return [f"{not_done}: {why}" for why in answers if why] + deleted


def _delete(ended: Sequence[Ended], sqs: SQSClient, config: Config) -> list[str]:
    handles = [one.receipt_handle for one in ended]
    return messages.try_to_delete(sqs, config.destination_queue_url, handles)
