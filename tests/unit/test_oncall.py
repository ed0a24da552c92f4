"""The person on call at a terminal: one line says what happened, exit codes mean something, nothing is done unasked."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from chalice.test import Client
from click.testing import CliRunner
from rich.console import Console

from chalicelib.aws import clients
from dev.fake_boto3 import FakeBotoSqs, FakeS3
from dev.workspace import ROOT
from infra.__main__ import cli
from infra.api import Api, _at, in_process
from infra.commands import oncall
from infra.errors import CommandError
from tests.support.app import Ssm, load_app
from tests.support.letters import filed_keys, put_letter
from tests.support.page import canned


class Letters:
    """The function `letters`, which runs when it is called."""

    def __init__(self, s3, sqs):
        self.s3, self.sqs = s3, sqs

    def invoke(self, *, Payload, **_):  # noqa: N803
        from chalicelib.api.views import config
        from chalicelib.letters import handler

        handler.handle(json.loads(Payload), self.s3, self.sqs, lambda: self, config(), lambda: 120_000)


@pytest.fixture
def ssm():
    return Ssm()


@pytest.fixture
def s3():
    return FakeS3("reports")


@pytest.fixture
def call(monkeypatch, queues, ssm, s3):
    """`python -m infra ...` over the app's own routes; the API's answers are the product's."""
    sqs = FakeBotoSqs(queues)
    monkeypatch.setattr(clients, "sqs", lambda: sqs)
    monkeypatch.setattr(clients, "ssm", lambda: ssm)
    monkeypatch.setattr(clients, "s3", lambda: s3)
    monkeypatch.setattr(clients, "functions", lambda: Letters(s3, sqs))
    monkeypatch.setattr(oncall.time, "sleep", lambda seconds: None)
    caller = "arn:aws:iam::123456789012:user/ann"
    app = load_app(monkeypatch, ACTION="log", REPORTS_BUCKET="reports", LOCAL_CALLER=caller)
    with Client(app, project_dir=str(ROOT)) as client:

        @contextlib.contextmanager
        def api(stage, url):
            yield Api(in_process(client, io.StringIO()))

        monkeypatch.setattr(oncall, "api_of", api)
        runner = CliRunner()
        yield lambda *arguments, **options: runner.invoke(cli, arguments, **options)


def test_a_pause_says_what_it_does_not_stop_and_who_paused_is_kept(call, ssm):
    found = call("pause", "--note", "the database is down")
    assert (found.exit_code, found.stdout) == (
        0,
        "Paused. What was forwarded before is still due, within 80 seconds.\n",
    )
    kept = json.loads(ssm.value)
    assert (kept["paused"], kept["note"]) == (True, "the database is down")
    assert kept["who"] == "arn:aws:iam::123456789012:user/ann"
    assert call("resume").stdout == "Resumed: the next tick forwards.\n"
    assert not json.loads(ssm.value).get("paused")


