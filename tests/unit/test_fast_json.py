"""The drain's JSON says what the standard library's says, and is read as that reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.lean import fast_json, json_calls

# Any text: lone surrogates, control characters, what is not in the BMP.
text = st.text(st.characters(exclude_categories=[]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(values)
@example({"MessageBody": "\ud800"})
@example({"MessageBody": "\x7f\u2028\U0001f600"})
def test_what_it_writes_is_read_as_what_was_meant(value):
    assert json.loads(fast_json.encoded(value)) == value


@given(values, st.booleans())
@example({"Body": "\udc00"}, True)
def test_it_reads_what_the_standard_library_reads(value, ascii_only):
    written = json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace")
    assert fast_json.decoded(written) == json_calls.decoded(written) == json.loads(written)


@pytest.mark.parametrize("torn", [b"", b"{", b"<html>", b'{"a": }', b'{"a": "\xff"}', b"{} x"])
def test_what_is_no_json_is_a_value_error(torn):
    for decoded in (fast_json.decoded, json_calls.decoded):
        with pytest.raises(ValueError, match=r"."):
            decoded(torn)
