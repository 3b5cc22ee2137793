"""The IANA special-purpose registries, and what TAYGA never translates."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from nat64.addressing.special_purpose import (
    is_global,
    is_nowhere_global,
    may_translate_ipv4,
    may_translate_ipv6,
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.1.2.3", False),
        ("8.8.8.8", True),
        ("9.255.255.255", True),
        ("10.0.0.0", False),
        ("10.255.255.255", False),
        ("11.0.0.0", True),
        ("100.63.255.255", True),
        ("100.64.0.0", False),
        ("100.127.255.255", False),
        ("100.128.0.0", True),
        ("127.0.0.1", False),
        ("169.254.1.1", False),
        ("172.15.255.255", True),
        ("172.16.0.0", False),
        ("172.31.255.255", False),
        ("172.32.0.0", True),
        ("192.0.0.1", False),
        ("192.0.0.9", True),
        ("192.0.0.10", True),
        ("192.0.0.170", False),
        ("192.0.1.0", True),
        ("192.0.2.1", False),
        ("192.168.0.1", False),
        ("198.17.255.255", True),
        ("198.18.0.0", False),
        ("198.19.255.255", False),
        ("198.51.100.7", False),
        ("203.0.113.7", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_iana_registry_says_which_ipv4_addresses_are_global(address: str, expected: bool) -> None:
    assert is_global(IPv4Address(address).packed) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.1", False),
        ("0.255.255.255", False),
        ("127.0.0.1", False),
        ("169.254.0.1", False),
        ("169.253.0.1", True),
        ("224.0.0.1", False),
        ("239.255.255.255", False),
        ("240.0.0.1", True),
        ("255.255.255.254", True),
        ("255.255.255.255", False),
        ("10.0.0.1", True),
        ("203.0.113.1", True),
    ],
)
def test_which_ipv4_addresses_may_cross(address: str, expected: bool) -> None:
    assert may_translate_ipv4(IPv4Address(address).packed) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("::", False),
        ("::1", False),
        ("::ffff:192.0.2.1", False),
        ("64:ff9b::1", True),
        ("64:ff9b:1::1", True),
        ("64:ff9c::1", False),
        ("2001:db8::1", True),
        ("fd00::1", True),
        ("fe7f::1", True),
        ("fe80::1", False),
        ("febf::1", False),
        ("fec0::1", True),
        ("ff02::1", False),
    ],
)
def test_which_ipv6_addresses_may_cross(address: str, expected: bool) -> None:
    assert may_translate_ipv6(IPv6Address(address).packed) is expected


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.0.0.0/8", True),
        ("10.1.2.3/32", True),
        ("8.0.0.0/6", False),
        ("8.8.8.0/24", False),
        ("192.0.0.0/29", True),
        ("192.0.0.0/24", False),
        ("192.0.0.9/32", False),
    ],
)
def test_iana_registry_says_which_ipv4_networks_are_nowhere_global(network: str, expected: bool) -> None:
    assert is_nowhere_global(IPv4Network(network)) is expected
