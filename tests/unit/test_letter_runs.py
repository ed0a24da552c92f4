"""Redrive and discard: each letter goes only after the next place has it, and what stops a run loses nothing."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from chalice.test import Client

from chalicelib import times
from chalicelib.aws import clients
from chalicelib.config import Config
from chalicelib.errors import BadRequest, Conflict
from chalicelib.letters import handler, resend, runs, store
from dev.fake_boto3 import FakeBotoSqs, FakeS3, client_error
from dev.workspace import ROOT
from tests.support.app import load_app
from tests.support.letters import event, filed_keys, put_letter
from tests.support.settings import GOOD

CONFIG = Config.from_env({**GOOD, "STAGE": "prod", "REPORTS_BUCKET": "reports"})
NOW = datetime(2026, 1, 31, 13, tzinfo=UTC)
LONG = lambda: 120_000  # noqa: E731  milliseconds left


class FakeLambda:
    """`invoke` keeps what it was called with."""

    def __init__(self):
        self.calls = []
        self.error = None

    def invoke(self, **request):
        if self.error:
            raise self.error
        self.calls.append(request)
        return {"StatusCode": 202}


@pytest.fixture
def s3():
    return FakeS3("reports")


@pytest.fixture
def sqs(queues):
    return FakeBotoSqs(queues)


@pytest.fixture
def functions():
    return FakeLambda()


@pytest.fixture
def ask(s3, sqs, functions):
    """Asks the API for a run and lets the function do it; returns the run as it ended."""

    def asked(do, body, remaining_ms=LONG, now=NOW):
        runs.start(do, body, "arn:alice", s3, functions, CONFIG, now)
        order = json.loads(functions.calls[-1]["Payload"])
        return handler.handle(order, s3, sqs, lambda: functions, CONFIG, remaining_ms)

    return asked


def sent(queues):
    return sorted(json.loads(body)["Key"] for body in queues.queue("source").bodies())


def put_letters(s3, count):
    for number in range(count):
        put_letter(s3, f"{number:04d}.jpg")


def asked_for_all(s3, functions):
    """A redrive of all is asked for; returns the order with which the function was called."""
    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    return runs.order_of(json.loads(functions.calls[-1]["Payload"]))


def test_a_redrive_of_all_sends_each_to_the_source_queue_without_its_tries_and_deletes_it(ask, s3, queues):
    for number in range(25):
        put_letter(s3, f"{number:02d}.jpg", tries=6)
    ended = ask("redrive", {"all": True, "note": "S3 is back"})
    assert (ended["status"], ended["moved"], ended["left"]) == ("done", 25, 0)
    assert (ended["by"], ended["note"]) == ("arn:alice", "S3 is back")
    assert sent(queues) == [f"{number:02d}.jpg" for number in range(25)]
    assert all(message.attributes is None for message in queues.queue("source").messages())
    assert filed_keys(s3) == []


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"code": "gone"}, ["in/a.jpg", "out/c.jpg"]),
        ({"prefix": "in/"}, ["in/a.jpg", "in/b.jpg"]),
        ({"prefix": "in/", "code": "gone"}, ["in/a.jpg"]),
        ({"all": True}, ["in/a.jpg", "in/b.jpg", "out/c.jpg"]),
        ({"contains": "/b"}, ["in/b.jpg"]),
        ({"contains": ".jpg", "code": "gone", "prefix": "o"}, ["out/c.jpg"]),
        ({"prefix": "none/"}, []),
    ],
)
@pytest.mark.parametrize("do", ["redrive", "discard"])
def test_a_run_takes_what_is_selected_and_nothing_else(ask, s3, queues, do, body, taken):
    everything = {"in/a.jpg": "gone", "in/b.jpg": "damaged", "out/c.jpg": "gone"}
    for key, code in everything.items():
        put_letter(s3, key, code)
    ended = ask(do, body)
    assert (ended["status"], ended["moved"]) == ("done", len(taken))
    assert filed_keys(s3) == sorted(set(everything) - set(taken))
    assert sent(queues) == (taken if do == "redrive" else [])


def test_letters_are_selected_by_their_ids(ask, s3, queues):
    ids = {key: put_letter(s3, key).id for key in ("a.jpg", "b.jpg", "c.jpg")}
    assert ask("redrive", {"ids": [ids["a.jpg"], ids["c.jpg"]]})["moved"] == 2
    assert sent(queues) == ["a.jpg", "c.jpg"]


def test_a_prefix_longer_than_what_a_store_key_holds_is_looked_up(ask, s3, queues):
    long = "ü" * 500
    put_letter(s3, long + "a")
    put_letter(s3, long + "b", minute=1)
    assert ask("redrive", {"prefix": long + "a"})["moved"] == 1
    assert sent(queues) == [long + "a"]
    assert ask("redrive", {"contains": "üb"})["moved"] == 1
    assert sent(queues) == [long + "a", long + "b"]


def test_a_letter_that_was_rejected_after_the_run_began_is_left_alone(ask, s3, queues):
    put_letter(s3, "a.jpg", minute=0)
    put_letter(s3, "b.jpg", at=times.iso(NOW + timedelta(seconds=1)))
    assert ask("redrive", {"all": True})["moved"] == 1
    assert (sent(queues), filed_keys(s3)) == (["a.jpg"], ["b.jpg"])


def test_an_event_that_was_rejected_twice_is_sent_once(ask, s3, queues):
    put_letter(s3, "a.jpg", "gone", minute=0)
    put_letter(s3, "a.jpg", "damaged", minute=5)
    assert ask("redrive", {"all": True})["moved"] == 1
    assert (sent(queues), filed_keys(s3)) == (["a.jpg"], [])


def test_a_letter_whose_body_is_cut_is_never_sent_and_counted(ask, s3, queues):
    put_letter(s3, "a.jpg")
    put_letter(s3, "b.jpg", body_bytes=2_000_000)
    ended = ask("redrive", {"all": True})
    assert (ended["status"], ended["moved"], ended["cut"], ended["left"]) == ("done", 1, 1, 1)
    assert ended["says"] == "1 sent back; 1 stay: their bodies are not whole"
    assert (sent(queues), filed_keys(s3)) == (["a.jpg"], ["b.jpg"])
    assert ask("discard", {"all": True}, now=NOW + timedelta(minutes=1))["moved"] == 1


def test_what_the_source_queue_refuses_stays_a_letter_and_the_run_says_why(ask, s3, queues):
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        put_letter(s3, key)
    queues.refuse = lambda name, entry: "InternalError" if "b.jpg" in str(entry) else ""
    ended = ask("redrive", {"all": True})
    assert (ended["status"], ended["moved"], ended["left"]) == ("stopped", 2, 1)
    assert "1 are left: InternalError" in ended["says"]
    assert (sent(queues), filed_keys(s3)) == (["a.jpg", "c.jpg"], ["b.jpg"])


def test_with_the_source_queue_down_a_run_gives_up_soon_and_loses_nothing(ask, s3, queues):
    for number in range(500):
        put_letter(s3, f"{number:03d}.jpg")
    queues.refuse = lambda name, entry: "ServiceUnavailable"
    ended = ask("redrive", {"all": True})
    assert (ended["status"], ended["moved"], ended["left"]) == ("stopped", 0, 500)
    assert queues.calls["SendMessageBatch"] < 50
    assert len(filed_keys(s3)) == 500


class Died(BaseException):
    """The process ends: nothing catches it."""


@pytest.mark.parametrize("action", ["GetObject", "DeleteObject", "PutObject"])
@pytest.mark.parametrize("after", [0, 7, 23])
def test_a_run_that_dies_at_any_call_is_ended_by_asking_again_and_nothing_is_lost(
    ask, s3, queues, functions, sqs, action, after
):
    """PutObject is the progress; the others are the letters. What was sent and not deleted is sent twice."""
    keys = [f"{number:02d}.jpg" for number in range(40)]
    for key in keys:
        put_letter(s3, key)
    lock, calls = threading.Lock(), [0]

    def die(called, request):
        with lock:
            if called == action and request["Key"].startswith(("letters/", "redrives/")):
                calls[0] += 1
                if calls[0] > after:
                    raise Died

    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    order = json.loads(functions.calls[-1]["Payload"])
    s3.before = die
    with contextlib.suppress(Died):
        handler.handle(order, s3, sqs, lambda: functions, CONFIG, LONG)
    s3.before = lambda called, request: None
    assert set(sent(queues)) | set(filed_keys(s3)) == set(keys)
    ended = again(order, s3, sqs, functions)
    assert ended["status"] == "done"
    assert set(sent(queues)) == set(keys)
    assert filed_keys(s3) == []


def again(order, s3, sqs, functions, remaining_ms=LONG):
    """Lambda runs a call that failed again, a minute later."""
    later = times.now() + timedelta(minutes=1)
    whole = runs.order_of(order)
    return resend.run(whole, s3, sqs, lambda: functions, CONFIG, remaining_ms, now=lambda: later)


def short(looks=3):
    """A function's time that is up after so many looks at it."""
    left = iter([60_000] * looks)
    return lambda: next(left, 0)


