"""RFC 7915 section 4.1: from IPv4 to IPv6. Scapy builds the expected packets and their checksums."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_SSRR
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, defragment6
from scapy.packet import Packet, Raw

from nat64.addressing.lease import ACTIVE_SECONDS
from nat64.siit import counters
from nat64.siit.settings import UdpZeroChecksum
from tests.unit.siit.conftest import HOST, LEASED, MAPPED4, MAPPED6, OWN4, SERVER4, SERVER6, Gateway


def ipv4(**fields: object) -> Packet:
    arguments: dict[str, Any] = {"src": SERVER4, "dst": LEASED, "flags": "DF"} | fields
    return IP(**arguments)


def expected(payload: Packet, **fields: object) -> bytes:
    arguments: dict[str, Any] = {"src": SERVER6, "dst": HOST, "hlim": 63} | fields
    return raw(IPv6(**arguments) / payload)


@pytest.mark.parametrize(
    "payload",
    [
        TCP(sport=80, dport=1024, flags="A") / b"odd",
        TCP(sport=80, dport=1024, options=[("MSS", 1460)]),
        UDP(sport=53, dport=1024) / b"answer",
        UDP(sport=53, dport=1024),
        TCP(sport=1, dport=2) / bytes(1440),
    ],
)
def test_rfc7915_4_1_tcp_and_udp(gateway: Gateway, payload: Packet) -> None:
    for _ in range(2):  # the first packet of a pair takes the long way, the second the short one
        assert gateway.send_one(ipv4() / payload) == expected(payload)


@given(st.integers(0, 255), st.integers(2, 255), st.binary(max_size=1400), st.booleans())
def test_rfc7915_4_1_header_fields_follow_the_ipv4_header(
    tos: int, ttl: int, data: bytes, is_tcp: bool
) -> None:
    gateway = Gateway()
    payload = (TCP(sport=5, dport=6) if is_tcp else UDP(sport=5, dport=6)) / data
    for _ in range(2):
        assert gateway.send_one(ipv4(tos=tos, ttl=ttl) / payload) == expected(payload, tc=tos, hlim=ttl - 1)


@given(st.integers(0, 255), st.sampled_from([0, 0x20, 255]))
def test_rfc7915_4_1_the_tos_is_ignored_if_asked(tos: int, traffic_class: int) -> None:
    gateway = Gateway(tos_to_ipv6=traffic_class)
    payload = UDP(sport=5, dport=6) / b"data"
    for _ in range(2):
        assert gateway.send_one(ipv4(tos=tos) / payload) == expected(payload, tc=traffic_class)
    fragments = gateway.send(ipv4(tos=tos, flags=0) / UDP() / bytes(1400))
    fragments += gateway.send(ipv4(tos=tos, flags="MF", proto=17) / Raw(bytes(range(64))))
    assert [IPv6(sent).tc for sent in fragments] == [traffic_class] * 3


@pytest.mark.parametrize("ttl", [0, 1])
def test_rfc7915_4_1_ttl_that_ends_here_is_told_by_time_exceeded(gateway: Gateway, ttl: int) -> None:
    gateway.send(ipv4() / UDP())
    packet = ipv4(ttl=ttl) / UDP(sport=1, dport=2) / b"probe"
    sent = gateway.send_one(packet)
    outer = IP(src=OWN4, dst=SERVER4, ttl=64, tos=0xC0, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=11, code=0) / raw(packet))


def test_rfc7915_4_1_other_protocols_pass_untouched(gateway: Gateway) -> None:
    assert gateway.send_one(ipv4(proto=132) / Raw(b"SCTP")) == expected(Raw(b"SCTP"), nh=132)


@pytest.mark.parametrize("protocol", [0, 43, 44, 58, 60])
def test_numbers_that_would_become_extension_headers_are_dropped(gateway: Gateway, protocol: int) -> None:
    gateway.drop(ipv4(proto=protocol) / Raw(bytes(40)), counters.PROTOCOL)


def test_rfc7915_4_2_igmp_goes_no_further_than_its_link(gateway: Gateway) -> None:
    gateway.drop(ipv4(proto=2) / Raw(bytes.fromhex("1600 09fd cb00 7150")), counters.PROTOCOL)


def test_rfc7915_4_1_options_are_ignored(gateway: Gateway) -> None:
    options = [IPOption_NOP(), IPOption_LSRR(pointer=8, routers=["192.0.2.1"])]
    datagram = raw(ipv4() / UDP() / b"x")[20:]  # scapy would reckon with the source route, which is over
    assert gateway.send_one(ipv4(options=options, proto=17) / Raw(datagram)) == expected(UDP() / b"x")


@pytest.mark.parametrize("option", [IPOption_LSRR, IPOption_SSRR])
def test_rfc7915_4_1_an_unexpired_source_route_is_refused(gateway: Gateway, option: type[Packet]) -> None:
    packet = ipv4(options=[IPOption_NOP(), option(pointer=4, routers=["192.0.2.1"])]) / UDP() / b"x"
    sent = gateway.send_one(packet)
    outer = IP(src=OWN4, dst=SERVER4, ttl=64, tos=0xC0, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=3, code=5) / raw(packet))


def test_a_packet_longer_than_it_says_is_cut(gateway: Gateway) -> None:
    for _ in range(2):
        assert gateway.send_one(raw(ipv4() / UDP() / b"data") + b"trailer") == expected(UDP() / b"data")


@pytest.mark.parametrize("cut", [1, 19, 20, 27, 28, 39])
def test_packets_cut_short_are_malformed(gateway: Gateway, cut: int) -> None:
    gateway.send(ipv4() / TCP())
    gateway.drop(raw(ipv4() / TCP())[:cut], counters.MALFORMED)


def test_impossible_headers_are_malformed(gateway: Gateway) -> None:
    gateway.drop(raw(ipv4(ihl=4) / UDP()), counters.MALFORMED)
    gateway.drop(raw(ipv4(ihl=15) / UDP()), counters.MALFORMED)
    gateway.drop(raw(ipv4(len=19) / UDP()), counters.MALFORMED)
    gateway.drop(ipv4(proto=6) / Raw(bytes(17)), counters.MALFORMED)
    gateway.drop(ipv4(proto=17) / Raw(bytes(7)), counters.MALFORMED)
    gateway.drop(ipv4(proto=1) / Raw(b"\x08\0\0\0"), counters.MALFORMED)


@pytest.mark.parametrize("version", [0, 5, 15])
def test_what_is_not_ip_is_dropped(gateway: Gateway, version: int) -> None:
    gateway.drop(bytes([version << 4]) + bytes(60), counters.NOT_IP)
    gateway.drop(b"", counters.NOT_IP)


@pytest.mark.parametrize(("kind", "echo"), [(8, ICMPv6EchoRequest), (0, ICMPv6EchoReply)])
def test_rfc7915_4_2_echo(gateway: Gateway, kind: int, echo: type[Packet]) -> None:
    sent = gateway.send_one(ipv4() / ICMP(type=kind, id=77, seq=3) / b"odd data!")
    assert sent == expected(echo(id=77, seq=3, data=b"odd data!"))


@pytest.mark.parametrize("kind", [6, 9, 10, 13, 14, 15, 16, 17, 18, 200])
def test_rfc7915_4_2_other_informational_messages_are_dropped(gateway: Gateway, kind: int) -> None:
    gateway.drop(ipv4(proto=1) / Raw(bytes([kind]) + bytes(19)), counters.ICMP_TYPE)


def test_a_map_is_used_for_its_address(gateway: Gateway) -> None:
    assert IPv6(gateway.send_one(ipv4(dst=MAPPED4) / UDP())).dst == MAPPED6


def test_a_reply_marks_the_lease_used(gateway: Gateway) -> None:
    for now in (5.0, 7.0):
        gateway.send(ipv4() / UDP(), now=now)
        assert next(iter(gateway.pool)).last_use == now


def test_a_dormant_lease_is_not_reached(gateway: Gateway) -> None:
    gateway.send(ipv4() / UDP(), now=0)
    packet = ipv4() / UDP() / b"x"
    sent = gateway.send_one(packet, now=ACTIVE_SECONDS + 1)
    outer = IP(src=OWN4, dst=SERVER4, ttl=64, tos=0xC0, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=3, code=1) / raw(packet))
    assert gateway.counts[counters.NO_MAPPING] == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.9", "0.0.0.1", "255.255.255.255", "169.254.0.1"])
def test_sources_never_translated_are_dropped_in_silence(gateway: Gateway, address: str) -> None:
    gateway.drop(ipv4(src=address) / UDP(), counters.NEVER_TRANSLATED)


# Sizes and fragments


@pytest.mark.parametrize("length", [1480, 1481])
def test_rfc7915_4_an_unfragmentable_packet_too_long_for_ipv6_is_refused(length: int) -> None:
    gateway = Gateway(mtu=1500)
    packet = ipv4() / UDP() / bytes(length - 28)
    sent = gateway.send_one(packet)
    if length == 1480:
        assert len(sent) == 1500
    else:
        outer = IP(src=OWN4, dst=SERVER4, ttl=64, tos=0xC0, id=IP(sent).id)
        assert sent == raw(outer / ICMP(type=3, code=4, nexthopmtu=1480) / raw(packet)[:548])
        assert len(sent) == 576


def reassembled(fragments: list[bytes]) -> bytes:
    packet = defragment6(
        [  # type: ignore[no-untyped-call] # scapy
            IPv6(fragment) for fragment in fragments
        ]
    )
    return raw(packet)[40:]


@pytest.mark.parametrize(("offlink_mtu", "size"), [(1280, 1280), (1400, 1400), (1285, 1280)])
def test_rfc7915_4_a_fragmentable_packet_is_fragmented_to_the_offlink_mtu(
    offlink_mtu: int, size: int
) -> None:
    gateway = Gateway(offlink_mtu=offlink_mtu)
    payload = UDP(sport=1, dport=2) / bytes(i % 251 for i in range(1440))
    sent = gateway.send(ipv4(flags=0, id=0x4321) / payload)
    assert [len(fragment) for fragment in sent] == [size, 40 + 8 + 1448 - (size - 48)]
    headers = [IPv6(fragment)[IPv6ExtHdrFragment] for fragment in sent]
    assert [(header.m, header.id, header.nh) for header in headers] == [(1, 0x4321, 17), (0, 0x4321, 17)]
    assert reassembled(sent) == expected(payload)[40:]
    assert gateway.counts[counters.FRAGMENTED] == 1


def test_rfc7915_4_a_small_fragmentable_packet_has_no_fragment_header(gateway: Gateway) -> None:
    payload = UDP() / bytes(1280 - 48)
    for _ in range(2):
        assert gateway.send_one(ipv4(flags=0) / payload) == expected(payload)


def test_rfc7915_4_1_fragments_get_fragment_headers(gateway: Gateway) -> None:
    over4 = raw(ipv4() / UDP(sport=1, dport=2) / bytes(range(100)))[20:]
    over6 = expected(UDP(sport=1, dport=2) / bytes(range(100)))[40:]
    first = gateway.send_one(ipv4(flags="MF", id=99, proto=17) / Raw(over4[:64]))
    last = gateway.send_one(ipv4(flags=0, frag=8, id=99, proto=17) / Raw(over4[64:]))
    assert first == expected(IPv6ExtHdrFragment(nh=17, m=1, id=99) / over6[:64])
    assert last == expected(IPv6ExtHdrFragment(nh=17, offset=8, id=99) / over6[64:])


def test_rfc7915_4_fragments_too_long_for_ipv6_are_fragmented_further(gateway: Gateway) -> None:
    payload = UDP(sport=1, dport=2) / bytes(i % 251 for i in range(2800))
    over4 = raw(ipv4() / payload)[20:]
    sent = gateway.send(ipv4(flags="MF", id=99, proto=17) / Raw(over4[:1480]))
    sent += gateway.send(ipv4(flags=0, frag=185, id=99, proto=17) / Raw(over4[1480:]))
    assert len(sent) == 4
    assert max(map(len, sent)) <= 1280
    assert reassembled(sent) == expected(payload)[40:]


def test_fragments_of_icmp_are_dropped(gateway: Gateway) -> None:
    gateway.drop(ipv4(flags="MF", proto=1) / Raw(bytes(64)), counters.ICMP_FRAGMENT)
    gateway.drop(ipv4(flags=0, frag=3, proto=1) / Raw(bytes(64)), counters.ICMP_FRAGMENT)


def test_impossible_fragments_are_dropped(gateway: Gateway) -> None:
    gateway.drop(ipv4(flags="MF", proto=17) / Raw(bytes(63)), counters.MALFORMED)
    gateway.drop(ipv4(flags=0, frag=8191, proto=17) / Raw(bytes(64)), counters.MALFORMED)
    gateway.drop(ipv4(flags="MF", proto=17), counters.MALFORMED)
    gateway.drop(ipv4(flags=0, frag=8, proto=17), counters.MALFORMED)


# UDP without a checksum


def test_rfc7915_4_5_udp_without_checksum_is_dropped_by_default(gateway: Gateway) -> None:
    gateway.send(ipv4() / UDP())
    gateway.drop(ipv4() / UDP(chksum=0) / b"x", counters.UDP_ZERO_CHECKSUM)


@given(st.binary(max_size=1400))
def test_rfc7915_4_5_udp_checksum_is_calculated_if_asked(data: bytes) -> None:
    gateway = Gateway(udp_zero_checksum=UdpZeroChecksum.CALCULATE)
    sent = gateway.send_one(ipv4() / UDP(sport=1, dport=2, chksum=0) / data)
    assert sent == expected(UDP(sport=1, dport=2) / data)


def test_udp_without_checksum_is_forwarded_if_asked() -> None:
    gateway = Gateway(udp_zero_checksum=UdpZeroChecksum.FORWARD)
    payload = UDP(sport=1, dport=2, chksum=0) / b"x"
    assert gateway.send_one(ipv4() / payload) == expected(payload)


def test_rfc7915_4_5_a_first_fragment_without_checksum_is_never_calculated() -> None:
    gateway = Gateway(udp_zero_checksum=UdpZeroChecksum.CALCULATE)
    gateway.drop(ipv4(flags="MF") / UDP(chksum=0, len=200) / bytes(64), counters.UDP_ZERO_CHECKSUM)
