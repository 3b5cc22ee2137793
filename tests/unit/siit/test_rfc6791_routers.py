"""RFC 6791: errors from routers that have no counterpart, and RFC 5837: those routers' addresses beside the packet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import (
    ICMP,
    IP,
    UDP,
    ICMPExtension_Header,
    ICMPExtension_InterfaceInformation,
    ICMPExtension_Object,
)
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6
from scapy.utils import checksum

from nat64.addressing.prefix import Pref64
from nat64.addressing.router_pool import RouterPool
from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, OWN4, OWN6, SERVER4, Gateway
from tests.unit.siit.test_rfc4884_extensions import LABELS, icmpv4, icmpv6, reply

if TYPE_CHECKING:
    from scapy.packet import Packet

ROUTERS = IPv4Network("198.51.100.0/24")
ROUTER6 = "2001:db8:1::1"
NEW, OLD = reply(7)  # what the server sent, and what the routers saw of it

MPLS_OBJECT = ICMPExtension_Object(classnum=1, classtype=1) / MPLS(label=18, cos=0, s=1, ttl=1)


def interface6(address: str, role: int = 0) -> Packet:
    """The object that holds an IPv6 address."""
    return ICMPExtension_InterfaceInformation(classtype=role, has_ipaddr=1, afi=2, ip6=address)


def gateway(network: IPv4Network = ROUTERS) -> Gateway:
    return Gateway(rfc6791_pool=RouterPool(network))


def error_from(router: str, data: bytes = OLD, **fields: object) -> Packet:
    """Time exceeded, from an IPv6 router to the server."""
    return icmpv6(3, 0, 0, data, src=router, **fields)


def test_rfc6791_3_1_a_router_is_shown_by_an_address_of_the_pool() -> None:
    translator = gateway()
    sent = translator.send_one(error_from(ROUTER6))
    source = IP(sent).src
    assert IPv4Address(source) in ROUTERS
    assert sent == raw(icmpv4(11, 0, 0, NEW, src=source, dst=SERVER4, ttl=63, id=IP(sent).id))
    assert translator.counts[counters.SOURCE_REPLACED] == 1


def test_rfc6791_3_1_the_same_router_is_always_shown_by_the_same_address() -> None:
    one, other = gateway(), gateway()
    routers = [f"2001:db8:1::{number:x}" for number in range(1, 101)]
    shown = [IP(one.send_one(error_from(router))).src for router in routers]
    assert [IP(other.send_one(error_from(router))).src for router in reversed(routers)] == shown[::-1]
    assert len(set(shown)) > 50


@given(router=st.binary(min_size=16, max_size=16), length=st.integers(8, 32))
def test_rfc1122_3_2_1_3_no_router_is_shown_by_a_broadcast_address(router: bytes, length: int) -> None:
    network = IPv4Network((IPv4Address("203.0.113.77"), length), strict=False)
    address = IPv4Address(RouterPool(network).of_router(router))
    assert address in network
    assert RouterPool(network).contains(address.packed)
    if length < 31:
        assert address not in {network.network_address, network.broadcast_address}


@pytest.mark.parametrize("length", [8, 24, 31, 32])
def test_the_pool_is_its_network(length: int) -> None:
    network = IPv4Network((IPv4Address("203.0.113.76"), length), strict=False)
    pool = RouterPool(network)
    first, last = network[0], network[-1]
    assert pool.contains(first.packed)
    assert pool.contains(last.packed)
    assert not pool.contains((first - 1).packed)
    assert not pool.contains((last + 1).packed)


def test_a_router_that_has_a_counterpart_keeps_it() -> None:
    translator = gateway()
    assert IP(translator.send_one(error_from(HOST))).src == LEASED
    assert translator.counts[counters.SOURCE_REPLACED] == 0


def test_an_error_that_is_dropped_replaces_no_source() -> None:
    translator = gateway()
    translator.drop(error_from(ROUTER6, b"short"), counters.ICMP_INNER)
    assert translator.counts[counters.SOURCE_REPLACED] == 0


def test_nobody_answers_at_a_routers_address() -> None:
    translator = gateway()
    asked = IP(src=SERVER4, dst="198.51.100.7") / ICMP(id=1, seq=2)
    sent = translator.send_one(asked)
    outer = IP(src=OWN4, dst=SERVER4, tos=0xC0, ttl=64, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=3, code=1) / raw(asked))
    asked6 = IPv6(src="2001:db8:1::99", dst="2001:db8:64:ff9b::198.51.100.7") / ICMPv6EchoRequest()
    sent = translator.send_one(asked6)
    assert sent == raw(
        IPv6(src=OWN6, dst="2001:db8:1::99", hlim=64) / ICMPv6DestUnreach(code=3) / raw(asked6)
    )
    assert translator.counts[counters.ROUTER_POOL] == 2
    assert len(translator.pool) == 1  # no lease was made for the asker
    error = icmpv4(11, 0, 0, raw(asked), dst="198.51.100.7", src=SERVER4)
    translator.drop(error, counters.ROUTER_POOL)
    translator.drop(IP(src="224.0.0.1", dst="198.51.100.7") / ICMP(), counters.NEVER_TRANSLATED)


def test_packets_that_claim_to_come_from_a_routers_address_are_dropped() -> None:
    gateway().drop(IP(src="198.51.100.7", dst=LEASED) / UDP(), counters.FROM_SELF)


# RFC 5837


def padded(datagram: bytes, extensions: Packet | bytes) -> bytes:
    return datagram.ljust(128, b"\0") + bytes(extensions)


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest", "new_type", "new_code", "new_rest"),
    [
        (3, 0, 0, 11, 0, 0),
        (1, 4, 0, 3, 3, 0),
        (2, 0, 1400, 3, 4, 1380),
        (4, 0, 7, 12, 0, 8 << 24),
    ],
)
def test_rfc6791_3_2_the_ipv6_address_of_a_router_stands_beside_the_packet(  # noqa: PLR0917 - a row of the RFC's table
    icmp_type: int, code: int, rest: int, new_type: int, new_code: int, new_rest: int
) -> None:
    sent = Gateway(rfc5837=True).send_one(icmpv6(icmp_type, code, rest, OLD, src=ROUTER6))
    data = padded(NEW, ICMPExtension_Header() / interface6(ROUTER6))
    expected = icmpv4(
        new_type, new_code, new_rest | 32 << 16, data, src=OWN4, dst=SERVER4, ttl=63, id=IP(sent).id
    )
    assert sent == raw(expected)


def test_rfc5837_4_2_the_object_octet_by_octet() -> None:
    sent = Gateway(rfc5837=True).send_one(error_from(ROUTER6))
    structure = sent[20 + 8 + 128 :]
    assert structure[:2] == bytes.fromhex("2000")  # version 2
    assert checksum(structure) == 0
    assert structure[4:8] == bytes.fromhex("0018 02 04")  # 24 octets, class 2, role 0 with an address
    assert structure[8:] == bytes.fromhex("0002 0000 20010db8000100000000000000000001")


def test_rfc5837_the_address_of_an_ipv4_router_stands_beside_the_packet() -> None:
    translator = Gateway(prefix=Pref64(IPv6Network("64:ff9b::/96")), rfc5837=True)
    old = raw(IP(src=LEASED, dst="8.8.8.8", id=0) / UDP(sport=1, dport=2))
    new = raw(IPv6(src=HOST, dst="64:ff9b::8.8.8.8") / UDP(sport=1, dport=2))
    told = ICMPExtension_InterfaceInformation(has_ipaddr=1, afi=1, ip4="10.0.0.1")
    data = padded(new, ICMPExtension_Header() / told)
    sent = translator.send_one(icmpv4(11, 0, 0, old, src="10.0.0.1"))
    assert sent == raw(icmpv6(3, 0, 16 << 24, data, src=OWN6, dst=HOST, hlim=63))
    sent = translator.send_one(icmpv4(3, 4, 1400, old, src="10.0.0.1"))  # Packet Too Big has no extensions
    assert sent == raw(icmpv6(2, 0, 1420, new, src=OWN6, dst=HOST, hlim=63))


def test_rfc5837_a_router_that_keeps_its_address_is_not_told_again() -> None:
    sent = Gateway(rfc5837=True).send_one(error_from(HOST))
    assert sent == raw(icmpv4(11, 0, 0, NEW, src=LEASED, dst=SERVER4, ttl=63, id=IP(sent).id))


def shown_after(structure: bytes) -> bytes:
    """The extension structure of a time exceeded that came with `structure`."""
    sent = Gateway(rfc5837=True).send_one(icmpv6(3, 0, 16 << 24, padded(OLD, structure), src=ROUTER6))
    assert checksum(sent[20:]) == 0
    assert sent[25] == 32
    return sent[20 + 8 + 128 :]


def test_rfc4884_7_the_address_joins_the_objects_that_are_there() -> None:
    expected = raw(ICMPExtension_Header() / MPLS_OBJECT) + raw(interface6(ROUTER6))
    expected = expected[:2] + b"\0\0" + expected[4:]
    expected = expected[:2] + checksum(expected).to_bytes(2, "big") + expected[4:]
    assert shown_after(LABELS) == expected
    assert shown_after(LABELS[:2] + b"\0\0" + LABELS[4:]) == expected  # without a checksum
    next_hop = interface6("2001:db8::9", role=3)  # another role, so another object
    assert shown_after(raw(ICMPExtension_Header() / next_hop))[4:] == raw(next_hop) + raw(interface6(ROUTER6))


@pytest.mark.parametrize(
    "structure",
    [
        b"\x20",
        b"\x30" + LABELS[1:],
        LABELS[:3] + bytes((LABELS[3] ^ 1,)) + LABELS[4:],
        LABELS[:-1],
        raw(ICMPExtension_Header() / bytes.fromhex("00030101")),
        raw(ICMPExtension_Header() / bytes.fromhex("000c010100000000")),
        raw(ICMPExtension_Header() / interface6("2001:db8::9")),
        raw(ICMPExtension_Header() / ICMPExtension_Object(len=400, classnum=9) / bytes(396)),
    ],
    ids=["short", "version", "checksum", "cut", "length 3", "length beyond", "told by the router", "no room"],
)
def test_rfc5837_what_cannot_be_joined_stays_as_it_is(structure: bytes) -> None:
    assert shown_after(structure) == structure


@given(structure=st.binary(max_size=430))
def test_rfc5837_any_structure_is_survived(structure: bytes) -> None:
    translator = Gateway(rfc5837=True)
    sound = b"\x20\0\0\0" + structure
    for extensions in (structure, sound):
        sent = translator.send_one(icmpv6(3, 0, 16 << 24, padded(OLD, extensions), src=ROUTER6))
        assert checksum(sent[20:]) == 0
        assert len(sent) <= 576