class Parts:
    """What the function asks Lambda for is done at once, one part after the other."""

    def __init__(self, s3, sqs, remaining_ms=short):
        self.s3, self.sqs, self.remaining_ms = s3, sqs, remaining_ms
        self.orders = []
        self.before = lambda order: None

    def invoke(self, *, Payload, **_):  # noqa: N803
        self.orders.append(json.loads(Payload))

    def run(self, do="redrive", **body):
        """To its end."""
        begun = runs.start(do, body, "arn:alice", self.s3, self, CONFIG, times.now())
        done = 0
        while done < len(self.orders):
            order = self.orders[done]
            self.before(order)
            handler.handle(order, self.s3, self.sqs, lambda: self, CONFIG, self.remaining_ms())
            done += 1
        return next(
            one for one in runs.latest(self.s3, CONFIG, times.now())["runs"] if one["id"] == begun["id"]
        )


@pytest.mark.parametrize("do", ["redrive", "discard"])
def test_a_run_that_runs_out_of_time_goes_on_by_itself_until_nothing_is_left(s3, sqs, queues, do):
    put_letters(s3, 1000)
    parts = Parts(s3, sqs)
    ended = parts.run(do, all=True, note="S3 is back")
    assert (ended["status"], ended["moved"], ended["left"]) == ("done", 1000, 0)
    assert (ended["by"], ended["note"], ended["select"]) == ("arn:alice", "S3 is back", {"all": True})
    assert ended["part"] == len(parts.orders) > 2
    assert (len(sent(queues)), filed_keys(s3)) == (1000 if do == "redrive" else 0, [])


