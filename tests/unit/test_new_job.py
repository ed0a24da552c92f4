"""Bad requests are refused before anything is asked of AWS, by the field's name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.config import Config
from chalicelib.errors import BadRequest, ConfigError, NotSetUp
from chalicelib.jobs import commands, new_job

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/q"
CSV = {"csv": "s3://assets/manifest.csv"}
TAG = {"kind": "tag", "manifest": CSV, "tags": {"phototype": "finished"}}


def test_a_tag_job_has_its_defaults() -> None:
    new = new_job.parse(TAG)
    assert (new.operation, new.priority, new.failed_only, new.keep_old_tags) == ("replace", 10, False, False)
    assert new.description == "replace tags: phototype=finished"
    assert len(new.token) == 36


def test_the_same_request_with_the_same_token_has_the_same_folder() -> None:
    first, second = (new_job.parse(TAG | {"token": "t"}).folder for _ in range(2))
    other = new_job.parse(TAG | {"token": "t", "priority": 11}).folder
    assert first == second != other


def test_every_kind_of_manifest_is_read() -> None:
    generate = {"prefix": "p/", "suffix": ".png", "created_after": "2026-01-31T00:00:00+01:00"}
    new = new_job.parse({"kind": "backfill", "manifest": {"generate": generate}})
    assert (new.source, new.prefix, new.suffix) == ("generate", "p/", ".png")
    assert new.created_after == datetime(2026, 1, 30, 23, tzinfo=UTC)
    assert new_job.parse({"kind": "backfill", "manifest": {"list": {}}}).source == "list"
    assert new_job.parse({"kind": "backfill", "manifest": CSV | {"etag": '"e"'}}).etag == '"e"'
    inventory = {"inventory": "s3://assets/x/manifest.json"}
    assert new_job.parse({"kind": "backfill", "manifest": inventory}).uri == inventory["inventory"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "delete"}, "kind: 'delete' is not tag or backfill or undo"),
        ({"kind": ["tag"]}, "kind: ['tag'] is not tag or backfill or undo"),
        ({"tag": 1}, "tag: is not a field of kind tag; the fields are check, description, keep_old_tags, kind, "
                     "manifest, mode, priority, report, tags, token"),
        ({"manifest": "s3://a/b"}, "manifest: expected an object with one of csv, inventory, list, generate"),
        ({"manifest": CSV | {"list": {}}}, "manifest: expected an object with one of csv, inventory, list, generate"),
        ({"manifest": {"csv": "a/b"}}, "manifest: 'a/b' is not s3://BUCKET/KEY"),
        ({"manifest": {"csv": ""}}, "manifest.csv: expected a string of 1 to 1100 characters"),
        ({"manifest": CSV | {"tag": "x"}}, "manifest.tag: is not known here; known are csv, etag"),
        ({"manifest": {"list": "p/"}}, 'manifest.list: expected an object such as {"prefix": "photos/"}'),
        ({"manifest": {"list": {"created_after": "x"}}},
         "manifest.list.created_after: is not known here; known are prefix, suffix"),
        ({"manifest": {"generate": {"created_after": "2026-01-31"}}},
         "manifest.generate.created_after: '2026-01-31' is not a moment with its zone such as 2026-01-31T00:00:00Z"),
        ({"tags": None}, 'tags: expected an object of strings such as {"phototype": "finished"}'),
        ({"tags": {"a": 1}}, 'tags: expected an object of strings such as {"phototype": "finished"}'),
        ({"tags": {f"k{n}": "" for n in range(11)}}, "tags: 11 tags, S3 allows 10 on an object"),
        ({"tags": {}, "mode": "merge"}, "tags: there is nothing to merge"),
        ({"mode": "append"}, "mode: 'append' is not replace or merge"),
        ({"keep_old_tags": "yes"}, "keep_old_tags: expected true or false"),
        ({"keep_old_tags": True, "manifest": {"generate": {}}},
         "keep_old_tags: needs a manifest of csv or list, not generate"),
        ({"priority": -1}, "priority: expected a whole number from 0 to 2147483647"),
        ({"priority": True}, "priority: expected a whole number from 0 to 2147483647"),
        ({"priority": 1.5}, "priority: expected a whole number from 0 to 2147483647"),
        ({"description": "d" * 257}, "description: expected a string of 1 to 256 characters"),
        ({"report": "none"}, "report: 'none' is not all or failed"),
        ({"token": "a b"}, "token: expected 1 to 64 printable ASCII characters without spaces"),
        ({"check": 1}, "check: expected true or false"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as e:
        new_job.parse(TAG | change)
    assert str(e.value) == message
    assert e.value.status == 400


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(BadRequest) as e:
        new_job.parse(body)
    assert str(e.value) == "body: expected a JSON object"


def test_every_problem_of_the_tags_is_listed() -> None:
    with pytest.raises(BadRequest) as e:
        new_job.parse(TAG | {"tags": {"aws:a": "#"}})
    assert len(e.value.problems) == 2


def test_a_stage_without_jobs_says_which_setting_it_lacks() -> None:
    config = Config("photos", "thumbs", QUEUE, QUEUE + "2", QUEUE + "3", "dev")
    nothing: Any = None
    with pytest.raises(NotSetUp) as e:
        commands.list_jobs({}, nothing, config)
    assert str(e.value) == "this stage has no jobs: REPORTS_BUCKET and JOBS_ROLE_ARN not set"
    with pytest.raises(NotSetUp) as e:
        commands.create_job({"kind": "backfill", "manifest": CSV}, nothing, nothing, config)
    assert "BACKFILL_FUNCTION_ARN" in str(e.value)


def env(**more: str) -> dict[str, str]:
    return {
        "IMAGES_BUCKET": "photos",
        "THUMBNAILS_BUCKET": "thumbs",
        "SOURCE_QUEUE_URL": QUEUE,
        "DESTINATION_QUEUE_URL": QUEUE + "2",
        "DEAD_LETTER_QUEUE_URL": QUEUE + "3",
        "STAGE": "dev",
        **more,
    }


def test_the_settings_of_jobs_are_read_and_may_be_missing() -> None:
    assert Config.from_env(env()).reports_bucket == ""
    function = "arn:aws:lambda:eu-west-1:111122223333:function:scheduler-dev-backfill"
    role = "arn:aws:iam::111122223333:role/jobs"
    config = Config.from_env(
        env(REPORTS_BUCKET="assets-1", JOBS_ROLE_ARN=role, BACKFILL_FUNCTION_ARN=function)
    )
    assert (config.reports_bucket, config.jobs_role_arn, config.backfill_function_arn) == (
        "assets-1",
        role,
        function,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("REPORTS_BUCKET", "REPORTS_BUCKET is 'X!': expected a bucket's name"),
        ("JOBS_ROLE_ARN", "JOBS_ROLE_ARN is 'X!': expected a role's ARN"),
        ("BACKFILL_FUNCTION_ARN", "BACKFILL_FUNCTION_ARN is 'X!': expected a function's ARN"),
    ],
)
def test_a_bad_setting_of_jobs_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as e:
        Config.from_env(env(**{name: "X!"}))
    assert str(e.value) == message
