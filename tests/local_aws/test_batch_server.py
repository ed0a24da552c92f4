"""The local S3 Batch Operations, through boto3's own client: what the app relies on holds here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dev.local_aws import free_port
from dev.s3_batch.manifests import Task
from dev.s3_batch.process import s3_batch
from dev.s3_batch.reports import Outcome
from tests.support.jobs import ACCOUNT, FUNCTION, ROLE, Batch, MakeBatch, Stage

pytestmark = pytest.mark.aws

DONE = Outcome(True, 200, message="Successful")


class Gate:
    """A task that waits: `entered` says that one has begun, `open` lets all go."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Semaphore(0), threading.Event()
        self.keys: list[str] = []

    def __call__(self, job: Mapping[str, Any], task: Task) -> Outcome:
        self.keys.append(task.key)
        self.entered.release()
        assert self.open.wait(60)
        return DONE


def request(stage: Stage, rows: str | bytes, **change: Any) -> dict[str, Any]:
    """A CreateJob request over a manifest with these rows."""
    body = rows.encode() if isinstance(rows, str) else rows
    etag = stage.s3.put_object(Bucket=stage.config.reports_bucket, Key="manifest.csv", Body=body)["ETag"]
    return {
        "AccountId": ACCOUNT,
        "Operation": {"S3PutObjectTagging": {"TagSet": [{"Key": "phototype", "Value": "finished"}]}},
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {
                "ObjectArn": f"arn:aws:s3:::{stage.config.reports_bucket}/manifest.csv",
                "ETag": etag,
            },
        },
        "Report": {
            "Enabled": True,
            "Bucket": f"arn:aws:s3:::{stage.config.reports_bucket}",
            "Format": "Report_CSV_20180820",
            "Prefix": "out",
            "ReportScope": "AllTasks",
        },
        "Priority": 10,
        "RoleArn": ROLE,
    } | change


def rows(stage: Stage, number: int) -> str:
    return "".join(f"{stage.config.images_bucket},k{n}\n" for n in range(number))


def create(batch: Batch, request: Mapping[str, Any]) -> str:
    job_id: str = batch.s3control.create_job(**request)["JobId"]
    return job_id


def update(batch: Batch, job_id: str, status: str) -> str:
    answer = batch.s3control.update_job_status(AccountId=ACCOUNT, JobId=job_id, RequestedJobStatus=status)
    new: str = answer["Status"]
    return new


def error_code(e: pytest.ExceptionInfo[ClientError]) -> str:
    return str(e.value.response["Error"]["Code"])


def report(stage: Stage, job_id: str) -> tuple[dict[str, Any], list[list[str]]]:
    """The report's manifest.json and all its rows."""
    bucket, folder = stage.config.reports_bucket, f"out/job-{job_id}"
    manifest = json.load(stage.s3.get_object(Bucket=bucket, Key=f"{folder}/manifest.json")["Body"])
    found = []
    for result in manifest["Results"]:
        assert result["Key"].startswith(f"{folder}/results/")
        text = stage.s3.get_object(Bucket=result["Bucket"], Key=result["Key"])["Body"].read().decode()
        found += list(csv.reader(io.StringIO(text, newline="")))
    return manifest, found


def test_a_confirmed_job_waits_and_then_tags_every_object(stage: Stage, batch: Batch) -> None:
    stage.put("k0", "k1", tags="old=1")
    job_id = create(batch, request(stage, rows(stage, 2), ConfirmationRequired=True, Description="d"))
    waiting = batch.wait_for(job_id, "Suspended")
    assert waiting["SuspendedCause"] == "AwaitingConfirmation"
    assert waiting["ProgressSummary"]["TotalNumberOfTasks"] == 2
    assert stage.tags("k0") == {"old": "1"}
    assert update(batch, job_id, "Ready") == "Ready"
    job = batch.wait_for(job_id)
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"] == {
        "TotalNumberOfTasks": 2,
        "NumberOfTasksSucceeded": 2,
        "NumberOfTasksFailed": 0,
    }
    assert job["TerminationDate"] >= job["CreationTime"]
    assert stage.tags("k0") == stage.tags("k1") == {"phototype": "finished"}
    manifest, found = report(stage, job_id)
    assert [result["TaskExecutionStatus"] for result in manifest["Results"]] == ["succeeded"]
    assert sorted(found) == [
        [stage.config.images_bucket, f"k{n}", "", "succeeded", "200", "", "Successful"] for n in range(2)
    ]


