"""make verify: what it says of a right that is lacking, of a backlog, and which objects it takes for its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from chalicelib.config import Config
from infra.commands import verify
from tests.support.settings import GOOD
from tests.support.tables import with_table


def denied():
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, "GetRolePolicy")


def broken():
    raise ClientError({"Error": {"Code": "NoSuchEntity", "Message": "no role"}}, "GetRolePolicy")


def test_a_right_that_is_lacking_is_named_and_is_no_mistake():
    row = verify._row("policies", denied)
    assert (row.state, row.says) == ("not checked", "you lack the right to GetRolePolicy: not for you")
    assert verify._row("policies", broken).state == "wrong"


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "Throttling", "SlowDown"])
def test_credentials_that_end_and_an_aws_without_time_say_nothing_of_the_part(code):
    def ends():
        raise ClientError({"Error": {"Code": code, "Message": "later"}}, "ListRules")

    assert verify._row("schedule", ends) == verify.Row("schedule", "not checked", f"ListRules: {code}: later")


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_that_is_not_as_its_last_deploy_wanted_it_is_wrong(status):
    client = SimpleNamespace(describe_stacks=lambda **asked: {"Stacks": [{"StackStatus": status}]})
    deployed = SimpleNamespace(client=lambda service: client, stage=SimpleNamespace(stack_name="the stack"))
    row = verify._row("stack", lambda: verify._stack(deployed))
    assert (row.state, row.says) == ("wrong", f"the stack is {status}")


@pytest.mark.parametrize(
    ("waiting", "says"),
    [(0, ""), (900, ""), (1_200_000, "1.2 M wait ahead (gone in 20 hours)"), (1500, "1.5 k wait")],
)
def test_what_waits_ahead_is_read_first(waiting, says):
    status = {
        "capacity": 1000,
        "schedule": {"paused": False},
        "queues": {
            "source": {"visible": waiting, "in_flight": 0, "delayed": 0},
            "destination": {"error": "no"},
        },
        "drain": {"says": "gone in 20 hours"},
    }
    assert verify.ahead(status).startswith(says)
    assert bool(verify.ahead(status)) == bool(says)
    assert verify.ahead({**status, "schedule": {"paused": True}}) == "the stage is paused"


def test_only_what_this_command_put_there_is_removed_by_its_exact_version():
    ours, folder = "0123456789abcdef" * 2, f"in/{verify.FOLDER}"
    there = [(f"{folder}{ours}.jpg", "v1"), (f"{folder}mine.jpg", "v2"), (f"{folder}{ours[:8]}.jpg", "v3")]
    deleted = []
    s3 = SimpleNamespace(
        get_paginator=lambda name: SimpleNamespace(
            paginate=lambda **asked: [
                {"Versions": [{"Key": key, "VersionId": version} for key, version in there]}
                if asked["Bucket"] == "images"
                else {"DeleteMarkers": [{"Key": f"t/{folder}{ours}.jpg_256.jpg", "VersionId": "v4"}]}
            ]
        ),
        delete_object=lambda **given: deleted.append((given["Bucket"], given["Key"], given["VersionId"])),
    )
    config = Config.from_env({**GOOD, "IMAGES_PREFIX": "in/", "THUMBNAILS_PREFIX": "t/"})
    verify.remove_leftovers(s3, config, lambda line: None)
    assert deleted == [
        ("images", f"{folder}{ours}.jpg", "v1"),
        ("thumbnails", f"t/{folder}{ours}.jpg_256.jpg", "v4"),
    ]


def idle(monkeypatch):
    api = SimpleNamespace(answered=lambda path: {"drain": {"says": "empty"}})
    monkeypatch.setattr(verify, "Api", lambda deployed: api)


class Bucket:
    """S3 in which one object is left, and which refuses some calls."""

    def __init__(self, *refused):
        self.refused, self.put = refused, []

    def _call(self, operation):
        if operation in self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, operation)

    def get_paginator(self, name):
        self._call("ListObjectVersions")
        left = {"Key": f"{verify.FOLDER}{'0' * 32}.jpg", "VersionId": "v1"}
        return SimpleNamespace(paginate=lambda **asked: [{"Versions": [left]}])

    def delete_object(self, **given):
        if self.put or "always" in self.refused:
            self._call("DeleteObject")

    def put_object(self, **given):
        self._call("PutObject")
        self.put.append(given["Key"])


def tried(monkeypatch, bucket):
    """The parts of a try whose picture is at once done, by state."""
    idle(monkeypatch)
    monkeypatch.setattr(verify, "_upload", lambda attempt: attempt.put(b"a picture") and "done")
    deployed = verify.Deployed(None, None, Config.from_env({**GOOD, "ACTION": "resize"}), lambda name: bucket)
    told = []
    rows = verify.try_it(deployed, ["upload"], told.append)
    return {row.part: row.state for row in rows}, told


@pytest.mark.parametrize("refused", ["ListObjectVersions", "DeleteObject"])
def test_nothing_is_put_where_what_it_leaves_could_not_be_removed(monkeypatch, refused):
    bucket = Bucket(refused, "always")
    states, _ = tried(monkeypatch, bucket)
    assert states == {"backlog, pause, ETA": "ok", "leftovers": "not checked", "upload": "not tried"}
    assert bucket.put == []


def test_a_right_that_is_lacking_in_a_try_is_a_row_too_and_what_stays_is_said(monkeypatch):
    states, told = tried(monkeypatch, Bucket("PutObject"))
    assert states["upload"] == "not checked"
    states, told = tried(monkeypatch, Bucket("DeleteObject"))
    assert (states["upload"], states["left behind"]) == ("ok", "not checked")
    assert told[-1] == "Not removed: you lack the right to DeleteObject: not for you"


def test_a_try_without_chalices_record_is_a_row():
    stage = SimpleNamespace(deployed=list, name="prod")
    rows = verify.try_it(verify.Deployed(stage, None, None, None), ["upload"], lambda line: None)
    assert [(row.part, row.state) for row in rows] == [("backlog, pause, ETA", "wrong")]
    assert "make fetch STAGE=prod" in rows[0].says


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((403, {"Message": "User: me is not authorized to perform: execute-api:Invoke"}), "not checked"),
        ((401, "no"), "not checked"),
        ((403, {"error": "AWS refused ListJobs: AccessDenied: no"}), "wrong"),
        ((502, {"error": "AWS was not reached"}), "wrong"),
    ],
)
def test_who_may_not_call_the_api_reads_so_and_what_the_stage_may_not_is_wrong(monkeypatch, answer, state):
    api = verify.Api.__new__(verify.Api)
    monkeypatch.setattr(api, "ask", lambda path, body: answer)
    row = verify._row("status", lambda: str(api.answered("status")))
    assert row.state == state
    assert ("execute-api:Invoke" in row.says) == (state == "not checked")


TABLES = {
    "of a line": 'prefix = "s3-event-"\naction = "log"',
    "ignored": 'prefix = "s3-event-"\naction = "ignore"',
    "another's": 'prefix = "photos/"\naction = "log"',
}


@pytest.mark.parametrize(
    ("settings", "line", "says"),
    [
        ({"ACTION": "log"}, "", "ACTION is log"),
        ({}, TABLES["of a line"], "the action table's line s3-event-* is log"),
        ({}, TABLES["ignored"], "the action table ignores such keys"),
        (
            {"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "photos/*"},
            "",
            "IMAGES_PATTERNS leaves such keys out",
        ),
        ({"ACTION": "log"}, TABLES["another's"], ""),
    ],
)
def test_our_picture_is_uploaded_only_where_thumbnails_are_all_that_becomes_of_it(
    monkeypatch, tmp_path, settings, line, says
):
    text = f'[[line]]\n{line}\n[[line]]\naction = "resize"'
    config = with_table(tmp_path, text, **settings) if line else Config.from_env({**GOOD, **settings})
    assert says in verify._not_for_ours(config)
    if not says:
        assert not verify._not_for_ours(config)
        return
    deployed = verify.Deployed(None, None, config, None)
    idle(monkeypatch)
    rows = verify.try_it(deployed, ["upload"], lambda line: None)
    assert [row.state for row in rows] == ["ok", "not tried"]
    assert says in rows[1].says


def looked_at_api(monkeypatch, health, status=403, settings=()):
    """The row of an API that answers GET /health so, one after the other, and GET /status unsigned."""
    answers = iter(health)

    class Api:
        def __init__(self, deployed):
            pass

        def ask(self, path, *, signed):
            return next(answers, (200, {})) if path == "health" else (status, {})

    monkeypatch.setattr(verify, "Api", Api)
    monkeypatch.setattr(verify.time, "sleep", lambda seconds: None)
    stage = SimpleNamespace(environment=lambda: dict(settings))
    return verify._row("REST API", lambda: verify._api(SimpleNamespace(stage=stage)))


@pytest.mark.parametrize(
    ("throttled", "state", "says"),
    [(2, "ok", "answers"), (99, "not checked", "others ask GET /health so often that it answers 429")],
)
def test_an_api_that_others_ask_too_often_is_asked_again_and_is_no_mistake(
    monkeypatch, throttled, state, says
):
    row = looked_at_api(monkeypatch, [(429, "slow down")] * throttled)
    assert row.state == state
    assert row.says.startswith(says)


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_an_api_that_does_not_refuse_what_is_unsigned_is_wrong(monkeypatch, status):
    row = looked_at_api(monkeypatch, [], status)
    assert (row.state, f"it is {status}" in row.says) == ("wrong", True)


def test_an_api_that_only_some_addresses_may_call_is_not_checked_from_others(monkeypatch):
    refused = [(403, {"Message": "not authorized"})] * 2
    assert looked_at_api(monkeypatch, refused).state == "wrong"
    row = looked_at_api(monkeypatch, refused, settings={"ALLOWED_ADDRESSES": "192.0.2.0/24"})
    assert (row.state, "ALLOWED_ADDRESSES" in row.says) == ("not checked", True)
