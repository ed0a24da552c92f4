"""Manifests in S3: checked where somebody else wrote them, written where we do."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.aws.objects import head
from chalicelib.errors import BadRequest
from chalicelib.jobs import manifests
from chalicelib.jobs.manifests import Checked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CSV = "S3BatchOperations_CSV_20180820"
INVENTORY = "S3InventoryReport_CSV_20161130"

MAX_INVENTORY_BYTES = 4_000_000

NOTHING_THERE = "no object matches"

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})", re.DOTALL)
_INVENTORY_FIELDS = ("Bucket", "Key")  # its schema may hold more, and begins with these


@dataclass(frozen=True)
class Manifest:
    """One manifest object and what CreateJob must know of it. `objects` is None where nobody has counted."""

    bucket: str
    key: str
    etag: str  # without quotes
    format: str
    fields: tuple[str, ...] = ()
    objects: int | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`. Raises BadRequest."""
    match = _URI.fullmatch(uri)
    if not match:
        raise BadRequest("manifest", f"{uri!r} is not s3://BUCKET/KEY")
    return match[1], match[2]


def checked_csv(
    s3: S3Client,
    uri: str,
    *,
    images_bucket: str,
    etag: str = "",
    max_bytes: int | None = None,
    quoting: bool = True,
) -> Manifest:
    """Read a CSV manifest to its end. Raises BadRequest with every problem in it.

    `etag` is the manifest the caller has seen, if any: another one is refused. `max_bytes` is how much may be
    read in the time there is. `quoting` lets problems quote it.
    """
    bucket, key = parse_uri(uri)
    body, found, size = _opened(s3, bucket, key)
    if etag and etag.strip('"') != found:
        raise BadRequest("manifest", f"its ETag is {found}, not {etag}: it was changed")
    if max_bytes is not None and size > max_bytes:
        raise BadRequest(
            "manifest",
            f"{size:,} bytes are too many to check within a request ({max_bytes:,}); "
            "use the command, python -m infra jobs",
        )
    checked = manifests.check(_lines(body), quoting=quoting)
    _refuse(checked, images_bucket, quoting)
    return Manifest(bucket, key, found, CSV, checked.fields, checked.objects)


def checked_inventory(
    s3: S3Client, uri: str, *, images_bucket: str, readable: Collection[str], quoting: bool = True
) -> Manifest:
    """Read an S3 Inventory's manifest.json. Its objects are not counted: the lists may be many gigabytes.

    An inventory of MAX_INVENTORY_BYTES names some ten thousand lists; a longer one is refused unread. The
    lists are where it was delivered, and its manifest.json may be a copy: they must be in one of the buckets
    `readable`, or the job would fail.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
    """
    bucket, key = parse_uri(uri)
    body, etag, size = _opened(s3, bucket, key)
    if size > MAX_INVENTORY_BYTES:
        raise BadRequest("manifest", f"{size:,} bytes are no manifest.json ({MAX_INVENTORY_BYTES:,} at most)")
    try:
        inventory = json.loads(body.read(MAX_INVENTORY_BYTES))
        file_format, schema = inventory["fileFormat"], inventory["fileSchema"]
        source, delivered = inventory["sourceBucket"], inventory["destinationBucket"]
        if not all(isinstance(one, str) for one in (file_format, schema, source, delivered)):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise BadRequest("manifest", f"{uri} is not an S3 Inventory manifest.json") from e
    if file_format != "CSV":
        known = file_format if file_format in ("ORC", "Parquet") else "another format"
        raise BadRequest("manifest", f"the inventory is in {known}; S3 Batch Operations reads CSV")
    if tuple(field.strip() for field in schema.split(","))[:2] != _INVENTORY_FIELDS:
        columns = manifests.said(schema[:200], quoting)
        raise BadRequest(
            "manifest", f"the inventory's columns are {columns}; they must begin with Bucket, Key"
        )
    if source != images_bucket:
        raise _other_bucket(source[:63], images_bucket, quoting)
    if (lists := delivered.rpartition(":")[2]) not in readable:  # an ARN, of whichever partition
        raise BadRequest(
            "manifest",
            f"the jobs role may not read the inventory's lists, which are in bucket "
            f"{manifests.said(lists[:63], quoting)}: name it in MANIFEST_BUCKETS and deploy",
        )
    return Manifest(bucket, key, etag, INVENTORY)


