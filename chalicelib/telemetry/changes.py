"""Who changed what at run time, when and why: an object of the reports bucket for each change.

    changes/{when}~{eight digits}.json

The log has the same line, but of `chalice local` that is the operator's own terminal. What this does not
guarantee: a change whose process dies before it is written down here, or that S3 refuses to take, is in the
log alone, or nowhere; what was changed holds all the same.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.errors import NotSetUp
from chalicelib.fields import Query, schema
from chalicelib.telemetry import logs

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.config import Config

PREFIX = "changes/"
BACK = timedelta(days=30)  # told of; nothing is deleted
MOST = 100
READERS = 8
MOST_BYTES = 64_000  # of one; somebody else's object may have any size


class Change(TypedDict):
    at: str
    by: str  # the caller's ARN
    did: str  # such as `capacity set`
    what: str | None
    note: str | None


class Changes(TypedDict):
    version: Literal[1]
    since: str
    changes: list[Change]


class ChangesQuery(TypedDict, total=False):
    limit: Annotated[int, schema(minimum=1, maximum=MOST)]


def record(by: str, did: str, what: str, note: str | None, s3: S3Client, config: Config) -> None:
    """Write down a change of just now. It is made, so a failure is only logged."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not config.reports_bucket:
        return
    at = times.iso(times.now())
    change: Change = {"at": at, "by": by, "did": did, "what": what or None, "note": note or None}
    key = f"{PREFIX}{change['at']}~{secrets.token_hex(4)}.json"
    body = json.dumps(change, ensure_ascii=False).encode()
    try:
        s3.put_object(Bucket=config.reports_bucket, Key=key, Body=body, ContentType="application/json")
    except (ClientError, BotoCoreError) as e:
        logs.line("change not recorded", why=str(e), **change)


def latest(query: Mapping[str, Any] | None, s3: S3Client, config: Config, now: datetime) -> Changes:
    """GET /changes?limit=20: of the last thirty days, newest first. Raises BadRequest, and NotSetUp."""
    limit = Query.of(query, "limit").whole("limit", 1, MOST, 20)
    bucket = config.reports_bucket
    if not bucket:
        raise NotSetUp("REPORTS_BUCKET is not set: changes are in the log alone")
    since = times.iso(now - BACK)
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=PREFIX, StartAfter=f"{PREFIX}{since}"
        )
        for item in page.get("Contents", [])
    ]
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda key: _read(s3, bucket, key), sorted(keys, reverse=True)[:limit])
        return {"version": 1, "since": since, "changes": [one for one in found if one]}


def _read(s3: S3Client, bucket: str, key: str) -> Change | None:
    """None for what somebody has deleted meanwhile, or put there."""
    from botocore.exceptions import ClientError

    try:
        found = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read(MOST_BYTES))
    except ClientError as e:
        if e.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name), str) for name in ("at", "by", "did")
    ):
        return None
    return {
        "at": found["at"],
        "by": found["by"],
        "did": found["did"],
        "what": _text(found.get("what")),
        "note": _text(found.get("note")),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
