"""Timers: nothing is due too early, nor forgotten, nor more than a grain late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.timers import GRAIN, Timers

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wake"), st.integers(0, 5), st.floats(0, 5)),
        st.tuples(st.just("drop"), st.integers(0, 5), st.just(0.0)),
        st.tuples(st.just("due"), st.just(0), st.floats(0, 1)),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_is_due_once_at_its_earliest_time_or_up_to_a_grain_later(
    steps: list[tuple[str, int, float]],
) -> None:
    timers: Timers[int] = Timers()
    wanted: dict[int, float] = {}
    now = 0.0
    for what, item, seconds in steps:
        if what == "wake":
            timers.wake(item, now + seconds)
            wanted[item] = min(wanted.get(item, now + seconds), now + seconds)
        elif what == "drop":
            timers.drop(item)
            wanted.pop(item, None)
        else:
            now += seconds
            due = timers.due(now)
            assert len(set(due)) == len(due)
            for each in due:
                assert wanted.pop(each) <= now
            assert all(when > now - GRAIN - 1e-9 for when in wanted.values())
        if wanted:
            assert timers.next is not None
            assert timers.next <= min(wanted.values()) + GRAIN + 1e-9
    assert sorted(timers.due(now + 10)) == sorted(wanted)
    assert timers.next is None


def test_an_earlier_time_is_kept_and_a_later_one_comes_first_where_it_is_earlier() -> None:
    timers: Timers[str] = Timers()
    timers.wake("a", 1.0)
    timers.wake("a", 2.0)
    assert timers.due(1.1) == ["a"]
    timers.wake("a", 3.0)
    timers.wake("a", 2.0)
    assert timers.next == pytest.approx(2.0, abs=2 * GRAIN)
    assert (timers.due(2.1), timers.due(4.0)) == (["a"], [])
