"""A gateway is announced after some good probes, and withdrawn after some bad ones, not after each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.anycast.verdict import Verdict


def test_nothing_is_announced_before_it_was_seen_to_work() -> None:
    verdict = Verdict(up_after=3, down_after=2)
    assert [verdict.see(good=True) for _ in range(3)] == [False, False, True]
    assert verdict.up


def test_one_lost_probe_withdraws_nothing() -> None:
    verdict = Verdict(up_after=1, down_after=2, up=True)
    for good in (False, True, False, True):
        assert not verdict.see(good=good)
    assert verdict.up
    assert [verdict.see(good=False) for _ in range(2)] == [False, True]
    assert not verdict.up


def test_a_verdict_must_be_able_to_change() -> None:
    with pytest.raises(ValueError, match="one probe at least"):
        Verdict(up_after=0, down_after=1)


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans()))
def test_it_is_what_the_last_long_enough_run_said(
    up_after: int, down_after: int, outcomes: list[bool]
) -> None:
    """Against the whole history, which a verdict does not keep."""
    verdict = Verdict(up_after, down_after)
    for good in outcomes:
        verdict.see(good=good)
    expected = False
    for end in range(1, len(outcomes) + 1):
        if end >= up_after and all(outcomes[end - up_after : end]):
            expected = True
        elif end >= down_after and not any(outcomes[end - down_after : end]):
            expected = False
    assert verdict.up == expected
