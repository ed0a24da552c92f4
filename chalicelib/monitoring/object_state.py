"""Where one object is, decided from what is known of it. Nothing here talks to anyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict

from chalicelib import times
from chalicelib.queues.retention import KEPT
from chalicelib.thumbnails.stored import StoredThumbnail

State = Literal["done", "rejected", "retrying", "waiting", "deleted", "ignored", "folder marker", "not seen"]
# By the outcome of the newest line about an object.
STATES: Mapping[str, State] = {
    "done": "done",
    "rejected": "rejected",
    "retry": "retrying",
    "untried": "waiting",
    "ignored": "ignored",
}
SUPERSEDED = "superseded"  # the result of an event that a newer one of its key overtook
WHERE = "which queue it waits in: SQS cannot be searched"


@dataclass(frozen=True)
class Evidence:
    """What was found out. `None` is what could not be asked, and empty what is not there."""

    exists: bool | None
    etag: str | None = None
    last_modified: datetime | None = None
    ignored: str = ""  # why the stage leaves such objects alone, where it does
    folder_marker: bool = False
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
    elif latest and not _waits_again(evidence, latest):
        found = _by_outcome(evidence, latest)
    elif evidence.letters:
        letter = evidence.letters[0]
        found = ObjectState("rejected", "the dead letters", letter["reason"])
    elif evidence.exists is not False and evidence.ignored:
        state: State = "folder marker" if evidence.folder_marker else "ignored"
        found = ObjectState(
            state, "the object alone" if evidence.folder_marker else "the settings", evidence.ignored
        )
    elif evidence.exists:
        found = _without_outcome(evidence, now)
    elif evidence.exists is False and evidence.enqueued:
        why = "the object is deleted: when its turn comes, its event ends as gone"
        found = ObjectState("waiting", "enqueue's log", why, not_known=[WHERE])
    elif evidence.thumbnails:
        found = ObjectState("deleted", "the thumbnails' metadata", times=_times_of(evidence.thumbnails[-1]))
        found.reason = "it was done before it was deleted"
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
        "waited_in_source": times.waited_s(uploaded, forwarded),
        "waited_in_destination": times.waited_s(forwarded, started),
        "worked": times.waited_s(started, done),
    }


def _latest(evidence: Evidence) -> Mapping[str, Any] | None:
    """The newest outcome that is about the present contents; one that was overtaken is about older ones."""
    for line in evidence.outcomes or ():
        if line.get("result") == SUPERSEDED:
            continue
        at = times.moment(line["at"])
        if not evidence.last_modified or not at or at > evidence.last_modified - times.CLOCKS_APART:
            return line
    return None


def _waits_again(evidence: Evidence, latest: Mapping[str, Any]) -> bool:
    """Whether a deleted object's last upload came after its last outcome, so that its event still waits."""
    if evidence.exists is not False or not evidence.enqueued:
        return False
    arrived, ended = times.moment(evidence.enqueued[0].get("at")), times.moment(latest["at"])
    return bool(arrived and ended and arrived > ended)


def _by_outcome(evidence: Evidence, latest: Mapping[str, Any]) -> ObjectState:
    """What consume has logged last is the state."""
    state = STATES[latest["outcome"]]
    why = latest.get("reason") or latest.get("says")  # of one that is done: what its action says
    found = ObjectState(state, "consume's log", why, _times_in(latest))
    if state == "done" and evidence.exists is False:
        found.state, found.reason = "deleted", latest.get("says") or "it was done before it was deleted"
    if state == "rejected" and evidence.no_letter:
        found.not_known.append(
            "where its dead letter is: it was sent back or discarded, or is being filed just now"
        )
    return found


def _without_outcome(evidence: Evidence, now: datetime) -> ObjectState:
    """There is an object, and nothing is known to have become of it."""
    if evidence.enqueued:
        return ObjectState("waiting", "enqueue's log", not_known=[WHERE])
    if evidence.last_modified and now - evidence.last_modified > KEPT:
        why = (
            "SQS keeps an event that nobody handles for 14 days, and it is older; a backfill job brings it in"
        )
        return ObjectState("not seen", "the object alone", why)
    return ObjectState("waiting", "the object alone", not_known=[WHERE, "whether S3 has told of it"])


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
        lines.append("whether it is a dead letter: there are more than can be listed in time")
    return lines
