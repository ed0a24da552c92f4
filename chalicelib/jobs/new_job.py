"""A request for a job: what POST /jobs and the command may ask for, checked before AWS is called at all."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from chalicelib import times
from chalicelib.errors import BadRequest
from chalicelib.fields import MAX_PRIORITY, Body, schema
from chalicelib.jobs import stored_manifests, tags

MAX_DESCRIPTION = 256
DEFAULT_PRIORITY = 10

KINDS = ("tag", "backfill", "undo")
MODES = ("replace", "merge")
SOURCES = ("csv", "inventory", "list", "generate")

_FIELDS = {
    "tag": {"manifest", "tags", "mode", "keep_old_tags"},
    "backfill": {"manifest"},
    "undo": {"job"},
}
_COMMON_FIELDS = {"kind", "description", "priority", "report", "token", "check"}
_SOURCE_FIELDS = {
    "csv": ("csv", "etag"),
    "inventory": ("inventory",),
    "list": ("list",),
    "generate": ("generate",),
}
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")


class CsvManifest(TypedDict):
    csv: str
    etag: NotRequired[str]


class InventoryManifest(TypedDict):
    inventory: str


class ListFilter(TypedDict, total=False):
    prefix: str
    suffix: str


class ListManifest(TypedDict):
    list: ListFilter


class GenerateFilter(ListFilter, total=False):
    created_after: str | None


class GeneratedManifest(TypedDict):
    generate: GenerateFilter


class JobRequest(TypedDict):
    """A bulk job. `tag` needs `manifest` and `tags`, `backfill` needs `manifest`, `undo` needs `job`."""

    kind: Literal["tag", "backfill", "undo"]
    manifest: NotRequired[CsvManifest | InventoryManifest | ListManifest | GeneratedManifest]
    tags: NotRequired[dict[str, str]]
    mode: NotRequired[Literal["replace", "merge"]]
    keep_old_tags: NotRequired[bool]
    job: NotRequired[str]
    description: NotRequired[Annotated[str, schema(maxLength=MAX_DESCRIPTION)]]
    priority: NotRequired[Annotated[int, schema(minimum=0, maximum=MAX_PRIORITY)]]
    report: NotRequired[Literal["all", "failed"]]
    token: NotRequired[str | None]
    check: NotRequired[bool]


@dataclass(frozen=True)
class NewJob:
    """A checked request for a job. `check` asks for the checks alone."""

    kind: str
    source: str = ""  # one of SOURCES
    uri: str = ""
    etag: str = ""
    prefix: str = ""
    suffix: str = ""
    created_after: datetime | None = None
    tags: tuple[tuple[str, str], ...] = ()
    mode: str = "replace"
    keep_old_tags: bool = False
    undo_of: str = ""
    description: str = ""
    priority: int = DEFAULT_PRIORITY
    failed_only: bool = False
    token: str = ""
    check: bool = False

    @property
    def operation(self) -> str:
        """What a task does: replace, merge, restore or backfill."""
        return {"tag": self.mode, "backfill": "backfill", "undo": "restore"}[self.kind]

    @property
    def folder(self) -> str:
        """Where the job's files are in the reports bucket; the same for every try of the same request."""
        request = repr(replace(self, check=False))
        return f"jobs/{hashlib.sha256(request.encode()).hexdigest()[:32]}"


def parse(body: Any) -> NewJob:
    """The request in a body of POST /jobs. Raises BadRequest with the field and what it should be."""
    fields = Body.of(body)
    kind = fields.choice("kind", KINDS)
    unknown = sorted(set(body) - _COMMON_FIELDS - _FIELDS[kind])
    if unknown:
        raise BadRequest(unknown[0], f"is not a field of kind {kind}; {_fields(kind)}")
    token = body.get("token", None)
    if token is not None and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise BadRequest("token", "expected 1 to 64 printable ASCII characters without spaces")
    mode = fields.choice("mode", MODES, "replace")
    tags = _tags(body) if kind == "tag" else ()
    keep_old_tags = fields.flag("keep_old_tags")
    default_description = {
        "tag": f"{mode} tags: {', '.join(f'{key}={value}' for key, value in tags)}",
        "backfill": "backfill",
        "undo": f"undo of {body.get('job')}",
    }[kind]
    return NewJob(
        kind=kind,
        tags=tags,
        mode=mode,
        keep_old_tags=keep_old_tags,
        undo_of=fields.text("job", 36) if kind == "undo" else "",
        description=_description(fields, default_description[:MAX_DESCRIPTION]),
        priority=fields.whole("priority", 0, MAX_PRIORITY, DEFAULT_PRIORITY),
        failed_only=fields.choice("report", ("all", "failed"), "all") == "failed",
        token=token or str(uuid.uuid4()),
        check=fields.flag("check"),
        **(_source(body, keep_old_tags) if kind != "undo" else {}),
    )


def _source(body: Mapping[str, Any], keep_old_tags: bool) -> dict[str, Any]:
    """Where the objects come from: the four forms of `manifest`."""
    manifest = body.get("manifest")
    if not isinstance(manifest, dict) or len(set(manifest) & set(SOURCES)) != 1:
        raise BadRequest("manifest", f"expected an object with one of {', '.join(SOURCES)}")
    source = next(name for name in SOURCES if name in manifest)
    fields = Body(manifest, "manifest.").only(*_SOURCE_FIELDS[source])
    if keep_old_tags and source not in ("csv", "list"):
        raise BadRequest("keep_old_tags", f"needs a manifest of csv or list, not {source}")
    if source in ("csv", "inventory"):
        uri = fields.text(source, 1100)
        stored_manifests.parse_uri(uri)
        return {"source": source, "uri": uri, "etag": fields.text("etag", 1024, "")}
    chosen = manifest[source]
    if not isinstance(chosen, dict):
        raise BadRequest(f"manifest.{source}", 'expected an object such as {"prefix": "photos/"}')
    allowed = ("prefix", "suffix", *(["created_after"] if source == "generate" else []))
    filters = Body(chosen, f"manifest.{source}.").only(*allowed)
    return {
        "source": source,
        "prefix": filters.text("prefix", 1024, ""),
        "suffix": filters.text("suffix", 1024, ""),
        "created_after": _moment(chosen, f"manifest.{source}.created_after"),
    }


def _description(fields: Body, default: str) -> str:
    """Text for people: XML, in which S3 gets it, has no control characters."""
    text = fields.text("description", MAX_DESCRIPTION, default)
    if text != default and not text.isprintable():
        raise BadRequest("description", "expected printable characters on one line")
    return text


def _tags(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    wanted = body.get("tags")
    if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
        raise BadRequest("tags", 'expected an object of strings such as {"phototype": "finished"}')
    if not wanted and body.get("mode") == "merge":
        raise BadRequest("tags", "there is nothing to merge")
    problems = tags.tag_problems(wanted)
    if problems:
        raise BadRequest("tags", problems[0], tuple(problems))
    return tuple(wanted.items())


def _moment(values: Mapping[str, Any], name: str) -> datetime | None:
    text = values.get("created_after")
    if text is None:
        return None
    found = times.moment(text)
    if found is None:
        raise BadRequest(name, f"{text!r} is not a moment with its zone such as 2026-01-31T00:00:00Z")
    return found


def _fields(kind: str) -> str:
    return f"the fields are {', '.join(sorted(_COMMON_FIELDS | _FIELDS[kind]))}"
