"""A deployed pipeline seen from outside: upload, tick, and what became of each object."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from PIL import Image

from chalicelib import events
from chalicelib.consume import outcomes
from chalicelib.errors import Reject
from chalicelib.letters import store
from chalicelib.letters.store import Letter
from chalicelib.queues.depths import all_messages
from infra.errors import CommandError
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

LISTED_WITHIN = 60  # seconds
MAX_NAME_BYTES = 255  # of one part of a path: https://man7.org/linux/man-pages/man3/pathconf.3.html

SCHEDULED_EVENT = {
    "version": "0",
    "id": "00000000-0000-4000-8000-000000000000",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "",  # of no minute: a tick by hand, which always runs
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}
LATE_EVENT = {**SCHEDULED_EVENT, "time": "2000-01-01T00:00:00Z"}  # which a tick leaves to its own minute


@dataclass
class Upload:
    """One object on its way."""

    key: str
    uploaded: datetime
    thumbnails: dict[str, bytes] = field(default_factory=dict)  # key -> contents
    rejected: str = ""  # the dead letter's reason
    logged: str = ""  # what the action did, by its line in the log
    ended: datetime | None = None

    @property
    def seconds(self) -> float | None:
        return (self.ended - self.uploaded).total_seconds() if self.ended else None


class Pipeline:
    """The stage's buckets, queues and functions, through boto3 as the environment leads it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.settings = stage.environment()
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self._lambda = boto3.client("lambda")
        self._logs = boto3.client("logs")
        self._letters: dict[str, Letter] = {}  # read already, by their store keys

    def upload(self, key: str, contents: bytes) -> Upload:
        content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
        uploaded = datetime.now(UTC)
        bucket = self.settings["IMAGES_BUCKET"]
        self.s3.put_object(Bucket=bucket, Key=key, Body=contents, ContentType=content_type)
        return Upload(key, uploaded)

    def tick(self) -> dict[str, Any]:
        """Run the deployed drain now. Returns what it says of itself; raises CommandError when it failed.

        While the schedule's own tick runs, ours waits: only one may run at a time.
        """
        answer = self._invoke("drain", SCHEDULED_EVENT)
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise CommandError(f"the drain failed: {result.get('errorMessage', result)}")
        return result

    def await_ticks(self) -> None:
        """Wait for the ticks that the schedule has begun: behind them runs one too late to do anything."""
        for shard in self.stage.drains():
            self._invoke(shard, LATE_EVENT)

    def _invoke(self, shard: str, event: dict[str, Any]) -> InvocationResponseTypeDef:
        while True:
            try:
                return self._lambda.invoke(
                    FunctionName=self.stage.function_name(shard), Payload=json.dumps(event)
                )
            except self._lambda.exceptions.TooManyRequestsException:
                time.sleep(0.5)

    def depth(self, queue: str) -> int:
        """Messages in `source`, `bulk`, `destination` or `dead_letter`: visible, in flight or delayed."""
        return all_messages(self.sqs, self.settings[f"{queue.upper()}_QUEUE_URL"])

    def waiting(self) -> int:
        """Messages for a tick, in one lane or the other: beyond a few, what comes at once is bulk."""
        return self.depth("source") + self.depth("bulk")

    def thumbnails_of(self, key: str) -> dict[str, bytes]:
        """The thumbnails of the object, by key, in the order of THUMBNAIL_SIZES."""
        bucket, prefix = self.settings["THUMBNAILS_BUCKET"], f"{key}_"
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        names = sorted((one["Key"] for one in found), key=lambda name: (len(name), name))
        return {name: self.s3.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}

    def dead_letters(self) -> dict[str, str]:
        """The reasons of the filed dead letters, by object key (or by body, when that cannot be read)."""
        bucket = self.settings["REPORTS_BUCKET"]
        found = store.listing(self.s3, bucket, within_s=LISTED_WITHIN)
        for one in found.letters:
            if one.store_key not in self._letters and (letter := store.get(self.s3, bucket, one.store_key)):
                self._letters[one.store_key] = letter
        there = {one.store_key for one in found.letters}
        return {
            key: letter["reason"]
            for name, letter in self._letters.items()
            if name in there
            for key in _keys(letter["body"])
        }

    def logged(self) -> dict[str, str]:
        """What the action did with each key that is done, by consume's log."""
        group = f"/aws/lambda/{self.stage.function_name('consume')}"
        found = {}
        try:
            for page in self._logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                for event in page["events"]:
                    line = outcomes.read(event["message"])
                    if line and line["outcome"] == outcomes.DONE:
                        did = filter(None, (line.get("result"), line.get("says")))
                        found[str(line["key"])] = ": ".join(map(str, did))
        except self._logs.exceptions.ResourceNotFoundException:
            pass  # nothing logged yet
        return found

    def settle(self, uploads: list[Upload]) -> list[Upload]:
        """Look once at every upload that is still on its way; returns those that have now ended."""
        waiting = [upload for upload in uploads if upload.ended is None]
        if not waiting:
            return []
        rejected = self.dead_letters()
        logged = self.logged() if self.settings["ACTION"] != "resize" else {}
        sizes = len(self.settings["THUMBNAIL_SIZES"].split(","))
        ended = []
        for upload in waiting:
            upload.rejected = rejected.get(upload.key, "")
            upload.logged = logged.get(upload.key, "")
            upload.thumbnails = {} if upload.rejected else self.thumbnails_of(upload.key)
            if upload.rejected or upload.logged or len(upload.thumbnails) >= sizes:
                upload.ended = self._made_at(upload) or datetime.now(UTC)
                ended.append(upload)
        return ended

    def _made_at(self, upload: Upload) -> datetime | None:
        """When the last thumbnail was made, by its own metadata."""
        if not upload.thumbnails:
            return None
        last = list(upload.thumbnails)[-1]
        found = self.s3.head_object(Bucket=self.settings["THUMBNAILS_BUCKET"], Key=last)["Metadata"]
        return datetime.fromisoformat(found["made-at"])


def dimensions(contents: bytes) -> str:
    """Such as `256 x 171 webp`."""
    with Image.open(io.BytesIO(contents)) as image:
        return f"{image.width} x {image.height} {(image.format or '').lower()}"


def save(uploads: list[Upload], folder: Path) -> int:
    """Write every thumbnail under the folder; returns how many."""
    count = 0
    for upload in uploads:
        for key, contents in upload.thumbnails.items():
            parts = key.replace("..", "__").lstrip("/").split("/")
            file = folder.joinpath(*map(_file_name, parts))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents)
            count += 1
    return count


def _file_name(name: str) -> str:
    """A name that a file system takes: a key's may be longer, and a thumbnail's is longer still."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    kept = Path(name).suffix[-10:]
    most = MAX_NAME_BYTES - len(f"~{digest}{kept}".encode())
    return f"{name.encode()[:most].decode(errors='ignore')}~{digest}{kept}"


def _keys(body: str) -> list[str]:
    try:
        return [created.key for created in events.parse_body(body)] or [body]
    except Reject:
        return [body]
