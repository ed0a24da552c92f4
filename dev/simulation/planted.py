"""Faults put into the product's own code, one at a time: what does not find them is worth nothing.

Each is a change of one function's text. One that no longer fits the text is an error, not a fault found.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

from dev.simulation import boundary, seeds
from dev.simulation.network import OF_A_CALL
from dev.simulation.scenario import Scenario, from_seed

MOST_SEEDS = 1500  # of one fault


class Fault(NamedTuple):
    """`old` in the source of `function` (module:name) becomes `new`."""

    name: str
    function: str
    old: str
    new: str
    # In which scenarios it can show itself: the others are not run.
    shows_in: Callable[[Scenario], bool] = lambda scenario: True


class Found(NamedTuple):
    """By which seed, as what; an empty kind is: not found."""

    kind: str
    seed: int
    ticks: int


FILING, RESEND = "chalicelib.letters.filing", "chalicelib.letters.resend"
FORWARD, TICK, ALLOWANCE = "chalicelib.drain.forward", "chalicelib.drain.tick", "chalicelib.drain.allowance"
BATCH, SETTLE, TRIES = "chalicelib.consume.batch", "chalicelib.consume.settle", "chalicelib.queues.tries"
ENQUEUE, TASK, LETTERS = "chalicelib.enqueue", "chalicelib.jobs.task", "chalicelib.queues.letters"
MESSAGES = "chalicelib.queues.messages"


def _splits(scenario: Scenario) -> bool:
    """Whether some message holds several events."""
    return any(upload.shape in ("many", "mixed", "wrapped") for upload in scenario.uploads)


def _fails(scenario: Scenario) -> bool:
    """Whether the downstream is out for most calls: what opens a circuit."""
    return scenario.faults.failing >= 0.5 and not scenario.kept_s


def _letters_go_back(scenario: Scenario) -> bool:
    orders = {one.action for one in scenario.orders}
    return not scenario.kept_s and (scenario.second_life or bool(orders & {"redrive", "redrive by code"}))


def _sets_something(scenario: Scenario) -> bool:
    """Whether people set something, and calls fail."""
    orders, faults = {one.action for one in scenario.orders}, scenario.faults
    return bool(orders & {"pause", "capacity"}) and any(getattr(faults, kind) for kind in OF_A_CALL)


FAULTS = (
    Fault(
        "the drain deletes before it sends",
        f"{FORWARD}:move",
        "    if timing:\n",
        "    await _delete(sqs, lane.queue_url, messages, tally)\n    if timing:\n",
    ),
    Fault(
        "an ambiguous send taken for confirmed",
        f"{FORWARD}:_send",
        "sent.unanswered.extend(",
        "sent.confirmed.extend(",
    ),
    Fault(
        "a refused entry taken for confirmed",
        f"{FORWARD}:_send",
        "sent.refused.append(",
        "sent.confirmed.append(",
    ),
    Fault(
        "an ambiguous send not charged",
        f"{FORWARD}:move",
        "return len(sent.confirmed) + len(sent.unanswered)",
        "return len(sent.confirmed)",
    ),
    Fault(
        "an ambiguous send repeated within the tick",
        "chalicelib.aws.lean.sqs:AsyncSqs.send_message_batch",
        "repeat=self._repeat_sends",
        "repeat=True",
    ),
    Fault(
        "a split message deleted although a part was not taken",
        f"{FORWARD}:_split",
        "    if put_back.refused or put_back.unanswered:",
        "    if False:",
        lambda scenario: _splits(scenario) and bool(scenario.faults.refused or scenario.faults.not_sent),
    ),
    Fault(
        "an unreadable message deleted without a letter",
        f"{FORWARD}:plan",
        "todo.reject.append(Outgoing(message, _letter(body, why.reason, why.code, earlier)))",
        "todo.ignore.append(message)",
    ),
    Fault(
        "NotBefore ignored",
        f"{FORWARD}:plan",
        "if now < earlier.not_before <= now + LONGEST_DELAY_S:",
        "if False:",
    ),
    Fault(
        "a postponed message deleted before it is sent on",
        f"{FORWARD}:_postpone",
        "[one.origin for one in sent.confirmed]",
        "[one.origin for one in those]",
    ),
    Fault(
        "the drain loses the number of tries",
        f"{FORWARD}:_forwarded",
        "Tries(earlier.count,",
        "Tries(0,",
    ),
    Fault(
        "the drain does not ask for message attributes",
        f"{TICK}:_receive",
        'MessageAttributeNames=["All"]',
        "MessageAttributeNames=[]",
    ),
    Fault(
        "possible duplicates not counted",
        f"{FORWARD}:_is_elsewhere",
        "    for one in sent:",
        "    for one in sent[:0]:",
    ),
    Fault(
        "what was put back before a cut not counted",
        f"{FORWARD}:_send",
        "        _is_elsewhere(confirmed, tally)\n",
        "        if len(waiting) == 0:\n            _is_elsewhere(confirmed, tally)\n",
        _splits,
    ),
    Fault(
        "refused messages come back after hours",
        "chalicelib.drain.refusals:Refusals.backoff_s",
        "min(FIRST_S << min(count, 8), LONGEST_S)",
        "8 * LONGEST_S",
    ),
    Fault(
        "an unreadable capacity taken for the deployed one",
        f"{ALLOWANCE}:_override",
        'raise AllowanceUnknown(f"the capacity {parameter} cannot be read: {e}") from e',
        "found = overrides.NONE",
        _sets_something,
    ),
    Fault(
        "every shard takes the whole capacity",
        f"{ALLOWANCE}:allowed",
        "return share(overrides.capacity_at(config, override, at), config.drain_shards, shard)",
        "return overrides.capacity_at(config, override, at)",
    ),
    Fault(
        "a minute that is delivered twice forwards twice",
        f"{TICK}:run",
        "process.last_minute == scheduled",
        "False",
    ),
    Fault(
        "one too many given back to the capacity",
        f"{TICK}:_work",
        "state.give_back(len(messages) - taken)",
        "state.give_back(min(len(messages), len(messages) - taken + 1))",
    ),
    Fault(
        "a receive taken for a try",
        f"{BATCH}:_opened",
        '    tried = Tries.read(record.get("messageAttributes"))\n',
        '    tried = Tries.read(record.get("messageAttributes"))\n'
        '    again = int(record["attributes"]["ApproximateReceiveCount"]) - 1\n'
        '    tried = Tries(**{**vars(tried), "count": tried.count + again})\n',
    ),
    Fault(
        "a delivery that never ran counts as a try",
        f"{SETTLE}:Ended.not_tried",
        "        self.state, self.reason, self.wait_s = UNTRIED",
        '        self.tries = Tries(**{**vars(self.tries), "count": self.tries.count + 1})\n'
        "        self.state, self.reason, self.wait_s = UNTRIED",
    ),
    Fault(
        "the last try left out",
        f"{SETTLE}:Ended.failed",
        "count >= config.max_tries",
        "count >= config.max_tries - 1",
    ),
    Fault(
        "tries never end",
        f"{SETTLE}:Ended.failed",
        "count >= config.max_tries",
        "count >= 1_000_000",
    ),
    Fault(
        "delays cut to what SQS can delay",
        f"{TRIES}:entry",
        "due if wait_s > MAX_DELAY_S else 0.0",
        "0.0",
    ),
    Fault(
        "consume deletes what was not taken back",
        f"{SETTLE}:_leave",
        "if not why]\n",
        "]\n",
    ),
    Fault(
        "a retry sent to the destination, past the capacity",
        f"{SETTLE}:_send_back",
        "config.lane_url(",
        "config.destination_queue_url or (",
    ),
    Fault(
        "a letter not written and taken for written",
        f"{SETTLE}:_dead_letter",
        "    answers = messages.send_letters(sqs, config.dead_letter_queue_url, those)",
        '    answers = ["" for _ in those]',
    ),
    Fault(
        "consume answers well although a message is not settled",
        f"{BATCH}:consume_batch",
        "    if unsettled:\n        raise Retry(",
        "    if False:\n        raise Retry(",
    ),
    Fault(
        "what hangs is forgotten at the margin",
        f"{BATCH}:_late",
        "    for number in sorted(left):",
        "    for number in []:",
    ),
    Fault(
        "consume waits for what hangs until Lambda ends it",
        f"{BATCH}:_Batch.next_ended",
        "timeout=max(0.0, self.left_s())",
        "timeout=None",
    ),
    Fault("a letter without its reason", f"{LETTERS}:message", '        "Reason":', '        "Because":'),
    Fault("enqueue takes a refusal for success", f"{ENQUEUE}:_raise_for", "    if refused:", "    if False:"),
    Fault(
        "enqueue reads the first record alone",
        f"{ENQUEUE}:enqueue_events",
        "    found = events.parts_of(payload)",
        '    found = events.parts_of({**payload, "Records": payload["Records"][:1]})',
    ),
    Fault(
        "a redrive deletes letters that the queue has not confirmed",
        f"{RESEND}:_batch",
        "zip(going, answers, strict=True) if not why]",
        "zip(going, answers, strict=True)]",
        _letters_go_back,
    ),
    Fault(
        "a letter taken for filed that S3 did not take",
        f"{FILING}:_filed",
        'return f"{type(e).__name__}: {e}"',
        'return ""',
    ),
    Fault(
        "tries kept over a redrive",
        f"{RESEND}:_batch",
        '{"MessageBody": batching.sendable(letter["body"])}',
        '{"MessageBody": batching.sendable(letter["body"]), "MessageAttributes": {"Tries": '
        '{"DataType": "Number", "StringValue": str(letter["tries"] or 1)}}}',
        _letters_go_back,
    ),
    Fault(
        "a backfill's task succeeds although nothing was queued",
        f"{TASK}:_result",
        'code, text = "TemporaryFailure", f"{type(e).__name__}: {e}"',
        'code, text = "Succeeded", ""',
    ),
    Fault(
        "a clock that does not move on: all is due at once",
        "chalicelib.drain.clock:Clock.due",
        "self._free_at = due + (takes_s if takes_s > step else step)",
        "self._free_at = due",
    ),
    Fault(
        "a new process's clock begins now",
        "chalicelib.drain.clock:Clock.begin",
        "self._free_at = max(now, end + min(1.0, 60 / max(1, capacity_at(end))))",
        "self._free_at = now",
    ),
    Fault(
        "places that a late tick missed are caught up",
        "chalicelib.drain.clock:Clock._next",
        "at = free_at if free_at and free_at > now else now",
        "at = free_at or now",
    ),
    Fault(
        "places counted anew from each tick",
        "chalicelib.drain.clock:Clock.begin",
        "        if self._free_at is None:",
        "        self._free_at = now\n        if False:",
    ),
    Fault(
        "shards without a phase",
        "chalicelib.drain.clock:Clock._next",
        "if self._shards == 1:",
        "if True:",
        lambda scenario: scenario.shards > 1 and not scenario.kept_s,
    ),
    Fault(
        "shards that leave their grid where the last one's place ends",
        "chalicelib.drain.clock:Clock._next",
        "if self._shards == 1:",
        "if self._shards == 1 or at > now:",
        lambda scenario: scenario.shards > 1 and not scenario.kept_s,
    ),
    Fault(
        "a tick hands out what is due long after its minute",
        f"{TICK}:paced",
        "minute + STOP_AT_S",
        "minute + 9 * STOP_AT_S",
    ),
    Fault(
        "a step by the capacity of now, not by that of the due time",
        "chalicelib.drain.clock:Clock.due",
        "capacity_at(due)",
        "capacity_at(now)",
    ),
    Fault(
        "what is in flight left out of the window",
        f"{ALLOWANCE}:allowed",
        """most - depths["visible"] - depths["in_flight"]""",
        """most - depths["visible"]""",
    ),
    Fault(
        "a circuit that counts tries of every number",
        "chalicelib.consume.circuit:Circuit.failed",
        "if tries > 1 or self.is_open:",
        "if self.is_open:",
        _fails,
    ),
    Fault(
        "a success that does not close the circuit",
        "chalicelib.consume.circuit:Circuit.succeeded",
        "self._failed, self._pause_s, self.until = 0, FIRST_PAUSE_S, 0.0",
        "pass",
        _fails,
    ),
    Fault(
        "a pause that a tick does not see",
        f"{ALLOWANCE}:allowed",
        "    if override.paused:\n",
        "    if False:\n",
    ),
    Fault(
        "a failed event loses its lane",
        f"{TRIES}:Tries.read",
        'lane=BULK if _text(attributes, "Lane") == BULK else ""',
        'lane=""',
    ),
    Fault(
        "a pause of the circuit that hardly ends",
        "chalicelib.consume.circuit:Circuit.failed",
        "+ self._pause_s *",
        "+ 10_000 * self._pause_s *",
        _fails,
    ),
    Fault(
        "bulk's share rounded down in each minute",
        "chalicelib.capacity:bulk_share",
        "(minute + 1) * part // 100 - minute * part // 100",
        "part // 100",
    ),
    Fault(
        "what is delayed counted in the window",
        f"{ALLOWANCE}:allowed",
        """most - depths["visible"] - depths["in_flight"]""",
        """most - depths["visible"] - depths["in_flight"] - depths["delayed"]""",
    ),
    Fault(
        "a message whose time has not come charged to the capacity",
        f"{FORWARD}:move",
        "return len(sent.confirmed) + len(sent.unanswered)",
        "return len(sent.confirmed) + len(sent.unanswered) + len(todo.postpone)",
    ),
    Fault(
        "a brake on what comes back from a failed try",
        f"{FORWARD}:move",
        "    if timing:\n",
        '    kept = todo.forward[:1] + [one for one in todo.forward[1:] if "Tries" not in one.message.get('
        '"MessageAttributes", {})]\n'
        "    todo.forward[:] = kept\n"
        "    if timing:\n",
    ),
    Fault(
        "an object too large for a minute's bytes put back",
        f"{FORWARD}:_time",
        "    for number, one in enumerate(forward):\n",
        "    if timing.bytes:\n"
        "        forward[:] = [one for one in forward if (one.size or 0) < timing.bytes_a_minute]\n"
        "    for number, one in enumerate(forward):\n",
        lambda scenario: bool(scenario.capacity_bytes) and not scenario.kept_s,
    ),
    Fault(
        "bytes not charged to the clock",
        "chalicelib.drain.clock:Clock.due",
        "(takes_s if takes_s > step else step)",
        "step",
        lambda scenario: bool(scenario.capacity_bytes) and not scenario.kept_s,
    ),
    Fault(
        "renewal of what is young, which does not stop",
        f"{TICK}:_renew",
        "those = [message for message in messages if old(message)]",
        "those = messages",
        lambda scenario: bool(scenario.kept_s),
    ),
    Fault(
        "renewal only where all that came last is old",
        f"{FORWARD}:Tally.saw",
        "min(sent) >=",
        "max(sent) >=",
        lambda scenario: bool(scenario.kept_s),
    ),
    Fault(
        "no renewal in a pause",
        f"{TICK}:paced",
        "if process.paused and not looks:",
        "if process.paused:",
        lambda scenario: bool(scenario.kept_s),
    ),
    Fault(
        "a renewed message deleted before it is sent anew",
        f"{TICK}:_renew",
        "            if those:\n",
        "            if those:\n"
        "                await how.sqs.delete_message_batch(QueueUrl=lane.queue_url, Entries=[\n"
        "                    {'Id': str(i), 'ReceiptHandle': one['ReceiptHandle']}\n"
        "                    for i, one in enumerate(those)])\n",
        lambda scenario: bool(scenario.kept_s),
    ),
    Fault(
        "the bus told after the delete",
        f"{BATCH}:consume_batch",
        "        _tell(ended,",
        "        done = [one for one in ended if one.state in FINISHED]\n"
        "        unsettled += settle.settle(done, sqs, config, times.now())\n"
        "        _tell(ended,",
        seeds.is_told,
    ),
    Fault(
        "what the bus refuses taken for told",
        f"{BATCH}:_tell",
        "        if why:\n",
        "        if False:\n",
        seeds.is_told,
    ),
    Fault(
        "the bus's answer taken for all its entries",
        "chalicelib.aws.bus:_put",
        '"" if entry.get("EventId") else f',
        '"" if told[0].get("EventId") else f',
        seeds.is_told,
    ),
    Fault(
        "letters not told",
        f"{FILING}:_told",
        "if not config.events_bus or not written:",
        "if True:",
        seeds.is_told,
    ),
    Fault(
        "of a letter only the first event told",
        f"{FILING}:_details",
        "for one in found]",
        "for one in found[:1]]",
        lambda scenario: seeds.is_told(scenario) and _splits(scenario),
    ),
    Fault(
        "what is ignored not told",
        f"{BATCH}:_attempt",
        "one.words.append(_word(word.IGNORED, created, delivery, of, None))",
        "pass",
        seeds.is_told,
    ),
    Fault(
        "what is ignored dropped before consume can tell of it",
        "chalicelib.config.stage:Config.drops",
        " and not self.events_bus",
        "",
        seeds.is_told,
    ),
    Fault(
        "removals dropped by the drain",
        f"{FORWARD}:plan",
        "told = [*created, *removed] if removals else created",
        "told = created",
        seeds.is_told,
    ),
)


def search(number: int) -> Found:
    """Seeds until one finds the fault."""
    ticks = 0
    with boundary.installed() as here, planted(FAULTS[number]):
        for seed in range(MOST_SEEDS):
            scenario = from_seed(seed)
            if not FAULTS[number].shows_in(scenario):
                continue
            outcome = seeds.run(here, scenario)
            ticks += outcome.ticks
            if outcome.violation:
                return Found(outcome.violation.kind, seed, ticks)
    return Found("", MOST_SEEDS, ticks)


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The fault is in the code for as long as the block lasts. Raises ValueError where it does not fit, or
    not in one place alone: a change of the code could move it to where it harms nobody."""
    function = _function(fault.function)
    source = inspect.getsource(function)
    if (times := source.count(fault.old)) != 1:
        raise ValueError(f"{fault.name}: {fault.function} holds {fault.old!r} {times} times")
    inside = "class Inside:\n" if source[0].isspace() else ""  # of a method, its class
    text = f"from __future__ import annotations\n{inside}{source.replace(fault.old, fault.new)}"
    names = dict(function.__globals__)
    exec(compile(text, f"<{fault.name}>", "exec"), names)
    changed = vars(names["Inside"]) if inside else names
    kept = function.__code__
    replacing = changed[function.__name__]
    function.__code__ = getattr(replacing, "__func__", replacing).__code__
    try:
        yield
    finally:
        function.__code__ = kept


def _function(path: str) -> FunctionType:
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function: FunctionType = getattr(found, "__func__", found)
    return function
