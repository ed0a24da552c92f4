"""Redrives and discards as the API sees them: begun, and how far each is.

A run is done by the function `letters`, called without waiting for it, in as many parts as it takes
(chalicelib/letters/resend.py). Its progress is an object of the reports bucket,
`redrives/{started}~{id}.json`, which the function writes again every few seconds.
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
GOING, ENDED = ("asked", "running"), ("done", "stopped")

Do = Literal["redrive", "discard"]
State = Literal["asked", "running", "done", "stopped"]


class Selection(TypedDict, total=False):
    """`all`, or `ids`, or any of `code`, `prefix` and `contains`."""

    all: bool
    ids: Annotated[list[str], schema(maxItems=MAX_IDS)]
    code: str
    prefix: Annotated[str, schema(description="what the objects' keys begin with")]
    contains: Annotated[str, schema(description="and what they contain")]


class RunRequest(Selection, total=False):
    note: Annotated[str, schema(minLength=1, maxLength=MAX_NOTE)]


class StopRequest(TypedDict, total=False):
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
    part: int  # a call of the function has only so much time; the next one begins by itself
    moved: int  # sent back, or discarded
    left: int | None  # of the selection, as far as it was listed; null: not counted yet
    cut: int  # left alone: their bodies are not whole
    says: str


class Runs(TypedDict):
    runs: list[Run]


class Order(Run):
    """What the function is called with: the run, and where its part begins."""

    after: str  # the store key of the last letter of those that earlier parts are through with


class Taken(Exception):
    """Somebody else has written the run's progress since: it was stopped, or another call goes on with it."""


def start(
    do: Do, body: Any, by: str, s3: S3Client, functions: LambdaClient, config: Config, now: datetime
) -> Run:
    """POST /dead-letters/redrive and /discard. Raises BadRequest, NotSetUp, and Conflict while one runs."""
    select, note = selection(body)
    bucket, function = browse.reports_bucket(config), config.function_name(FUNCTION)
    for other in _newest(s3, bucket):
        seen = _seen(other, now)
        if seen["status"] in GOING:
            since = f"a {seen['do']} has been running since {seen['started']}"
            raise Conflict(f"{since}: wait for its end, or stop it by POST /dead-letters/stop")
        if seen["status"] != other["status"]:  # it died; a call of it that is still on its way does nothing
            write(s3, bucket, seen)
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
        "part": 1,
        "moved": 0,
        "left": None,
        "cut": 0,
        "says": "asked for; it begins within seconds",
    }
    progress = Progress(s3, bucket, run)
    progress.write(run)
    # Two that are asked for in the same moment both found nothing above; one at least finds the other now.
    if any(
        other["id"] != run["id"] and _seen(other, now)["status"] in GOING for other in _newest(s3, bucket)
    ):
        says = "another was asked for in the same moment: this one was not begun"
        progress.write({**run, "status": "stopped", "says": says})
        raise Conflict("another was asked for in the same moment: GET /dead-letters/redrive shows what runs")
    try:
        call(functions, config, {**run, "after": ""})
    except Exception:
        says = f"it was not begun: {function} could not be called"
        try:
            progress.write({**run, "status": "stopped", "says": says})
        except Taken:  # it was called after all, and has begun
            return progress.run
        raise
    return run


def order_of(event: Mapping[str, Any]) -> Order:
    """The order in the function's event; one of an older version says nothing of parts."""
    order: Any = {"part": 1, "after": "", **event[ORDER]}
    return order  # type: ignore[no-any-return]


def without_place(order: Order) -> Run:
    run: Any = {name: value for name, value in order.items() if name != "after"}
    return run  # type: ignore[no-any-return]


def call(functions: LambdaClient, config: Config, order: Order) -> None:
    """Have the function do the order; returns before it has begun."""
    functions.invoke(
        FunctionName=config.function_name(FUNCTION),
        InvocationType="Event",
        Payload=json.dumps({ORDER: order}).encode(),
    )


