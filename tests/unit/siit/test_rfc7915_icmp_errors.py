"""RFC 7915 sections 4.2, 4.3, 5.2, 5.3: ICMP errors and the packets inside them."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrRouting,
)
from scapy.packet import Packet, Raw

from nat64.addressing.prefix import Pref64
from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, MAPPED4, MAPPED6, OWN4, OWN6, SERVER4, SERVER6, Gateway

ROUTER4 = "198.51.100.1"
ROUTER6 = "2001:db8:1::1"


def icmpv4(icmp_type: int, code: int, rest: int, inner: bytes, **fields: object) -> Packet:
    """An ICMPv4 error from a router to the leased address."""
    arguments: dict[str, Any] = {"src": ROUTER4, "dst": LEASED} | fields
    return IP(**arguments) / ICMP(type=icmp_type, code=code, **_second_word4(icmp_type, code, rest)) / inner


def _second_word4(icmp_type: int, code: int, rest: int) -> dict[str, Any]:
    if icmp_type == 12:
        return {"ptr": rest >> 24}
    if (icmp_type, code) == (3, 4):
        return {"nexthopmtu": rest}
    return {}


def expected4(icmp_type: int, code: int, rest: int, inner: bytes, sent: bytes, **fields: object) -> bytes:
    arguments: dict[str, Any] = {"src": SERVER4, "dst": MAPPED4, "ttl": 63, "id": IP(sent).id} | fields
    return raw(
        IP(**arguments) / ICMP(type=icmp_type, code=code, **_second_word4(icmp_type, code, rest)) / inner
    )


def icmpv6(icmp_type: int, code: int, rest: int, inner: bytes, **fields: object) -> Packet:
    """An ICMPv6 message; scapy's generic class computes its checksum."""
    arguments: dict[str, Any] = {"src": HOST, "dst": SERVER6} | fields
    return IPv6(**arguments) / ICMPv6Unknown(
        type=icmp_type, code=code, msgbody=rest.to_bytes(4, "big") + inner
    )


