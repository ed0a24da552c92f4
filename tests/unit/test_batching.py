"""Batches: what one call takes, and what its answer says of each entry."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.queues import batching

entries = st.lists(
    st.builds(
        lambda body, reason: {
            "Id": "x",
            "MessageBody": body,
            "MessageAttributes": {"Reason": {"DataType": "String", "StringValue": reason}},
        },
        st.text(max_size=30),
        st.text(max_size=10),
    ),
    max_size=60,
)


@given(entries, st.integers(1, 10), st.integers(1, 200))
def test_every_entry_once_in_order_within_both_limits(entries, max_entries, max_bytes):
    """Nothing lost, nothing twice, and no list over a limit but that of one entry too big by itself."""
    lists = list(batching.split(entries, max_entries, max_bytes))
    assert [entry for batch in lists for entry in batch] == entries
    for batch in lists:
        assert 1 <= len(batch) <= max_entries
        assert len(batch) == 1 or sum(map(batching.size_bytes, batch)) <= max_bytes


def test_a_call_takes_exactly_one_mebibyte():
    """The limit itself fits; one byte more makes a second call."""
    half = {"Id": "0", "MessageBody": "x" * 524_288}
    assert [len(batch) for batch in batching.split([half, half])] == [2]
    assert [len(batch) for batch in batching.split([half, {"Id": "1", "MessageBody": "x" * 524_289}])] == [
        1,
        1,
    ]


def test_size_counts_utf8_and_attributes():
    """SQS counts bytes, and each attribute's name, type and value."""
    attributes = {"Reason": {"DataType": "String", "StringValue": "ä"}}
    assert batching.size_bytes({"MessageBody": "é"}) == 2
    assert batching.size_bytes({"MessageBody": "", "MessageAttributes": attributes}) == 6 + 6 + 2


def test_lists_are_as_full_as_they_can_be():
    """25 small entries are three calls, not more."""
    small = [{"Id": str(i), "MessageBody": "x"} for i in range(25)]
    assert [len(batch) for batch in batching.split(small)] == [10, 10, 5]


def test_outcomes_come_entry_by_entry():
    """An entry that the answer does not mention is unanswered: it may have been taken."""
    batch = [{"Id": id_} for id_ in "abc"]
    answer = {
        "Successful": [{"Id": "b"}],
        "Failed": [{"Id": "a", "Code": "InternalError", "Message": "sorry", "SenderFault": False}],
    }
    found = batching.outcomes(batch, answer)
    assert found.confirmed == ["b"]
    assert found.refused == {"a": "InternalError: sorry"}
    assert found.unanswered == ["c"]


def test_an_empty_answer_confirms_nothing():
    assert batching.outcomes([{"Id": "a"}], {}) == batching.all_unanswered([{"Id": "a"}])
