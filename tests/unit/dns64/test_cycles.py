"""When a worker looks through all its objects: not while that keeps anybody waiting, and not never."""

from __future__ import annotations

import pytest

from nat64.dns64.cycles import EARLIEST, FEW, MUCH, Looks


@pytest.mark.parametrize(
    ("age", "queries", "answers", "litter", "due"),
    [
        (EARLIEST - 1, 0, 0, MUCH - 1, False),
        (EARLIEST, 0, 10 * FEW, 0, True),
        (EARLIEST, 1, FEW - 1, 0, True),
        (10 * EARLIEST, 1, FEW, MUCH - 1, False),
        (1, 1, 10 * FEW, MUCH, True),
    ],
    ids=["just done", "quiet", "little to look through", "busy", "much to find"],
)
def test_it_is_done_when_it_hurts_nobody_or_when_there_must_be_much(
    age: float, queries: int, answers: int, litter: int, due: bool
) -> None:
    assert Looks(100.0).is_due(100.0 + age, queries=queries, answers=answers, litter=litter) is due


def test_it_is_quiet_when_no_query_came_since_it_was_asked_before() -> None:
    looks = Looks(0.0)
    asked = [(EARLIEST, 5), (EARLIEST + 1, 6), (EARLIEST + 2, 6), (EARLIEST + 3, 6)]
    due = [looks.is_due(now, queries=queries, answers=FEW, litter=0) for now, queries in asked]
    assert due == [False, False, True, False]


def test_what_was_found_once_does_not_count_again() -> None:
    looks = Looks(0.0)
    asked = [(1, MUCH), (2, MUCH + 1), (3, 2 * MUCH)]
    due = [looks.is_due(now, queries=litter, answers=FEW, litter=litter) for now, litter in asked]
    assert due == [True, False, True]
