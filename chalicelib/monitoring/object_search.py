"""Which objects there are whose keys begin so: a page of the images bucket's listing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.fields import Query, schema

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.config import Config

MOST = 100


class ObjectsQuery(TypedDict, total=False):
    prefix: Annotated[str, schema(description="what the keys begin with; none: all")]
    after: Annotated[str, schema(description="the last key of the page before")]
    limit: Annotated[int, schema(minimum=1, maximum=MOST)]


class ListedObject(TypedDict):
    key: str
    size: int
    last_modified: str


class Objects(TypedDict):
    version: Literal[1]
    objects: list[ListedObject]  # in the order of their keys
    next: str | None  # for `after`


def page(query: Mapping[str, Any] | None, s3: S3Client, config: Config) -> Objects:
    """GET /objects?prefix=photos/: one call, however many there are. Raises BadRequest."""
    asked = Query.of(query, "prefix", "after", "limit")
    limit = asked.whole("limit", 1, MOST, 20)
    prefix, after = asked.read("prefix", _key, ""), asked.read("after", _key, "")
    bucket = config.images_bucket
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit)
    listed = found.get("Contents", [])
    return {
        "version": 1,
        "objects": [
            {"key": one["Key"], "size": one["Size"], "last_modified": times.iso(one["LastModified"])}
            for one in listed
        ],
        "next": listed[-1]["Key"] if listed and found.get("IsTruncated") else None,
    }


def _key(text: Any) -> str:
    if not isinstance(text, str) or len(text.encode(errors="replace")) > MAX_KEY_BYTES:
        raise ValueError(f"at most {MAX_KEY_BYTES} bytes")
    return text