def test_a_capacity_is_shown_set_and_taken_back(call):
    assert json.loads(call("capacity", "500", "--json").stdout)["capacity"] == 500
    shown = call("capacity").stdout.splitlines()
    assert [line.split() for line in shown][:3] == [
        ["capacity", "500"],
        ["capacity", "deployed", "1,000"],
        ["capacity", "set", "500"],
    ]
    assert json.loads(call("capacity", "deployed", "--json").stdout)["capacity"] == 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("capacity", "much"), "'much' is neither a number nor `deployed`"),
        (("capacity", "5", "--by-hour", "else=5"), "give EVENTS or --by-hour"),
        (("pause", "--stage", "dev", "--url", "http://x"), "give --stage or --url"),
        (("letters", "redrive"), "say which"),
        (("letters", "discard", "--code", "gone"), "0 letters would be discarded, for good: --yes does it"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(call, arguments, said):
    found = call(*arguments)
    assert found.exit_code == 2
    assert said in found.stderr


def test_what_the_api_refuses_is_its_own_line(call):
    with pytest.raises(CommandError, match=r"^capacity: expected a whole number from 1 to 1000000"):
        call("capacity", "0", catch_exceptions=False)


def test_letters_are_listed_by_code_and_one_a_line(call, s3):
    first = put_letter(s3, "a.jpg", "gone")
    put_letter(s3, "b\x1b[31m\u202egpj.exe", "damaged", minute=1)
    found = call("letters", "list")
    assert found.exit_code == 0
    assert found.stdout.startswith("2 dead letters\n")
    assert f"{first.id}  a.jpg  why\n" in found.stdout
    assert "b?[31m?gpj.exe  why\n" in found.stdout
    assert json.loads(call("letters", "list", "--json", "--code", "gone").stdout)["matching"] == 1
    assert "key          a.jpg\n" in call("letters", "show", first.id).stdout


def test_a_redrive_is_followed_to_its_end(call, s3, queues):
    for number in range(25):
        put_letter(s3, f"{number:02d}.jpg")
    found = call("letters", "redrive", "--all", "--yes")
    assert found.exit_code == 0
    assert "moved    25" in found.stdout
    assert filed_keys(s3) == []
    assert len(queues.queue("source").bodies()) == 25


def test_a_redrive_that_takes_several_parts_is_followed_and_one_that_runs_is_stopped(call, s3, monkeypatch):
    for number in range(25):
        put_letter(s3, f"{number:02d}.jpg")
    begun, kept = [], []
    monkeypatch.setattr(Letters, "invoke", lambda self, *, Payload, **_: kept.append(Payload))  # noqa: N803

    def sleep(seconds):
        begun.append(seconds)
        if len(begun) == 3:
            found = call("letters", "stop", "--note", "the wrong ones")
            assert found.stdout == (
                "Stopped: the redrive that arn:aws:iam::123456789012:user/ann began ends within seconds.\n"
            )

    monkeypatch.setattr(oncall.time, "sleep", sleep)
    found = call("letters", "redrive", "--all", "--yes")
    assert (found.exit_code, len(kept), len(begun)) == (1, 1, 3)
    assert found.stderr.splitlines()[:2] == ["asked: 0 moved", "asked: 0 moved"]
    assert (
        "stopped by arn:aws:iam::123456789012:user/ann: the wrong ones; ask again for the rest"
        in found.stdout
    )
    assert call("letters", "stop", catch_exceptions=True).exit_code == 1  # nothing runs any more


def test_a_discard_by_id_takes_that_letter_alone(call, s3):
    gone = put_letter(s3, "a.jpg")
    put_letter(s3, "b.jpg", minute=1)
    assert call("letters", "discard", gone.id, "--yes", "--json").exit_code == 0
    assert filed_keys(s3) == ["b.jpg"]


def test_watch_says_whether_it_keeps_up_and_what_is_not_known(call, queues):
    for number in range(2500):
        queues.put(queues.queue("source"), str(number))
    found = call("watch", "--once")
    assert found.stdout.startswith("Keeping up: backlog gone in about 3 min")
    assert "live lane" in found.stdout
    assert found.exit_code == 1  # nothing is known of the logs here: that is something to look at
    assert json.loads(call("watch", "--json").stdout)["drain"]["minutes"] == 3


def test_watch_shows_each_thing_that_is_wrong_as_a_line():
    assert oncall.problems(canned.empty()) == []
    found = oncall.problems(canned.failing())
    assert (
        found[0]
        == "17 dead letters: 11 not-an-image, 4 too-many-pixels, 2 being filed (`make letters` shows why)"
    )
    assert "The last tick ended with errors: SendMessageBatch: AccessDenied: not allowed to send" in found[2]
    console = Console(width=200, record=True, file=io.StringIO())
    for status in (canned.status(), canned.failing(), canned.broken(), canned.empty()):
        console.print(oncall.screen(status))
    shown = console.export_text()
    assert "Falling behind: 1,840 arrive a minute and 1,000 leave" in shown
    assert "0 forwarded, 0 failed; nothing was left" in shown


def test_an_address_that_is_none_or_does_not_answer_is_one_line():
    with pytest.raises(CommandError, match="--url is 'localhost': expected an address such as"):
        _at("localhost")
    with pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:1 does not answer"):
        _at("http://127.0.0.1:1")("GET", "/status", b"")