def test_progress_is_seen_between_two_parts_and_keeps_another_run_away(s3, sqs):
    put_letters(s3, 400)
    parts, seen = Parts(s3, sqs), []

    def look(order):
        (run,) = runs.latest(s3, CONFIG, times.now())["runs"]
        seen.append((run["status"], run["part"], run["moved"]))
        if run["moved"]:
            assert run["moved"] + run["left"] == 400
            with pytest.raises(Conflict):
                runs.start("discard", {"all": True}, "arn:bob", s3, parts, CONFIG, times.now())

    parts.before = look
    parts.run(all=True)
    assert [(status, part) for status, part, _ in seen] == [
        ("asked", part) for part in range(1, len(seen) + 1)
    ]
    assert len({moved for _, _, moved in seen}) == len(seen) > 1


def test_letters_that_were_listed_are_moved_before_more_are_listed(s3, sqs, queues, monkeypatch):
    """As with so many that a listing takes longer than a part may: here a part lists a page of ten."""
    monkeypatch.setattr(resend, "LISTED_WITHIN_S", 0.0)
    s3.page_keys = 10
    for number in range(95):
        put_letter(s3, f"{number:04d}.jpg", body_bytes=2_000_000 if number in (3, 33) else None)
    parts = Parts(s3, sqs, lambda: LONG)
    ended = parts.run(prefix="00")
    assert (ended["status"], ended["moved"], ended["cut"], ended["part"]) == ("done", 93, 2, 10)
    assert (len(sent(queues)), filed_keys(s3)) == (93, ["0003.jpg", "0033.jpg"])


def test_parts_without_any_of_the_selection_do_not_end_a_run(s3, sqs, queues, monkeypatch):
    monkeypatch.setattr(resend, "LISTED_WITHIN_S", 0.0)
    s3.page_keys = 10
    put_letters(s3, 50)
    ended = Parts(s3, sqs, lambda: LONG).run(prefix="0049")
    assert (ended["status"], ended["moved"], sent(queues)) == ("done", 1, ["0049.jpg"])


