"""A job's manifest as lines of CSV: writing them, and finding what S3 Batch Operations would refuse.

`bucket,url-encoded-key[,version-id]`, no header, UTF-8:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, unquote_plus

from chalicelib.events import MAX_KEY_BYTES

# Problems shown of one manifest: a wrong export has the same one on every line.
SHOWN_PROBLEMS = 20
# A bucket, a key of which each byte is encoded, a version id: under 5 KB. Memory must not grow with a line.
MAX_LINE_BYTES = 16_384
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# RFC 3986's characters for a path without +, which some readers take for a space.
_ENCODED = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*,;=:@/]|%[0-9A-Fa-f]{2})+")
_HEADER = {"key", "objectkey", "object_key", "object key", "keyname", "key name", "name", "object"}


@dataclass(frozen=True)
class Problem:
    """Something the service would refuse, or worse, take for another object. Lines count from 1."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True)
class Checked:
    """What a manifest holds. `problems` are the first SHOWN_PROBLEMS of `problem_count`."""

    objects: int
    bucket: str
    has_versions: bool
    problems: tuple[Problem, ...]
    problem_count: int
    columns: int = 2

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns, as CreateJob's Manifest.Spec.Fields names them: as many as the file has.

        S3 Inventory of an unversioned bucket writes a third column that is empty in every row.
        """
        if self.has_versions:
            return ("Bucket", "Key", "VersionId")
        return ("Bucket", "Key", "Ignore") if self.columns == 3 else ("Bucket", "Key")


def encode_key(key: str) -> str:
    """A key as a manifest holds it: a space is %20 and a plus %2B, which every reader takes the same way."""
    return quote(key, safe="/")


def decode_key(key: str) -> str:
    """A key from a manifest, a task or a report."""
    return unquote_plus(key)


def percent_decoded(key: str) -> str | None:
    """The key that was meant, a plus as it is; None where its bytes are no UTF-8: `decode_key` would give
    another one."""
    try:
        return unquote(key, errors="strict")
    except UnicodeDecodeError:
        return None


def line(bucket: str, key: str, version_id: str | None = None) -> str:
    """One row, with its end of line. The key is given as it is."""
    columns = [bucket, encode_key(key)] + ([version_id] if version_id is not None else [])
    return ",".join(columns) + "\n"


def read(lines: Iterable[str]) -> Iterator[tuple[str, str, str | None]]:
    """Bucket, key (decoded) and version id of the rows of a manifest in which `check` found no problem."""
    for row in csv.reader(lines):
        yield row[0], decode_key(row[1]), (row[2] if len(row) > 2 else None) or None


def check(lines: Iterable[bytes], *, quoting: bool = True) -> Checked:
    """Read a whole manifest and name every problem with its line. Memory does not grow with the lines.

    A line longer than MAX_LINE_BYTES ends the reading. Without `quoting` problems tell nothing of what the
    manifest holds but lengths: it may be no manifest at all, and not for the eyes of who asks.
    """
    reading = _Reading(quoting=quoting)
    for number, raw in enumerate(lines, 1):
        if len(raw) > MAX_LINE_BYTES:
            reading.problem(number, f"is longer than the {MAX_LINE_BYTES:,} bytes that a row can have")
            break
        reading.take(number, raw)
    if not reading.objects and not reading.count:
        reading.problem(1, "the manifest is empty")
    return Checked(
        reading.objects,
        reading.bucket,
        reading.has_versions,
        tuple(reading.problems),
        reading.count,
        reading.columns or 2,
    )


@dataclass
class _Reading:
    """What is known after some lines. The first good row decides what the others must look like."""

    objects: int = 0
    first: int = 0  # its line
    bucket: str = ""
    columns: int = 0
    has_versions: bool = False
    problems: list[Problem] = field(default_factory=list)
    count: int = 0
    quoting: bool = True

    def _said(self, text: str) -> str:
        return said(text, self.quoting)

    def problem(self, number: int, text: str) -> None:
        self.count += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(Problem(number, text))

    def take(self, number: int, raw: bytes) -> None:
        raw = raw.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
            self.problem(1, "begins with a byte order mark; save the file as UTF-8 without it")
            raw = raw[3:]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            self.problem(number, "is not UTF-8")
            return
        if not text.strip():
            self.problem(number, "is empty")
            return
        if text != text.rstrip():
            self.problem(number, "ends with a space")
            text = text.rstrip()
        row = _columns(text)
        if row is None:
            self.problem(number, "a quote is not closed")
        elif number == 1 and len(row) > 1 and _is_header(row):
            self.problem(1, f"looks like a header row ({self._said(text[:60])}); a manifest has none")
        else:
            self._take_row(number, row)

    def _take_row(self, number: int, row: list[str]) -> None:
        if not self.first:
            if len(row) not in (2, 3):
                self.problem(
                    number,
                    f"has {_counted(len(row), 'column')}, expected bucket,key or bucket,key,version-id",
                )
                return
            self.first, self.bucket, self.columns = number, row[0], len(row)
            self.has_versions = bool(row[2:] and row[2])
            if not _BUCKET.fullmatch(row[0]):
                self.problem(number, f"{self._said(row[0])} is not a bucket's name")
        self.objects += 1
        if len(row) != self.columns:
            self.problem(number, f"has {_counted(len(row), 'column')}, line {self.first} has {self.columns}")
            return
        if row[0] != self.bucket:
            self.problem(
                number,
                f"names bucket {self._said(row[0])}, line {self.first} {self._said(self.bucket)}; "
                "a manifest has one bucket",
            )
        if bool(row[2:] and row[2]) != self.has_versions:
            has, first = ("no", "one") if self.has_versions else ("a", "none")
            self.problem(
                number, f"has {has} version id, line {self.first} has {first}; give every row one, or none"
            )
        wrong = key_problem(row[1], quoting=self.quoting)
        if wrong:
            self.problem(number, wrong)


def said(text: str, quoting: bool) -> str:
    """The text in quotes; without `quoting` nothing of it but how long it is."""
    return f'"{text}"' if quoting else f"({_counted(len(text), 'character')})"


def key_problem(key: str, *, quoting: bool = True) -> str:
    """What is wrong with a key's encoding, or "". The text says what to write instead."""
    if not key:
        return "the key is empty"
    if not _ENCODED.fullmatch(key):
        if "+" in key and _ENCODED.fullmatch(key.replace("+", "")):
            return (
                f"the key {said(key, quoting)} has a +, which is read as a space; "
                "write %2B for a plus, %20 for a space"
            )
        right = f'"{encode_key(unquote(key))}"' if quoting else "a space as %20, a percent sign as %25 ..."
        return f"the key {said(key, quoting)} is not URL-encoded; write {right}"
    if (meant := percent_decoded(key)) is None:
        return f"the key {said(key, quoting)} is not URL-encoded UTF-8"
    if (size := len(meant.encode())) > MAX_KEY_BYTES:
        return f"the key has {size:,} bytes, S3 allows {MAX_KEY_BYTES:,}"
    return ""


def _columns(text: str) -> list[str] | None:
    """The columns of one line, None where it ends inside quotes."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _is_header(row: list[str]) -> bool:
    return row[1].strip().lower() in _HEADER and row[0].strip().lower().startswith("bucket")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
