"""The completion report: every row a fact, whatever the file looks like and however long it is."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.jobs.manifests import encode_key
from chalicelib.jobs.reports import BadReport, TaskResult, report_rows

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)


def test_the_status_columns_come_in_either_order() -> None:
    row = TaskResult("b", "a b", None, False, 404, "NoSuchKey", "gone")
    assert list(report_rows(["b,a%20b,,failed,404,NoSuchKey,gone\n"])) == [row]
    assert list(report_rows(["b,a%20b,,failed,NoSuchKey,404,gone\n"])) == [row]


def test_a_success_has_no_error_code_in_either_order() -> None:
    row = TaskResult("b", "k", "v1", True, 200, "", "Successful")
    assert list(report_rows(["b,k,v1,succeeded,200,,Successful\n"])) == [row]
    assert list(report_rows(["b,k,v1,succeeded,,200,Successful\n"])) == [row]


def test_a_row_without_any_http_status_keeps_its_error_code() -> None:
    (row,) = report_rows(["b,k,,failed,,PermanentFailure,no\n"])
    assert (row.http_status, row.error_code) == (None, "PermanentFailure")


def test_quoted_commas_quotes_and_line_breaks_belong_to_the_message() -> None:
    text = 'b,k,,failed,200,PermanentFailure,"error: {""a"": 1,\n ""b"": 2}"\nb,l,,succeeded,200,,ok\n'
    first, second = report_rows(io.StringIO(text, newline=""))
    assert first.message == 'error: {"a": 1,\n "b": 2}'
    assert second.key == "l"


def test_lines_may_end_with_crlf() -> None:
    text = 'b,k,,succeeded,200,,ok\r\nb,l,,failed,404,NoSuchKey,"two\r\nlines"\r\n'
    first, second = report_rows(io.StringIO(text, newline=""))
    assert first.message == "ok"
    assert second.message == "two\r\nlines"


def test_the_last_line_needs_no_end() -> None:
    assert [row.key for row in report_rows(["b,k,,succeeded,200,,ok"])] == ["k"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["b,k,,succeeded,200,,ok\n", "b,k\n"], "row 2 of the report has 2 columns, expected 7"),
        (["b,k,,maybe,200,,ok\n"], "row 1 of the report has status 'maybe', expected succeeded or failed"),
    ],
)
def test_a_file_that_is_no_report_is_refused_with_its_row(lines: list[str], message: str) -> None:
    with pytest.raises(BadReport) as e:
        list(report_rows(lines))
    assert str(e.value) == message


@given(
    st.lists(st.tuples(keys, st.text(st.characters(codec="utf-8"), max_size=80), st.booleans())),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_key_and_message_read_back(rows: list[tuple[str, str, bool]], code_first: bool, end: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
    for key, message, succeeded in rows:
        pair = ("", "200") if code_first else ("200", "")
        writer.writerow(["b", encode_key(key), "", "succeeded" if succeeded else "failed", *pair, message])
    file.seek(0)
    assert [(row.key, row.message, row.succeeded) for row in report_rows(file)] == rows


@pytest.mark.long
def test_memory_does_not_grow_over_a_million_rows() -> None:
    some = [f"photos,a%20{n}.png,,succeeded,200,,Successful\n" for n in range(100)]

    def lines(number: int) -> Iterator[str]:
        return islice(cycle(some), number)

    def peak(number: int) -> int:
        tracemalloc.start()
        count = sum(row.succeeded for row in report_rows(lines(number)))
        bytes_ = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == number
        return bytes_

    peak(10)  # what the first use of a module costs
    small, large = peak(1_000), peak(1_000_000)
    print(f"peak of report_rows: {small:,} bytes at 1,000 rows, {large:,} at 1,000,000")
    assert large < small + 20_000
