"""Jobs from the request to the report, over a local AWS and boto3's own clients."""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.errors import BadRequest, Conflict, NotFound, RestError
from chalicelib.jobs import batch_jobs, commands, manifests, report_pages, sources, stored_manifests
from chalicelib.jobs.new_job import NewJob
from dev.s3_batch.manifests import Task
from dev.s3_batch.operations import performer
from dev.s3_batch.reports import Outcome
from tests.support.jobs import ACCOUNT, FINISHED, Batch, MakeBatch, Stage, our_function

pytestmark = pytest.mark.aws

EVERYTHING: dict[str, Any] = {"list": {}}


def create(stage: Stage, batch: Batch, **body: Any) -> dict[str, Any]:
    return commands.create_job(body, stage.s3, batch.s3control, stage.config)


def tag(stage: Stage, batch: Batch, **body: Any) -> dict[str, Any]:
    return create(stage, batch, **{"kind": "tag", "manifest": EVERYTHING, "tags": FINISHED, **body})


def finished(stage: Stage, batch: Batch, job_id: str) -> dict[str, Any]:
    """Run a job to its end and show it."""
    batch.wait_for(job_id, "Suspended")
    assert commands.run_job(job_id, batch.s3control, stage.config)["id"] == job_id
    batch.wait_for(job_id)
    return commands.get_job(job_id, batch.s3control, stage.config)


def report(stage: Stage, batch: Batch, job_id: str, **query: str) -> dict[str, Any]:
    return commands.get_report(job_id, query, stage.s3, batch.s3control, stage.config)


