"""Where one object is, decided from what is known of it. Nothing here talks to anyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from chalicelib import times
from chalicelib.queues import messages
from chalicelib.thumbnails.stored import StoredThumbnail

State = Literal["done", "rejected", "retrying", "waiting", "not seen"]
# By the outcome of the newest line about an object.
STATES: Mapping[str, State] = {"done": "done", "rejected": "rejected", "retry": "retrying"}
# S3 dates an object to the second, and its event a little later or earlier.
CLOCKS_APART = timedelta(seconds=5)


@dataclass(frozen=True)
class Evidence:
    """What was found out. `None` is what could not be asked, and empty what is not there."""

    exists: bool | None
    etag: str | None = None
    last_modified: datetime | None = None
    handled: bool = True  # whether the stage takes keys like this
    thumbnails: Sequence[StoredThumbnail] | None = ()
    sizes: int = 0  # how many thumbnails make the work whole; 0 where the action makes none
    outcomes: Sequence[Mapping[str, Any]] | None = ()  # consume's lines about it, newest first
    read_since: datetime | None = None  # when consume's log could not be read as far back as wanted
    enqueued: Sequence[Mapping[str, Any]] | None = ()  # enqueue's lines about it
    letters: Sequence[Mapping[str, Any]] | None = ()  # its dead letters
    letters_complete: bool = True

    @property
    def no_letter(self) -> bool:
        """Whether it is sure that there is no dead letter of it."""
        return self.letters is not None and not self.letters and self.letters_complete


class Legs(TypedDict):
    """When an object came to each point of its way, and the seconds between."""

    uploaded: str | None
    forwarded: str | None
    started: str | None
    done: str | None
    waited_in_source: float | None
    waited_in_destination: float | None
    worked: float | None


@dataclass
class ObjectState:
    """The state, why, how it is known, the times of its way, and what is not known."""

    state: State
    known_from: str
    reason: str | None = None
    times: dict[str, str | None] = field(default_factory=dict)
    not_known: list[str] = field(default_factory=list)


def decide(evidence: Evidence, now: datetime) -> ObjectState:
    """The newest contents count: what became of earlier ones only where there are none."""
    latest = _latest(evidence)
    current = [one for one in evidence.thumbnails or () if one.source_etag == evidence.etag]
    if evidence.exists and evidence.sizes and len(current) >= evidence.sizes:
        found = ObjectState("done", "the thumbnails' metadata", times=_times_of(current[-1]))
    elif latest:
        state = STATES[latest["outcome"]]
        found = ObjectState(state, "consume's log", latest.get("reason"), _times_in(latest))
        if state == "rejected" and evidence.no_letter:
            found.not_known.append(
                "where its dead letter is: it is no longer in the queue, so it was sent back or has expired"
            )
    elif evidence.letters:
        letter = evidence.letters[0]
        found = ObjectState("rejected", "the dead-letter queue", letter["reason"])
    elif evidence.exists:
        found = _without_outcome(evidence, now)
    elif evidence.thumbnails:
        found = ObjectState("done", "the thumbnails' metadata", times=_times_of(evidence.thumbnails[-1]))
        found.not_known.append("anything newer: the object itself is gone")
    else:
        found = ObjectState("not seen", "no object, thumbnail, dead letter or log line")
    if evidence.last_modified and not found.times.get("uploaded"):
        found.times["uploaded"] = times.iso(evidence.last_modified)
    found.not_known += _not_asked(evidence)
    return found


def legs(way: Mapping[str, str | None]) -> Legs:
    """The times of an object's way, and the seconds between them; None for what is not known."""
    uploaded, forwarded, started, done = map(way.get, ("uploaded", "forwarded", "started", "done"))
    return {
        "uploaded": uploaded,
        "forwarded": forwarded,
        "started": started,
        "done": done,
        "waited_in_source": _between(uploaded, forwarded),
        "waited_in_destination": _between(forwarded, started),
        "worked": _between(started, done),
    }


def _latest(evidence: Evidence) -> Mapping[str, Any] | None:
    """The newest outcome that is about the present contents."""
    for line in evidence.outcomes or ():
        at = times.moment(line["at"])
        if not evidence.last_modified or not at or at > evidence.last_modified - CLOCKS_APART:
            return line
    return None


def _without_outcome(evidence: Evidence, now: datetime) -> ObjectState:
    """There is an object, and nothing is known to have become of it."""
    where = "which queue it waits in: SQS cannot be searched"
    if not evidence.handled:
        return ObjectState("not seen", "the settings", "IMAGES_PREFIX or IMAGES_SUFFIX leaves such keys out")
    if evidence.enqueued:
        return ObjectState("waiting", "enqueue's log", not_known=[where])
    if evidence.last_modified and now - evidence.last_modified > messages.KEPT:
        why = "it is older than any event that may still wait; a backfill job brings it in"
        return ObjectState("not seen", "the object alone", why)
    return ObjectState("waiting", "the object alone", not_known=[where, "whether S3 has told of it"])


def _times_of(thumbnail: StoredThumbnail) -> dict[str, str | None]:
    return {
        "uploaded": thumbnail.event_time,
        "forwarded": thumbnail.forwarded,
        "started": thumbnail.started,
        "done": thumbnail.made_at,
    }


def _times_in(line: Mapping[str, Any]) -> dict[str, str | None]:
    done = line["at"] if line["outcome"] == "done" else None
    return {**{name: line.get(name) for name in ("uploaded", "forwarded", "started")}, "done": done}


def _between(start: str | None, end: str | None) -> float | None:
    """Never below 0: the clocks of S3, SQS and Lambda are a little apart."""
    seconds = times.seconds_between(start, end)
    return None if seconds is None else max(0.0, seconds)


def _not_asked(evidence: Evidence) -> list[str]:
    missing = {
        "whether the object exists": evidence.exists,
        "its thumbnails": evidence.thumbnails,
        "what consume has logged of it": evidence.outcomes,
        "what enqueue has logged of it": evidence.enqueued,
        "whether it is a dead letter": evidence.letters,
    }
    lines = [f"{what}: it could not be asked" for what, found in missing.items() if found is None]
    if evidence.read_since and not evidence.outcomes:
        at = f"{evidence.read_since:%Y-%m-%d %H:%M} UTC"
        lines.append(f"what consume logged before {at}: there is more than can be read in time")
    if evidence.letters is not None and not evidence.letters and not evidence.letters_complete:
        lines.append("whether it is a dead letter: there are more than are looked through")
    return lines
