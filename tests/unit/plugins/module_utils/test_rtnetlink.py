"""What rtnetlink(7) messages say, as Linux 6.18 sent them. tests/lab compares with `ip -json` on a live kernel."""

from __future__ import annotations

import struct
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import rtnetlink
from ansible_collections.nat64.gateway.plugins.module_utils.rtnetlink import Address, Link, Route

NAMES = {1: "lo", 2: "nat64"}

# Without the attributes that nobody reads here.
TUN = bytes.fromhex(
    "0000feff0200000091100000000000000a0003006e6174363400000008000400dc050000"
    "380012000800010074756e002c000200050003000100000005000400000000000500050000000000050006000100000005000700"
    "00000000"
)
PEER = bytes.fromhex(
    "022080000200000008000100c000020208000200c00002010a0003006e61743634000000080008008000000014000600"
    "ffffffffffffffff28f40b0028f40b00"
)
GLOBAL_IPV6 = "0a40{flags}00020000001400010020010db800000000000000000000000108000800{wide}"
KERNEL_ROUTE = "02200000fe02fd011000000008000f00fe00000008000100c000020208000700c00002010800040002000000"
UNREACHABLE = "02100000fe0300070000000008000f00fe00000008000100c0a80000"
TWO_HOPS = (
    "02180000fe4000011000000008000f00fe00000008000100c633640008000600070000002400090010001000020000000800"
    "0500c0000202100010010200000008000500c0000202"
)
VIA_IPV6 = (
    "02180000fe0300010000000008000f00fe00000008000100cb007100160012000a0020010db8000000000000000000000002"
    "00000800040002000000"
)
LOCAL = "02200000ff02fe020000000008000f00ff00000008000100c000020108000700c00002010800040002000000"


def test_a_tun_is_told_with_its_kind() -> None:
    assert rtnetlink.parse_link(TUN) == Link(2, "nat64", up=True, running=False, mtu=1500, kind="tun")


def test_of_a_pair_of_addresses_ours_counts() -> None:
    assert rtnetlink.parse_address(PEER, NAMES) == Address("nat64", ip_interface("192.0.2.1/32"))


@pytest.mark.parametrize(
    ("flags", "wide", "expected"),
    [
        ("82", "82000000", {}),
        ("40", "40000000", {"tentative": True, "dynamic": True}),
        ("88", "88000000", {"tentative": True}),
        ("20", "20010000", {"deprecated": True, "dynamic": True}),
    ],
)
def test_an_ipv6_address_is_told_with_its_state(flags: str, wide: str, expected: dict[str, Any]) -> None:
    message = bytes.fromhex(GLOBAL_IPV6.format(flags=flags, wide=wide))
    found = rtnetlink.parse_address(message, NAMES)
    assert found == Address("nat64", ip_interface("2001:db8::1/64"), **expected)


def test_a_device_that_has_gone_meanwhile_is_its_number() -> None:
    assert rtnetlink.parse_address(PEER, {}).device == "2"


@pytest.mark.parametrize(
    ("message", "routes"),
    [
        (KERNEL_ROUTE, [Route(ip_network("192.0.2.2/32"), "nat64", protocol="kernel")]),
        (UNREACHABLE, [Route(ip_network("192.168.0.0/16"), protocol="boot", kind="unreachable")]),
        (
            TWO_HOPS,
            [Route(ip_network("198.51.100.0/24"), "nat64", ip_address("192.0.2.2"), 7, "64")] * 2,
        ),
        (
            VIA_IPV6,
            [Route(ip_network("203.0.113.0/24"), "nat64", ip_address("2001:db8::2"), protocol="boot")],
        ),
        (LOCAL, [Route(ip_network("192.0.2.1/32"), "nat64", protocol="kernel", kind="local", table=255)]),
    ],
    ids=["kernel", "unreachable", "two hops", "via IPv6", "local table"],
)
def test_a_route_is_told_by_each_of_its_hops(message: str, routes: list[Route]) -> None:
    assert rtnetlink.parse_route(bytes.fromhex(message), NAMES) == routes


def test_a_route_to_everywhere_is_a_default_route_unless_it_refuses() -> None:
    default = bytes([10, 0, 0, 0, 254, 9, 0, 1]) + bytes(4)
    (found,) = rtnetlink.parse_route(default, NAMES)
    assert (str(found.destination), found.protocol, found.is_default) == ("::/0", "ra", True)
    (refusing,) = rtnetlink.parse_route(default[:7] + bytes([7]) + bytes(4), NAMES)
    assert not refusing.is_default


def test_what_the_kernel_only_cached_is_no_route() -> None:
    cached = bytes([2, 32, 0, 0, 254, 2, 0, 1]) + struct.pack("=I", 0x200)
    assert rtnetlink.parse_route(cached, NAMES) == []


def test_several_messages_come_in_one_read() -> None:
    bodies = [b"abcd", b"efghi", b""]
    sent = b"".join(
        (struct.pack("=IHHII", 16 + len(body), 24, 2, 1, 0) + body).ljust((16 + len(body) + 3) & ~3, b"\0")
        for body in bodies
    )
    assert list(rtnetlink.split(sent)) == [(24, 2, body) for body in bodies]


def test_a_message_that_is_cut_short_ends_the_reading() -> None:
    assert list(rtnetlink.split(b"\0" * 20))[-1:] in ([], [(0, 0, b"")])
    assert rtnetlink._attributes(b"\x03\x00\x01\x00") == {}
