"""Where dead letters are kept: one object of the reports bucket each, whose key says what it is about.

    letters/{code}/{rejected at}~{identity}~{the object's key, percent-encoded, cut to what fits}

So a listing alone counts them by code and finds them by time and key, and the same letter written twice is
one object. A letter of the same event at another time is another object: it is shown as one letter with the
newest (`newest_of_each`), and nothing that is done to the older one takes it away.

What a listing does not guarantee: an object that is written or deleted while it runs may be in it or not.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote, unquote

from chalicelib.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "letters/"
# The longest key S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_STORE_KEY = 1024
CUT = "~"  # ends a key of which the rest did not fit; an encoded key holds none
_CODE = "[a-z][a-z0-9-]{0,39}"
_AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_IDENTITY = "[0-9a-f]{16}"
_STORE_KEY = re.compile(rf"letters/({_CODE})/({_AT})~({_IDENTITY})~(.*)", re.DOTALL)
_ID = re.compile(rf"({_CODE})~({_AT})~({_IDENTITY})")


class Letter(TypedDict):
    """A dead letter, whole."""

    code: str
    reason: str
    function: str | None  # which one gave it up
    rejected_at: str
    identity: str  # of its event, or of its body where that is no event
    bucket: str | None
    key: str | None  # of the object, or of the first one where it tells of several
    tries: int
    first_failure: str | None
    queue: str | None  # whose redrive policy moved it
    body: str
    body_bytes: int | None  # of the whole body, where `body` is cut; such a letter cannot be sent back
    body_sha256: str | None
    attributes: dict[str, str]  # every message attribute as it came


@dataclass(frozen=True, slots=True)
class Filed:
    """What a stored letter's own key says of it."""

    store_key: str
    code: str
    rejected_at: str
    identity: str
    name: str  # the object's key, encoded; ends with CUT where it is cut

    @classmethod
    def of(cls, store_key: str) -> Filed | None:
        """None for a key that no letter has."""
        found = _STORE_KEY.fullmatch(store_key)
        return cls(store_key, *found.groups()) if found else None

    @property
    def id(self) -> str:
        """The letter's name outside: short, and the same as long as it is filed."""
        return f"{self.code}~{self.rejected_at}~{self.identity}"

    @property
    def age_order(self) -> tuple[str, str]:
        return (self.rejected_at, self.id)

    def key_begins(self, prefix: str) -> bool | None:
        """Whether the object's key begins so; None where it is cut before that can be told."""
        wanted, known = encoded(prefix), self.name.removesuffix(CUT)
        if known.startswith(wanted):
            return True
        return None if self.name.endswith(CUT) and wanted.startswith(known) else False

    def key_contains(self, text: str) -> bool | None:
        """Whether the text is anywhere in the object's key; None where it is cut and does not show."""
        # Encoded it may begin within a character, so that alone says only where it is not.
        if encoded(text) in self.name and text in self.key_part:
            return True
        return None if self.name.endswith(CUT) else False

    def key_is(self, key: str) -> bool | None:
        """Whether it is the object's key; None where it is cut before that can be told."""
        if self.name.endswith(CUT):
            return None if encoded(key).startswith(self.name.removesuffix(CUT)) else False
        return self.name == encoded(key)

    @property
    def key_part(self) -> str:
        """The object's key as far as it is known from the letter's name."""
        return unquote(self.name.removesuffix(CUT))


@dataclass(frozen=True)
class Filter:
    """Which letters are meant: an empty part means any."""

    code: str = ""
    prefix: str = ""  # what the objects' keys begin with
    contains: str = ""  # and hold

    def takes(self, one: Filed) -> bool | None:
        """Whether the letter is meant; None where its name is cut before that can be told."""
        if self.code and one.code != self.code:
            return False
        said = [one.key_begins(self.prefix)] if self.prefix else []
        said += [one.key_contains(self.contains)] if self.contains else []
        return False if False in said else None if None in said else True

    def takes_key(self, key: str) -> bool:
        """The same of a key that is known whole."""
        return key.startswith(self.prefix) and self.contains in key


