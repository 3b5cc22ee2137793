"""Round trips, patience, and the order in which forwarders are asked."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import Endpoint, Forwarder, ForwarderOrder
from nat64.dns64.forwarders import (
    QUESTIONS_BETWEEN_TRIALS,
    SECONDS_BETWEEN_TRIALS,
    SILENCE_SECONDS,
    Forwarders,
    Health,
)
from nat64.dns64.round_trips import LONGEST_PATIENCE, SHORTEST_PATIENCE, RoundTrips

A, B, C = (Forwarder(Endpoint(IPv4Address(f"192.0.2.{number}"))) for number in (1, 2, 3))


def test_rfc6298_2_the_first_measurement_and_those_that_follow() -> None:
    trips = RoundTrips()
    trips.note(0.2)
    assert (trips.smoothed, trips.variation) == (0.2, 0.1)
    trips.note(0.6)
    # RTTVAR is updated with the SRTT of before.
    assert trips.variation == pytest.approx(0.75 * 0.1 + 0.25 * 0.4)
    assert trips.smoothed == pytest.approx(0.875 * 0.2 + 0.125 * 0.6)
    assert trips.patience == pytest.approx(0.25 + 4 * 0.175)


@given(st.lists(st.floats(0, 10), max_size=30))
def test_patience_has_bounds_whatever_was_measured(measured: list[float]) -> None:
    trips = RoundTrips()
    for seconds in measured:
        trips.note(seconds)
    assert SHORTEST_PATIENCE <= trips.patience <= LONGEST_PATIENCE
    if trips.smoothed is not None:
        assert min(measured) - 1e-9 <= trips.smoothed <= max(measured) + 1e-9


def test_nothing_known_is_waited_for_longest_and_a_near_one_shortest() -> None:
    health = Health()
    assert health.patience(A) == LONGEST_PATIENCE
    assert health.round_trip(A) is None
    for _ in range(10):
        health.answered(A, 1.0, 0.01)
    assert health.patience(A) == SHORTEST_PATIENCE
    assert health.round_trip(A) == pytest.approx(0.01)
    health.answered(A, 1.0)
    assert health.round_trip(A) == pytest.approx(0.01)


def fastest(**seconds: float) -> tuple[Health, Forwarders]:
    """Make a health table with round trips measured."""
    health = Health(retry=100, order=ForwarderOrder.FASTEST)
    for name, measured in seconds.items():
        health.answered({"a": A, "b": B, "c": C}[name], 0.0, measured)
    return health, Forwarders((A, B, C), health)


def test_in_order_of_preference_round_trips_do_not_matter() -> None:
    health, forwarders = fastest(a=0.3, b=0.2, c=0.1)
    health.order = ForwarderOrder.PREFERENCE
    assert all(forwarders.in_order(number) == [A, B, C] for number in range(100))


def test_the_fastest_is_asked_first_and_now_and_then_another_one() -> None:
    _, forwarders = fastest(a=0.3, b=0.2, c=0.1)
    orders = [forwarders.in_order(number) for number in range(10 * (QUESTIONS_BETWEEN_TRIALS + 1))]
    firsts = [order[0] for order in orders]
    assert (firsts.count(C), firsts.count(A), firsts.count(B)) == (10 * QUESTIONS_BETWEEN_TRIALS, 5, 5)
    assert [C, B, A] in orders
    assert {tuple(order[1:]) for order in orders if order[0] != C} == {(C, B), (C, A)}


def test_one_that_became_faster_is_found() -> None:
    health, forwarders = fastest(a=0.1, b=0.2, c=0.3)
    for number in range(1000):
        first = forwarders.in_order(number)[0]
        health.answered(first, number, 0.01 if first == C else 0.1)
    assert forwarders.in_order(1000)[:2] == [C, A]


def test_all_that_nothing_is_known_of_are_tried_at_once_and_not_again_soon() -> None:
    health, forwarders = fastest()
    firsts = [forwarders.in_order(number / 10)[0] for number in range(6)]
    assert firsts == [A, B, C, A, A, A]
    health.answered(B, 1.0, 0.1)
    assert forwarders.in_order(2.0) == [B, A, C]
    assert forwarders.in_order(SECONDS_BETWEEN_TRIALS + 1)[0] == A
    assert forwarders.in_order(SECONDS_BETWEEN_TRIALS + 1)[0] == C
    assert forwarders.in_order(SECONDS_BETWEEN_TRIALS + 1)[0] == B


def test_the_failed_come_last_however_fast_they_were_soonest_due_first() -> None:
    health, forwarders = fastest(a=0.3, b=0.2, c=0.1)
    health.failed(C, 1.0)
    health.retry = 50
    health.failed(B, 1.0)
    assert forwarders.in_order(2.0) == [A, B, C]
    health.answered(C, 3.0)
    assert forwarders.in_order(4.0) == [C, A, B]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answered", "failed", "silent", "order"]),
            st.sampled_from([A, B, C]),
            st.floats(0, 2),
        ),
        max_size=60,
    ),
    st.sampled_from(ForwarderOrder),
)
def test_each_is_in_the_order_once_and_no_failed_one_before_a_healthy_one(
    steps: list[tuple[str, Forwarder, float]], order: ForwarderOrder
) -> None:
    health = Health(retry=3, order=order)
    forwarders = Forwarders((A, B, C), health)
    now = 0.0
    for what, forwarder, seconds in steps:
        now += seconds
        if what == "answered":
            health.answered(forwarder, now, seconds)
        elif what == "failed":
            health.failed(forwarder, now)
        elif what == "silent":
            health.silent(forwarder, now - seconds, now)
        found = forwarders.in_order(now)
        assert sorted(found, key=str) == [A, B, C]
        healthy = [health.failed_until(each, now) is None for each in found]
        assert healthy == sorted(healthy, reverse=True)


def test_one_question_that_is_given_up_early_does_not_condemn_a_forwarder_and_two_do() -> None:
    health = Health(retry=100)
    health.silent(A, 10.0, 10.3)
    assert health.failed_until(A, 10.3) is None
    health.answered(A, 10.5)
    health.silent(A, 20.0, 20.3)
    assert health.failed_until(A, 20.3) is None
    health.silent(A, 30.0, 30.3)
    assert health.failed_until(A, 30.3) is not None


def test_a_question_that_is_unanswered_for_long_condemns_a_forwarder_that_answered_no_other() -> None:
    health = Health(retry=100)
    health.answered(A, 10.5)
    health.silent(A, 10.0, 10.0 + SILENCE_SECONDS)
    assert health.failed_until(A, 12.0) is None
    health.silent(A, 11.0, 11.0 + SILENCE_SECONDS)
    assert health.failed_until(A, 12.0) is not None
