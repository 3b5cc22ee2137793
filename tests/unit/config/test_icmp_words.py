"""Our directives about ICMP errors."""

from __future__ import annotations

import pytest

from tests.unit.config.test_tayga import mistakes, parse


@pytest.mark.parametrize(
    ("line", "per_second", "burst"),
    [
        ("icmp-rate 1000", 1000, 250),
        ("icmp-rate 8", 8, 10),  # a traceroute gets its answers
        ("ICMP-Rate 100 Burst 1", 100, 1),
        ("icmp-rate 1000000 burst 1000000", 1000000, 1000000),
    ],
)
def test_rfc4443_2_4_f_the_rate_is_configurable(line: str, per_second: int, burst: int) -> None:
    assert parse(line).icmp_rate == (per_second, burst)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("icmp-rate", "'icmp-rate' has 0 arguments; write: icmp-rate ERRORS-PER-SECOND [burst NUMBER]"),
        ("icmp-rate 1 burst 2 3", "'icmp-rate' has 4 arguments; write: icmp-rate"),
        (
            "icmp-rate off",
            "'off' is not a valid number of errors per second; give a number from 1 to 1000000",
        ),
        ("icmp-rate 0", "'0' is not a valid number of errors per second; give a number from 1 to 1000000"),
        ("icmp-rate 5 burst", "'burst' says nothing about a rate; write: icmp-rate"),
        ("icmp-rate 5 at-once 3", "'at-once 3' says nothing about a rate; write: icmp-rate"),
        ("icmp-rate 5 burst 0", "'0' is not a valid burst; give a number from 1 to 1000000"),
        ("icmp-rate 5\nicmp-rate 5", "'icmp-rate' already stands at t.conf:4; keep one of the two"),
    ],
)
def test_a_rate_that_is_no_rate_is_refused(line: str, problem: str) -> None:
    (mistake,) = mistakes(line)
    assert problem in mistake
