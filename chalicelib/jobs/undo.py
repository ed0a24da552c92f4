"""Undo for tag jobs: the tags that objects had, kept in a manifest of their own.

S3 Batch Operations gives every object the same tags, and undo needs different ones. So each row's key is
JSON, `{"Key": ..., "Tags": {...}}`, which the service hands to our function as it hands over any key:
"Providing task-level information in manifests",
https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib.errors import BadRequest, Reject
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.jobs import manifests
from chalicelib.jobs.tags import Row, tags_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


READERS = 16  # the client's pool of connections; one GetObjectTagging each


def restore_line(row: Row, tags: dict[str, str]) -> str:
    """One row of a restore manifest. Raises BadRequest where it is longer than the service may take.

    That the limit is that of a key is our reading: docs/s3-batch-operations.md#uncertain-keys
    """
    bucket, key, version_id = row
    text = json.dumps({"Key": key, "Tags": tags}, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MAX_KEY_BYTES:
        raise BadRequest(
            "keep_old_tags",
            f"s3://{bucket}/{key} and its tags need {size:,} bytes in the restore manifest, "
            f"which has room for {MAX_KEY_BYTES:,}; leave the object out, or do without undo",
        )
    return manifests.line(bucket, text, version_id)


def parse_restore_key(text: str) -> tuple[str, dict[str, str]]:
    """The key and the tags in a restore row's key, decoded. Raises Reject."""
    try:
        value = json.loads(text)
        key, tags = value["Key"], value["Tags"]
        if isinstance(key, str) and all(isinstance(tag, str) for tag in tags.values()):
            return key, tags
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise Reject(f"not a row of a restore manifest: {text[:100]}")


def restore_lines(s3: S3Client, rows: Iterable[Row]) -> Iterator[str]:
    """The restore manifest for these objects as their tags are now; objects that are gone are left out.

    One call an object, READERS at a time; memory does not grow with the rows.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="old-tags") as pool:
        window: deque[Future[str]] = deque()
        try:
            for row in rows:
                window.append(pool.submit(_restore_line, s3, row))
                if len(window) >= 4 * READERS:
                    yield from filter(None, [window.popleft().result()])
            while window:
                yield from filter(None, [window.popleft().result()])
        finally:
            for future in window:
                future.cancel()


def _restore_line(s3: S3Client, row: Row) -> str:
    from botocore.exceptions import ClientError

    try:
        return restore_line(row, tags_of(s3, row))
    except ClientError as e:
        # The job itself will report that the object is gone; there is nothing to give back to it.
        if e.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"):
            return ""
        raise
