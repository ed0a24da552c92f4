"""Many rows: counts that are right, and memory that does not grow with them."""

from __future__ import annotations

import http.client
import tracemalloc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from chalicelib.jobs import batch_jobs, commands, manifests, report_pages
from dev.s3_batch.manifests import Task
from dev.s3_batch.reports import Outcome
from tests.support.jobs import ACCOUNT, Batch, MakeBatch, Stage

pytestmark = [pytest.mark.aws, pytest.mark.long]

OBJECTS = 10_000


def request_all(stage: Stage, method: str, paths: list[str]) -> list[bytes]:
    """The same request for every path of the images bucket; boto3 would take most of the test's time."""

    def some(part: list[str]) -> list[bytes]:
        connection = http.client.HTTPConnection(urlsplit(stage.endpoint).netloc, timeout=60)
        bodies = []
        for path in part:
            connection.request(method, f"/{stage.config.images_bucket}/{path}", body=b"x" * (method == "PUT"))
            answer = connection.getresponse()
            bodies.append(answer.read())
            assert answer.status == 200, (path, bodies[-1])
        connection.close()
        return bodies

    with ThreadPoolExecutor(4) as pool:
        size = -(-len(paths) // 4)
        parts = pool.map(some, [paths[at : at + size] for at in range(0, len(paths), size)])
        return [body for part in parts for body in part]


def finished(stage: Stage, batch: Batch, body: Mapping[str, Any]) -> batch_jobs.Job:
    created = commands.create_job(body, stage.s3, batch.s3control, stage.config)
    batch.run(created["id"])
    return batch_jobs.describe(batch.s3control, ACCOUNT, created["id"])


def test_a_job_over_ten_thousand_objects(stage: Stage, make_batch: MakeBatch) -> None:
    batch = make_batch(workers=8)
    keys = [f"photos/{n:05} é+&.png" for n in range(OBJECTS)]
    request_all(stage, "PUT", [quote(key) for key in keys])
    job = finished(stage, batch, {"kind": "tag", "manifest": {"list": {}}, "tags": {"phototype": "finished"}})
    assert (job.status, job.outcome) == ("Complete", "succeeded")
    assert (job.total, job.succeeded, job.failed, job.percent) == (OBJECTS, OBJECTS, 0, 100.0)
    assert {row.key for row in report_pages.results(stage.s3, job) if row.succeeded} == set(keys)
    tags = request_all(stage, "GET", [f"{quote(key)}?tagging" for key in keys])
    tagged = sum(b"<Key>phototype</Key><Value>finished</Value>" in body for body in tags)
    print(f"{job.succeeded:,} objects, {tagged:,} with the tag asked for")
    assert tagged == OBJECTS


def peak_of(work: Callable[[], None]) -> int:
    """Bytes that Python holds at most while the work runs, in all threads."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_servers_memory_does_not_grow_with_the_rows(stage: Stage, make_batch: MakeBatch) -> None:
    """Manifest, tasks, retries and report of a whole job: half of the rows fail once, for a time.

    Buffers of a mebibyte fill up with the first 10,000s of rows and then stay: that much may be added. The
    rows as objects would be ten times that.
    """

    def peak(rows: int) -> int:
        images = stage.config.images_bucket
        lines = (manifests.line(images, f"k{n}") for n in range(rows))
        uri = stage.store(f"{rows}.csv", "".join(lines).encode())

        def perform(job: Mapping[str, Any], task: Task) -> Outcome:
            first_pass = job["ProgressSummary"]["NumberOfTasksSucceeded"] < rows // 2
            if first_pass and int(task.key[1:]) % 2:
                return Outcome(False, 200, "TemporaryFailure", "busy", temporary=True)
            return Outcome(True, 200, message="Successful")

        def work() -> None:
            job = finished(stage, make_batch(perform), {"kind": "tag", "manifest": {"csv": uri}, "tags": {}})
            assert (job.succeeded, job.failed) == (rows, 0)

        return peak_of(work)

    peak(10)  # what the first use of a module costs
    small, large = peak(2_000), peak(60_000)
    print(f"peak of a whole job: {small:,} bytes at 2,000 rows, {large:,} at 60,000")
    assert large < small + 2_500_000


def test_a_report_is_streamed_from_s3(stage: Stage, make_batch: MakeBatch) -> None:
    """Peaks at ten times as many rows; report_rows itself is shown at a million in test_reports."""
    batch = make_batch(lambda job, task: Outcome(True, 200, message="Successful"))
    uri = stage.store("one.csv", f"{stage.config.images_bucket},a\n".encode())
    job = finished(stage, batch, {"kind": "tag", "manifest": {"csv": uri}, "tags": {}})
    listed = stage.s3.list_objects_v2(Bucket=job.report_bucket, Prefix=f"{job.report_prefix}/job-")
    (key,) = [item["Key"] for item in listed["Contents"] if item["Key"].endswith(".csv")]

    def peak(rows: int) -> int:
        ends = (b"succeeded,200,,ok", b"failed,404,NoSuchKey,gone")
        body = b"".join(b"photos,a%%20%d.png,,%s\r\n" % (n, ends[n % 4 == 0]) for n in range(rows))
        stage.s3.put_object(Bucket=job.report_bucket, Key=key, Body=body)
        failed = 0

        def read() -> None:
            nonlocal failed
            failed = sum(not row.succeeded for row in report_pages.results(stage.s3, job))

        bytes_ = peak_of(read)
        assert failed == rows // 4
        return bytes_

    small, large = peak(10_000), peak(100_000)
    print(f"peak of a report read from S3: {small:,} bytes at 10,000 rows, {large:,} at 100,000")
    assert large < small + 100_000
