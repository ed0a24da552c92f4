"""Answers kept for a while."""

import pytest

from chalicelib.monitoring.cache import TimedCache


def test_an_answer_is_kept_for_so_long_and_by_its_name():
    now, asked = [0.0], []
    cached = TimedCache(clock=lambda: now[0])

    def ask():
        asked.append(now[0])
        return len(asked)

    assert [cached("a", 30, ask), cached("a", 30, ask), cached("b", 30, ask)] == [1, 1, 2]
    now[0] = 31
    assert cached("a", 30, ask) == 3


def test_an_answer_that_is_long_in_coming_is_kept_for_longer():
    now, asked = [0.0], []
    cached = TimedCache(clock=lambda: now[0])

    def slow():
        now[0] += 4
        asked.append(now[0])
        return len(asked)

    assert cached("a", 5, slow, share=0.1) == 1
    now[0] = 39.9
    assert cached("a", 5, slow, share=0.1) == 1
    now[0] = 40.1
    assert cached("a", 5, slow, share=0.1) == 2


def test_an_error_is_not_kept():
    cached = TimedCache(clock=lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        cached("a", 30, lambda: 1 / 0)
    assert cached("a", 30, lambda: "well again") == "well again"


def test_an_answer_that_is_nothing_is_an_answer():
    cached, asked = TimedCache(clock=lambda: 0.0), []
    for _ in range(2):
        assert cached("a", 30, lambda: asked.append(1)) is None
    assert len(asked) == 1
