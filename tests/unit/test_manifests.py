"""Preflight: every mistake S3 Batch Operations would make you pay for is named with its line."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.jobs import manifests
from chalicelib.jobs.cost import estimated_cost_usd
from chalicelib.jobs.manifests import check, encode_key, line, read
from chalicelib.jobs.tags import tag_problems

GOOD = b"photos,a.png\n"

# Any key S3 takes: UTF-8, 1 to 1,024 bytes.
keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256).filter(
    lambda key: len(key.encode()) <= 1024
)
versions = st.text("abcXYZ019._-", min_size=1, max_size=32)


def problems(*lines: bytes) -> list[str]:
    return [str(problem) for problem in check(lines).problems]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([b"Bucket,Key\n", GOOD], 'line 1: looks like a header row ("Bucket,Key"); a manifest has none'),
        (
            [b"bucket,key,version_id\n", b"photos,a,1\n"],
            'line 1: looks like a header row ("bucket,key,version_id"); a manifest has none',
        ),
        ([b"\xef\xbb\xbf" + GOOD], "line 1: begins with a byte order mark; save the file as UTF-8 without it"),
        ([GOOD, b"\n", GOOD], "line 2: is empty"),
        ([GOOD, b"   \r\n"], "line 2: is empty"),
        ([], "line 1: the manifest is empty"),
        ([GOOD, b"photos,b.png \n"], "line 2: ends with a space"),
        ([GOOD, b"photos,\xff\n"], "line 2: is not UTF-8"),
        ([GOOD, b'photos,"b.png\n'], "line 2: a quote is not closed"),
        ([GOOD, GOOD, b"photos,b.png,v1\n"], "line 3: has 3 columns, line 1 has 2"),
        ([GOOD, b"photos\n"], "line 2: has 1 column, line 1 has 2"),
        ([b"photos,a,v,x\n"], "line 1: has 4 columns, expected bucket,key or bucket,key,version-id"),
        ([b"Photos!,a\n"], 'line 1: "Photos!" is not a bucket\'s name'),
        ([GOOD, b"other,b.png\n"],
         'line 2: names bucket "other", line 1 "photos"; a manifest has one bucket'),
        ([b"photos,a,v1\n", b"photos,b,\n"],
         "line 2: has no version id, line 1 has one; give every row one, or none"),
        ([b"photos,a,\n", b"photos,b,v1\n"],
         "line 2: has a version id, line 1 has none; give every row one, or none"),
        ([b"photos,\n"], "line 1: the key is empty"),
        ([b"photos,a b.png\n"], 'line 1: the key "a b.png" is not URL-encoded; write "a%20b.png"'),
        ([b"photos,100%.png\n"], 'line 1: the key "100%.png" is not URL-encoded; write "100%25.png"'),
        (["photos,é.png\n".encode()], 'line 1: the key "é.png" is not URL-encoded; write "%C3%A9.png"'),
        ([b'photos,"a,""b"\n'], 'line 1: the key "a,"b" is not URL-encoded; write "a%2C%22b"'),
        ([b"photos,%FF.png\n"], 'line 1: the key "%FF.png" is not URL-encoded UTF-8'),
        ([b"photos,a+b.png\n"],
         'line 1: the key "a+b.png" has a +, which is read as a space; '
         "write %2B for a plus, %20 for a space"),
        ([b"photos," + b"a" * 1025 + b"\n"], "line 1: the key has 1,025 bytes, S3 allows 1,024"),
        ([b"photos," + b"%C3%A9" * 513 + b"\n"], "line 1: the key has 1,026 bytes, S3 allows 1,024"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_with_its_line(lines: list[bytes], message: str) -> None:
    assert problems(*lines) == [message]


def test_a_good_manifest_tells_its_objects_and_columns() -> None:
    plain = check([GOOD, b"photos,b.png\r\n", b'"photos","c.png"'])
    assert (plain.objects, plain.bucket, plain.fields) == (3, "photos", ("Bucket", "Key"))
    assert plain.problem_count == 0
    versions = check([b"photos,a,v1\n", b"photos,b,null\n"])
    assert (versions.objects, versions.fields) == (2, ("Bucket", "Key", "VersionId"))
    assert versions.problem_count == 0


def test_a_key_of_exactly_1024_bytes_is_allowed_however_long_its_encoding() -> None:
    assert problems(b"photos," + b"%C3%A9" * 512 + b"\n") == []


def test_each_line_is_checked_even_after_a_bad_one() -> None:
    assert problems(b"photos,a b\n", b"\n", GOOD, b"other,c\n") == [
        'line 1: the key "a b" is not URL-encoded; write "a%20b"',
        "line 2: is empty",
        'line 4: names bucket "other", line 1 "photos"; a manifest has one bucket',
    ]


def test_the_same_mistake_on_every_line_is_counted_and_shown_twenty_times() -> None:
    checked = check(b"photos,a b\n" for _ in range(1000))
    assert checked.problem_count == 1000
    assert len(checked.problems) == 20


@pytest.mark.slow
def test_memory_does_not_grow_with_the_lines() -> None:
    def lines(number: int) -> Iterator[bytes]:
        return (b"photos,%d%%20x.png\n" % n for n in range(number))

    def peak(number: int) -> int:
        tracemalloc.start()
        assert check(lines(number)).objects == number
        bytes_ = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_

    peak(10)
    assert peak(50_000) < peak(1_000) + 20_000


@given(st.lists(st.tuples(keys, versions), min_size=1), st.booleans())
@example([(" +%\"'\n\r,;\u2028é🎉\\/?#&=", "v1"), ("%2B", "v2"), ("\ufeff", "v3")], True)
def test_what_we_write_has_no_problem_and_reads_back(
    rows: list[tuple[str, str]], with_versions: bool
) -> None:
    written = [line("photos", key, version if with_versions else None) for key, version in rows]
    checked = check(text.encode() for text in written)
    assert list(map(str, checked.problems)) == []
    assert checked.objects == len(rows)
    assert list(read(written)) == [
        ("photos", key, version if with_versions else None) for key, version in rows
    ]


@given(keys)
def test_an_encoded_key_has_no_character_that_readers_take_differently(key: str) -> None:
    encoded = encode_key(key)
    assert encoded.isascii()
    assert not set(encoded) & set(' +",\n\r')
    assert manifests.key_problem(encoded) == ""


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({f"k{n}": "v" for n in range(11)}, "11 tags, S3 allows 10 on an object"),
        ({"": "v"}, "a tag's key is empty"),
        ({"k" * 129: "v"}, f'the key "{"k" * 20}…" has 129 characters, S3 allows 128'),
        ({"k": "v" * 257}, 'the value of "k" has 257 characters, S3 allows 256'),
        ({"aws:k": "v"}, 'the key "aws:k" begins with aws:, which is reserved'),
        ({"k#": "v"}, "the key \"k#\" has '#'; allowed are letters, numbers, spaces and _ . : / = + - @"),
        ({"k": "a\nb*"},
         "the value of \"k\" has '\\n' '*'; allowed are letters, numbers, spaces and _ . : / = + - @"),
    ],
)  # fmt: skip
def test_every_tag_that_s3_refuses_is_named(tags: dict[str, str], message: str) -> None:
    assert tag_problems(tags) == [message]


def test_tags_at_the_limits_are_allowed() -> None:
    limit = {f"{n}" + "é" * 127: "ü _.:/=+-@" + "v" * 246 for n in range(10)}
    assert tag_problems(limit) == []
    assert tag_problems({"k": ""}) == []


@pytest.mark.parametrize(
    ("objects", "operation", "dollars"),
    [
        (0, "replace", 0.25),
        (1_000_000, "replace", 6.25),
        (1_000_000, "merge", 6.85),
        (1_000_000, "backfill", 1.85),
    ],
)
def test_the_estimate_is_the_job_and_its_objects(objects: int, operation: str, dollars: float) -> None:
    assert estimated_cost_usd(objects, operation) == dollars


def test_a_third_column_that_is_empty_in_every_row_is_named_to_the_service() -> None:
    """S3 Inventory of an unversioned bucket; without its name the job would fail before its first task."""
    found = check([b"images,a.jpg,\n", b"images,b.jpg,\n"])
    assert (found.problem_count, found.fields) == (0, ("Bucket", "Key", "Ignore"))
