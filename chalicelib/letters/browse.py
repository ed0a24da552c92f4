"""The filed letters as the API shows them: counted by code, listed newest first, one whole.

The counts are a listing's, so exact at its moment. Listing is bounded in time: over some 100,000 letters the
answer has those found until then, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from chalicelib.errors import NotSetUp
from chalicelib.events import MAX_KEY_BYTES
from chalicelib.fields import Query, schema
from chalicelib.letters import store
from chalicelib.letters.codes import kind
from chalicelib.letters.store import Filed, Filter, Letter
from chalicelib.queues.depths import depths

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Config

MAX_SHOWN = 100
MAX_BODY = 2000  # characters of a body in a list
WITHIN_S = 8.0  # for the listing, of API Gateway's 29
COUNTED_WITHIN_S = 5.0  # of the 8 that GET /status gives each of its parts
READERS = 8  # letters read at the same time


class LettersQuery(TypedDict, total=False):
    limit: Annotated[int, schema(minimum=1, maximum=MAX_SHOWN)]
    code: str
    prefix: Annotated[str, schema(description="what the objects' keys begin with")]
    contains: Annotated[str, schema(description="and what they contain")]
    after: Annotated[str, schema(description="the id of the last letter of the page before")]


class CodeCount(TypedDict):
    letters: int
    oldest: str
    newest: str
    means: str
    send_back: str  # when that helps


class Counted(TypedDict):
    total: int
    codes: dict[str, CodeCount]  # most letters first
    oldest: str | None
    newest: str | None
    complete: bool  # false: there are more than could be listed in time
    being_filed: int  # dead letters still in their queue, as SQS counts


class ListedLetter(TypedDict):
    id: str
    code: str
    reason: str
    function: str | None
    rejected_at: str
    tries: int
    bucket: str | None
    key: str | None
    cut: bool  # its body is not whole, so it cannot be sent back
    body: str  # the first 2,000 characters


class LettersPage(Counted):
    version: Literal[1]
    matching: int  # of the total, by code, prefix and contains
    skipped: int  # of the matching, before this page
    letters: list[ListedLetter]
    next: str | None  # for `after`


class WholeLetter(Letter):
    id: str
    means: str
    send_back: str


def page(
    query: Mapping[str, Any] | None,
    s3: S3Client,
    sqs: SQSClient,
    config: Config,
    clock: Callable[[], float] = time.monotonic,
) -> LettersPage:
    """GET /dead-letters. Raises BadRequest, and NotSetUp."""
    asked = Query.of(query, "limit", "code", "prefix", "contains", "after")
    limit = asked.whole("limit", 1, MAX_SHOWN, 20)
    wanted = Filter(
        asked.read("code", code_text, ""),
        asked.read("prefix", prefix_text, ""),
        asked.read("contains", contains_text, ""),
    )
    after = asked.read("after", id_text, "")
    bucket = reports_bucket(config)
    waiting = being_filed(sqs, config)
    found = store.listing(s3, bucket, within_s=WITHIN_S, clock=clock)
    letters = store.newest_of_each(found.letters)
    matching = [one for one in letters if wanted.takes(one) is not False]
    rest = [one for one in matching if not after or one.age_order < _order_of(after)]
    shown = _read(s3, bucket, rest[:limit])
    return {
        "version": 1,
        **_counted(letters, found.complete, waiting),
        "matching": len(matching),
        "skipped": len(matching) - len(rest),
        "letters": [_listed(one, letter) for one, letter in shown],
        "next": rest[limit - 1].id if len(rest) > limit else None,
    }


def whole(id_: str, s3: S3Client, config: Config) -> WholeLetter:
    """GET /dead-letters/{id}. Raises BadRequest, NotFound and NotSetUp."""
    letter = store.whole(s3, reports_bucket(config), id_)
    means, send_back = kind(letter["code"])
    return {"id": id_, **letter, "means": means, "send_back": send_back}


def counted(s3: S3Client, sqs: SQSClient, config: Config) -> Counted:
    """How many there are, for GET /status: a call for each thousand."""
    waiting = being_filed(sqs, config)
    found = store.listing(s3, reports_bucket(config), within_s=COUNTED_WITHIN_S)
    return _counted(store.newest_of_each(found.letters), found.complete, waiting)


def being_filed(sqs: SQSClient, config: Config) -> int:
    """How many letters are still in their queue, as SQS counts.

    To be asked before the listing: a letter that is filed in between is then counted twice for a moment, and
    never not at all.
    """
    waiting = depths(sqs, config.dead_letter_queue_url)
    return waiting["visible"] + waiting["in_flight"] + waiting["delayed"]


def of_object(s3: S3Client, config: Config, key: str) -> tuple[list[Letter], bool]:
    """The letters of the object with this key, newest first, and whether those are surely all."""
    bucket = reports_bucket(config)
    found = store.listing(s3, bucket, within_s=COUNTED_WITHIN_S)
    may_be = [one for one in store.newest_of_each(found.letters) if one.key_is(key) is not False]
    read = _read(s3, bucket, may_be[:MAX_SHOWN])
    return [letter for _, letter in read if letter["key"] == key], found.complete


def reports_bucket(config: Config) -> str:
    """Where letters are filed. Raises NotSetUp."""
    if not config.reports_bucket:
        raise NotSetUp("REPORTS_BUCKET is not set: dead letters are not filed, they are in their queue")
    return config.reports_bucket


def code_text(text: Any) -> str:
    if not isinstance(text, str) or not store.is_code(text):
        raise ValueError("a code, such as not-an-image")
    return text


def prefix_text(text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text.encode(errors="replace")) <= MAX_KEY_BYTES:
        raise ValueError(f"what keys begin with, 1 to {MAX_KEY_BYTES} bytes")
    return text


def contains_text(text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text.encode(errors="replace")) <= MAX_KEY_BYTES:
        raise ValueError(f"what keys contain, 1 to {MAX_KEY_BYTES} bytes")
    return text


def id_text(text: Any) -> str:
    if not isinstance(text, str) or not store.is_id(text):
        raise ValueError("a letter's id")
    return text


def _order_of(id_: str) -> tuple[str, str]:
    return (id_.split("~")[1], id_)


def _read(s3: S3Client, bucket: str, letters: Sequence[Filed]) -> list[tuple[Filed, Letter]]:
    """Those that are still there, in their order."""
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda one: store.get(s3, bucket, one.store_key), letters)
        return [(one, letter) for one, letter in zip(letters, read, strict=True) if letter]


def _counted(letters: Sequence[Filed], complete: bool, waiting: int) -> Counted:
    codes: dict[str, CodeCount] = {}
    for one in letters:  # newest first
        code = codes.get(one.code)
        if code is None:
            means, send_back = kind(one.code)
            codes[one.code] = {
                "letters": 1,
                "oldest": one.rejected_at,
                "newest": one.rejected_at,
                "means": means,
                "send_back": send_back,
            }
        else:
            code["letters"] += 1
            code["oldest"] = one.rejected_at
    return {
        "total": len(letters),
        "codes": dict(sorted(codes.items(), key=lambda one: (-one[1]["letters"], one[0]))),
        "oldest": letters[-1].rejected_at if letters else None,
        "newest": letters[0].rejected_at if letters else None,
        "complete": complete,
        "being_filed": waiting,
    }


def _listed(filed: Filed, letter: Letter) -> ListedLetter:
    return {
        "id": filed.id,
        "code": letter["code"],
        "reason": letter["reason"],
        "function": letter["function"],
        "rejected_at": letter["rejected_at"],
        "tries": letter["tries"],
        "bucket": letter["bucket"],
        "key": letter["key"],
        "cut": letter["body_bytes"] is not None,
        "body": letter["body"][:MAX_BODY],
    }
