"""Response rate limiting: what a client network gets, and what the table of networks may grow to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import ClientLimits
from nat64.dns64.rate_limit import MOST_NETWORKS, UNLIMITED, RateLimit, Verdict

CLIENT = ip_address("2001:db8::c").packed


def limit(rate: int = 10, slip: int = 2) -> RateLimit:
    return RateLimit(ClientLimits(responses_a_second=rate, slip=slip))


def sent(limited: RateLimit, asked: int, now: float, client: bytes = CLIENT) -> int:
    return sum(limited.verdict(client, now) is Verdict.SEND for _ in range(asked))


def test_a_burst_of_one_second_is_sent_and_then_as_much_as_time_brings() -> None:
    limited = limit(rate=10)
    assert sent(limited, 100, 1000.0) == 10
    assert sent(limited, 100, 1000.5) == 5
    assert sent(limited, 100, 1005.0) == 10


@given(
    st.integers(min_value=1, max_value=50),
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=2), st.integers(min_value=0, max_value=40)), max_size=30
    ),
)
def test_no_second_and_no_hour_has_more_than_the_rate_and_one_burst(
    rate: int, steps: list[tuple[float, int]]
) -> None:
    limited = limit(rate)
    now, total = 1000.0, 0
    for later, asked in steps:
        now += later
        total += sent(limited, asked, now)
        total += limited.allowance(CLIENT, now, asked)
        assert total <= rate * (now - 1000.0 + 1) + 1e-6


@pytest.mark.parametrize(("slip", "truncated"), [(0, 0), (1, 60), (2, 30), (3, 20)])
def test_of_what_is_over_the_limit_each_slip_th_is_truncated(slip: int, truncated: int) -> None:
    limited = limit(rate=1, slip=slip)
    assert limited.verdict(CLIENT, 0.0) is Verdict.SEND
    verdicts = [limited.verdict(CLIENT, 0.0) for _ in range(60)]
    assert verdicts.count(Verdict.TRUNCATE) == truncated
    assert verdicts.count(Verdict.DROP) == 60 - truncated


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("192.0.2.1", "192.0.2.255", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("192.0.2.1", "::ffff:192.0.2.9", True),
        ("2001:db8:0:ff::1", "2001:db8:0:1::1", True),
        ("2001:db8:0:100::1", "2001:db8::1", False),
    ],
)
def test_a_network_is_56_bits_or_24(one: str, other: str, *, share: bool) -> None:
    limited = limit(rate=3)
    assert sent(limited, 3, 0.0, ip_address(one).packed) == 3
    assert sent(limited, 3, 0.0, ip_address(other).packed) == (0 if share else 3)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_not_limited(host: str) -> None:
    limited = limit(rate=1)
    client = ip_address(host).packed
    assert sent(limited, 100, 0.0, client) == 100
    assert limited.allowance(client, 0.0) == UNLIMITED
    assert len(limited) == 0


def test_who_is_proven_is_not_limited_and_takes_nothing_from_the_others() -> None:
    limited = limit(rate=1)
    assert all(limited.verdict(CLIENT, 0.0, proven=True) is Verdict.SEND for _ in range(100))
    assert limited.verdict(CLIENT, 0.0) is Verdict.SEND
    assert limited.verdict(CLIENT, 0.0) is not Verdict.SEND


def test_without_a_limit_everything_is_sent_and_nothing_remembered() -> None:
    limited = limit(rate=0)
    assert sent(limited, 1000, 0.0) == 1000
    assert limited.allowance(CLIENT, 0.0) == UNLIMITED
    assert len(limited) == 0


def test_an_allowance_is_taken_off_what_may_be_sent() -> None:
    limited = limit(rate=10)
    assert limited.allowance(CLIENT, 0.0, 4) == 4
    assert sent(limited, 100, 0.0) == 6
    assert limited.allowance(CLIENT, 0.0, 4) == 0
    assert limited.allowance(CLIENT, 0.25, 4) == 2


def test_the_table_is_bounded_and_the_longest_silent_go_first() -> None:
    limited = limit(rate=1)
    limited.verdict(CLIENT, 0.0)
    for number in range(MOST_NETWORKS + 100):
        limited.verdict(number.to_bytes(3, "big") + b"\1", 1.0 + number * 1e-6)
        if number % 1000 == 0:
            limited.verdict(CLIENT, 1.0)
    assert len(limited) == MOST_NETWORKS
    assert limited.verdict(CLIENT, 1.0) is not Verdict.SEND
    assert limited.verdict(bytes(4), 1.0) is Verdict.SEND  # forgotten, so it begins anew


def test_a_clock_that_stands_still_or_goes_back_brings_nothing() -> None:
    limited = limit(rate=2)
    assert sent(limited, 5, 100.0) == 2
    assert sent(limited, 5, 50.0) == 0
    assert sent(limited, 5, 100.5) == 1


def test_another_rate_begins_anew_and_the_same_rate_goes_on() -> None:
    limited = limit(rate=2)
    assert sent(limited, 5, 0.0) == 2
    limited.configure(ClientLimits(responses_a_second=2, slip=1))
    assert limited.verdict(CLIENT, 0.0) is Verdict.TRUNCATE
    limited.configure(ClientLimits(responses_a_second=4))
    assert sent(limited, 9, 0.0) == 4
    limited.configure(ClientLimits(responses_a_second=0))
    assert sent(limited, 9, 0.0) == 9
