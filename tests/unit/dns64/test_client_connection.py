"""A client's connection without a network: what is taken from it, and how long it may take."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nat64.dns64.client_connection import (
    DRAINED_SECONDS,
    MOST_PIPELINED,
    QUERY_SECONDS,
    TAKING_SECONDS,
    ClientConnection,
    Overdue,
)
from nat64.dns64.framing import LONGEST_FRAME, framed

IDLE = 10.0
QUERY = framed(b"query")
READ_SIZE = 8192


def connection() -> ClientConnection:
    return ClientConnection(0.0, IDLE)


def test_rfc7766_6_2_3_a_connection_without_a_query_is_closed_after_the_idle_time() -> None:
    client = connection()
    assert client.deadline() == IDLE
    assert client.overdue(IDLE - 0.1) is None
    assert client.overdue(IDLE) is Overdue.IDLE


def test_rfc7766_6_2_3_it_is_not_idle_while_it_waits_for_us() -> None:
    client = connection()
    client.received(QUERY, 5.0)
    assert client.take_query(5.0) == b"query"
    assert client.deadline() == math.inf
    client.answered(100.0)
    assert client.deadline() == 100.0 + IDLE


def test_a_query_that_comes_byte_by_byte_has_its_time() -> None:
    client = connection()
    for number in range(40):
        client.received(framed(bytes(100))[number : number + 1], 1.0 + number)
    assert client.deadline() == 1.0 + QUERY_SECONDS
    assert client.overdue(1.0 + QUERY_SECONDS) is Overdue.SLOW_QUERY


def test_a_query_that_we_did_not_read_further_has_its_time_from_when_we_do() -> None:
    client = connection()
    client.received(QUERY * MOST_PIPELINED + QUERY[:3], 1.0)
    while client.take_query(1.0) is not None:
        pass
    assert not client.may_read
    assert client.deadline() == math.inf
    client.answered(50.0)
    assert client.may_read
    assert client.deadline() == 50.0 + QUERY_SECONDS


def test_responses_that_are_not_read_have_their_time_until_all_are() -> None:
    client = connection()
    client.received(QUERY * 2, 0.0)
    assert client.take_query(0.0) is not None
    client.answered(1.0)
    client.sent(5000, 1.0)
    assert not client.may_read
    assert client.take_query(1.0) is None
    client.sent(4000, 4.0)
    assert client.deadline() == 1.0 + TAKING_SECONDS
    assert client.overdue(1.0 + TAKING_SECONDS) is Overdue.UNREAD
    client.sent(0, 5.0)
    assert client.take_query(5.0) is not None


def test_rfc7766_6_2_1_1_no_more_than_so_many_queries_are_taken_at_a_time() -> None:
    client = connection()
    client.received(QUERY * 100, 0.0)
    taken = 0
    while client.take_query(0.0) is not None:
        taken += 1
    assert taken == client.outstanding == MOST_PIPELINED
    client.answered(0.0)
    assert client.take_query(0.0) is not None
    assert client.take_query(0.0) is None


def test_rfc7766_6_2_4_who_closed_its_direction_gets_its_answers() -> None:
    client = connection()
    client.received(QUERY * 2 + b"\0", 0.0)
    client.end()
    for _ in range(2):
        assert not client.is_over
        assert client.take_query(0.0) is not None
    assert not client.is_over
    client.answered(1.0)
    client.answered(1.0)
    assert client.is_over
    client.received(QUERY, 1.0)
    assert client.take_query(1.0) is None


def test_what_comes_after_what_is_no_query_is_not_looked_at() -> None:
    client = connection()
    client.received(QUERY * 3, 0.0)
    assert client.take_query(0.0) is not None
    client.end(forget=True)
    assert client.take_query(0.0) is None
    client.answered(0.0)
    assert client.is_over


def test_while_draining_an_idle_connection_leaves_soon_and_a_waiting_one_when_answered() -> None:
    client = connection()
    client.received(QUERY, 3.0)
    client.drain(9.0)
    assert client.take_query(9.0) is not None
    assert client.deadline() == math.inf
    client.answered(11.0)
    assert client.deadline() == 11.0 + DRAINED_SECONDS


def test_a_handshake_has_the_time_of_a_query() -> None:
    client = ClientConnection(0.0, IDLE, shaken=False)
    assert client.overdue(QUERY_SECONDS) is Overdue.SLOW_QUERY
    client.shaken(3.0)
    assert client.deadline() == 3.0 + IDLE


@pytest.mark.parametrize("idle", [1.0, 3600.0])
def test_the_idle_time_is_the_configs(idle: float) -> None:
    assert ClientConnection(7.0, idle).deadline() == 7.0 + idle


class AnyClient(RuleBasedStateMachine):
    """Whatever a client does: what is held for it is bounded, and it is never left alone without a deadline."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.client = connection()
        self.sent = 0
        self.taken = 0

    @rule(seconds=st.floats(min_value=0.01, max_value=20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.client.may_read)
    @rule(
        data=st.one_of(
            st.binary(max_size=20),
            st.integers(1, 300).map(lambda many: (QUERY * many)[:READ_SIZE]),
            st.just(b"\xff" * READ_SIZE),
            st.binary(max_size=100).map(framed),
        )
    )
    def sends(self, data: bytes) -> None:
        self.client.received(data, self.now)
        while self.client.take_query(self.now) is not None:
            self.taken += 1

    @precondition(lambda self: self.client.outstanding)
    @rule(unsent=st.integers(min_value=0, max_value=70000))
    def is_answered(self, unsent: int) -> None:
        self.client.answered(self.now)
        self.client.sent(unsent, self.now)
        while self.client.take_query(self.now) is not None:
            self.taken += 1

    @rule()
    def reads_everything(self) -> None:
        self.client.sent(0, self.now)
        while self.client.take_query(self.now) is not None:
            self.taken += 1

    @rule()
    def closes_its_direction(self) -> None:
        self.client.end()

    @rule()
    def we_drain(self) -> None:
        self.client.drain(self.now)

    @invariant()
    def what_is_held_is_bounded(self) -> None:
        assert self.client.held < LONGEST_FRAME + READ_SIZE
        assert self.client.outstanding <= MOST_PIPELINED

    @invariant()
    def time_runs_for_whoever_has_something_to_do(self) -> None:
        longest = max(IDLE, QUERY_SECONDS, TAKING_SECONDS)
        client = self.client
        if client.deadline() == math.inf:
            assert client.outstanding
        else:
            assert client.deadline() <= self.now + longest
        assert (client.overdue(self.now) is None) == (self.now < client.deadline())

    @invariant()
    def nothing_is_taken_that_was_not_sent(self) -> None:
        if self.client.is_over:
            assert not self.client.outstanding
            assert not self.client.unsent


TestAnyClient = AnyClient.TestCase
TestAnyClient.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(min_value=1, max_value=3), max_size=50))
def test_a_client_that_goes_on_asking_is_never_overdue(pauses: list[int]) -> None:
    client = connection()
    now = 0.0
    for pause in pauses:
        now += pause
        assert client.overdue(now) is None
        client.received(QUERY, now)
        assert client.take_query(now) is not None
        client.answered(now)
