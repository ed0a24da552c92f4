"""Redrives and discards as the API sees them: begun, and how far each is.

A run is done by the function `letters`, called without waiting for it; its progress is an object of the
reports bucket, `redrives/{started}~{id}.json`, which the function writes again every few seconds.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib import times
from chalicelib.errors import BadRequest, Conflict
from chalicelib.fields import Body, schema
from chalicelib.letters import browse

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

    from chalicelib.config import Config

PREFIX = "redrives/"
FUNCTION = "letters"  # Lambda's name for it, after the stage's
ORDER = "letters"  # the one field of the function's event that is an order, not a batch of messages
MAX_IDS = 1000
MAX_NOTE = 500  # characters
SHOWN = 10
# A run that has not written for so long has died: the function has less time, and Lambda runs a failed call
# again after a minute and after two more.
SILENT = timedelta(minutes=10)

Do = Literal["redrive", "discard"]
State = Literal["asked", "running", "done", "stopped"]


class Selection(TypedDict, total=False):
    """`all`, or `ids`, or any of `code`, `prefix` and `contains`."""

    all: bool
    ids: Annotated[list[str], schema(maxItems=MAX_IDS)]
    code: str
    prefix: Annotated[str, schema(description="what the objects' keys begin with")]
    contains: Annotated[str, schema(description="and hold")]


class RunRequest(Selection, total=False):
    note: Annotated[str, schema(minLength=1, maxLength=MAX_NOTE)]


class Run(TypedDict):
    id: str
    do: Do
    select: Selection
    by: str  # who asked: the caller's ARN
    note: str | None
    started: str  # only letters that were rejected before are taken
    at: str  # of these numbers
    status: State
    moved: int  # sent back, or discarded
    left: int | None  # of the selection; null: not counted yet
    cut: int  # left alone: their bodies are not whole
    says: str


class Runs(TypedDict):
    runs: list[Run]


def start(
    do: Do, body: Any, by: str, s3: S3Client, functions: LambdaClient, config: Config, now: datetime
) -> Run:
    """POST /dead-letters/redrive and /discard. Raises BadRequest, NotSetUp, and Conflict while one runs."""
    select, note = selection(body)
    bucket, function = browse.reports_bucket(config), config.function_name(FUNCTION)
    for other in latest(s3, config, now)["runs"]:
        if other["status"] in ("asked", "running"):
            since = f"a {other['do']} runs since {other['started']}"
            raise Conflict(f"{since}: GET /dead-letters/redrive shows how far")
    at = times.iso(now)
    run: Run = {
        "id": secrets.token_hex(4),
        "do": do,
        "select": select,
        "by": by,
        "note": note,
        "started": at,
        "at": at,
        "status": "asked",
        "moved": 0,
        "left": None,
        "cut": 0,
        "says": "asked for; it begins within seconds",
    }
    write(s3, bucket, run)
    try:
        functions.invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps({ORDER: run}).encode()
        )
    except Exception:
        says = f"it was not begun: {function} could not be called"
        write(s3, bucket, {**run, "status": "stopped", "says": says})
        raise
    return run


def selection(body: Any) -> tuple[Selection, str | None]:
    """What a request selects, and its note. Raises BadRequest: nothing is selected by leaving it out."""
    fields = Body.of(body, "all", "ids", "code", "prefix", "contains", "note")
    note = fields.text("note", MAX_NOTE) if fields.given("note") is not None else None
    select: Selection = {}
    if fields.flag("all"):
        select["all"] = True
    if "ids" in fields:
        select["ids"] = fields.read("ids", _ids)
    if "code" in fields:
        select["code"] = fields.read("code", browse.code_text)
    if "prefix" in fields:
        select["prefix"] = fields.read("prefix", browse.prefix_text)
    if "contains" in fields:
        select["contains"] = fields.read("contains", browse.contains_text)
    if not select:
        raise BadRequest("all", "select letters: by ids, by code, by prefix or part of the key, or all: true")
    if len(select) > 1 and not set(select) <= {"code", "prefix", "contains"}:
        raise BadRequest(next(iter(select)), "give ids, or code, prefix and contains, or all: not several")
    return select, note


def in_words(run: Run) -> str:
    """Which letters, in a few words."""
    select = run["select"]
    if "all" in select:
        return "all letters"
    if "ids" in select:
        return f"{len(select['ids']):,} letters, chosen"
    parts = (
        ("code", f"with the code {select.get('code')}"),
        ("prefix", f"of keys that begin with {select.get('prefix')}"),
        ("contains", f"of keys that contain {select.get('contains')}"),
    )
    return " ".join(["letters", *(text for name, text in parts if name in select)])


def latest(s3: S3Client, config: Config, now: datetime) -> Runs:
    """GET /dead-letters/redrive: the last redrives and discards, the newest first. Raises NotSetUp."""
    bucket = browse.reports_bucket(config)
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
        for item in page.get("Contents", [])
    ]
    newest = (read(s3, bucket, key) for key in sorted(keys, reverse=True)[:SHOWN])
    return {"runs": [_seen(run, now) for run in newest if run]}


def read(s3: S3Client, bucket: str, key: str) -> Run | None:
    """The run as it was last written; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        found: Run = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as e:
        if e.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return found


def write(s3: S3Client, bucket: str, run: Mapping[str, Any]) -> None:
    body = json.dumps(run, ensure_ascii=False, indent=1).encode()
    s3.put_object(Bucket=bucket, Key=key_of(run), Body=body, ContentType="application/json")


def key_of(run: Mapping[str, Any]) -> str:
    return f"{PREFIX}{run['started']}~{run['id']}.json"


def _seen(run: Run, now: datetime) -> Run:
    written = times.moment(run["at"])
    if run["status"] in ("asked", "running") and written and now - written > SILENT:
        says = "it died; what it has not moved is still a letter: ask again"
        return {**run, "status": "stopped", "says": says}
    return run


def _ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        raise ValueError(f"a list of 1 to {MAX_IDS} letters' ids")
    return [browse.id_text(one) for one in value]