def write(s3: S3Client, bucket: str, key: str, lines: Iterable[str], fields: tuple[str, ...]) -> Manifest:
    """Write a manifest of our own, or take the one that an earlier try of the same request wrote.

    The lines go through a file: memory does not grow with them, and nothing is seen half written.
    Raises BadRequest for no lines.
    """
    if exists(s3, bucket, key):
        body, etag, _ = _opened(s3, bucket, key)
        return Manifest(bucket, key, etag, CSV, fields, sum(1 for _ in body))
    with tempfile.TemporaryFile() as file:
        objects = 0
        for text in lines:
            file.write(text.encode())
            objects += 1
        if not objects:
            raise BadRequest("manifest", NOTHING_THERE)
        file.seek(0)
        written = s3.put_object(Bucket=bucket, Key=key, Body=file, ContentType="text/csv")
    return Manifest(bucket, key, written["ETag"].strip('"'), CSV, fields, objects)


def counted(lines: Iterable[str]) -> Manifest:
    """What `write` would have written, as far as its objects' number goes. Raises BadRequest for none."""
    objects = sum(1 for _ in lines)
    if not objects:
        raise BadRequest("manifest", NOTHING_THERE)
    return Manifest("", "", "", CSV, ("Bucket", "Key"), objects)


def listed(s3: S3Client, bucket: str, prefix: str = "", suffix: str = "") -> Iterator[str]:
    """The lines of a manifest with a bucket's objects, folder markers left out."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            is_marker = item["Key"].endswith("/") and not item["Size"]
            if item["Key"].endswith(suffix) and not is_marker:
                yield manifests.line(bucket, item["Key"])


def rows(s3: S3Client, manifest: Manifest) -> Iterator[tuple[str, str, str | None]]:
    """Bucket, key (decoded) and version id of each row of a checked CSV manifest.

    Raises BadRequest where the manifest is no longer the one that was checked.
    """
    body, etag, _ = _opened(s3, manifest.bucket, manifest.key)
    if etag != manifest.etag:
        raise BadRequest("manifest", f"its ETag is {etag}, not {manifest.etag}: it was changed")
    yield from manifests.read(line.decode() for line in body)


def exists(s3: S3Client, bucket: str, key: str) -> bool:
    """Whether the object is there."""
    return head(s3, bucket, key) is not None


def _opened(s3: S3Client, bucket: str, key: str) -> tuple[io.BufferedReader, str, int]:
    """The object's lines, its ETag without quotes, and its size in bytes. Raises BadRequest."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise
        raise BadRequest("manifest", f"s3://{bucket}/{key}: {e.response['Error']['Message']}") from e
    # 1 MiB: the connection's own reads are small and each has a price.
    body: io.BufferedReader = io.BufferedReader(answer["Body"], 1 << 20)  # type: ignore[arg-type]
    return body, answer["ETag"].strip('"'), answer["ContentLength"]


def _lines(body: io.BufferedReader) -> Iterator[bytes]:
    """The body's lines; one that is too long is cut, and found too long by the check."""
    while line := body.readline(manifests.MAX_LINE_BYTES + 1):
        yield line


def _refuse(checked: Checked, images_bucket: str, quoting: bool) -> None:
    if checked.problem_count:
        more = checked.problem_count - len(checked.problems)
        raise BadRequest(
            "manifest",
            f"{checked.problem_count:,} problem{'' if checked.problem_count == 1 else 's'}, "
            f"the first: {checked.problems[0]}",
            (*map(str, checked.problems), *([f"and {more:,} more"] if more else [])),
        )
    if checked.bucket != images_bucket:
        raise _other_bucket(checked.bucket, images_bucket, quoting)


def _other_bucket(bucket: str, images_bucket: str, quoting: bool) -> BadRequest:
    return BadRequest(
        "manifest",
        f"its objects are in bucket {manifests.said(bucket, quoting)}; "
        f'jobs of this stage may touch only "{images_bucket}"',
    )