def refusal(error: type[RestError], function: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(error) as e:
        function(*args, **more)
    return str(e.value)


def test_a_tag_job_from_the_source_documents_manifest(stage: Stage, batch: Batch) -> None:
    stage.put("image1.png", "image 2.png", tags="old=1")
    images = stage.config.images_bucket
    uri = stage.store("manifest.csv", f"{images},image1.png\n{images},image%202.png\n".encode())
    created = tag(stage, batch, manifest={"csv": uri})
    assert created | {"id": "", "token": ""} == {
        "id": "",
        "status": "waiting to be run",
        "token": "",
        "objects": 2,
        "estimated_cost_usd": 0.25,
        "manifest": uri,
        "restore_manifest": None,
    }
    batch.wait_for(created["id"], "Suspended")
    assert stage.tags("image1.png") == {"old": "1"}
    job = finished(stage, batch, created["id"])
    assert (job["outcome"], job["objects"], job["succeeded"], job["failed"], job["percent"]) == (
        "succeeded", 2, 2, 0, 100.0,
    )  # fmt: skip
    assert stage.tags("image1.png") == stage.tags("image 2.png") == FINISHED
    assert report(stage, batch, created["id"])["rows"] == []
    rows = report(stage, batch, created["id"], rows="all")["rows"]
    assert sorted(row["key"] for row in rows) == ["image 2.png", "image1.png"]


def test_complete_is_never_shown_as_success_when_tasks_failed(stage: Stage, batch: Batch) -> None:
    stage.put("k0", "k1")
    images = stage.config.images_bucket
    uri = stage.store("manifest.csv", "".join(f"{images},k{n}\n" for n in range(4)).encode())
    job = finished(stage, batch, tag(stage, batch, manifest={"csv": uri})["id"])
    assert (job["status"], job["outcome"], job["succeeded"], job["failed"]) == (
        "Complete",
        "partly failed",
        2,
        2,
    )
    answer = report(stage, batch, job["id"])
    assert answer["outcome"] == "partly failed"
    assert answer["totals"] == {"objects": 4, "succeeded": 2, "failed": 2}
    assert {(row["key"], row["http_status"], row["error_code"]) for row in answer["rows"]} == {
        ("k2", 404, "NoSuchKey"),
        ("k3", 404, "NoSuchKey"),
    }
    gone = stage.store("gone.csv", f"{images},k9\n".encode())
    assert finished(stage, batch, tag(stage, batch, manifest={"csv": gone})["id"])["outcome"] == "failed"


def test_a_job_stopped_in_the_middle_is_cancelled_and_its_report_covers_what_ran(
    stage: Stage, make_batch: MakeBatch
) -> None:
    entered, go_on = threading.Semaphore(0), threading.Event()
    tag_on_aws = our_function(stage)

    def slow(job: Mapping[str, Any], task: Task) -> Outcome:
        entered.release()
        assert go_on.wait(60)
        return tag_on_aws(job, task)

    batch = make_batch(slow, workers=4)
    keys = [f"k{n:03}" for n in range(120)]
    stage.put(*keys)
    job_id = tag(stage, batch)["id"]
    batch.wait_for(job_id, "Suspended")
    commands.run_job(job_id, batch.s3control, stage.config)
    assert entered.acquire(timeout=60)
    stopped = commands.cancel_job(job_id, {"reason": "wrong tag"}, batch.s3control, stage.config)
    assert stopped["status"] == "Cancelling"
    go_on.set()
    batch.wait_for(job_id)
    job = commands.get_job(job_id, batch.s3control, stage.config)
    assert (job["status"], job["outcome"]) == ("Cancelled", "cancelled")
    reported = {row["key"] for row in report(stage, batch, job_id, rows="all", limit="1000")["rows"]}
    tagged = {key for key in keys if stage.tags(key) == FINISHED}
    assert 0 < len(tagged) < 120
    assert reported == tagged
    assert job["succeeded"] == len(tagged)


def test_a_manifest_with_mistakes_costs_no_job(stage: Stage, batch: Batch) -> None:
    images = stage.config.images_bucket
    uri = stage.store("bad.csv", f"Bucket,Key\n{images},a b\n{images},c,v\n".encode())
    with pytest.raises(BadRequest) as e:
        tag(stage, batch, manifest={"csv": uri})
    header = 'line 1: looks like a header row ("Bucket,Key"); a manifest has none'
    assert str(e.value) == f"manifest: 3 problems, the first: {header}"
    assert e.value.problems == (
        header,
        'line 2: the key "a b" is not URL-encoded; write "a%20b"',
        "line 3: has 3 columns, line 2 has 2",
    )
    assert commands.list_jobs({}, batch.s3control, stage.config) == {"jobs": [], "total": 0}


def test_problems_beyond_the_twentieth_are_counted(stage: Stage, batch: Batch) -> None:
    uri = stage.store("bad.csv", b"photos,a b\n" * 1234)
    with pytest.raises(BadRequest) as e:
        tag(stage, batch, manifest={"csv": uri})
    assert len(e.value.problems) == 21
    assert e.value.problems[-1] == "and 1,214 more"


def test_a_manifest_that_changed_since_it_was_seen_is_refused(stage: Stage, batch: Batch) -> None:
    uri = stage.store("manifest.csv", f"{stage.config.images_bucket},a\n".encode())
    _, key = stored_manifests.parse_uri(uri)
    now = stage.s3.head_object(Bucket=stage.config.reports_bucket, Key=key)["ETag"].strip('"')
    seen = "0" * 32
    assert refusal(BadRequest, tag, stage, batch, manifest={"csv": uri, "etag": seen}) == (
        f"manifest: its ETag is {now}, not {seen}: it was changed"
    )
    assert tag(stage, batch, manifest={"csv": uri, "etag": f'"{now}"'})["objects"] == 1


def test_a_manifest_that_changes_after_the_check_fails_the_job_and_touches_nothing(
    stage: Stage, make_batch: MakeBatch
) -> None:
    """The job carries the ETag of the manifest that was checked."""
    stage.put("a")
    images = stage.config.images_bucket
    uri = stage.store("manifest.csv", f"{images},b\n".encode())
    checked = stored_manifests.checked_csv(stage.s3, uri, images_bucket=images)
    stage.store("manifest.csv", f"{images},a\n".encode())
    batch = make_batch()
    new = NewJob("tag", description="d", priority=1, token="t")
    job_id = batch_jobs.create(batch.s3control, new, checked, stage.config)
    batch.wait_for(job_id)
    job = batch_jobs.describe(batch.s3control, ACCOUNT, job_id)
    assert (job.status, job.outcome) == ("Failed", "failed")
    assert job.failure_reasons == ("ManifestReadFailed: The manifest's ETag does not match the job's",)
    shown = commands.get_job(job_id, batch.s3control, stage.config)
    assert shown["failure_reasons"] == list(job.failure_reasons)
    assert refusal(Conflict, report, stage, batch, job_id) == (
        f"job {job_id} is Failed and has no report: no task has run"
    )


def test_other_bad_manifests_are_refused_in_one_line(stage: Stage, batch: Batch) -> None:
    readable = replace(stage, config=replace(stage.config, manifest_buckets=("nobody-has-this",)))
    missing = {"csv": "s3://nobody-has-this/m.csv"}
    assert refusal(BadRequest, tag, readable, batch, manifest=missing).startswith(
        "manifest: s3://nobody-has-this/m.csv: "
    )
    other = stage.store("other.csv", b"other,a\n")
    assert refusal(BadRequest, tag, stage, batch, manifest={"csv": other}) == (
        'manifest: its objects are in bucket "other"; jobs of this stage may touch only '
        f'"{stage.config.images_bucket}"'
    )
    assert refusal(BadRequest, tag, stage, batch, manifest={"list": {"prefix": "none/"}}) == (
        "manifest: no object matches"
    )
    inventory = stage.store("manifest.json", b"{}")
    assert refusal(BadRequest, tag, stage, batch, manifest={"inventory": inventory}) == (
        f"manifest: {inventory} is not an S3 Inventory manifest.json"
    )
    empty = dict.fromkeys(("fileSchema", "sourceBucket", "destinationBucket"), "")
    orc = stage.store("orc.json", json.dumps({"fileFormat": "ORC", **empty}).encode())
    assert refusal(BadRequest, tag, stage, batch, manifest={"inventory": orc}) == (
        "manifest: the inventory is in ORC; S3 Batch Operations reads CSV"
    )


def test_what_does_not_fit_into_a_request_is_sent_to_the_command(
    stage: Stage, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.put("a", "b")
    uri = stage.store("manifest.csv", f"{stage.config.images_bucket},a\n".encode())
    for name in ("REQUEST_MANIFEST_BYTES", "REQUEST_LISTED", "REQUEST_OLD_TAGS"):
        monkeypatch.setattr(sources, name, 1)
    refused: list[dict[str, Any]] = [{"manifest": {"csv": uri}}, {"manifest": EVERYTHING}]
    for body in refused:
        assert refusal(BadRequest, tag, stage, batch, **body).endswith("the command, python -m infra jobs")
    body = {"kind": "tag", "manifest": EVERYTHING, "tags": FINISHED, "keep_old_tags": True}
    monkeypatch.setattr(sources, "REQUEST_LISTED", 10)
    assert "keep_old_tags: the tags of 2 objects cannot be read within a request (1)" in refusal(
        BadRequest, commands.create_job, body, stage.s3, batch.s3control, stage.config
    )
    created = commands.create_job(body, stage.s3, batch.s3control, stage.config, in_request=False)
    assert created["objects"] == 2


def test_a_check_alone_leaves_nothing_behind(stage: Stage, batch: Batch) -> None:
    stage.put("a", "b", "p/")
    answer = tag(stage, batch, check=True, keep_old_tags=True)
    assert (answer["id"], answer["status"], answer["objects"]) == (None, "checked", 3)
    assert "Contents" not in stage.s3.list_objects_v2(Bucket=stage.config.reports_bucket)
    assert commands.list_jobs({}, batch.s3control, stage.config)["total"] == 0


def test_the_same_token_is_the_same_job_even_if_objects_came_since(stage: Stage, batch: Batch) -> None:
    stage.put("a")
    first = tag(stage, batch, token="once", keep_old_tags=True)
    stage.put("b")
    assert tag(stage, batch, token="once", keep_old_tags=True) == first
    assert refusal(Conflict, tag, stage, batch, token="once", priority=1).startswith("token: ")


def test_merge_keeps_the_tags_an_object_has(stage: Stage, batch: Batch) -> None:
    stage.put("a", tags="owner=ann&phototype=raw")
    stage.put("full", tags="&".join(f"k{n}=v" for n in range(10)))
    images = stage.config.images_bucket
    uri = stage.store("manifest.csv", "".join(f"{images},{key}\n" for key in ("a", "full", "gone")).encode())
    job = finished(stage, batch, tag(stage, batch, mode="merge", manifest={"csv": uri})["id"])
    assert (job["operation"], job["outcome"]) == ("merge", "partly failed")
    assert stage.tags("a") == {"owner": "ann", **FINISHED}
    assert len(stage.tags("full")) == 10
    rows = report(stage, batch, job["id"])["rows"]
    assert {(row["key"], row["error_code"], row["message"].partition(":")[0]) for row in rows} == {
        ("full", "PermanentFailure", "it would have 11 tags, S3 allows 10"),
        ("gone", "PermanentFailure", "NoSuchKey"),
    }


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_undo_gives_every_object_its_old_tags_back(stage: Stage, batch: Batch, mode: str) -> None:
    before = {"a b+%é.png": {"owner": "ann", "x": ""}, "none": {}, "same": {"phototype": "raw"}}
    for key, tags in before.items():
        stage.put(key, tags="&".join(f"{name}={value}" for name, value in tags.items()))
    created = tag(stage, batch, mode=mode, keep_old_tags=True)
    assert created["restore_manifest"].startswith(f"s3://{stage.config.reports_bucket}/jobs/")
    assert finished(stage, batch, created["id"])["outcome"] == "succeeded"
    assert all(stage.tags(key)["phototype"] == "finished" for key in before)
    undone = create(stage, batch, kind="undo", job=created["id"])
    assert undone["objects"] == 3
    job = finished(stage, batch, undone["id"])
    assert (job["operation"], job["outcome"]) == ("restore", "succeeded")
    assert job["description"] == f"undo of {created['id']}"
    assert {key: stage.tags(key) for key in before} == before


def test_undo_of_versions(stage: Stage, batch: Batch) -> None:
    images = stage.config.images_bucket
    stage.s3.put_bucket_versioning(Bucket=images, VersioningConfiguration={"Status": "Enabled"})
    first, _ = (
        stage.s3.put_object(Bucket=images, Key="k", Body=b"", Tagging=f"n={n}")["VersionId"] for n in range(2)
    )
    uri = stage.store("manifest.csv", f"{images},k,{first}\n".encode())
    created = tag(stage, batch, manifest={"csv": uri}, keep_old_tags=True)
    finished(stage, batch, created["id"])
    assert (stage.tags("k", VersionId=first), stage.tags("k")) == (FINISHED, {"n": "1"})
    finished(stage, batch, create(stage, batch, kind="undo", job=created["id"])["id"])
    assert (stage.tags("k", VersionId=first), stage.tags("k")) == ({"n": "0"}, {"n": "1"})


def test_only_a_job_that_kept_old_tags_and_has_ended_can_be_undone(stage: Stage, batch: Batch) -> None:
    stage.put("a")
    plain = tag(stage, batch)["id"]
    assert refusal(Conflict, create, stage, batch, kind="undo", job=plain) == (
        f"job {plain} was not created with keep_old_tags: there is nothing to put back"
    )
    kept = tag(stage, batch, keep_old_tags=True)["id"]
    batch.wait_for(kept, "Suspended")
    assert refusal(Conflict, create, stage, batch, kind="undo", job=kept) == (
        f"job {kept} is Suspended: cancel it, or wait for its end, before undoing it"
    )


def test_a_backfill_puts_every_object_on_the_source_queue_once(stage: Stage, batch: Batch) -> None:
    keys = [f"photos/a b+{n}.png" for n in range(500)]
    stage.put(*keys)
    job = finished(
        stage, batch, create(stage, batch, kind="backfill", manifest={"list": {"prefix": "photos/"}})["id"]
    )
    assert (job["operation"], job["outcome"], job["succeeded"]) == ("backfill", "succeeded", 500)
    messages = stage.messages()
    assert len(messages) == 500
    assert {message["Key"] for message in messages} == set(keys)
    assert {message["Bucket"] for message in messages} == {stage.config.images_bucket}


def test_a_backfill_while_the_queue_is_out_is_tried_again_and_loses_nothing(
    stage: Stage, make_batch: MakeBatch
) -> None:
    stage.put("a", "b")
    healthy, tries = our_function(stage), []

    def first_try_fails(job: Mapping[str, Any], task: Task) -> Outcome:
        tries.append(task.key)
        if len(tries) <= 2:
            return Outcome(False, 200, "TemporaryFailure", "InternalError: out", temporary=True)
        return healthy(job, task)

    batch = make_batch(first_try_fails)
    job = finished(stage, batch, create(stage, batch, kind="backfill", manifest=EVERYTHING)["id"])
    assert (job["outcome"], len(tries)) == ("succeeded", 4)
    assert sorted(message["Key"] for message in stage.messages()) == ["a", "b"]


def test_a_real_function_answers_the_job(stage: Stage, make_batch: MakeBatch, repository: Path) -> None:
    """The deployed code in a Lambda function of the local AWS; nothing of it is replaced."""
    handler = (
        "from chalicelib.aws import clients\n"
        "from chalicelib.jobs import task\n"
        "from chalicelib.config import Config\n"
        "def handle(event, context):\n"
        "    return task.handle(event, clients.s3(), clients.sqs(), Config.from_env())\n"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", handler)
        for path in (repository / "chalicelib").rglob("*.py"):
            package.write(path, path.relative_to(repository))
    config = stage.config
    name = f"backfill-{config.images_bucket}"
    arn = stage.functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=config.jobs_role_arn,
        Handler="app.handle",
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
        Environment={
            "Variables": {
                "IMAGES_BUCKET": config.images_bucket,
                "THUMBNAILS_BUCKET": config.thumbnails_bucket,
                "SOURCE_QUEUE_URL": config.source_queue_url,
                "DESTINATION_QUEUE_URL": config.destination_queue_url,
                "DEAD_LETTER_QUEUE_URL": config.dead_letter_queue_url,
                "STAGE": config.stage,
                "AWS_ENDPOINT_URL": stage.endpoint,
            }
        },
    )["FunctionArn"]
    try:
        batch = make_batch(performer(stage.s3, stage.functions), workers=1)
        stage.put("a b.png", "c+d.png", tags="owner=ann")
        with_function = Stage(stage.endpoint, _with(config, arn), stage.s3, stage.sqs, stage.functions)
        bodies: list[dict[str, Any]] = [
            {"kind": "backfill", "manifest": EVERYTHING},
            {"kind": "tag", "manifest": EVERYTHING, "mode": "merge", "tags": FINISHED},
        ]
        for body in bodies:
            job = finished(with_function, batch, create(with_function, batch, **body)["id"])
            rows = report(with_function, batch, job["id"], rows="all")["rows"]
            assert job["outcome"] == "succeeded", rows
        assert sorted(message["Key"] for message in stage.messages()) == ["a b.png", "c+d.png"]
        assert stage.tags("c+d.png") == {"owner": "ann", **FINISHED}
    finally:
        stage.functions.delete_function(FunctionName=name)


def _with(config: Any, function_arn: str) -> Any:
    from dataclasses import replace

    return replace(config, backfill_function_arn=function_arn)


def test_jobs_are_listed_the_newest_first_and_by_status(stage: Stage, batch: Batch) -> None:
    stage.put("a")
    ids = [tag(stage, batch, description=f"job {n}")["id"] for n in range(3)]
    for job_id in ids:
        batch.wait_for(job_id, "Suspended")
    commands.cancel_job(ids[1], None, batch.s3control, stage.config)
    batch.wait_for(ids[1])
    listed = commands.list_jobs(None, batch.s3control, stage.config)
    assert [job["id"] for job in listed["jobs"]] == ids[::-1]
    waiting = commands.list_jobs({"status": "Suspended"}, batch.s3control, stage.config)
    assert [job["description"] for job in waiting["jobs"]] == ["job 2", "job 0"]
    one = commands.list_jobs({"status": "Suspended,Cancelled", "limit": "1"}, batch.s3control, stage.config)
    assert ([job["id"] for job in one["jobs"]], one["total"]) == ([ids[2]], 3)
    assert refusal(
        BadRequest, commands.list_jobs, {"status": "Done"}, batch.s3control, stage.config
    ).startswith("status: 'Done' is not one of Active, ")
    assert refusal(BadRequest, commands.list_jobs, {"limit": "0"}, batch.s3control, stage.config) == (
        "limit: expected a whole number from 1 to 1,000"
    )


def test_calls_about_a_job_that_cannot_be_answered_say_why(stage: Stage, batch: Batch) -> None:
    stage.put("a")
    config, control = stage.config, batch.s3control
    assert refusal(NotFound, commands.get_job, "no-such-job", control, config) == (
        "no job no-such-job; AWS forgets a job 90 days after its end"
    )
    assert "an id has 5 to 36" in refusal(NotFound, commands.get_job, "../x", control, config)
    job_id = tag(stage, batch)["id"]
    batch.wait_for(job_id, "Suspended")
    assert commands.set_priority(job_id, {"priority": 7}, control, config) == {"id": job_id, "priority": 7}
    assert refusal(BadRequest, commands.set_priority, job_id, {}, control, config).startswith("priority: ")
    assert refusal(BadRequest, commands.set_priority, job_id, {"prio": 1}, control, config) == (
        "prio: is not known here; known are priority"
    )
    assert "it is written when the job ends" in refusal(Conflict, report, stage, batch, job_id)
    finished(stage, batch, job_id)
    assert refusal(Conflict, commands.run_job, job_id, control, config) == (
        "The job's status is Complete: only a suspended job can be run"
    )
    assert refusal(Conflict, commands.cancel_job, job_id, None, control, config).startswith(
        "The job's status is Complete"
    )
    assert refusal(BadRequest, report, stage, batch, job_id, next="x") == (
        "next: 'x' is not a cursor that a report gave"
    )
    assert refusal(BadRequest, report, stage, batch, job_id, rows="all", next="0.1") == (
        "next: '0.1' is not a cursor that a report gave"
    )


def test_a_report_is_read_in_pages_that_meet(
    stage: Stage, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stage.config.images_bucket
    keys = [f'k {n}, "é"' for n in range(25)]
    stage.put(*keys[:10])
    uri = stage.store("m.csv", "".join(manifests.line(images, key) for key in keys).encode())
    job_id = tag(stage, batch, manifest={"csv": uri})["id"]
    finished(stage, batch, job_id)

    def pages(**query: str) -> list[list[str]]:
        found, following = [], ""
        while True:
            page = report(
                stage, batch, job_id, limit="4", **query, **({"next": following} if following else {})
            )
            found.append([row["key"] for row in page["rows"]])
            following = page["next"]
            if not following:
                return found

    failed = pages(rows="failed")
    assert [len(page) for page in failed] == [4, 4, 4, 3]
    assert sorted(chain(*failed)) == sorted(keys[10:])
    assert sorted(chain(*pages(rows="all"))) == sorted(keys)
    job = batch_jobs.describe(batch.s3control, ACCOUNT, job_id)
    assert len(list(report_pages.results(stage.s3, job))) == 25
    # Without manifest.json nothing says which file has the failures: a page may be empty and go on.
    stage.s3.delete_object(Bucket=job.report_bucket, Key=f"{job.report_prefix}/job-{job_id}/manifest.json")
    monkeypatch.setattr(report_pages, "ROWS_READ_A_PAGE", 4)
    assert sorted(chain(*pages(rows="failed"))) == sorted(keys[10:])
    assert [] in pages(rows="failed")


def test_a_report_of_failures_alone_is_asked_for(stage: Stage, batch: Batch) -> None:
    stage.put("a")
    uri = stage.store("m.csv", "".join(f"{stage.config.images_bucket},{key}\n" for key in "ab").encode())
    job_id = tag(stage, batch, manifest={"csv": uri}, report="failed")["id"]
    finished(stage, batch, job_id)
    assert [row["key"] for row in report(stage, batch, job_id, rows="all")["rows"]] == ["b"]


def test_a_generated_manifest_and_an_inventory_make_jobs(stage: Stage, batch: Batch) -> None:
    stage.put("p/a.png", "p/b.txt", "q/c.png")
    generate = {"prefix": "p/", "suffix": ".png", "created_after": "2001-01-01T00:00:00Z"}
    created = tag(stage, batch, manifest={"generate": generate})
    assert (created["objects"], created["estimated_cost_usd"], created["manifest"]) == (None, None, None)
    assert finished(stage, batch, created["id"])["succeeded"] == 1
    assert stage.tags("p/a.png") == FINISHED
    stage.store("data.csv.gz", gzip.compress(f'"{stage.config.images_bucket}","q/c.png"\n'.encode()))
    inventory = {
        "sourceBucket": stage.config.images_bucket,
        "destinationBucket": f"arn:aws:s3:::{stage.config.reports_bucket}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [{"key": "data.csv.gz"}],
    }
    uri = stage.store("inventory/manifest.json", json.dumps(inventory).encode())
    job = finished(stage, batch, tag(stage, batch, manifest={"inventory": uri})["id"])
    assert (job["succeeded"], job["manifest"]) == (1, uri)
    assert stage.tags("q/c.png") == FINISHED


# Of all keys S3 takes, only those go through here that the local AWS can hold: it has no NUL in a path.
s3_keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda key: all(part not in (".", "..") for part in key.split("/")) and not key.startswith("/")
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    {
        " ",
        "+",
        "%",
        "%41",
        "a b",
        "a+b",
        "100%",
        "\"'`",
        "a\nb",
        "\r\n",
        ",",
        ";",
        "é",
        "日本語",
        "🎉",
        "\u2028",
        "a//b",
        "?",
        "#",
        "&=",
        "\\",
        "\ufeff",
        "\x7f\x01",
    }
)
@given(st.sets(s3_keys, min_size=1, max_size=12))
def test_any_key_goes_through_manifest_job_and_report(stage: Stage, batch: Batch, keys: set[str]) -> None:
    stage.put(*keys)
    images = stage.config.images_bucket
    uri = stage.store("any.csv", "".join(manifests.line(images, key) for key in keys).encode())
    job = finished(stage, batch, tag(stage, batch, manifest={"csv": uri})["id"])
    rows = report(stage, batch, job["id"], rows="all")["rows"]
    assert {row["key"] for row in rows} == keys
    assert [row["message"] for row in rows if not row["succeeded"]] == []
    assert all(stage.tags(key) == FINISHED for key in keys)
