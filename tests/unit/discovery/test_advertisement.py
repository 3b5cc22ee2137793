"""Router advertisements are read as scapy writes them, and only those that a host accepts."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
)

from nat64.addressing.prefix import Pref64
from nat64.discovery import advertisement
from nat64.discovery.advertisement import AdvertisedPrefix

ROUTER = IPv6Address("fe80::1")
LENGTHS = {0: 96, 1: 64, 2: 56, 3: 48, 4: 40, 5: 32}


def option(prefix: str = "64:ff9b::", code: int = 0, scaled: int = 225) -> ICMPv6NDOptPREF64:
    return ICMPv6NDOptPREF64(prefix=prefix, plc=code, scaledlifetime=scaled)


def found(message: bytes) -> tuple[AdvertisedPrefix, ...]:
    read = advertisement.read(message, ROUTER, 255)
    assert read is not None
    assert read.router == ROUTER
    return read.prefixes


@pytest.mark.parametrize("code", LENGTHS)
def test_rfc8781_4_each_prefix_length_code(code: int) -> None:
    message = raw(ICMPv6ND_RA() / ICMPv6NDOptMTU() / option("2001:db8::", code))
    assert found(message) == (AdvertisedPrefix(Pref64(IPv6Network(("2001:db8::", LENGTHS[code]))), 1800),)


def test_several_prefixes_keep_their_order_among_other_options() -> None:
    others = ICMPv6NDOptPrefixInfo(prefix="2001:db8:1::"), ICMPv6NDOptRDNSS(dns=["2001:db8:1::1"])
    message = raw(ICMPv6ND_RA() / option() / others[0] / option("2001:db8:64::", scaled=0) / others[1])
    assert [(str(each.prefix), each.lifetime) for each in found(message)] == [
        ("64:ff9b::/96", 1800),
        ("2001:db8:64::/96", 0),
    ]


def test_rfc8781_4_a_reserved_code_or_another_length_is_ignored() -> None:
    assert found(raw(ICMPv6ND_RA() / option(code=6) / option(code=7))) == ()
    longer = struct.pack("!BBH20x", 38, 3, 1800)
    assert found(raw(ICMPv6ND_RA()) + longer + raw(option())) == (
        AdvertisedPrefix(Pref64(IPv6Network("64:ff9b::/96")), 1800),
    )


def test_rfc4861_6_1_2_what_a_host_does_not_accept() -> None:
    message = raw(ICMPv6ND_RA() / option())
    assert advertisement.read(message, ROUTER, 254) is None
    assert advertisement.read(message, IPv6Address("2001:db8::1"), 255) is None
    assert advertisement.read(b"\x87" + message[1:], ROUTER, 255) is None
    assert advertisement.read(message[:1] + b"\1" + message[2:], ROUTER, 255) is None
    assert advertisement.read(message[:15], ROUTER, 255) is None
    assert advertisement.read(message + bytes((5, 0, 0, 0, 0, 0, 0, 0)), ROUTER, 255) is None
    assert advertisement.read(message + bytes((5, 2, 0, 0, 0, 0, 0, 0)), ROUTER, 255) is None
    assert advertisement.read(message + b"\5", ROUTER, 255) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_advertisement_or_none(rest: bytes) -> None:
    read = advertisement.read(raw(ICMPv6ND_RA())[:16] + rest, ROUTER, 255)
    if read is not None:
        assert len(rest) % 8 == 0
        assert all(0 <= lifetime <= 65528 and not lifetime % 8 for _, lifetime in read.prefixes)
