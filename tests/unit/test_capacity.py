"""Capacity: shares that sum up, reservations that never go over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.capacity import shard_names, share
from chalicelib.drain.ledger import Ledger


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_shares_sum_to_the_capacity_and_differ_by_one_at_most(capacity, shards):
    shares = [share(capacity, shards, index) for index in range(shards)]
    assert sum(shares) == capacity
    assert max(shares) - min(shares) <= 1


def test_the_remainder_goes_to_the_first_shards():
    assert [share(10, 4, index) for index in range(4)] == [3, 3, 2, 2]


@pytest.mark.parametrize("index", [-1, 3])
def test_a_shard_that_is_not_there_has_no_share(index):
    with pytest.raises(ValueError, match="of 3"):
        share(10, 3, index)


def test_one_shard_is_the_drain_itself():
    assert shard_names(1) == ["drain"]
    assert shard_names(3) == ["drain", "drain-1", "drain-2"]


@given(st.integers(0, 100), st.lists(st.tuples(st.booleans(), st.integers(0, 10))))
def test_what_is_out_and_what_is_left_are_the_capacity(capacity, steps):
    """However reservations and returns interleave, never more than the capacity is out."""
    ledger = Ledger(capacity)
    out = 0
    for reserves, count in steps:
        if reserves:
            granted = ledger.reserve(count)
            assert granted == min(count, capacity - out)
            out += granted
        else:
            count = min(count, out)
            ledger.give_back(count)
            out -= count
        assert ledger.left + out == capacity
        assert 0 <= out <= capacity


@pytest.mark.parametrize("count", [4, -1])
def test_giving_back_what_was_not_reserved_is_a_bug(count):
    ledger = Ledger(10)
    ledger.reserve(3)
    with pytest.raises(ValueError, match="giving back"):
        ledger.give_back(count)
