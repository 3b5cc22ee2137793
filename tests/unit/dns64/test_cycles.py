"""When a worker looks through all its objects: while they are few, else only for what is worth the wait."""

from __future__ import annotations

import pytest

from nat64.dns64.cycles import EARLIEST, FEW, MUCH, Looks

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("age", "answers", "litter", "due"),
    [
        (EARLIEST - 1, 0, MUCH - 1, False),
        (EARLIEST, FEW - 1, 0, True),
        (100 * EARLIEST, FEW, MUCH - 1, False),
        (1, FEW - 1, MUCH, True),
        (100 * EARLIEST, MILLION, MILLION - 1, False),
        (1, MILLION, MILLION, True),
    ],
    ids=["just done", "few answers", "many answers", "much to find", "a million answers", "as much to find"],
)
def test_it_is_done_while_answers_are_few_or_when_it_may_find_as_much(
    age: float, answers: int, litter: int, due: bool
) -> None:
    assert Looks(100.0).is_due(100.0 + age, answers=answers, litter=litter) is due


def test_what_was_found_once_does_not_count_again() -> None:
    looks = Looks(0.0)
    asked = [(1, MUCH), (2, MUCH + 1), (3, 2 * MUCH)]
    assert [looks.is_due(now, answers=FEW, litter=litter) for now, litter in asked] == [True, False, True]
