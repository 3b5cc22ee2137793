"""RFC 7915 section 5.1: from IPv6 to IPv4. Scapy builds the expected packets and their checksums."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Packet, Raw

from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, MAPPED4, MAPPED6, OWN6, SERVER4, SERVER6, Gateway


def ipv6(**fields: object) -> Packet:
    arguments: dict[str, Any] = {"src": HOST, "dst": SERVER6, "hlim": 64} | fields
    return IPv6(**arguments)


def expected(sent: bytes, payload: Packet, **fields: object) -> bytes:
    """Build the IPv4 packet that should have been sent; a small packet's identification is the translator's choice."""
    small = len(sent) <= 1260
    choices = {"id": IP(sent).id if small else 0, "flags": 0 if small else "DF"}
    arguments: dict[str, Any] = {"src": LEASED, "dst": SERVER4, "ttl": 63} | choices | fields
    return raw(IP(**arguments) / payload)


@pytest.mark.parametrize(
    "payload",
    [
        TCP(sport=1024, dport=80, seq=1, flags="PA") / b"odd",
        TCP(sport=1024, dport=80, options=[("MSS", 1440)]),
        UDP(sport=1024, dport=53) / b"query",
        UDP(sport=1024, dport=53),
        TCP(sport=1, dport=2) / bytes(1400),
    ],
)
def test_rfc7915_5_1_tcp_and_udp(gateway: Gateway, payload: Packet) -> None:
    for _ in range(2):  # the first packet of a pair takes the long way, the second the short one
        sent = gateway.send_one(ipv6() / payload)
        assert sent == expected(sent, payload)


@given(
    st.integers(0, 255), st.integers(2, 255), st.integers(0, 0xFFFFF), st.binary(max_size=1400), st.booleans()
)
def test_rfc7915_5_1_header_fields_follow_the_ipv6_header(
    traffic_class: int, hop_limit: int, flow_label: int, data: bytes, is_tcp: bool
) -> None:
    gateway = Gateway()
    payload = (TCP(sport=5, dport=6) if is_tcp else UDP(sport=5, dport=6)) / data
    for _ in range(2):
        sent = gateway.send_one(ipv6(tc=traffic_class, hlim=hop_limit, fl=flow_label) / payload)
        assert sent == expected(sent, payload, tos=traffic_class, ttl=hop_limit - 1)


@given(st.integers(0, 255), st.sampled_from([0, 0x20, 255]))
def test_rfc7915_5_1_the_traffic_class_is_ignored_if_asked(traffic_class: int, tos: int) -> None:
    gateway = Gateway(tos_to_ipv4=tos)
    payload = UDP(sport=5, dport=6) / b"data"
    for _ in range(2):
        sent = gateway.send_one(ipv6(tc=traffic_class) / payload)
        assert sent == expected(sent, payload, tos=tos)


@pytest.mark.parametrize(("length", "may_be_fragmented"), [(1240, True), (1241, False)])
def test_rfc7915_5_1_packets_over_1260_octets_are_not_to_be_fragmented(
    gateway: Gateway, length: int, may_be_fragmented: bool
) -> None:
    packet = ipv6() / TCP() / bytes(length - 20)
    for _ in range(2):
        sent = IP(gateway.send_one(packet))
        assert sent.len == length + 20
        assert ("DF" in sent.flags) is not may_be_fragmented
        assert (sent.id != 0) is may_be_fragmented


def test_rfc7915_5_1_identifications_differ_from_packet_to_packet(gateway: Gateway) -> None:
    sent = [IP(gateway.send_one(ipv6() / UDP() / b"x")).id for _ in range(20)]
    assert len(set(sent)) == 20


@pytest.mark.parametrize("hop_limit", [0, 1])
def test_rfc7915_5_1_hop_limit_that_ends_here_is_told_by_time_exceeded(
    gateway: Gateway, hop_limit: int
) -> None:
    packet = ipv6(hlim=hop_limit) / UDP(sport=1, dport=2) / b"probe"
    gateway.send(ipv6() / UDP(sport=1, dport=2))
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6TimeExceeded(code=0) / raw(packet))
    assert gateway.counts[counters.HOP_LIMIT] == 1


def test_rfc7915_5_1_other_protocols_pass_untouched(gateway: Gateway) -> None:
    sent = gateway.send_one(ipv6(nh=132) / Raw(b"\x01\x02payload of SCTP"))
    assert sent == expected(sent, Raw(b"\x01\x02payload of SCTP"), proto=132)


def test_rfc7915_5_1_extension_headers_are_skipped(gateway: Gateway) -> None:
    payload = UDP(sport=7, dport=8) / b"data"
    sent = gateway.send_one(
        ipv6()
        / IPv6ExtHdrHopByHop(options=PadN(optdata=bytes(12)))
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrRouting(segleft=0, addresses=["2001:db8::99"])
        / payload
    )
    assert sent == expected(sent, payload, proto=17)


def test_rfc7915_5_1_a_routing_header_with_segments_left_is_refused(gateway: Gateway) -> None:
    packet = ipv6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6]) / UDP()
    sent = gateway.send_one(packet)
    pointer = 40 + 8 + 3
    assert sent == raw(
        IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6ParamProblem(code=0, ptr=pointer) / raw(packet)
    )


def test_a_packet_longer_than_it_says_is_cut(gateway: Gateway) -> None:
    packet = ipv6() / UDP(sport=1, dport=2) / b"data"
    for _ in range(2):
        sent = gateway.send_one(raw(packet) + b"trailer")
        assert sent == expected(sent, UDP(sport=1, dport=2) / b"data")


@pytest.mark.parametrize("cut", [1, 39, 40, 47, 48, 57])
def test_packets_cut_short_are_malformed(gateway: Gateway, cut: int) -> None:
    gateway.send(ipv6() / TCP())
    gateway.drop(raw(ipv6() / TCP())[:cut], counters.MALFORMED)


def test_a_transport_header_cut_short_is_malformed(gateway: Gateway) -> None:
    gateway.drop(ipv6(nh=6) / Raw(bytes(17)), counters.MALFORMED)
    gateway.drop(ipv6(nh=17) / Raw(bytes(7)), counters.MALFORMED)
    gateway.drop(ipv6(nh=58) / Raw(b"\x80\0\0\0"), counters.MALFORMED)
    gateway.drop(ipv6(nh=0) / Raw(bytes(7)), counters.MALFORMED)
    gateway.drop(ipv6(nh=60) / Raw(b"\x06\x09" + bytes(20)), counters.MALFORMED)


@pytest.mark.parametrize("echo", [ICMPv6EchoRequest, ICMPv6EchoReply])
def test_rfc7915_5_2_echo(gateway: Gateway, echo: type[Packet]) -> None:
    sent = gateway.send_one(ipv6() / echo(id=77, seq=3, data=b"odd data!"))
    kind = "echo-request" if echo is ICMPv6EchoRequest else "echo-reply"
    assert sent == expected(sent, ICMP(type=kind, id=77, seq=3) / b"odd data!")


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=1400))
def test_rfc7915_5_2_echo_checksums(identifier: int, sequence: int, data: bytes) -> None:
    sent = Gateway().send_one(ipv6() / ICMPv6EchoRequest(id=identifier, seq=sequence, data=data))
    assert sent == expected(sent, ICMP(type=8, id=identifier, seq=sequence) / data)


@pytest.mark.parametrize(
    "packet", [ICMPv6ND_NS(tgt="2001:db8::1"), ICMPv6MLReport(), Raw(b"\xc8\0\0\0\0\0\0\0")]
)
def test_rfc7915_5_2_other_informational_messages_are_dropped(gateway: Gateway, packet: Packet) -> None:
    gateway.drop(ipv6(nh=58) / packet, counters.ICMP_TYPE)
    assert len(gateway.pool) == 1


def test_icmpv4_inside_ipv6_is_dropped(gateway: Gateway) -> None:
    gateway.drop(ipv6(nh=1) / ICMP(), counters.PROTOCOL)


def test_a_new_host_gets_a_lease(gateway: Gateway) -> None:
    sent = IP(gateway.send_one(ipv6(src="2001:db8:1::77") / UDP(), now=50))
    lease = next(lease for lease in gateway.pool if lease.host[-1] == 0x77)
    assert sent.src == ".".join(map(str, lease.address))
    assert lease.last_use == 50
    gateway.send(ipv6(src="2001:db8:1::77") / UDP(), now=60)
    assert lease.last_use == 60


def test_a_map_is_used_for_its_host(gateway: Gateway) -> None:
    assert IP(gateway.send_one(ipv6(src=MAPPED6) / UDP())).src == MAPPED4


def test_an_address_taken_from_a_host_is_not_used_for_it_again() -> None:
    gateway = Gateway()
    gateway.send(ipv6() / UDP())
    later = 14 * 86400 + 1.0
    assert len(gateway.pool.forget(later)) == 1
    sent = IP(gateway.send_one(ipv6() / UDP(), now=later))
    (lease,) = gateway.pool
    assert sent.src == ".".join(map(str, lease.address))


def test_an_address_taken_from_a_destination_is_not_used_for_it_again() -> None:
    gateway = Gateway()
    packet = ipv6(src=MAPPED6, dst=HOST) / UDP()
    assert IP(gateway.send_one(packet)).dst == LEASED
    later = 14 * 86400 + 1.0
    assert len(gateway.pool.forget(later)) == 1
    unreachable = IPv6(src=OWN6, dst=MAPPED6, hlim=64) / ICMPv6DestUnreach(code=3)
    assert gateway.send_one(packet, now=later) == raw(unreachable / raw(packet))


@pytest.mark.parametrize("address", ["fe80::1", "ff02::1", "::1", "::"])
def test_rfc7915_5_1_illegal_sources_are_dropped_in_silence(gateway: Gateway, address: str) -> None:
    gateway.drop(ipv6(src=address) / UDP(), counters.NEVER_TRANSLATED)


def test_destinations_never_translated_are_dropped_in_silence(gateway: Gateway) -> None:
    gateway.drop(ipv6(dst="2001:db8:64:ff9b::7f00:1") / UDP(), counters.NEVER_TRANSLATED)
    gateway.drop(ipv6(dst="2001:db8:64:ff9b::e000:1") / UDP(), counters.NEVER_TRANSLATED)


def test_a_destination_without_mapping_is_unreachable(gateway: Gateway) -> None:
    packet = ipv6(dst="2001:db8:ffff::1") / UDP() / b"x"
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6DestUnreach(code=3) / raw(packet))
    assert gateway.counts[counters.NO_MAPPING] == 1


def test_a_packet_larger_than_the_ipv4_link_is_too_big() -> None:
    gateway = Gateway(mtu=1400)
    for length in (1400, 1401):
        packet = ipv6() / UDP() / bytes(length - 28)
        sent = gateway.send_one(packet)
        if length == 1400:
            assert len(sent) == 1400
        else:
            assert sent == raw(
                IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6PacketTooBig(mtu=1420) / raw(packet)[:1232]
            )


def fragment(offset: int, more: int, protocol: int, data: bytes) -> Packet:
    return ipv6() / IPv6ExtHdrFragment(nh=protocol, offset=offset, m=more, id=0xABCD1234) / Raw(data)


def test_rfc7915_5_1_1_fragments(gateway: Gateway) -> None:
    over4 = raw(IP(src=LEASED, dst=SERVER4) / UDP(sport=1, dport=2) / bytes(range(100)))[20:]
    over6 = raw(ipv6() / UDP(sport=1, dport=2) / bytes(range(100)))[40:]
    first = gateway.send_one(fragment(0, 1, 17, over6[:64]))
    last = gateway.send_one(fragment(8, 0, 17, over6[64:]))
    common: dict[str, Any] = {"src": LEASED, "dst": SERVER4, "ttl": 63, "id": 0x1234, "proto": 17}
    assert first == raw(IP(**common, flags="MF") / over4[:64])
    assert last == raw(IP(**common, frag=8) / over4[64:])


def test_rfc7915_5_1_1_a_fragment_header_without_fragmentation(gateway: Gateway) -> None:
    over6 = raw(ipv6() / TCP(sport=1, dport=2) / b"x")[40:]
    sent = gateway.send_one(fragment(0, 0, 6, over6))
    assert sent == expected(sent, TCP(sport=1, dport=2) / b"x", id=0x1234, flags=0)


def test_rfc7915_5_1_1_extension_headers_are_skipped_behind_it_too(gateway: Gateway) -> None:
    payload = UDP(sport=1, dport=2) / b"data"
    options = IPv6ExtHdrDestOpt(nh=17)
    sent = gateway.send_one(ipv6() / IPv6ExtHdrFragment(id=0x123456, nh=60) / options / payload)
    assert sent == expected(sent, payload, id=0x3456)
    # Of a real fragment only the first would show what follows.
    gateway.drop(ipv6() / IPv6ExtHdrFragment(m=1, nh=60) / options / raw(payload)[:8], counters.MALFORMED)


@pytest.mark.parametrize("protocol", [51, 135, 139, 140])
def test_rfc7915_5_1_1_other_extension_headers_behind_it_are_dropped(gateway: Gateway, protocol: int) -> None:
    for offset, more in ((0, 0), (0, 1), (8, 0)):
        gateway.drop(fragment(offset, more, protocol, bytes(64)), counters.PROTOCOL)


@pytest.mark.parametrize("protocol", [50, 51, 59, 135])
def test_rfc7915_5_1_the_first_header_that_is_not_skipped_is_the_protocol(
    gateway: Gateway, protocol: int
) -> None:
    sent = gateway.send_one(ipv6() / IPv6ExtHdrDestOpt(nh=protocol) / Raw(bytes(16)))
    assert sent == expected(sent, Raw(bytes(16)), proto=protocol)


def test_fragments_of_icmp_are_dropped(gateway: Gateway) -> None:
    gateway.drop(fragment(0, 1, 58, bytes(64)), counters.ICMP_FRAGMENT)
    gateway.drop(fragment(8, 0, 58, bytes(64)), counters.ICMP_FRAGMENT)


def test_impossible_fragments_are_dropped(gateway: Gateway) -> None:
    gateway.drop(fragment(0, 1, 17, bytes(63)), counters.MALFORMED)
    gateway.drop(fragment(0, 1, 6, bytes(16)), counters.MALFORMED)
    gateway.drop(fragment(8191, 0, 17, bytes(64)), counters.MALFORMED)
    gateway.drop(fragment(0, 1, 17, b""), counters.MALFORMED)
    gateway.drop(fragment(8, 0, 17, b""), counters.MALFORMED)
    gateway.drop(fragment(0, 1, 60, bytes(64)), counters.MALFORMED)


def test_udp_without_checksum_stays_without(gateway: Gateway) -> None:
    payload = UDP(sport=1, dport=2, chksum=0) / b"tunnel"
    for _ in range(2):
        sent = gateway.send_one(ipv6() / payload)
        assert sent == expected(sent, payload)


def test_a_wrong_checksum_stays_wrong(gateway: Gateway) -> None:
    for _ in range(2):
        sent = IP(gateway.send_one(ipv6() / TCP(sport=1, dport=2, chksum=0x1234)))
        right = IP(raw(IP(src=LEASED, dst=SERVER4) / TCP(sport=1, dport=2)))
        assert sent[TCP].chksum != right[TCP].chksum