def test_a_part_that_moves_nothing_ends_the_run_and_says_why(s3, sqs):
    put_letters(s3, 50)
    parts = Parts(s3, sqs, lambda: lambda: 0)
    ended = parts.run(all=True)
    assert (ended["status"], ended["moved"], len(parts.orders)) == ("stopped", 0, 1)
    assert ended["says"] == "0 sent back; 50 are left: the time was up before one could be moved; ask again"


def test_a_run_has_at_most_so_many_parts(s3, sqs, monkeypatch):
    monkeypatch.setattr(resend, "MOST_PARTS", 2)
    put_letters(s3, 1000)
    parts = Parts(s3, sqs)
    ended = parts.run(all=True)
    assert (ended["status"], len(parts.orders)) == ("stopped", 2)
    assert "are left: it has taken 2 parts; ask again" in ended["says"]


def test_a_next_part_that_cannot_be_begun_ends_the_run_and_says_why(s3, sqs, functions):
    put_letters(s3, 1000)
    run = runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    functions.error = client_error("AccessDeniedException", "not allowed", 403, "Invoke")
    ended = handler.handle(
        json.loads(functions.calls[-1]["Payload"]), s3, sqs, lambda: functions, CONFIG, short()
    )
    assert (ended["id"], ended["status"]) == (run["id"], "stopped")
    assert "the next part could not be begun: An error occurred (AccessDeniedException)" in ended["says"]
    assert len(filed_keys(s3)) == 1000 - ended["moved"]


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=40)])
def test_a_part_whose_call_comes_twice_is_done_once(s3, sqs, queues, functions, later):
    """The second call comes while the first is at work, and again after it has begun the next part."""
    put_letters(s3, 1000)
    order = asked_for_all(s3, functions)
    twice = []

    def second():
        now = times.now() + later
        return resend.run(order, s3, sqs, lambda: functions, CONFIG, LONG, now=lambda: now)

    def left():
        if not twice:
            twice.append(second())
        return 60_000 if len(functions.calls) < 2 and queues.calls["SendMessageBatch"] < 20 else 0

    resend.run(order, s3, sqs, lambda: functions, CONFIG, left)
    before = (len(filed_keys(s3)), dict(queues.calls))
    assert second()["status"] == "asked"
    assert (len(filed_keys(s3)), dict(queues.calls)) == before
    assert [one["status"] for one in twice] == ["running"]
    assert len(sent(queues)) == 1000 - len(filed_keys(s3))


def test_of_two_calls_that_begin_at_the_same_moment_one_ends(s3, sqs, queues, functions):
    put_letters(s3, 100)
    order = asked_for_all(s3, functions)
    other = []

    def both(action, request):
        if action == "PutObject" and not other:  # the first writes that it has begun: so has the other by now
            other.append(None)
            other[0] = resend.run(order, s3, sqs, lambda: functions, CONFIG, LONG)

    s3.before = both
    ended = resend.run(order, s3, sqs, lambda: functions, CONFIG, LONG)
    assert [one["status"] for one in (ended, *other)] == ["done", "done"]
    assert len(sent(queues)) == 100
    assert queues.calls["SendMessageBatch"] == 10


def test_a_part_that_was_taken_for_dead_ends_at_its_next_word(s3, sqs, queues, functions):
    put_letters(s3, 1000)
    order = asked_for_all(s3, functions)
    taken = []

    def left():
        if not taken:  # long after
            taken.append(None)
            taken[0] = again({"letters": order}, s3, sqs, functions)
        return 60_000

    ended = resend.run(order, s3, sqs, lambda: functions, CONFIG, left)
    assert taken[0]["status"] == ended["status"] == "done"
    assert (len(sent(queues)), ended["moved"]) == (1000, 1000)