def test_a_job_that_needs_no_confirmation_runs_by_itself(stage: Stage, batch: Batch) -> None:
    stage.put("k0")
    assert batch.wait_for(create(batch, request(stage, rows(stage, 1))))["Status"] == "Complete"


def test_complete_does_not_mean_success(stage: Stage, batch: Batch) -> None:
    stage.put("k0")
    job_id = create(batch, request(stage, rows(stage, 3)))
    job = batch.wait_for(job_id)
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 2
    manifest, found = report(stage, job_id)
    assert [result["TaskExecutionStatus"] for result in manifest["Results"]] == ["succeeded", "failed"]
    assert {(row[1], row[3], row[4], row[5]) for row in found} == {
        ("k0", "succeeded", "200", ""),
        ("k1", "failed", "404", "NoSuchKey"),
        ("k2", "failed", "404", "NoSuchKey"),
    }


def test_a_report_of_failures_has_no_successes(stage: Stage, batch: Batch) -> None:
    stage.put("k0")
    wanted = request(stage, rows(stage, 2))
    wanted["Report"]["ReportScope"] = "FailedTasksOnly"
    job_id = create(batch, wanted)
    batch.wait_for(job_id)
    assert [row[1] for row in report(stage, job_id)[1]] == ["k1"]


def test_versions_are_tagged_where_the_manifest_has_them(stage: Stage, batch: Batch) -> None:
    images = stage.config.images_bucket
    stage.s3.put_bucket_versioning(Bucket=images, VersioningConfiguration={"Status": "Enabled"})
    first, second = (stage.s3.put_object(Bucket=images, Key="k", Body=b"")["VersionId"] for _ in range(2))
    wanted = request(stage, f"{images},k,{first}\n")
    wanted["Manifest"]["Spec"]["Fields"] = ["Bucket", "Key", "VersionId"]
    job_id = create(batch, wanted)
    assert batch.wait_for(job_id)["ProgressSummary"]["NumberOfTasksSucceeded"] == 1
    assert stage.tags("k", VersionId=first) == {"phototype": "finished"}
    assert stage.tags("k", VersionId=second) == {}
    assert report(stage, job_id)[1][0][2] == first