# What the host sent, and what of it went on to the server: the inner packets of errors from the IPv4 side
SENT6 = raw(IPv6(src=HOST, dst=SERVER6, hlim=9) / UDP(sport=1000, dport=2000) / b"payload")
SENT4 = raw(IP(src=LEASED, dst=SERVER4, ttl=9, id=0) / UDP(sport=1000, dport=2000) / b"payload")
# What the server sent, and what of it went on to the host: the inner packets of errors from the IPv6 side
CAME4 = raw(IP(src=SERVER4, dst=LEASED, ttl=9, id=0) / TCP(sport=80, dport=1000) / b"payload")
CAME6 = raw(IPv6(src=SERVER6, dst=HOST, hlim=9) / TCP(sport=80, dport=1000) / b"payload")


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest", "new_type", "new_code", "new_rest"),
    [
        (3, 0, 0, 1, 0, 0),
        (3, 1, 0, 1, 0, 0),
        (3, 2, 0, 4, 1, 6),
        (3, 3, 0, 1, 4, 0),
        (3, 4, 1400, 2, 0, 1420),
        (3, 4, 1000, 2, 0, 1280),
        (3, 4, 9000, 2, 0, 1500),
        (3, 5, 0, 1, 0, 0),
        (3, 6, 0, 1, 0, 0),
        (3, 7, 0, 1, 0, 0),
        (3, 8, 0, 1, 0, 0),
        (3, 9, 0, 1, 1, 0),
        (3, 10, 0, 1, 1, 0),
        (3, 11, 0, 1, 0, 0),
        (3, 12, 0, 1, 0, 0),
        (3, 13, 0, 1, 1, 0),
        (3, 15, 0, 1, 1, 0),
        (11, 0, 0, 3, 0, 0),
        (11, 1, 0, 3, 1, 0),
        *[
            (12, code, old << 24, 4, 0, new)
            for code in (0, 2)
            for old, new in (
                [(0, 0), (1, 1), (2, 4), (3, 4), (8, 7), (9, 6), (12, 8), (15, 8), (16, 24), (19, 24)]
            )
        ],
    ],
)
def test_rfc7915_4_2_errors_to_icmpv6(  # noqa: PLR0917 - a row of the RFC's table
    gateway: Gateway, icmp_type: int, code: int, rest: int, new_type: int, new_code: int, new_rest: int
) -> None:
    sent = gateway.send_one(icmpv4(icmp_type, code, rest, SENT4))
    source = "2001:db8:64:ff9b::c633:6401"
    assert sent == raw(icmpv6(new_type, new_code, new_rest, SENT6, src=source, dst=HOST, hlim=63))


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest"),
    [
        (3, 14, 0),
        (3, 16, 0),
        (4, 0, 0),
        (5, 0, 0),
        (12, 1, 0),
        (12, 3, 0),
        *[(12, 0, pointer << 24) for pointer in (4, 5, 6, 7, 10, 11, 20, 255)],
    ],
)
def test_rfc7915_4_2_errors_without_counterpart(
    gateway: Gateway, icmp_type: int, code: int, rest: int
) -> None:
    gateway.drop(icmpv4(icmp_type, code, rest, SENT4), counters.ICMP_TYPE)


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest", "new_type", "new_code", "new_rest"),
    [
        (1, 0, 0, 3, 1, 0),
        (1, 1, 0, 3, 10, 0),
        (1, 2, 0, 3, 1, 0),
        (1, 3, 0, 3, 1, 0),
        (1, 4, 0, 3, 3, 0),
        (2, 0, 1400, 3, 4, 1380),
        (2, 0, 1280, 3, 4, 1260),
        (2, 0, 9000, 3, 4, 1480),
        (2, 0, 0xFFFFFFFF, 3, 4, 1480),
        (2, 0, 0, 3, 4, 68),
        (3, 0, 0, 11, 0, 0),
        (3, 1, 0, 11, 1, 0),
        (4, 1, 6, 3, 2, 0),
        *[
            (4, 0, old, 12, 0, new << 24)
            for old, new in [
                (0, 0),
                (1, 1),
                (4, 2),
                (5, 2),
                (6, 9),
                (7, 8),
                (8, 12),
                (23, 12),
                (24, 16),
                (39, 16),
            ]
        ],
    ],
)
def test_rfc7915_5_2_errors_to_icmpv4(  # noqa: PLR0917 - a row of the RFC's table
    gateway: Gateway, icmp_type: int, code: int, rest: int, new_type: int, new_code: int, new_rest: int
) -> None:
    sent = gateway.send_one(icmpv6(icmp_type, code, rest, CAME6))
    assert sent == expected4(new_type, new_code, new_rest, CAME4, sent, src=LEASED, dst=SERVER4)


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest"),
    [
        (1, 5, 0),
        (1, 6, 0),
        (4, 2, 0),
        (4, 0, 2),
        (4, 0, 3),
        (4, 0, 40),
        (4, 0, 2**31),
        (5, 0, 0),
        (100, 0, 0),
    ],
)
def test_rfc7915_5_2_errors_without_counterpart(
    gateway: Gateway, icmp_type: int, code: int, rest: int
) -> None:
    gateway.drop(icmpv6(icmp_type, code, rest, CAME6), counters.ICMP_TYPE)


@pytest.mark.parametrize(
    ("total_length", "mtu"), [(1500, 1500), (1492, 1280), (4352, 2022), (4353, 4372), (100, 1280)]
)
def test_rfc7915_4_2_a_router_that_reports_no_mtu_is_given_a_plateau(total_length: int, mtu: int) -> None:
    gateway = Gateway(mtu=9000)
    inner = raw(IP(src=LEASED, dst=SERVER4, len=total_length) / UDP(len=total_length - 20))
    sent = gateway.send_one(icmpv4(3, 4, 0, inner))
    assert int.from_bytes(sent[44:48], "big") == (1512 if total_length == 1500 else mtu)


def test_rfc7915_5_2_the_mtu_counts_an_inner_fragment_header(gateway: Gateway) -> None:
    inner = raw(IPv6(src=SERVER6, dst=HOST) / IPv6ExtHdrFragment(nh=17, m=1, id=5) / Raw(bytes(64)))
    sent = gateway.send_one(icmpv6(2, 0, 1400, inner))
    assert IP(sent)[ICMP].nexthopmtu == 1400 - 28


