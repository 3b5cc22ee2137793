"""Packets that end at each of their octets: nothing raises, each is counted once, and none goes on that contradicts itself."""

from __future__ import annotations

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Raw

from nat64.siit import counters
from tests.fuzz import wire
from tests.unit.siit.conftest import HOST, LEASED, OWN4, OWN6, SERVER4, SERVER6, Gateway

LONGEST_OPTIONS = [IPOption_NOP()] * 40
DATAGRAM = raw(IP(src=SERVER4, dst=LEASED) / UDP(sport=1, dport=2) / b"data")[20:]
CHAIN = (
    IPv6ExtHdrHopByHop(options=PadN(optdata=bytes(12)))
    / IPv6ExtHdrDestOpt()
    / IPv6ExtHdrRouting(addresses=["2001:db8::99"] * 2, segleft=0)
    / IPv6ExtHdrFragment(id=5)
    / IPv6ExtHdrDestOpt()
)
SENT = raw(IPv6(src=SERVER6, dst=HOST) / CHAIN / TCP(sport=1, dport=2))
INNER4 = raw(IP(src=LEASED, dst=SERVER4, options=LONGEST_OPTIONS, proto=17) / Raw(DATAGRAM))
PACKETS = {
    "longest IPv6 chain": raw(IPv6(src=HOST, dst=SERVER6) / CHAIN / UDP(sport=1, dport=2) / b"data"),
    "longest IPv4 header": raw(
        IP(src=SERVER4, dst=LEASED, options=LONGEST_OPTIONS, proto=17) / Raw(DATAGRAM)
    ),
    "IPv6 TCP": raw(IPv6(src=HOST, dst=SERVER6) / TCP()),
    "IPv4 TCP": raw(IP(src=SERVER4, dst=LEASED) / TCP()),
    "IPv6 echo": raw(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(data=b"x")),
    "IPv4 echo": raw(IP(src=SERVER4, dst=LEASED) / ICMP() / b"x"),
    "IPv6 fragment": raw(
        IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(nh=17, m=1, id=5) / Raw(DATAGRAM + bytes(4))
    ),
    "IPv4 fragment": raw(IP(src=SERVER4, dst=LEASED, flags="MF", proto=17) / Raw(DATAGRAM + bytes(4))),
    "IPv6 error": raw(IPv6(src=HOST, dst=SERVER6) / ICMPv6TimeExceeded() / Raw(SENT)),
    "IPv4 error": raw(IP(src=SERVER4, dst=LEASED) / ICMP(type=11) / Raw(INNER4)),
    "echo to the own IPv6 address": raw(IPv6(src=HOST, dst=OWN6) / CHAIN / ICMPv6EchoRequest()),
    "echo to the own IPv4 address": raw(
        IP(src=SERVER4, dst=OWN4, options=LONGEST_OPTIONS, proto=1) / Raw(raw(ICMP()))
    ),
}
SILENT = {counters.MALFORMED, counters.NOT_IP}


def with_length(packet: bytes) -> bytes:
    """The packet says the length that it has."""
    if packet[:1] and packet[0] >> 4 == 4 and len(packet) >= 20:
        return packet[:2] + len(packet).to_bytes(2, "big") + packet[4:]
    if packet[:1] and packet[0] >> 4 == 6 and len(packet) >= 40:
        return packet[:4] + (len(packet) - 40).to_bytes(2, "big") + packet[6:]
    return packet


def with_checksum(packet: bytes) -> bytes:
    """An ICMP error has a right checksum, so that it is not for that that it is dropped."""
    try:
        payload = wire.with_right_checksum(wire.read(packet))
    except wire.Malformed:
        return packet
    return packet[: len(packet) - len(payload)] + payload


def ended(gateway: Gateway, packet: bytes) -> tuple[list[bytes], set[str]]:
    """Send a packet, and tell what was sent and what was counted."""
    before = dict(gateway.counts)
    sent = gateway.send(packet)
    grown = {name for name in before if gateway.counts[name] != before[name]}
    assert all(gateway.counts[name] == before[name] + 1 for name in grown)
    return sent, grown


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_cut_at_any_octet_is_dropped_in_silence(name: str) -> None:
    gateway = Gateway()
    whole = PACKETS[name]
    assert gateway.send(whole), "whole, it is answered or goes on"
    for length in range(len(whole)):
        sent, counted = ended(gateway, whole[:length])
        assert sent == []
        assert len(counted) == 1, length
        assert counted <= SILENT


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_that_is_as_short_as_it_says_is_counted_once(name: str) -> None:
    gateway = Gateway()
    for length in range(len(PACKETS[name])):
        packet = with_checksum(with_length(PACKETS[name][:length]))
        sent, counted = ended(gateway, packet)
        reasons = {counter for counter in counted if counter.startswith(("drop_", "self_"))}
        reasons |= counted & {counters.TO_IPV4, counters.TO_IPV6}
        errors = counted & {counters.ERROR_TO_IPV4, counters.ERROR_TO_IPV6}
        assert len(reasons | errors) == 1, (length, counted)
        assert bool(sent) is not any(
            counter.startswith(("drop_", counters.SELF_OTHER)) for counter in counted
        )
        for one in sent:
            out = wire.read(one)
            assert wire.checksum_is_right(out) is not False or not wire.checksum_is_right(wire.read(packet))


@pytest.mark.parametrize("name", ["IPv6 error", "IPv4 error"])
def test_an_inner_packet_is_translated_as_soon_as_its_headers_are_there(name: str) -> None:
    gateway = Gateway()
    outer, inner = (48, len(SENT) - 20) if name == "IPv6 error" else (28, 60)
    for length in range(outer, len(PACKETS[name])):
        packet = with_checksum(with_length(PACKETS[name][:length]))
        sent, counted = ended(gateway, packet)
        assert bool(sent) is (length >= outer + inner), length
        assert sent or counted == {counters.ICMP_INNER}
