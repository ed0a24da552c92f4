"""A job's completion report in the reports bucket: page by page for people, as one stream for programs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.errors import BadRequest, Conflict
from chalicelib.jobs.batch_jobs import TERMINAL, Job
from chalicelib.jobs.reports import BadReport, TaskResult, report_rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A page that asks for failed rows may pass over any number of others; it stops here and says where.
ROWS_READ_A_PAGE = 100_000
MAX_MANIFEST_BYTES = 4_000_000  # of a report's own manifest.json, some hundred bytes a file
_CURSOR = re.compile(r"(\d{1,6})\.(\d{1,15})", re.ASCII)


@dataclass(frozen=True)
class Page:
    """A page of a completion report. `next` is the cursor of the following page, "" at the end."""

    rows: list[TaskResult] = field(default_factory=list)
    next: str = ""


def page(s3: S3Client, job: Job, *, failed_only: bool = True, cursor: str = "", limit: int = 100) -> Page:
    """At most `limit` rows of a job's completion report from `cursor` on.

    A page costs the same wherever it is: the cursor is a file and a byte in it. A page may have no rows and
    still be followed by another (ROWS_READ_A_PAGE). Raises Conflict while there is no report.
    """
    files = _report_files(s3, job, failed_only)
    number, offset = _parse_cursor(cursor)
    rows: list[TaskResult] = []
    read = 0
    for at in range(number, len(files)):
        key, size = files[at]
        start = offset if at == number else 0
        if start >= size:
            continue
        try:
            for row, end in _rows_from(s3, job.report_bucket, key, start):
                read += 1
                if not (failed_only and row.succeeded):
                    rows.append(row)
                if len(rows) >= limit or read >= ROWS_READ_A_PAGE:
                    is_last = end >= size and at + 1 == len(files)
                    return Page(rows, "" if is_last else f"{at}.{end}")
        except BadReport as e:
            if start:  # not where a row begins, so not a cursor of ours
                raise _bad_cursor(cursor) from e
            raise
    return Page(rows)


def results(s3: S3Client, job: Job, *, failed_only: bool = False) -> Iterator[TaskResult]:
    """Every row of a job's completion report, as a stream. Raises Conflict while there is no report."""
    for key, size in _report_files(s3, job, failed_only):
        if size:
            for row, _ in _rows_from(s3, job.report_bucket, key, 0):
                if not (failed_only and row.succeeded):
                    yield row


class _Lines:
    """The lines of a body as text, and how many bytes of it they were."""

    def __init__(self, body: io.BufferedReader, offset: int) -> None:
        self._body = body
        self.offset = offset

    def __iter__(self) -> Iterator[str]:
        for raw in self._body:
            self.offset += len(raw)
            yield raw.decode()


def _rows_from(s3: S3Client, bucket: str, key: str, offset: int) -> Iterator[tuple[TaskResult, int]]:
    """The rows from a byte on, each with the byte after it. Raises BadReport where no row begins there."""
    before = min(offset, 1)  # the byte before must end a line
    answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={offset - before}-")
    # closing: the body's own `with` gives the connection underneath, which is closed at its end.
    with closing(answer["Body"]) as body:
        if before and body.read(1) != b"\n":
            raise BadReport(f"no row of {key} begins at byte {offset}")
        lines = _Lines(io.BufferedReader(body, 1 << 16), offset)  # type: ignore[arg-type]
        for row in report_rows(lines):
            yield row, lines.offset


def _report_files(s3: S3Client, job: Job, failed_only: bool) -> list[tuple[str, int]]:
    """Keys and sizes in bytes of the results, in the same order every time.

    Found by listing: the API's text and what is written differ about the names
    (docs/s3-batch-operations.md#uncertain-report).
    """
    if not job.report_bucket:
        raise Conflict(f"job {job.id} was created without a report")
    prefix = f"{job.report_prefix}/job-{job.id}/".lstrip("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=job.report_bucket, Prefix=prefix)
    found = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}
    if not found:
        ran = job.succeeded + job.failed
        why = "no task has run" if job.status in TERMINAL and not ran else "it is written when the job ends"
        raise Conflict(f"job {job.id} is {job.status} and has no report: {why}")
    results = {key: size for key, size in sorted(found.items()) if key.endswith(".csv")}
    manifest = f"{prefix}manifest.json"
    if failed_only and manifest in found:
        with closing(s3.get_object(Bucket=job.report_bucket, Key=manifest)["Body"]) as body:
            written = json.loads(body.read(MAX_MANIFEST_BYTES))
        succeeded = {r["Key"] for r in written["Results"] if r["TaskExecutionStatus"] == "succeeded"}
        return [(key, size) for key, size in results.items() if key not in succeeded]
    return list(results.items())


def _bad_cursor(cursor: str) -> BadRequest:
    return BadRequest("next", f"{cursor!r} is not a cursor that a report gave")


def _parse_cursor(cursor: str) -> tuple[int, int]:
    if not cursor:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if not match:
        raise _bad_cursor(cursor)
    return int(match[1]), int(match[2])