@dataclass(frozen=True)
class Listing:
    """The letters that were found, in the order of their store keys; `complete` where those are all."""

    letters: list[Filed]
    complete: bool
    last: str = ""  # the last store key that was listed


def store_key(letter: Letter) -> str:
    """The key under which the letter is filed: at most 1,024 bytes, all of them ASCII."""
    start = f"{PREFIX}{letter['code']}/{letter['rejected_at']}~{letter['identity']}~"
    name = encoded(letter["key"] or "")
    room = MAX_STORE_KEY - len(start)
    if len(name) > room:
        name = re.sub("%[0-9A-F]?$", "", name[: room - len(CUT)]) + CUT
    return start + name


def encoded(key: str) -> str:
    return quote(key, safe="").replace("~", "%7E")


def put(s3: S3Client, bucket: str, letter: Letter) -> str:
    """File it; returns its store key. The same letter again is the same object."""
    key = store_key(letter)
    body = json.dumps(letter, ensure_ascii=False, indent=1).encode(errors="replace")
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return key


def get(s3: S3Client, bucket: str, key: str) -> Letter | None:
    """The letter under the store key; None where it is no longer there, or somebody wrote over it."""
    from botocore.exceptions import ClientError

    try:
        found: Letter = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as e:
        if e.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "body" in found else None


def listing(
    s3: S3Client,
    bucket: str,
    *,
    within_s: float,
    most: int | None = None,
    after: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Listing:
    """All letters, or those whose store keys follow `after`.

    Ends after `within_s` seconds or `most` letters, and says so; a call lists a thousand.
    """
    ends = clock() + within_s
    found: list[Filed] = []
    last = after
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=PREFIX, StartAfter=after or PREFIX):
        found += [one for item in page.get("Contents", []) if (one := Filed.of(item["Key"]))]
        last = page["Contents"][-1]["Key"] if page.get("Contents") else last
        more = bool(page.get("IsTruncated"))
        if more and (clock() >= ends or (most is not None and len(found) >= most)):
            return Listing(found, complete=False, last=last)
    return Listing(found, complete=True, last=last)


def find(s3: S3Client, bucket: str, id_: str) -> list[Filed]:
    """The letter with this id, or nothing. Raises BadRequest for a text that is no id."""
    parts = _ID.fullmatch(id_)
    if not parts:
        example = "gone~2026-01-31T12:00:00.000Z~0123456789abcdef"
        raise BadRequest("id", f"expected a letter's id, such as {example}")
    prefix = f"{PREFIX}{parts[1]}/{parts[2]}~{parts[3]}~"
    page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    return [one for item in page.get("Contents", []) if (one := Filed.of(item["Key"]))]


def whole(s3: S3Client, bucket: str, id_: str) -> Letter:
    """The letter with this id. Raises NotFound, and BadRequest."""
    for filed in find(s3, bucket, id_):
        if letter := get(s3, bucket, filed.store_key):
            return letter
    raise NotFound(f"no dead letter {id_}: it was sent back or discarded")


def is_code(text: str) -> bool:
    return bool(re.fullmatch(_CODE, text))


def is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text))


def newest_of_each(letters: Iterable[Filed]) -> list[Filed]:
    """One for each event, newest first: an event that was rejected twice is one letter."""
    newest: dict[str, Filed] = {}
    for one in letters:
        known = newest.get(one.identity)
        if known is None or known.age_order < one.age_order:
            newest[one.identity] = one
    return sorted(newest.values(), key=lambda one: one.age_order, reverse=True)


def text_of(attributes: dict[str, Any], name: str) -> str | None:
    """A message attribute's text as Lambda hands it over; None where there is none."""
    value = (attributes.get(name) or {}).get("stringValue")
    return value if isinstance(value, str) and value else None
