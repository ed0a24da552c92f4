"""The sentence above everything else, and what is said beside it: never kinder than the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import times
from chalicelib.monitoring.verdict import verdict
from tests.support.page import canned

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
QUEUES = canned.status()["queues"]
AGAIN = "gone in about 1 h 39 min, unless a burst comes again like the one of the last quarter of an hour"
FULL = "nothing leaves while the destination queue is full"
LOST = {
    "queue": "bulk",
    "kept_days": 14,
    "lost_from": times.iso(NOW + timedelta(days=2)),
    "needed": 1650,
    "says": "events older than 14 days will be lost",
}
RED = "Events older than 14 days will be lost"


def drain(minutes, says, expires=None):
    return {"drain": {"minutes": minutes, "says": says, "expires": expires}}


@pytest.mark.parametrize(
    ("parts", "state", "headline"),
    [
        ({}, "ok", "Keeping up: backlog gone in about 3 min"),
        (canned.empty(), "ok", "All quiet: nothing waits"),
        ({**canned.empty(), "arrivals_per_minute": 3.0}, "ok", "Keeping up: no backlog"),
        (
            drain(None, "not at this capacity: 1,840 arrive a minute and 1,000 leave"),
            "bad",
            "Falling behind: 1,840 arrive a minute and 1,000 leave",
        ),
        (drain(99, AGAIN), "ok", f"Keeping up: backlog {AGAIN}"),
        (drain(None, FULL), "warn", f"2,500 waiting; {FULL}"),
        (
            drain(30_000, "gone in about 20 d", LOST),
            "bad",
            f"{RED} from Mon 02 Feb, 12:00 UTC, in 2 d; at least 1,650 a minute are needed",
        ),
        (drain(9, "", {**LOST, "lost_from": None, "needed": None}), "bad", f"{RED}; nothing leaves"),
        (
            drain(9, "", {**LOST, "queue": "destination", "lost_from": None, "needed": None}),
            "bad",
            f"{RED}; consume does not take them",
        ),
        (
            {**drain(9, "", {**LOST, "lost_from": None, "needed": None}), "schedule": {"paused": True}},
            "bad",
            f"{RED}; the stage is paused",
        ),
        ({"schedule": {"paused": True}}, "paused", "Paused: 2,500 waiting, nothing is forwarded"),
        ({**canned.empty(), "schedule": {"paused": True}}, "paused", "Paused: nothing waits"),
        (canned.broken(), "unknown", "Not known: the source queue does not answer"),
        (
            {"queues": {**QUEUES, "bulk": {"error": "no"}}},
            "unknown",
            "Not known: the bulk queue does not answer",
        ),
        (
            {"queues": {**QUEUES, "bulk": None}, "schedule": {"paused": True}},
            "paused",
            "Paused: 140 waiting, nothing is forwarded",
        ),
        ({"last_tick": None}, "warn", "Keeping up: backlog gone in about 3 min"),
    ],
)
def test_one_sentence_for_every_state(parts, state, headline):
    found = verdict(canned.status(**parts), NOW)
    assert (found["state"], found["headline"]) == (state, headline)


def notes(**parts):
    return [(one["state"], one["text"]) for one in verdict({**canned.empty(), **parts}, NOW)["notes"]]


def test_a_quiet_stage_has_nothing_beside_it():
    assert notes() == []


def test_everything_that_fails_is_said_beside_it():
    until = {**canned.failing()["downstream"], "until": times.iso(NOW + timedelta(seconds=40))}
    found = verdict({**canned.failing(), "downstream": until}, NOW)
    assert [one["text"] for one in found["notes"]] == [
        "17 dead letters: 11 not-an-image, 4 too-many-pixels, 2 being filed",
        "The downstream fails: consume leaves it alone, and tries again in 40 s: the downstream answers 401",
        "The last tick ended with errors: "
        "SendMessageBatch: AccessDenied: not allowed to send to the destination queue",
        "The last tick could not forward 12",
        "drain failed 9 times in the last hour (85% succeeded)",
        "consume failed 612 times in the last hour (88% succeeded)",
        "consume was throttled 40 times in the last hour",
    ]


def test_dead_letters_are_bad_news_and_no_failure_of_the_pace():
    found = verdict(canned.status(dead_letters=canned.dead_letters(1, being_filed=3)), NOW)
    assert found["notes"][0]["text"] == "4 dead letters: 1 too-many-pixels, 3 being filed"
    assert found["headline"] == "Keeping up: backlog gone in about 3 min, but 4 dead letters"
    assert (found["state"], found["kind"]) == ("warn", "ok 4 letters")


@pytest.mark.parametrize(
    ("parts", "state", "text"),
    [
        ({"capacity_error": "it is 'many'"}, "bad", "The capacity is not known: it is 'many'"),
        (
            {"downstream": {"paused": True, "until": None, "why": "HTTP 401"}},
            "bad",
            "The downstream fails: consume leaves it alone, and tries again now: HTTP 401",
        ),
        (
            {"downstream": {"paused": True, "until": times.iso(NOW - timedelta(seconds=9)), "why": None}},
            "bad",
            "The downstream fails: consume leaves it alone, and tries again now",
        ),
        (
            {"functions": {"error": "no"}, "hour": {"error": "no"}},
            "warn",
            "Not known: the functions, the last hour: no",
        ),
        ({"dead_letters": {"error": "no"}}, "warn", "Dead letters: not known: no"),
        (
            {"functions": {"consume": {**canned.function(1000, 1), "success_rate": 99.96}}},
            "warn",
            "consume failed 1 time in the last hour (99.9% succeeded)",
        ),
        (
            {"last_tick": {**canned.empty()["last_tick"], "errors": ["a" * 300, "b"]}},
            "warn",
            f"The last tick met errors: {'a' * 200}… (and 1 other)",
        ),
        (
            {"last_tick": {**canned.empty()["last_tick"], "stopped": "back_pressure"}},
            "warn",
            "Held back: the destination queue is as full as MAX_IN_DESTINATION allows",
        ),
    ],
)
def test_each_thing_that_is_wrong_is_a_note_and_the_sentence_has_its_colour(parts, state, text):
    assert notes(**parts) == [(state, text)]
    assert verdict({**canned.empty(), **parts}, NOW)["state"] == state


def test_what_lacks_for_the_same_reason_is_said_once():
    assert [one["about"] for one in verdict(canned.broken(), NOW)["notes"]] == [
        "capacity",
        "letters",
        "unknown",
    ]
    assert "schedule" not in verdict(canned.broken(), NOW)["notes"][2]["text"]


def test_a_paused_stage_is_not_blamed_for_its_last_tick():
    assert notes(schedule={"paused": True}, last_tick=None) == []