def test_a_part_that_died_when_it_had_announced_the_next_is_taken_up_by_its_second_call(
    s3, sqs, queues, functions, monkeypatch
):
    put_letters(s3, 1000)
    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    order = json.loads(functions.calls[-1]["Payload"])
    functions.error = Died()
    with pytest.raises(Died):
        handler.handle(order, s3, sqs, lambda: functions, CONFIG, short())
    (run,) = runs.latest(s3, CONFIG, times.now())["runs"]
    assert (run["status"], run["part"]) == ("asked", 2)
    ended = again(order, s3, sqs, functions)
    assert (ended["status"], ended["part"], ended["moved"]) == ("done", 2, 1000)
    assert len(sent(queues)) == 1000


def test_an_answer_about_the_progress_that_was_lost_ends_no_run(s3, sqs, queues, functions, monkeypatch):
    """S3 has written it, and says to boto's second attempt that it is another than was seen."""
    put_letter(s3, "a.jpg")
    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    put = s3.put_object

    def twice(**request):
        put(**request)
        return put(**request)

    monkeypatch.setattr(s3, "put_object", twice)
    order = json.loads(functions.calls[-1]["Payload"])
    ended = handler.handle(order, s3, sqs, lambda: functions, CONFIG, LONG)
    assert (ended["status"], ended["moved"], sent(queues)) == ("done", 1, ["a.jpg"])


def test_a_run_that_somebody_stops_ends_within_seconds_and_says_how_far_it_came(s3, sqs, queues, monkeypatch):
    monkeypatch.setattr(resend, "TOLD_EVERY_S", 0.0)
    put_letters(s3, 2000)
    parts, stopped = Parts(s3, sqs, lambda: LONG), []

    def stop(action, request):
        if action == "DeleteObject" and not stopped:
            stopped.append(None)
            stopped[0] = runs.stop({"note": "the wrong ones"}, "arn:bob", s3, CONFIG, times.now())

    s3.before = stop
    ended = parts.run("discard", all=True)
    assert (ended["status"], stopped[0]["status"]) == ("stopped", "stopped")
    assert 0 < ended["moved"] < 1000
    assert (ended["left"], len(filed_keys(s3))) == (2000 - ended["moved"],) * 2
    says = "stopped by arn:bob: the wrong ones; ask again for the rest"
    assert ended["says"] == f"{ended['moved']} discarded; {says}"


def test_a_run_that_is_stopped_between_two_parts_goes_no_further(s3, sqs):
    put_letters(s3, 1000)
    parts = Parts(s3, sqs)
    parts.before = lambda order: (
        runs.stop(None, "arn:bob", s3, CONFIG, times.now()) if order["letters"]["part"] == 2 else None
    )
    ended = parts.run(all=True)
    assert (ended["status"], ended["part"], len(parts.orders)) == ("stopped", 2, 2)
    assert len(filed_keys(s3)) == 1000 - ended["moved"] > 0


def test_where_nothing_runs_there_is_nothing_to_stop(ask, s3):
    ask("redrive", {"all": True})
    with pytest.raises(Conflict, match="no redrive or discard runs"):
        runs.stop(None, "arn:bob", s3, CONFIG, NOW)


def test_a_run_that_died_is_written_down_as_stopped_when_the_next_begins(s3, sqs, queues, functions):
    """So that a call of it, which Lambda may keep for hours, does nothing."""
    put_letter(s3, "a.jpg")
    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    runs.start("discard", {"code": "gone"}, "arn:bob", s3, functions, CONFIG, NOW + timedelta(hours=1))
    late = handler.handle(json.loads(functions.calls[0]["Payload"]), s3, sqs, lambda: functions, CONFIG, LONG)
    assert (late["status"], sent(queues), filed_keys(s3)) == ("stopped", [], ["a.jpg"])


def test_an_order_that_comes_twice_is_done_once(ask, s3, queues, functions, sqs):
    put_letter(s3, "a.jpg")
    ask("redrive", {"all": True})
    put_letter(s3, "b.jpg", minute=1)
    order = json.loads(functions.calls[-1]["Payload"])
    assert handler.handle(order, s3, sqs, lambda: functions, CONFIG, LONG)["status"] == "done"
    assert (sent(queues), filed_keys(s3)) == (["a.jpg"], ["b.jpg"])