def stop(body: Any, by: str, s3: S3Client, config: Config, now: datetime) -> Run:
    """POST /dead-letters/stop: what runs ends within seconds; what it has not moved is still a letter.

    Raises BadRequest, NotSetUp, and Conflict where none runs.
    """
    fields = Body.of(body, "note", optional=True)
    note = fields.text("note", MAX_NOTE) if fields.given("note") is not None else None
    bucket = browse.reports_bucket(config)
    for run in _newest(s3, bucket):
        if _seen(run, now)["status"] not in GOING:
            continue
        progress = Progress.of(run, s3, bucket)
        while progress.run["status"] in GOING:
            says = f"stopped by {by}{f': {note}' if note else ''}; ask again for the rest"
            try:
                progress.write({**progress.run, "status": "stopped", "at": times.iso(now), "says": says})
            except Taken:  # it has written how far it is
                continue
            return progress.run
    raise Conflict("no redrive or discard runs: GET /dead-letters/redrive shows the last ones")


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


def in_numbers(run: Run) -> str:
    """How many have gone where."""
    done = f"{run['moved']:,} {'sent back' if run['do'] == 'redrive' else 'discarded'}"
    return f"{done}; {run['cut']:,} stay: their bodies are not whole" if run["cut"] else done


def latest(s3: S3Client, config: Config, now: datetime) -> Runs:
    """GET /dead-letters/redrive: the last redrives and discards, the newest first. Raises NotSetUp."""
    return {"runs": [_seen(run, now) for run in _newest(s3, browse.reports_bucket(config))]}


def _newest(s3: S3Client, bucket: str) -> list[Run]:
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
        for item in page.get("Contents", [])
    ]
    read = (_read(s3, bucket, key) for key in sorted(keys, reverse=True)[:SHOWN])
    return [found[0] for found in read if found]


def _read(s3: S3Client, bucket: str, key: str) -> tuple[Run, str] | None:
    """The run as it was last written, and its ETag; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as e:
        if e.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    found: Any = {"part": 1, **json.loads(answer["Body"].read())}  # a run of an older version has no part
    return found, answer["ETag"]


class Progress:
    """A run's object, which only he may write who has seen it as it is: S3 refuses the others.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self, s3: S3Client, bucket: str, run: Run, etag: str | None = None) -> None:
        self.run = run
        self._s3, self._bucket, self._etag = s3, bucket, etag

    @classmethod
    def of(cls, run: Run, s3: S3Client, bucket: str) -> Progress:
        """As it was last written, or as it is given where it never was."""
        found = _read(s3, bucket, key_of(run))
        return cls(s3, bucket, *found) if found else cls(s3, bucket, run)

    def write(self, run: Run) -> None:
        """Raises Taken when somebody else has written meanwhile; `run` is then as they have."""
        from botocore.exceptions import ClientError

        condition: Any = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        try:
            self._etag = write(self._s3, self._bucket, run, condition)
            self.run = run
            return
        except ClientError as e:
            if e.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
        found = _read(self._s3, self._bucket, key_of(run))
        ours = bool(found and found[0] == run)  # written, and asked again because the answer was lost
        if found:
            self.run, self._etag = found
        if not ours:
            raise Taken


def write(s3: S3Client, bucket: str, run: Run, condition: Any = None) -> str:
    """Returns its ETag."""
    body = json.dumps(run, ensure_ascii=False, indent=1).encode()
    answer = s3.put_object(
        Bucket=bucket, Key=key_of(run), Body=body, ContentType="application/json", **(condition or {})
    )
    return answer["ETag"]


def key_of(run: Run) -> str:
    return f"{PREFIX}{run['started']}~{run['id']}.json"


def _seen(run: Run, now: datetime) -> Run:
    written = times.moment(run["at"])
    if run["status"] in GOING and written and now - written > SILENT:
        minutes = SILENT // timedelta(minutes=1)
        says = (
            f"{in_numbers(run)}; it has said nothing for {minutes} minutes, so it died: see the log of the "
            "function letters. What it has not moved is still a letter: ask again"
        )
        return {**run, "status": "stopped", "says": says}
    return run


def _ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        raise ValueError(f"a list of 1 to {MAX_IDS} letters' ids")
    return [browse.id_text(one) for one in value]
