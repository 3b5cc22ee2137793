"""How soon a worker that has ended is started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.restart_pace import LONGEST_PAUSE, STEADY_AFTER, RestartPace


def test_the_first_time_there_is_no_pause_and_then_it_doubles() -> None:
    pace = RestartPace()
    assert [pace.pause(0.5) for _ in range(5)] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert pace.restarts == 5


def test_a_worker_that_was_well_for_a_while_is_started_again_at_once() -> None:
    pace = RestartPace()
    for _ in range(5):
        pace.pause(0.1)
    assert pace.pause(STEADY_AFTER) == 0.0


@given(st.lists(st.floats(0, 100), max_size=50))
def test_the_pause_is_bounded(lives: list[float]) -> None:
    pace = RestartPace()
    assert all(0 <= pace.pause(lived) <= LONGEST_PAUSE for lived in lives)
