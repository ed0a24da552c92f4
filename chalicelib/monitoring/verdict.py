"""One sentence from a status, and what else the person on call must know: on the page as in a terminal.

Pure: data to data. It is never kinder than the truth: what is not known is not good, and what fails is said
beside a backlog that is well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

from chalicelib import times
from chalicelib.monitoring import parallel

NEVER = "not at this capacity: "  # how the ETA begins to say that more arrive than leave
MOST_CODES = 3
MOST_QUOTED = 200  # characters of somebody else's words
PARTS = {
    "schedule": "the schedule",
    "last_tick": "the last tick",
    "downstream": "the downstream",
    "functions": "the functions",
    "hour": "the last hour",
    "jobs": "jobs",
}
STOPPED = {
    "errors": "The last tick ended with errors",
    "deadline": "The last tick ran out of time",
    "back_pressure": "Held back: the destination queue is as full as MAX_IN_DESTINATION allows",
}
FAILING_BELOW = 90  # percent of a function's runs that succeed

State = Literal["ok", "warn", "bad", "paused", "unknown"]


class Note(TypedDict):
    state: Literal["warn", "bad"]
    about: Literal["capacity", "letters", "downstream", "tick", "function", "unknown"]
    text: str


class Verdict(TypedDict):
    """Does it keep up? `kind` changes only when there is something new to announce."""

    state: State
    kind: str
    headline: str
    notes: list[Note]


def verdict(status: Mapping[str, Any], now: datetime) -> Verdict:
    """Of the parts of GET /status."""
    notes = [*_capacity(status), *_letters(status), *_downstream(status, now), *_tick(status)]
    notes += [*_functions(status), *_unknown(status)]
    state, kind, headline = _flow(status, now)
    failing = any(one["state"] == "bad" for one in notes if one["about"] != "letters")
    letters = dead_letters(status)
    if state == "ok" and letters:
        headline += f", but {_count(letters, 'dead letter')}"
    if state in ("ok", "warn") and (notes or failing):
        state = "bad" if failing else "warn"
    new = [kind, str(letters), *dict.fromkeys(one["about"] for one in notes)]
    return {"state": state, "kind": " ".join(new), "headline": headline, "notes": notes}


def dead_letters(status: Mapping[str, Any]) -> int | None:
    """With those that are being filed just now; None when not known."""
    letters = status["dead_letters"]
    return None if parallel.failed(letters) else int(letters["total"]) + int(letters["being_filed"])


def _flow(status: Mapping[str, Any], now: datetime) -> tuple[State, str, str]:
    """State, kind and headline of what waits."""
    paused = not parallel.failed(status["schedule"]) and status["schedule"]["paused"]
    drain, queues = status["drain"], status["queues"]
    if drain["expires"]:
        return "bad", "expires", _expiry(drain["expires"], paused, now)
    lanes = [name for name in ("source", "bulk") if queues[name] is not None]
    for name in lanes:
        if parallel.failed(queues[name]):
            return "unknown", "unknown", f"Not known: the {name} queue does not answer"
    waiting = sum(queues[name]["visible"] for name in lanes)
    if paused:
        rest = f"{waiting:,} waiting, nothing is forwarded" if waiting else "nothing waits"
        return "paused", "paused", f"Paused: {rest}"
    if not waiting:
        busy = status["arrivals_per_minute"] or any(queues[name]["in_flight"] for name in lanes)
        return "ok", "ok", "Keeping up: no backlog" if busy else "All quiet: nothing waits"
    says = drain["says"]
    if says.startswith(NEVER):
        return "bad", "behind", f"Falling behind: {says.removeprefix(NEVER)}"
    if drain["minutes"] is None:
        return "warn", "stuck", f"{waiting:,} waiting; {says}"
    return "ok", "ok", f"Keeping up: backlog {says}"


def _expiry(found: Mapping[str, Any], paused: bool, now: datetime) -> str:
    """What SQS will delete, from when on, and what saves it."""
    at = times.moment(found["lost_from"])
    left = max(0.0, (at - now).total_seconds()) if at else 0.0
    when = f" from {at:%a %d %b, %H:%M} UTC, in {times.duration(left)}" if at else ""
    if found["needed"] is not None:
        saves = f"at least {found['needed']:,} a minute are needed"
    elif found["queue"] == "destination":
        saves = "consume does not take them"
    else:
        saves = "the stage is paused" if paused else "nothing leaves"
    return f"Events older than {_count(found['kept_days'], 'day')} will be lost{when}; {saves}"


def _capacity(status: Mapping[str, Any]) -> Iterator[Note]:
    """While the capacity cannot be read, no tick runs."""
    if why := status["capacity_error"]:
        yield {"state": "bad", "about": "capacity", "text": f"The capacity is not known: {_quoted(why)}"}


def _letters(status: Mapping[str, Any]) -> Iterator[Note]:
    letters = dead_letters(status)
    if letters is None:
        why = _quoted(status["dead_letters"]["error"])
        yield {"state": "warn", "about": "letters", "text": f"Dead letters: not known: {why}"}
    elif letters:
        text = f"{_count(letters, 'dead letter')}{_by_code(status['dead_letters'])}"
        yield {"state": "bad", "about": "letters", "text": text}


def _by_code(counted: Mapping[str, Any]) -> str:
    """The codes that most have, and how many of those that were given up are not in the store yet."""
    codes = counted["codes"]
    parts = [f"{one['letters']:,} {code}" for code, one in list(codes.items())[:MOST_CODES]]
    parts += ["others"] * (len(codes) > MOST_CODES)
    parts += [f"{counted['being_filed']:,} being filed"] if counted["being_filed"] else []
    return f": {', '.join(parts)}" if parts else ""


def _downstream(status: Mapping[str, Any], now: datetime) -> Iterator[Note]:
    found = status["downstream"]
    if parallel.failed(found) or not found["paused"]:
        return
    until = times.moment(found["until"])
    left = (until - now).total_seconds() if until else 0.0
    again = f"in {times.duration(left)}" if left > 0 else "now"
    why = f": {_quoted(found['why'])}" if found["why"] else ""
    text = f"The downstream fails: consume leaves it alone, and tries again {again}{why}"
    yield {"state": "bad", "about": "downstream", "text": text}


def _tick(status: Mapping[str, Any]) -> Iterator[Note]:
    tick, schedule = status["last_tick"], status["schedule"]
    if parallel.failed(tick) or parallel.failed(schedule) or schedule["paused"]:
        return
    if tick is None:
        lanes = (status["queues"]["source"], status["queues"]["bulk"])
        if any(lane and not parallel.failed(lane) and lane["visible"] for lane in lanes):
            yield {"state": "warn", "about": "tick", "text": "No tick was seen in the last 15 minutes"}
        return
    errors = tick["errors"]
    more = f" (and {_count(len(errors) - 1, 'other')})" if len(errors) > 1 else ""
    why = f": {_quoted(errors[0])}{more}" if errors else ""
    if said := STOPPED.get(tick["stopped"]):
        yield {"state": "warn", "about": "tick", "text": said + why}
    elif why:
        yield {"state": "warn", "about": "tick", "text": f"The last tick met errors{why}"}
    if tick["failed"]:
        text = f"The last tick could not forward {tick['failed']:,}"
        yield {"state": "warn", "about": "tick", "text": text}


def _functions(status: Mapping[str, Any]) -> Iterator[Note]:
    if parallel.failed(status["functions"]):
        return
    for name, of in status["functions"].items():
        if of["errors"]:
            rate = of["success_rate"]
            known = f" ({_percent(rate)} succeeded)" if rate is not None else ""
            yield {
                "state": "bad" if rate is not None and rate < FAILING_BELOW else "warn",
                "about": "function",
                "text": f"{name} failed {_count(of['errors'], 'time')} in the last hour{known}",
            }
        if of["throttles"]:
            text = f"{name} was throttled {_count(of['throttles'], 'time')} in the last hour"
            yield {"state": "warn", "about": "function", "text": text}


def _unknown(status: Mapping[str, Any]) -> Iterator[Note]:
    """What could not be asked is no good news; of the schedule, which is read with it, the capacity tells."""
    asked = [part for part in PARTS if not (part == "schedule" and status["capacity_error"])]
    missing = [part for part in asked if parallel.failed(status[part])]
    if missing:
        names = ", ".join(PARTS[part] for part in missing)
        why = _quoted(status[missing[0]]["error"])
        yield {"state": "warn", "about": "unknown", "text": f"Not known: {names}: {why}"}


def _quoted(text: str) -> str:
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}…"


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def _percent(value: float) -> str:
    """99.96 is not 100: a failure is not rounded away."""
    return f"{min(value, 99.9) if value < 100 else value:.1f}".removesuffix(".0") + "%"
