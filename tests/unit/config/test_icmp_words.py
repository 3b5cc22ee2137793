"""Our directives about ICMP errors."""

from __future__ import annotations

import math
from ipaddress import IPv4Network

import pytest

from nat64.addressing.router_pool import RouterPool
from tests.unit.config.test_tayga import mistakes, parse


@pytest.mark.parametrize(
    ("line", "per_second", "burst"),
    [
        ("icmp-rate 1000", 1000, 250),
        ("icmp-rate 8", 8, 10),  # a traceroute gets its answers
        ("ICMP-Rate 100 Burst 1", 100, 1),
        ("icmp-rate Unlimited", math.inf, math.inf),
        ("icmp-rate none", 0, 0),
        ("icmp-rate 1000000 burst 1000000", 1000000, 1000000),
    ],
)
def test_rfc7915_4_4_errors_are_sent_or_limited_or_not_sent_as_configurable(
    line: str, per_second: float, burst: float
) -> None:
    assert parse(line).icmp_rate == (per_second, burst)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("icmp-rate", "'icmp-rate' has 0 arguments; write: icmp-rate NUMBER [burst NUMBER]|unlimited|none"),
        ("icmp-rate 1 burst 2 3", "'icmp-rate' has 4 arguments; write: icmp-rate"),
        ("icmp-rate off", "'off' is no icmp-rate; write: icmp-rate NUMBER [burst NUMBER]|unlimited|none"),
        ("icmp-rate none burst 5", "'none burst 5' is no icmp-rate; write: icmp-rate"),
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


def test_rfc6791_routers_may_have_a_pool_and_rfc5837_their_own_address_beside() -> None:
    config = parse()
    assert config.rfc6791_pool is None
    assert not config.rfc5837
    config = parse("rfc6791-pool 198.51.100.0/24", "RFC5837 yes")
    assert config.rfc6791_pool == RouterPool(IPv4Network("198.51.100.0/24"))
    assert config.rfc5837
    assert parse("rfc6791-pool 198.51.100.1/32").rfc6791_pool == RouterPool(IPv4Network("198.51.100.1"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("rfc6791-pool", "'rfc6791-pool' has 0 arguments; write: rfc6791-pool ADDRESS/LENGTH"),
        ("rfc6791-pool 198.51.100.1", "'198.51.100.1' is not an IPv4 network with a length"),
        ("rfc6791-pool 198.51.100.1/24", "has bits set after its length; did you mean 198.51.100.0/24?"),
        ("rfc6791-pool 8.0.0.0/7", "an rfc6791-pool cannot have the length 7; give one from 8 to 32"),
        ("rfc6791-pool 224.0.0.0/24", "224.0.0.0/24 is reserved; take a network of your own"),
        ("rfc5837 perhaps", "'perhaps' is neither yes nor no; write: rfc5837 yes|no"),
        ("rfc5837 yes\nrfc5837 yes", "'rfc5837' already stands at t.conf:4; keep one of the two"),
        (
            "rfc6791-pool 192.168.240.0/30",
            "t.conf:4: rfc6791-pool 192.168.240.0/30 overlaps the ipv4-addr 192.168.240.1/32 of t.conf:2; ",
        ),
    ],
)
def test_what_is_wrong_about_routers_is_told(line: str, problem: str) -> None:
    (mistake,) = mistakes(line)
    assert problem in mistake


@pytest.mark.parametrize(
    ("other", "keyword", "network"),
    [
        ("dynamic-pool 198.51.0.0/16", "pool", "198.51.0.0/16"),
        ("map 198.51.100.7 2001:db8::7", "map", "198.51.100.7/32"),
        ("map 198.51.100.0/25 2001:db8::/121", "map", "198.51.100.0/25"),
        ("tun-ip 198.51.100.9/24", "tun-ip", "198.51.100.9/32"),
    ],
)
def test_rfc6791_the_pool_is_nobody_elses(other: str, keyword: str, network: str) -> None:
    told = f"t.conf:4: rfc6791-pool 198.51.100.0/24 overlaps the {keyword} {network} of t.conf:5; "
    assert mistakes("rfc6791-pool 198.51.100.0/24", other) == [told + "give it a network of its own"]
    parse("rfc6791-pool 203.0.113.0/24", other)
