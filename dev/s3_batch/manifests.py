"""Every kind of manifest as one stream of tasks: CSV, S3 Inventory, or listed by the service itself.

A manifest is copied to a file of our own first: a job may run for hours, and what it runs must not change
under it. Memory does not grow with its rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote_plus

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Task(NamedTuple):
    """One row of a manifest. The key stays URL-encoded, as operations and reports want it."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def decoded_key(self) -> str:
        return unquote_plus(self.key)  # + is a space: docs/s3-batch-operations.md#uncertain-keys


class BadManifest(Exception):
    """The job fails while it is prepared; `code` is its FailureCode."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def copy(s3: S3Client, job: Mapping[str, Any], to: Path) -> int:
    """Write the job's tasks to a file, one CSV row each, and return their number. Raises BadManifest."""
    try:
        rows = _generated(s3, job) if job.get("ManifestGenerator") else _given(s3, job["Manifest"])
        with to.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            count = 0
            for task in rows:
                writer.writerow(task)
                count += 1
    except ClientError as e:
        # AWS's own code for a manifest it may not or cannot read: docs/s3-batch-operations.md#uncertain-codes
        raise BadManifest("ManifestReadFailed", str(e)) from e
    if not count:
        raise BadManifest("InvalidManifestContent", "The manifest contains no objects")
    return count


def tasks(path: Path) -> Iterator[Task]:
    """The tasks of a file that `copy` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        for bucket, key, version_id in csv.reader(file):
            yield Task(bucket, key, version_id or None)


def _given(s3: S3Client, manifest: Mapping[str, Any]) -> Iterator[Task]:
    location, spec = manifest["Location"], manifest["Spec"]
    bucket, _, key = location["ObjectArn"].split(":::", 1)[1].partition("/")
    version = {"VersionId": location["ObjectVersionId"]} if location.get("ObjectVersionId") else {}
    answer = s3.get_object(Bucket=bucket, Key=key, **version)
    if answer["ETag"].strip('"') != location["ETag"].strip('"'):
        raise BadManifest("ManifestReadFailed", "The manifest's ETag does not match the job's")
    body = io.BufferedReader(answer["Body"])  # type: ignore[type-var]
    if spec["Format"] == "S3InventoryReport_CSV_20161130":
        return _inventory(s3, json.load(body))
    return _rows(body, spec.get("Fields") or [])


def _inventory(s3: S3Client, manifest: Mapping[str, Any]) -> Iterator[Task]:
    if manifest.get("fileFormat") != "CSV":
        raise BadManifest("InvalidManifestContent", "The inventory is not in CSV format")
    fields = [field.strip() for field in manifest["fileSchema"].split(",")]
    bucket = manifest["destinationBucket"].split(":::", 1)[-1]
    for file in manifest["files"]:
        body = io.BufferedReader(s3.get_object(Bucket=bucket, Key=file["key"])["Body"])  # type: ignore[type-var]
        with gzip.open(body) as rows:
            yield from _rows(rows, fields)


def _generated(s3: S3Client, job: Mapping[str, Any]) -> Iterator[Task]:
    """What JobManifestGenerator's filter lets through, newest versions only."""
    generator = job["ManifestGenerator"]["S3JobManifestGenerator"]
    bucket = generator["SourceBucket"].split(":::", 1)[1]
    wanted = generator.get("Filter", {})
    names = wanted.get("KeyNameConstraint", {})
    prefixes = tuple(names.get("MatchAnyPrefix") or [""])
    suffixes = tuple(names.get("MatchAnySuffix") or [""])
    parts = names.get("MatchAnySubstring") or [""]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            key, modified = item["Key"], item["LastModified"]
            if (
                key.startswith(prefixes)
                and key.endswith(suffixes)
                and any(part in key for part in parts)
                and ("CreatedAfter" not in wanted or modified > wanted["CreatedAfter"])
                and ("CreatedBefore" not in wanted or modified < wanted["CreatedBefore"])
                and item["Size"] > wanted.get("ObjectSizeGreaterThanBytes", -1)
                and item["Size"] < wanted.get("ObjectSizeLessThanBytes", item["Size"] + 1)
            ):
                yield Task(bucket, quote(key))


def _rows(body: io.BufferedReader[Any] | gzip.GzipFile, fields: list[str]) -> Iterator[Task]:
    """The tasks of a CSV body. Raises BadManifest, InvalidManifestContent, for what the service refuses."""
    missing = [field for field in ("Bucket", "Key") if field not in fields]
    if missing:
        raise _invalid(f"Required fields are missing in the schema: {', '.join(missing)}")
    bucket_at, key_at = fields.index("Bucket"), fields.index("Key")
    version_at = fields.index("VersionId") if "VersionId" in fields else None
    only_bucket = None
    try:
        for row in csv.reader(io.TextIOWrapper(body, encoding="utf-8", newline=""), strict=True):
            if len(row) != len(fields):
                raise _invalid(f"A row has {len(row)} columns, the schema has {len(fields)}")
            task = Task(row[bucket_at], row[key_at], row[version_at] if version_at is not None else None)
            only_bucket = only_bucket or task.bucket
            if task.bucket != only_bucket:
                raise _invalid("The manifest names more than one bucket")
            if not task.key:
                raise _invalid("A row has no key")
            yield task
    except (UnicodeDecodeError, csv.Error, OSError) as e:
        raise _invalid(str(e)) from e


def _invalid(reason: str) -> BadManifest:
    # Only the code and "Required fields are missing" are AWS's own words:
    # docs/s3-batch-operations.md#uncertain-codes
    return BadManifest("InvalidManifestContent", reason)


def forget(folder: Path) -> None:
    """Remove a job's files; a failure to do so harms nobody."""
    shutil.rmtree(folder, ignore_errors=True)