def test_rfc7915_4_1_and_5_1_errors_follow_the_tos_override_too() -> None:
    gateway = Gateway(tos_to_ipv4=0x20, tos_to_ipv6=0)
    assert IPv6(gateway.send_one(icmpv4(3, 3, 0, SENT4, tos=0xC0))).tc == 0
    assert IP(gateway.send_one(icmpv6(1, 4, 0, CAME6, tc=0xC0))).tos == 0x20


# The packet inside


def test_rfc7915_4_3_an_inner_packet_may_be_cut_short(gateway: Gateway) -> None:
    for length in (28, 30, 34):
        sent = gateway.send_one(icmpv4(11, 0, 0, SENT4[:length]))
        inner = sent[48:]
        assert len(inner) == length + 20
        assert inner[:46] == SENT6[:46][: len(inner)]
        if length == 28:  # the whole UDP header is there
            assert inner == SENT6[:48]


def test_rfc7915_5_3_an_inner_packet_may_be_cut_short(gateway: Gateway) -> None:
    sent = gateway.send_one(icmpv6(3, 0, 0, CAME6[:48]))
    assert sent[28:] == CAME4[:28]


def test_rfc7915_4_3_inner_echo(gateway: Gateway) -> None:
    inner4 = raw(IP(src=LEASED, dst=SERVER4, ttl=1) / ICMP(type=8, id=5, seq=6) / b"abc")
    inner6 = raw(IPv6(src=HOST, dst=SERVER6, hlim=1) / ICMPv6EchoRequest(id=5, seq=6, data=b"abc"))
    assert gateway.send_one(icmpv4(11, 0, 0, inner4))[48:] == inner6


def test_rfc7915_5_3_inner_echo(gateway: Gateway) -> None:
    inner6 = raw(IPv6(src=SERVER6, dst=HOST, hlim=1) / ICMPv6EchoReply(id=5, seq=6, data=b"abc"))
    inner4 = raw(IP(src=SERVER4, dst=LEASED, ttl=1, id=0) / ICMP(type=0, id=5, seq=6) / b"abc")
    assert gateway.send_one(icmpv6(3, 0, 0, inner6))[28:] == inner4


def test_rfc7915_4_3_inner_fragments(gateway: Gateway) -> None:
    inner4 = raw(IP(src=LEASED, dst=SERVER4, id=7, frag=100, proto=17) / Raw(b"middle of UDP..."))
    inner6 = raw(
        IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(nh=17, offset=100, id=7) / Raw(b"middle of UDP...")
    )
    assert gateway.send_one(icmpv4(3, 3, 0, inner4))[48:] == inner6


def test_rfc7915_5_3_inner_fragments(gateway: Gateway) -> None:
    inner6 = raw(
        IPv6(src=SERVER6, dst=HOST)
        / IPv6ExtHdrFragment(nh=17, offset=100, m=1, id=0x50007)
        / Raw(b"middle of UDP...")
    )
    inner4 = raw(IP(src=SERVER4, dst=LEASED, id=7, frag=100, flags="MF", proto=17) / Raw(b"middle of UDP..."))
    assert gateway.send_one(icmpv6(1, 4, 0, inner6))[28:] == inner4


def test_rfc7915_4_3_no_error_about_an_error_is_translated(gateway: Gateway) -> None:
    inner4 = raw(IP(src=LEASED, dst=SERVER4) / ICMP(type=3, code=3) / SENT4)
    gateway.drop(icmpv4(11, 0, 0, inner4), counters.ICMP_INNER)
    inner6 = raw(icmpv6(1, 4, 0, SENT6, src=SERVER6, dst=HOST))
    gateway.drop(icmpv6(3, 0, 0, inner6), counters.ICMP_INNER)


@pytest.mark.parametrize("length", [0, 7, 19])
def test_an_inner_packet_without_its_header_is_dropped(gateway: Gateway, length: int) -> None:
    gateway.drop(icmpv4(3, 3, 0, SENT4[:length]), counters.ICMP_INNER)
    gateway.drop(icmpv6(1, 4, 0, CAME6[: length * 2]), counters.ICMP_INNER)


