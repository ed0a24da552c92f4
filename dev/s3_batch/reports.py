"""The completion report: results/*.csv for what succeeded and what failed, and a manifest.json over them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from dev.s3_batch.manifests import Task

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"


class Outcome(NamedTuple):
    """What became of one task."""

    succeeded: bool
    http_status: int
    error_code: str = ""
    message: str = ""
    temporary: bool = False  # failed, but worth another try before the job ends


class Report:
    """One job's report while it grows: on disk, so memory does not grow with its rows."""

    def __init__(self, folder: Path) -> None:
        self._paths = {status: folder / f"{status}.csv" for status in ("succeeded", "failed")}
        self._files: dict[str, IO[str]] = {
            status: path.open("w", newline="", encoding="utf-8") for status, path in self._paths.items()
        }

    def add(self, task: Task, outcome: Outcome) -> None:
        status = "succeeded" if outcome.succeeded else "failed"
        # HTTP status before error code is what AWS's example rows show, against the schema that it writes
        # into manifest.json: docs/s3-batch-operations.md#uncertain-report
        csv.writer(self._files[status]).writerow(
            [
                *task[:2],
                task.version_id or "",
                status,
                outcome.http_status,
                outcome.error_code,
                outcome.message,
            ]
        )

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def upload(self, s3: S3Client, job_id: str, where: Mapping[str, Any]) -> None:
        """Put the files where the job's Report says, the failed ones alone if it says so."""
        self.close()
        bucket = where["Bucket"].split(":::", 1)[1]
        prefix = where.get("Prefix", "").strip("/")
        folder = f"{prefix}/job-{job_id}" if prefix else f"job-{job_id}"
        results = []
        for status, path in self._paths.items():
            wanted = status == "failed" or where.get("ReportScope") == "AllTasks"
            if not wanted or not path.stat().st_size:
                continue
            key = f"{folder}/results/{hashlib.sha1(f'{job_id} {status}'.encode()).hexdigest()}.csv"
            s3.upload_file(str(path), bucket, key)
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, "md5").hexdigest()
            results.append({"TaskExecutionStatus": status, "Bucket": bucket, "MD5Checksum": md5, "Key": key})
        manifest = {
            "Format": "Report_CSV_20180820",
            "ReportCreationDate": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "Results": results,
            "ReportSchema": SCHEMA,
        }
        s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