@pytest.mark.parametrize(
    ("body", "fields", "reason"),
    [
        (b"", ["Bucket", "Key"], "The manifest contains no objects"),
        (b"b,k\n", ["Key", "Ignore"], "Required fields are missing in the schema: Bucket"),
        (b"b,k,v\n", ["Bucket", "Key"], "A row has 3 columns, the schema has 2"),
        (b"b,k\n\nb,l\n", ["Bucket", "Key"], "A row has 0 columns, the schema has 2"),
        (b"b,k\nc,k\n", ["Bucket", "Key"], "The manifest names more than one bucket"),
        (b"b,\n", ["Bucket", "Key"], "A row has no key"),
        (
            b"b,\xff\n",
            ["Bucket", "Key"],
            "'utf-8' codec can't decode byte 0xff in position 2: invalid start byte",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_fails_the_job(
    stage: Stage, batch: Batch, body: bytes, fields: list[str], reason: str
) -> None:
    wanted = request(stage, body)
    wanted["Manifest"]["Spec"]["Fields"] = fields
    job = batch.wait_for(create(batch, wanted))
    assert job["Status"] == "Failed"
    assert job["FailureReasons"] == [{"FailureCode": "InvalidManifestContent", "FailureReason": reason}]
    assert "Contents" not in stage.s3.list_objects_v2(Bucket=stage.config.reports_bucket, Prefix="out/")


def test_a_manifest_that_was_changed_or_is_gone_fails_the_job(stage: Stage, batch: Batch) -> None:
    changed = request(stage, rows(stage, 1))
    changed["Manifest"]["Location"]["ETag"] = '"0"'
    gone = request(stage, rows(stage, 1))
    gone["Manifest"]["Location"]["ObjectArn"] += "x"
    for wanted in (changed, gone):
        job = batch.wait_for(create(batch, wanted))
        assert job["FailureReasons"][0]["FailureCode"] == "ManifestReadFailed"


def test_a_job_of_which_more_than_half_fails_after_a_thousand_tasks_is_stopped(
    stage: Stage, make_batch: MakeBatch
) -> None:
    def every_other_fails(job: Mapping[str, Any], task: Task) -> Outcome:
        fails = int(task.key[1:]) % 2 == 0 or task.key == "k997"
        return Outcome(False, 404, "NoSuchKey", "gone") if fails else DONE

    batch = make_batch(every_other_fails, workers=1)
    job_id = create(batch, request(stage, rows(stage, 3000)))
    job = batch.wait_for(job_id)
    assert job["Status"] == "Failed"
    assert job["FailureReasons"][0] == {
        "FailureCode": "FailureThresholdExceeded",
        "FailureReason": "501 of the first 1000 tasks failed",
    }
    summary = job["ProgressSummary"]
    ran = summary["NumberOfTasksSucceeded"] + summary["NumberOfTasksFailed"]
    assert 1000 <= ran <= 1000 + batch.engine._window
    assert len(report(stage, job_id)[1]) == ran


def test_half_of_the_tasks_may_fail(stage: Stage, make_batch: MakeBatch) -> None:
    def every_other_fails(job: Mapping[str, Any], task: Task) -> Outcome:
        return Outcome(False, 404, "NoSuchKey", "gone") if int(task.key[1:]) % 2 else DONE

    batch = make_batch(every_other_fails, workers=1)
    job = batch.wait_for(create(batch, request(stage, rows(stage, 2000))))
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 1000


def test_a_job_stopped_in_the_middle_reports_what_ran(stage: Stage, make_batch: MakeBatch) -> None:
    gate = Gate()
    batch = make_batch(gate, workers=4)
    job_id = create(batch, request(stage, rows(stage, 500)))
    assert gate.entered.acquire(timeout=60)
    assert update(batch, job_id, "Cancelled") == "Cancelling"
    gate.open.set()
    job = batch.wait_for(job_id)
    assert job["Status"] == "Cancelled"
    ran = job["ProgressSummary"]["NumberOfTasksSucceeded"]
    assert 0 < ran <= batch.engine._window
    assert sorted(row[1] for row in report(stage, job_id)[1]) == sorted(gate.keys)
    assert len(gate.keys) == ran


def test_a_job_stopped_between_two_tries_reports_every_task_that_ran(
    stage: Stage, make_batch: MakeBatch
) -> None:
    entered, go_on = threading.Semaphore(0), threading.Event()
    tries: dict[str, int] = {}

    def busy(job: Mapping[str, Any], task: Task) -> Outcome:
        tries[task.key] = tries.get(task.key, 0) + 1
        if tries[task.key] == 2:
            entered.release()
            assert go_on.wait(60)
        return Outcome(False, 200, "TemporaryFailure", "busy", temporary=True)

    batch = make_batch(busy, workers=2)
    job_id = create(batch, request(stage, rows(stage, 60)))
    assert entered.acquire(timeout=60)
    update(batch, job_id, "Cancelled")
    go_on.set()
    assert batch.wait_for(job_id)["ProgressSummary"]["NumberOfTasksFailed"] == 60
    assert sorted(row[1] for row in report(stage, job_id)[1]) == sorted(f"k{n}" for n in range(60))
    assert 0 < sum(number == 2 for number in tries.values()) < 60


def test_a_job_stopped_before_it_ran_has_no_report(stage: Stage, batch: Batch) -> None:
    job_id = create(batch, request(stage, rows(stage, 1), ConfirmationRequired=True))
    batch.wait_for(job_id, "Suspended")
    update(batch, job_id, "Cancelled")
    assert batch.wait_for(job_id)["Status"] == "Cancelled"
    assert "Contents" not in stage.s3.list_objects_v2(Bucket=stage.config.reports_bucket, Prefix="out/")


def test_only_a_suspended_job_can_be_run_and_only_a_live_one_cancelled(stage: Stage, batch: Batch) -> None:
    stage.put("k0")
    job_id = create(batch, request(stage, rows(stage, 1)))
    batch.wait_for(job_id)
    for status in ("Ready", "Cancelled"):
        with pytest.raises(ClientError) as e:
            update(batch, job_id, status)
        assert error_code(e) == "JobStatusException"


def test_a_temporary_failure_is_tried_again_before_the_job_ends(stage: Stage, make_batch: MakeBatch) -> None:
    tries: dict[str, int] = {}

    def flaky(job: Mapping[str, Any], task: Task) -> Outcome:
        tries[task.key] = tries.get(task.key, 0) + 1
        heals = task.key == "k0" and tries[task.key] == 3
        passes = heals or task.key == "k1"
        return DONE if passes else Outcome(False, 200, "TemporaryFailure", "busy", temporary=True)

    batch = make_batch(flaky, attempts=3)
    job_id = create(batch, request(stage, rows(stage, 3)))
    job = batch.wait_for(job_id)
    assert tries == {"k0": 3, "k1": 1, "k2": 3}
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 2
    assert {(row[1], row[3], row[6]) for row in report(stage, job_id)[1]} == {
        ("k0", "succeeded", "Successful"),
        ("k1", "succeeded", "Successful"),
        ("k2", "failed", "busy"),
    }


def test_a_job_of_a_higher_priority_makes_a_lower_one_pause(stage: Stage, make_batch: MakeBatch) -> None:
    gate = Gate()
    batch = make_batch(gate, workers=2, active_jobs=1)
    low = create(batch, request(stage, rows(stage, 50), Priority=1))
    assert gate.entered.acquire(timeout=60)
    high = create(batch, request(stage, rows(stage, 2), Priority=2))
    paused = batch.wait_for(low, "Pausing", "Paused")
    assert paused["ProgressSummary"]["NumberOfTasksSucceeded"] < 50
    gate.open.set()
    assert batch.wait_for(high)["Status"] == "Complete"
    job = batch.wait_for(low)
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 50


def test_a_priority_can_be_changed_until_the_job_ends(stage: Stage, batch: Batch) -> None:
    job_id = create(batch, request(stage, rows(stage, 1), ConfirmationRequired=True))
    batch.wait_for(job_id, "Suspended")
    batch.s3control.update_job_priority(AccountId=ACCOUNT, JobId=job_id, Priority=99)
    assert batch.job(job_id)["Priority"] == 99
    update(batch, job_id, "Cancelled")
    batch.wait_for(job_id)
    with pytest.raises(ClientError) as e:
        batch.s3control.update_job_priority(AccountId=ACCOUNT, JobId=job_id, Priority=1)
    assert error_code(e) == "BadRequestException"


def test_the_same_token_makes_one_job(stage: Stage, batch: Batch) -> None:
    wanted = request(stage, rows(stage, 1), ClientRequestToken="t", ConfirmationRequired=True)
    assert create(batch, wanted) == create(batch, wanted)
    with pytest.raises(ClientError) as e:
        create(batch, wanted | {"Priority": 11})
    assert error_code(e) == "IdempotencyException"


def test_jobs_are_listed_by_status_and_in_pages(stage: Stage, batch: Batch) -> None:
    ids = [create(batch, request(stage, rows(stage, 1), ConfirmationRequired=True)) for _ in range(5)]
    for job_id in ids:
        batch.wait_for(job_id, "Suspended")
    update(batch, ids[0], "Cancelled")
    batch.wait_for(ids[0])
    which = {"AccountId": ACCOUNT, "JobStatuses": ["Suspended", "Active"], "MaxResults": 3}
    first = batch.s3control.list_jobs(**which)
    second = batch.s3control.list_jobs(**which, NextToken=first["NextToken"])
    assert [[job["JobId"] for job in page["Jobs"]] for page in (first, second)] == [ids[1:4], ids[4:]]
    assert "NextToken" not in second
    assert first["Jobs"][0]["Operation"] == "S3PutObjectTagging"
    with pytest.raises(ClientError) as e:
        batch.s3control.list_jobs(AccountId=ACCOUNT, NextToken="zzz")
    assert error_code(e) == "InvalidNextTokenException"


def test_a_job_has_tags_of_its_own(stage: Stage, batch: Batch) -> None:
    tags = [{"Key": "team", "Value": "a b+é"}]
    job_id = create(batch, request(stage, rows(stage, 1), ConfirmationRequired=True, Tags=tags))
    which = {"AccountId": ACCOUNT, "JobId": job_id}
    assert batch.s3control.get_job_tagging(**which)["Tags"] == tags
    batch.s3control.put_job_tagging(**which, Tags=[{"Key": "x", "Value": ""}])
    assert batch.s3control.get_job_tagging(**which)["Tags"] == [{"Key": "x", "Value": ""}]
    batch.s3control.delete_job_tagging(**which)
    assert batch.s3control.get_job_tagging(**which).get("Tags", []) == []
    many = [{"Key": f"k{n}", "Value": ""} for n in range(51)]
    with pytest.raises(ClientError) as e:
        batch.s3control.put_job_tagging(**which, Tags=many)
    assert error_code(e) == "TooManyTagsException"


def test_another_account_does_not_see_a_job(stage: Stage, batch: Batch) -> None:
    job_id = create(batch, request(stage, rows(stage, 1), ConfirmationRequired=True))
    for which in (
        {"AccountId": "111122223333", "JobId": job_id},
        {"AccountId": ACCOUNT, "JobId": "no-such-job"},
    ):
        with pytest.raises(ClientError) as e:
            batch.s3control.describe_job(**which)
        assert error_code(e) == "NotFoundException"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Priority": 2**31}, "Priority must be at most 2147483647"),
        ({"Description": "d" * 257}, "Description must be at most 256"),
        ({"RoleArn": "jobs"}, r"RoleArn does not match arn:[^:]+:iam::\d{12}:role/.*"),
        ({"AccountId": "12"}, r"AccountId does not match ^\d{12}$"),
        ({"Operation": {"S3PutObjectTagging": {"TagSet": [{"Key": "#", "Value": ""}]}}},
         r"Operation.S3PutObjectTagging.TagSet[].Key does not match ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"),
        ({"Operation": {"S3PutObjectTagging": {"TagSet": [{"Key": f"k{n}", "Value": ""} for n in range(11)]}}},
         "An object has at most 10 tags, each key once"),
        ({"Operation": {}}, "Operation must name exactly one operation"),
        ({"Operation": {"LambdaInvoke": {"FunctionArn": FUNCTION, "UserArguments": {"a": "b"}}}},
         "UserArguments need InvocationSchemaVersion 2.0"),
        ({"Report": {"Enabled": True}}, "An enabled Report needs Bucket, Format and ReportScope"),
        ({"ManifestGenerator": {"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::b", "EnableManifestOutput": False}}},
         "Give either Manifest or ManifestGenerator"),
    ],
)  # fmt: skip
def test_what_the_model_forbids_is_refused(
    stage: Stage, batch: Batch, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as e:
        create(batch, request(stage, rows(stage, 1), **change))
    assert (error_code(e), e.value.response["Error"]["Message"]) == ("BadRequestException", message)


def test_an_operation_it_does_not_have_is_said_so(stage: Stage, batch: Batch) -> None:
    with pytest.raises(ClientError) as e:
        create(batch, request(stage, rows(stage, 1), Operation={"S3DeleteObjectTagging": {}}))
    assert "S3PutObjectTagging and LambdaInvoke only" in e.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as e:
        batch.s3control.list_access_points(AccountId=ACCOUNT)
    assert error_code(e) == "NotImplemented"


def test_an_inventory_is_read_through_its_manifest(stage: Stage, batch: Batch) -> None:
    stage.put("a b", "c")
    images, reports = stage.config.images_bucket, stage.config.reports_bucket
    rows = f'"{images}","a+b","3"\n"{images}","c","1"\n'
    stage.store("inv/data/1.csv.gz", gzip.compress(rows.encode()))
    inventory = {
        "sourceBucket": images,
        "destinationBucket": f"arn:aws:s3:::{reports}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "inv/data/1.csv.gz", "size": 1, "MD5checksum": ""}],
    }
    body = json.dumps(inventory).encode()
    wanted = request(stage, body)
    wanted["Manifest"]["Spec"] = {"Format": "S3InventoryReport_CSV_20161130"}
    job = batch.wait_for(create(batch, wanted))
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 2
    assert stage.tags("a b") == {"phototype": "finished"}


def test_a_manifest_is_generated_by_prefix_suffix_and_date(stage: Stage, batch: Batch) -> None:
    stage.put("p/a b.png", "p/c.txt", "q/d.png")
    newest = max(
        item["LastModified"]
        for item in stage.s3.list_objects_v2(Bucket=stage.config.images_bucket)["Contents"]
    )
    wanted = request(stage, "")
    del wanted["Manifest"]
    generator: dict[str, Any] = {
        "SourceBucket": f"arn:aws:s3:::{stage.config.images_bucket}",
        "EnableManifestOutput": False,
        "Filter": {"KeyNameConstraint": {"MatchAnyPrefix": ["p/"], "MatchAnySuffix": [".png"]}},
    }
    wanted["ManifestGenerator"] = {"S3JobManifestGenerator": generator}
    job = batch.wait_for(create(batch, wanted))
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 1
    assert stage.tags("p/a b.png") == {"phototype": "finished"}
    generator["Filter"]["CreatedAfter"] = newest
    job = batch.wait_for(create(batch, wanted))
    assert job["FailureReasons"][0]["FailureReason"] == "The manifest contains no objects"


def test_a_function_gets_the_documented_event_and_its_answer_is_the_result(
    stage: Stage, make_batch: MakeBatch
) -> None:
    from dev.s3_batch.operations import invocation, outcome_of

    task = Task("photos", "a%20b", None)
    one = invocation("j", {"FunctionArn": FUNCTION}, task)
    assert one["tasks"][0] | {"taskId": ""} == {
        "taskId": "",
        "s3Key": "a%20b",
        "s3VersionId": None,
        "s3BucketArn": "arn:aws:s3:::photos",
    }
    assert one["job"] == {"id": "j"}
    two = invocation("j", {"InvocationSchemaVersion": "2.0", "UserArguments": {"a": "b"}}, task)
    assert (two["tasks"][0]["s3Bucket"], two["job"]["userArguments"]) == ("photos", {"a": "b"})

    def said(**result: str) -> Outcome:
        results = [{"taskId": one["tasks"][0]["taskId"], **result}] if result else []
        return outcome_of(
            json.dumps({"treatMissingKeysAs": "TemporaryFailure", "results": results}).encode(), one
        )

    assert said(resultCode="Succeeded", resultString="ok") == Outcome(True, 200, "", "ok")
    assert said(resultCode="PermanentFailure") == Outcome(False, 200, "PermanentFailure", "")
    assert said().temporary
    assert outcome_of(b"null", one).error_code == "PermanentFailure"


def test_the_command_serves_an_unmodified_client(stage: Stage, repository: Path) -> None:
    """boto3.client("s3control") of a process that has nothing but the environment."""
    code = (
        "from chalicelib.aws import clients\n"
        f"print(clients.s3control().list_jobs(AccountId='{ACCOUNT}')['Jobs'])\n"
        f"print(clients.s3().list_objects_v2(Bucket='{stage.config.images_bucket}')['KeyCount'])\n"
    )
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with s3_batch(free_port(), stage.endpoint) as environment:
        env = {"PATH": "", "AWS_ENDPOINT_URL": stage.endpoint, **keys, **environment}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=repository, env=env, capture_output=True, text=True, timeout=60
        )
    assert done.stdout == "[]\n0\n", done.stderr


def test_a_taken_port_is_said_so(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(RuntimeError, match=f"did not start on port {port}"),
            s3_batch(port, stage.endpoint),
        ):
            pass
    assert capfd.readouterr().err == f"Error: port {port}: Address already in use\n"
