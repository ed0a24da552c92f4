"""Tags: what S3 allows, read and written."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html; characters, not bytes
MAX_TAGS = 10
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
_TAG_PUNCTUATION = "_.:/=+-@"


def tag_problems(tags: Mapping[str, str]) -> list[str]:
    """What S3 would refuse in an object's tags, one line each."""
    problems = []
    if len(tags) > MAX_TAGS:
        problems.append(f"{len(tags)} tags, S3 allows {MAX_TAGS} on an object")
    for key, value in tags.items():
        if not key:
            problems.append("a tag's key is empty")
        if len(key) > MAX_TAG_KEY:
            problems.append(f'the key "{key[:20]}…" has {len(key)} characters, S3 allows {MAX_TAG_KEY}')
        if len(value) > MAX_TAG_VALUE:
            problems.append(
                f'the value of "{key[:20]}" has {len(value)} characters, S3 allows {MAX_TAG_VALUE}'
            )
        if key.lower().startswith("aws:"):
            problems.append(f'the key "{key[:20]}" begins with aws:, which is reserved')
        for what, text in ((f'the key "{key[:20]}"', key), (f'the value of "{key[:20]}"', value)):
            forbidden = sorted({c for c in text if not _allowed_in_tag(c)})
            if forbidden:
                problems.append(
                    f"{what} has {' '.join(map(repr, forbidden))}; "
                    f"allowed are letters, numbers, spaces and {' '.join(_TAG_PUNCTUATION)}"
                )
    return problems


def _allowed_in_tag(character: str) -> bool:
    return character in _TAG_PUNCTUATION or unicodedata.category(character)[0] in "LZN"


Row = tuple[str, str, str | None]  # bucket, key, version id


def tags_of(s3: S3Client, row: Row) -> dict[str, str]:
    """An object's tags, or those of one version of it."""
    bucket, key, version_id = row
    if version_id:
        answer = s3.get_object_tagging(Bucket=bucket, Key=key, VersionId=version_id)
    else:
        answer = s3.get_object_tagging(Bucket=bucket, Key=key)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def put_tags(s3: S3Client, row: Row, tags: dict[str, str]) -> None:
    """Replace all tags of an object, or of one version of it."""
    bucket, key, version_id = row
    tagging = {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}
    if version_id:
        s3.put_object_tagging(Bucket=bucket, Key=key, Tagging=tagging, VersionId=version_id)  # type: ignore[arg-type]
    else:
        s3.put_object_tagging(Bucket=bucket, Key=key, Tagging=tagging)  # type: ignore[arg-type]
