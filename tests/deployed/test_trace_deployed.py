"""One object followed through the deployed pipeline by the API: where it is, and what was measured of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from dev.local_aws import free_port
from dev.s3_batch.process import s3_batch
from infra.commands.audit import audit, lines_of
from infra.local_api import local_api
from tests.support.deployment import deploy, only_our_ticks, wait_for

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("trace")]

KEY = "photos/a rocket & more.jpg"
BAD = "photos/<b>letter</b>.jpg"


def quoted(key):
    return urllib.parse.quote(key, safe="")


class Seen:
    def __init__(self, pipeline, url):
        self.pipeline, self.url = pipeline, url

    def ask(self, path):
        with urllib.request.urlopen(f"{self.url}{path}") as answer:
            return json.loads(answer.read())

    def where(self, key):
        return self.ask(f"objects/{quoted(key)}")


@pytest.fixture(scope="module")
def seen(aws, tmp_path_factory, photographs):
    """A stage through which one photograph and one renamed letter have gone."""
    with s3_batch(free_port(), aws.url) as environment:
        pipeline = deploy(tmp_path_factory.mktemp("seen"), "seen", **environment)
        log = pipeline.stage.root.parent / "api.log"
        with only_our_ticks(pipeline), local_api(pipeline.stage, free_port(), log) as url:
            found = Seen(pipeline, url)
            pipeline.upload(KEY, (photographs / "rocket.jpg").read_bytes())
            pipeline.upload(BAD, b"Somebody renamed a letter.")
            wait_for(lambda: pipeline.waiting() == 2, "the events")
            found.waiting = found.where(KEY)
            assert pipeline.tick()["forwarded"] == 2
            wait_for(pipeline.dead_letters, "the dead letter")
            wait_for(lambda: len(pipeline.thumbnails_of(KEY)) == 2, "the thumbnails")
            wait_for(lambda: len(found.ask("recent")["objects"]) == 2, "the log")
            yield found


def test_an_audit_of_the_log_finds_one_fate_for_each(seen):
    now = datetime.now(UTC)
    lines = lines_of(
        boto3.client("logs"), seen.pipeline.stage, now - timedelta(hours=1), now + timedelta(minutes=1)
    )
    found = audit(lines)
    assert found.problems == []
    assert (len(found.queued), found.done, found.letters, found.forwarded) == (2, 1, 1, 2)


def test_before_the_tick_it_waits_and_how_that_is_known_is_said(seen):
    assert (seen.waiting["state"], seen.waiting["known_from"]) == ("waiting", "enqueue's log")
    assert seen.waiting["object"]["exists"] is True
    assert seen.waiting["thumbnails"] == []


def test_afterwards_it_is_done_with_its_thumbnails_and_each_leg_of_its_way(seen):
    found = seen.where(KEY)
    assert (found["state"], found["known_from"]) == ("done", "the thumbnails' metadata")
    assert [one["key"] for one in found["thumbnails"]] == [f"{KEY}_64.jpg", f"{KEY}_256.jpg"]
    assert {one["of_this_version"] for one in found["thumbnails"]} == {True}
    legs = found["legs"]
    assert legs["uploaded"] <= legs["forwarded"] <= legs["started"] <= legs["done"]
    assert legs["worked"] > 0
    assert found["not_known"] == []


def test_a_rejected_object_has_its_reason(seen):
    found = seen.where(BAD)
    assert (found["state"], found["known_from"]) == ("rejected", "consume's log")
    assert "not among the formats taken" in found["reason"]
    assert found["not_known"] == []  # its dead letter is there


def test_a_key_that_never_was_is_not_seen(seen):
    found = seen.where("photos/never.jpg")
    assert (found["state"], found["object"]["exists"]) == ("not seen", False)


def test_one_id_follows_the_upload_through_every_function_that_knows_its_name(seen):
    logs = boto3.client("logs")
    ids = {}
    for function in ("enqueue", "consume"):
        group = f"/aws/lambda/{seen.pipeline.stage.function_name(function)}"
        events = logs.filter_log_events(logGroupName=group)["events"]
        ids[function] = {event["message"] for event in events if KEY in event["message"]}
    bucket = seen.pipeline.settings["THUMBNAILS_BUCKET"]
    made = seen.pipeline.s3.head_object(Bucket=bucket, Key=f"{KEY}_64.jpg")["Metadata"]
    assert len(made["upload-id"]) == 16
    for function, messages in ids.items():
        assert any(made["upload-id"] in message for message in messages), function


def test_the_last_outcomes_are_told_newest_first(seen):
    found = seen.ask("recent?limit=5")["objects"]
    by_key = {one["key"]: one for one in found}
    assert by_key[KEY]["outcome"] == "done"
    assert by_key[KEY]["thumbnails"] == [f"{KEY}_64.jpg", f"{KEY}_256.jpg"]
    assert by_key[BAD]["outcome"] == "rejected"
    assert by_key[KEY]["seconds"] > 0
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)


def test_the_status_measures_what_went_through(seen):
    """Another process of the API may have kept older numbers for half a minute."""
    wait_for(lambda: seen.ask("status")["hour"]["done"] == 1, "the numbers")
    found = seen.ask("status")
    hour = found["hour"]
    assert (hour["done"], hour["rejected"], hour["thumbnails"]) == (1, 1, 2)
    assert hour["forwarded_per_minute"] == pytest.approx(2 / 60, abs=0.01)
    assert hour["bytes_in"] > hour["bytes_out"] > 0
    assert hour["upload_to_done"]["p50"] > 0
    for name, runs in (("enqueue", 2), ("drain", 2)):  # a tick, and before it one too late for its minute
        function = found["functions"][name]
        assert (function["invocations"], function["success_rate"]) == (runs, 100), name
    assert found["last_tick"]["forwarded"] == 2
    assert found["last_tick"]["stopped"] == "empty"
    assert found["queues"]["dead_letter"]["visible"] == 0  # filed
    assert (found["dead_letters"]["total"], found["dead_letters"]["being_filed"]) == (1, 0)


def test_the_series_have_what_went_through(seen):
    def sums():
        series = seen.ask("series?minutes=15")["series"]
        return {name: sum(value or 0 for value in line) for name, line in series.items()}

    wait_for(lambda: sums()["done"] == 1, "the minute to be over")
    found = sums()
    assert (found["arrived"], found["forwarded"], found["rejected"], found["errors"]) == (2, 2, 1, 0)


def test_a_thumbnail_is_shown_as_the_image_it_is_and_nothing_else_is(seen):
    def shown(key):
        accept = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}
        return urllib.request.urlopen(
            urllib.request.Request(f"{seen.url}thumbnails/{quoted(key)}", headers=accept)
        )

    with shown(f"{KEY}_64.jpg") as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.read() == seen.pipeline.thumbnails_of(KEY)[f"{KEY}_64.jpg"]
    for key in (KEY, "photos/never.jpg_64.jpg", "index.html"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            shown(key)
        assert refused.value.code == 404, key
