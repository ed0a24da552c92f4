"""The completion report of a job, read as a stream of facts: a report may have a billion rows.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

from chalicelib.jobs.manifests import decode_key

COLUMNS = 7  # Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage
_HTTP_STATUS = re.compile(r"\d{3}", re.ASCII)


class BadReport(ValueError):
    """A row is not one of a completion report."""


class ReportRow(TypedDict):
    bucket: str
    key: str
    version_id: str | None
    succeeded: bool
    http_status: int | None
    error_code: str
    message: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What became of one object. `key` is decoded; `http_status` is None where the report has none."""

    bucket: str
    key: str
    version_id: str | None
    succeeded: bool
    http_status: int | None
    error_code: str
    message: str

    def as_dict(self) -> ReportRow:
        return {
            "bucket": self.bucket,
            "key": self.key,
            "version_id": self.version_id,
            "succeeded": self.succeeded,
            "http_status": self.http_status,
            "error_code": self.error_code,
            "message": self.message,
        }


def report_rows(lines: Iterable[str]) -> Iterator[TaskResult]:
    """The rows of a results/*.csv, one at a time. Raises BadReport with the row's number.

    `lines` keep their ends, LF or CRLF, as a text file's do: a message may hold line breaks. The columns
    TaskStatus is followed by come in either order: AWS writes "ErrorCode, HTTPStatusCode" into the
    schema and the HTTP status first into its example.
    """
    rows = csv.reader(lines)
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            if row:
                yield _result(number, row)
    except csv.Error as e:
        raise BadReport(f"row {number + 1} of the report: {e}") from e


def _result(number: int, row: list[str]) -> TaskResult:
    if len(row) != COLUMNS:
        raise BadReport(f"row {number} of the report has {len(row)} columns, expected {COLUMNS}")
    bucket, key, version_id, status, one, other, message = row
    if status not in ("succeeded", "failed"):
        raise BadReport(f"row {number} of the report has status {status!r}, expected succeeded or failed")
    http_status, error_code = (one, other) if _HTTP_STATUS.fullmatch(one) else (other, one)
    if not _HTTP_STATUS.fullmatch(http_status):
        http_status, error_code = "", one or other
    return TaskResult(
        bucket=bucket,
        key=decode_key(key),
        version_id=version_id or None,
        succeeded=status == "succeeded",
        http_status=int(http_status) if http_status else None,
        error_code=error_code,
        message=message,
    )