def test_a_discard_logs_each_letter_without_its_body(ask, s3, capsys):
    filed = put_letter(s3, "a.jpg", "gone")
    ask("discard", {"code": "gone", "note": "old ones"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["message"] == "letter discarded"]
    assert (line["letter"], line["key"], line["reason"]) == (filed.id, "a.jpg", "why")
    assert (line["by"], line["note"]) == ("arn:alice", "old ones")
    assert event("a.jpg") not in json.dumps(lines)


def test_the_gauge_says_what_is_left_when_a_run_ends(ask, s3, capsys):
    put_letter(s3, "a.jpg", "gone")
    put_letter(s3, "b.jpg", "damaged")
    ask("redrive", {"code": "gone"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Letters"] for line in lines if "Letters" in line] == [1]


def test_the_runs_are_listed_newest_first_and_one_that_fell_silent_is_stopped(ask, s3, functions):
    put_letter(s3, "a.jpg")
    ask("redrive", {"all": True})
    later = NOW + timedelta(hours=1)
    runs.start("discard", {"all": True}, "arn:bob", s3, functions, CONFIG, later)  # and nothing runs it
    found = runs.latest(s3, CONFIG, later)["runs"]
    assert [(one["do"], one["status"]) for one in found] == [("discard", "asked"), ("redrive", "done")]
    silent = runs.latest(s3, CONFIG, later + runs.SILENT + timedelta(seconds=1))["runs"][0]
    assert (silent["status"], "ask again" in silent["says"]) == ("stopped", True)


def test_two_runs_at_once_are_refused(s3, functions):
    runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    with pytest.raises(Conflict, match="a redrive has been running since 2026-01-31T13:00"):
        runs.start("discard", {"all": True}, "arn:bob", s3, functions, CONFIG, NOW + timedelta(seconds=5))


def test_of_two_runs_that_are_asked_for_in_the_same_moment_at_most_one_begins(s3, functions, monkeypatch):
    put_letter(s3, "a.jpg")
    both_have_looked = threading.Barrier(2)
    newest, looked, refused = runs._newest, threading.local(), []

    def found(*of):
        answer = newest(*of)
        if not getattr(looked, "once", False):
            looked.once = True
            both_have_looked.wait(10)
        return answer

    def ask():
        try:
            runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
        except Conflict as e:
            refused.append(str(e))

    monkeypatch.setattr(runs, "_newest", found)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert len(functions.calls) + len(refused) == 2
    assert len(functions.calls) <= 1
    assert all("in the same moment" in why for why in refused)
    going = [run for run in runs.latest(s3, CONFIG, NOW)["runs"] if run["status"] in runs.GOING]
    assert len(going) == len(functions.calls)


def test_a_function_that_cannot_be_called_leaves_no_run_behind_that_seems_to_run(s3, functions):
    functions.error = client_error("AccessDeniedException", "not allowed", 403, "Invoke")
    with pytest.raises(type(functions.error)):
        runs.start("redrive", {"all": True}, "arn:alice", s3, functions, CONFIG, NOW)
    (run,) = runs.latest(s3, CONFIG, NOW)["runs"]
    assert (run["status"], "could not be called" in run["says"]) == ("stopped", True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "all"),
        ({"all": False}, "all"),
        ({"all": "yes"}, "all"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"]}, "ids"),
        ({"ids": [1]}, "ids"),
        ({"ids": ["gone~2026-01-31T12:00:00.000Z~0123456789abcdef"] * 1001}, "ids"),
        ({"code": ""}, "code"),
        ({"code": "A B"}, "code"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": 5}, "prefix"),
        ({"contains": ""}, "contains"),
        ({"ids": ["gone~2026-01-31T12:00:00.000Z~0123456789abcdef"], "contains": "a"}, "ids"),
        ({"reason": "x"}, "reason"),
        ({"all": True, "code": "gone"}, "all"),
        ({"all": True, "note": ""}, "note"),
        ({"all": True, "note": "x" * 501}, "note"),
    ],
)
def test_a_selection_that_cannot_be_is_refused_by_its_field(s3, functions, body, field):
    with pytest.raises(BadRequest) as refused:
        runs.start("redrive", body, "arn:alice", s3, functions, CONFIG, NOW)
    assert refused.value.field == field
    assert not functions.calls
    assert not s3.buckets["reports"]


def test_over_rest_a_redrive_is_asked_for_and_logged_with_who_it_was(monkeypatch, capsys, s3, sqs, functions):
    app = load_app(monkeypatch, STAGE="prod", REPORTS_BUCKET="reports")
    for name, client in (("s3", s3), ("sqs", sqs), ("functions", functions)):
        monkeypatch.setattr(clients, name, lambda client=client: client)
    filed = put_letter(s3, "a b.jpg", "gone")
    headers = {"Content-Type": "application/json"}
    with Client(app, project_dir=str(ROOT)) as client:
        listed = client.http.get("/dead-letters").json_body
        assert (listed["total"], listed["codes"]["gone"]["letters"]) == (1, 1)
        assert client.http.get(f"/dead-letters/{filed.id}").json_body["key"] == "a b.jpg"
        assert client.http.get("/dead-letters/x").status_code == 400
        answer = client.http.post("/dead-letters/redrive", headers=headers, body=b'{"code": "gone"}')
        assert (answer.status_code, answer.json_body["status"]) == (200, "asked")
        assert client.http.get("/dead-letters/redrive").json_body["runs"] == [answer.json_body]
        again = client.http.post("/dead-letters/discard", headers=headers, body=b'{"all": true}')
        assert again.status_code == 409
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["by"], line["select"]) == (
        "redrive asked for",
        "chalice local",
        {"code": "gone"},
    )
    (call,) = functions.calls
    assert (call["FunctionName"], call["InvocationType"]) == ("s3-event-scheduler-prod-letters", "Event")


def test_the_function_takes_both_a_batch_and_an_order(monkeypatch, s3, sqs, queues, functions):
    app = load_app(monkeypatch, STAGE="prod", REPORTS_BUCKET="reports")
    monkeypatch.setattr(clients, "s3", lambda: s3)
    monkeypatch.setattr(clients, "sqs", lambda: sqs)
    monkeypatch.setattr(sys.modules["app"], "remaining_ms", lambda event: LONG)
    with Client(app, project_dir=str(ROOT)) as client:
        batch = client.events.generate_sqs_event([event("a.jpg")])
        assert client.lambda_.invoke("letters", batch).payload == {"filed": 1}
        assert store.listing(s3, "reports", within_s=9).letters[0].code == "unknown"
        soon = times.now() + timedelta(seconds=1)
        run = runs.start("redrive", {"all": True}, "me", s3, functions, CONFIG, soon)
        assert client.lambda_.invoke("letters", {"letters": run}).payload["moved"] == 1
    assert sent(queues) == ["a.jpg"]


def test_without_a_reports_bucket_there_is_no_such_function(monkeypatch):
    app = load_app(monkeypatch)
    assert "letters" not in [source.name for source in app.event_sources]


def test_a_letter_that_cannot_be_deleted_leaves_no_other_that_was_sent(ask, s3, queues, monkeypatch):
    for number in range(5):
        put_letter(s3, f"{number}.jpg")
    delete, refused = s3.delete_object, []

    def once(**request):
        if not refused:
            refused.append(request["Key"])
            raise client_error("SlowDown", "later", 503, "DeleteObject")
        return delete(**request)

    monkeypatch.setattr(s3, "delete_object", once)
    run = ask("redrive", {"all": True})
    assert set(sent(queues)) == {f"{number}.jpg" for number in range(5)}
    assert [f"~{key}" for key in filed_keys(s3)] == [key[key.rindex("~") :] for key in refused]
    assert (run["moved"], run["left"], run["status"]) == (4, 1, "stopped")  # and its numbers are true


@pytest.mark.parametrize("end", [client_error("SlowDown", "later", 503, "DeleteObject"), KeyboardInterrupt()])
def test_whatever_a_discard_deletes_is_in_the_log_whatever_ends_it(ask, s3, capsys, monkeypatch, end):
    put_letters(s3, 15)
    delete, asked, deleted = s3.delete_object, [], []

    def dying(**request):
        asked.append(request["Key"])
        if len(asked) == 8:
            raise end
        delete(**request)
        deleted.append(store.Filed.of(request["Key"]).id)

    monkeypatch.setattr(s3, "delete_object", dying)
    with contextlib.suppress(KeyboardInterrupt):
        assert ask("discard", {"all": True})["moved"] == len(deleted) == 14
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert set(deleted) <= {line["letter"] for line in lines if line["message"] == "letter discarded"}
