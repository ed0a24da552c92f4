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
    api = SimpleNamespace(answered=lambda path: {"drain": {"says": "empty"}})
    monkeypatch.setattr(verify, "Api", lambda deployed: api)
    rows = verify.try_it(deployed, ["upload"], lambda line: None)
    assert [row.state for row in rows] == ["ok", "not tried"]
    assert says in rows[1].says


@pytest.mark.parametrize(
    ("throttled", "state", "says"),
    [(2, "ok", "answers"), (99, "not checked", "others ask GET /health so often that it answers 429")],
)
def test_an_api_that_others_ask_too_often_is_asked_again_and_is_no_mistake(
    monkeypatch, throttled, state, says
):
    answers = iter([(429, "slow down")] * throttled)

    class Api:
        def __init__(self, deployed):
            pass

        def ask(self, path, *, signed):
            return next(answers, (200, {})) if path == "health" else (403, {})

    monkeypatch.setattr(verify, "Api", Api)
    monkeypatch.setattr(verify.time, "sleep", lambda seconds: None)
    row = verify._row("REST API", lambda: verify._api(None))
    assert row.state == state
    assert row.says.startswith(says)