def test_an_inner_packet_of_unknown_addresses_is_dropped(gateway: Gateway) -> None:
    strange4 = raw(IP(src="192.168.240.77", dst=SERVER4) / UDP())
    gateway.drop(icmpv4(3, 3, 0, strange4), counters.ICMP_INNER)
    strange6 = raw(IPv6(src=SERVER6, dst="2001:db8:1::77") / UDP())
    gateway.drop(icmpv6(1, 4, 0, strange6), counters.ICMP_INNER)
    assert len(gateway.pool) == 1


def test_rfc4443_2_4_c_an_icmpv6_error_fits_the_minimum_mtu(gateway: Gateway) -> None:
    inner4 = raw(IP(src=LEASED, dst=SERVER4, id=0) / UDP(sport=1000, dport=2000) / bytes(1400))
    sent = gateway.send_one(icmpv4(3, 3, 0, inner4))
    assert len(sent) == 1280
    inner6 = raw(IPv6(src=HOST, dst=SERVER6) / UDP(sport=1000, dport=2000) / bytes(1400))
    assert sent == raw(icmpv6(1, 4, 0, inner6[:1232], src="2001:db8:64:ff9b::c633:6401", dst=HOST, hlim=63))


# Outer addresses


def test_rfc6791_an_ipv6_router_without_mapping_is_shown_as_the_translator(gateway: Gateway) -> None:
    sent = gateway.send_one(icmpv6(3, 0, 0, CAME6, src=ROUTER6))
    assert IP(sent).src == OWN4
    assert IP(sent).dst == SERVER4
    assert len(gateway.pool) == 1
    assert gateway.counts[counters.SOURCE_REPLACED] == 1


def test_rfc6791_an_ipv4_router_that_a_strict_prefix_refuses_is_shown_as_the_translator() -> None:
    gateway = Gateway(prefix=Pref64(IPv6Network("64:ff9b::/96")))
    inner = raw(IP(src=LEASED, dst="8.8.8.8") / UDP())
    sent = gateway.send_one(icmpv4(11, 0, 0, inner, src="10.0.0.1"))
    assert IPv6(sent).src == OWN6
    assert IPv6(sent).dst == HOST


def test_an_error_to_an_address_without_mapping_is_dropped(gateway: Gateway) -> None:
    gateway.drop(icmpv4(3, 3, 0, SENT4, dst="192.168.240.99"), counters.ICMP_ADDRESS)
    gateway.drop(icmpv6(1, 4, 0, CAME6, dst="2001:db8:99::1"), counters.ICMP_ADDRESS)


def test_an_error_whose_hops_end_here_is_dropped(gateway: Gateway) -> None:
    gateway.drop(icmpv4(3, 3, 0, SENT4, ttl=1), counters.ICMP_HOP_LIMIT)
    gateway.drop(icmpv6(1, 4, 0, CAME6, hlim=1), counters.ICMP_HOP_LIMIT)


def test_errors_about_mapped_hosts(gateway: Gateway) -> None:
    inner4 = raw(IP(src=MAPPED4, dst=SERVER4, id=0) / UDP(sport=1, dport=2))
    sent = gateway.send_one(icmpv4(3, 3, 0, inner4, dst=MAPPED4))
    assert IPv6(sent).dst == MAPPED6
    assert sent[48:] == raw(IPv6(src=MAPPED6, dst=SERVER6) / UDP(sport=1, dport=2))


def test_a_damaged_error_gets_no_fresh_checksum(gateway: Gateway) -> None:
    for packet in (icmpv4(3, 3, 0, SENT4), icmpv6(1, 4, 0, CAME6)):
        damaged = bytearray(raw(packet))
        damaged[-1] ^= 1
        gateway.drop(bytes(damaged), counters.ICMP_CHECKSUM)


def test_rfc7915_4_1_an_error_with_an_unexpired_source_route_is_dropped(gateway: Gateway) -> None:
    route = IPOption_LSRR(pointer=4, routers=["192.0.2.1"])
    gateway.drop(icmpv4(3, 3, 0, SENT4, options=[route]), counters.SOURCE_ROUTE)


def test_rfc7915_5_1_an_error_with_segments_left_is_dropped(gateway: Gateway) -> None:
    routing = IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6])
    error = icmpv6(1, 4, 0, CAME6)
    gateway.drop(IPv6(src=HOST, dst=SERVER6) / routing / error.payload, counters.ROUTING_HEADER)
