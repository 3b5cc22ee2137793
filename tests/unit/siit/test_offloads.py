"""Packets with work left to the device: whole where they can be, else as the packets that they stand for.

The packets on the link that a large one stands for are built by scapy, each by itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt

from nat64.siit import counters, offload
from nat64.siit.offload import GSO_TCP4, GSO_TCP6, GSO_UDP, NOTHING_LEFT
from nat64.siit.segmentation import ready_packets
from tests.unit.siit.conftest import HOST, LEASED, OWN6, SERVER4, SERVER6, Gateway

if TYPE_CHECKING:
    from scapy.packet import Packet

Sent = list[tuple[bytes, bytes]]

MARK = 0x80
PARTIAL = 1


def header(
    gso_type: int, segment: int, start: int, offset: int, *, linear: int = 0, flags: int = PARTIAL
) -> bytes:
    return struct.pack("=BBHHHH", flags, gso_type, linear, segment, start, offset)


def unfinished(packet: Packet) -> bytearray:
    """Return the packet with nothing but the pseudo-header's sum in its transport checksum."""
    data = bytearray(raw(packet))
    six = data[0] >> 4 == 6
    start = 40 if six else (data[0] & 15) * 4
    protocol = data[6] if six else data[9]
    at = start + (16 if protocol == 6 else 6)
    addresses = data[8:40] if six else data[12:20]
    words = struct.unpack(f"!{len(addresses) // 2}H", addresses)
    total = sum(words) + protocol + len(data) - start
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    data[at : at + 2] = total.to_bytes(2, "big")
    return data


def hand_over(gateway: Gateway, packet: bytearray, before: bytes, now: float = 0.0) -> Sent:
    left = offload.parse(before)
    after, packets = gateway.translator.receive_offloaded(memoryview(packet), left, now)
    return [(after, b"".join(parts)) for parts in packets]


def on_the_link(sent: Sent) -> list[bytes]:
    """Do a device's work."""
    ready: list[bytes] = []
    for before, packet in sent:
        if offload.is_left(before):
            ready += map(bytes, ready_packets(memoryview(bytearray(packet)), offload.parse(before)))
        else:
            ready.append(packet)
    return ready


def tcp_segments(
    data: bytes, size: int, flags: str, ip: Packet, options: list[tuple[str, int]]
) -> list[Packet]:
    """Return what a large TCP packet stands for: sequence counted on, PSH and FIN on the last, CWR on the first."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    packets = []
    for number, part in enumerate(parts):
        kept = flags
        if number:
            kept = kept.replace("C", "")
        if number < len(parts) - 1:
            kept = kept.replace("P", "").replace("F", "")
        segment = TCP(
            sport=5000, dport=80, seq=0xFFFFFF00 + number * size & 0xFFFFFFFF, flags=kept, options=options
        )
        packets.append(ip.copy() / segment / part)
    return packets


def rebuilt(packet: bytes) -> bytes:
    """Return the packet with the checksums that scapy would give it."""
    read = IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
    for layer in (IP, TCP, UDP):
        if layer in read:
            del read[layer].chksum
    return raw(read)


TIMESTAMPS = [("NOP", 0), ("NOP", 0), ("Timestamp", (1, 2))]


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=1, max_size=6000),
    st.integers(200, 1440),
    st.sampled_from(["A", "PA", "FPA", "CPA"]),
    st.sampled_from([[], TIMESTAMPS]),
)
def test_a_large_tcp_packet_to_ipv4_stands_for_what_its_segments_become(
    data: bytes, size: int, flags: str, options: list[tuple[str, int]]
) -> None:
    ip = IPv6(src=HOST, dst=SERVER6, hlim=64, tc=0x10)
    whole = ip / TCP(sport=5000, dport=80, seq=0xFFFFFF00, flags=flags, options=options) / data
    gateway = Gateway()
    sent = hand_over(gateway, unfinished(whole), header(GSO_TCP6, size, 40, 16))
    assert len(sent) == 1
    ready = on_the_link(sent)
    one_by_one = Gateway()
    expected = [one_by_one.send_one(packet) for packet in tcp_segments(data, size, flags, ip, options)]
    assert [without_identification(packet) for packet in ready] == [
        without_identification(packet) for packet in expected
    ]
    assert [rebuilt(packet) for packet in ready] == ready
    again = hand_over(gateway, unfinished(whole), header(GSO_TCP6, size, 40, 16))
    identifications = [IP(p).id for p in ready + on_the_link(again) if not IP(p).flags.DF]
    assert len(set(identifications)) == len(identifications)


def test_rfc6864_4_2_segments_that_may_be_fragmented_have_identifications_of_their_own(
    gateway: Gateway,
) -> None:
    whole = IPv6(src=HOST, dst=SERVER6) / TCP(sport=1, dport=2) / bytes(50 * 100)
    ready: list[bytes] = []
    for _ in range(2):
        ready += on_the_link(hand_over(gateway, unfinished(whole), header(GSO_TCP6, 100, 40, 16)))
    assert len({IP(packet).id for packet in ready}) == len(ready) == 100


def without_identification(packet: bytes) -> bytes:
    read = IP(packet)
    read.id = 0
    del read.chksum
    return raw(read)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=6000), st.integers(200, 1440), st.booleans(), st.booleans())
def test_a_large_tcp_packet_to_ipv6_stands_for_what_its_segments_become(
    data: bytes, size: int, dont_fragment: bool, with_options: bool
) -> None:
    ip = IP(src=SERVER4, dst=LEASED, ttl=64, id=77, flags="DF" if dont_fragment else 0)
    if with_options:
        ip.options = [b"\x01\x01\x01\x00"]
    start = len(raw(ip))
    whole = ip / TCP(sport=80, dport=5000, seq=0xFFFFFF00, flags="PA") / data
    gateway = Gateway()
    sent = hand_over(gateway, unfinished(whole), header(GSO_TCP4, size, start, 16, linear=start + 20))
    ready = on_the_link(sent)
    one_by_one = Gateway()
    segments = tcp_segments(data, size, "PA", ip, [])
    for segment in segments:
        segment.sport, segment.dport = 80, 5000
    for number, segment in enumerate(segments):
        segment[IP].id = 77 + number
    expected = [sent_one for segment in segments for sent_one in one_by_one.send(segment)]
    assert ready == expected
    fits = dont_fragment or 40 + 20 + min(size, len(data)) <= 1280
    assert len(sent) == (1 if fits else len(expected))


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=6000), st.integers(100, 1200))
def test_a_large_udp_packet_stands_for_datagrams(data: bytes, size: int) -> None:
    ip = IPv6(src=HOST, dst=SERVER6, hlim=64)
    gateway = Gateway()
    whole = unfinished(ip / UDP(sport=5000, dport=53) / data)
    (one,) = hand_over(gateway, whole, header(GSO_UDP, size, 40, 6))
    ready = on_the_link([one])
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    one_by_one = Gateway()
    expected = [one_by_one.send_one(ip.copy() / UDP(sport=5000, dport=53) / part) for part in parts]
    assert ready == expected


@pytest.mark.parametrize("transport", [TCP(sport=1, dport=2), UDP(sport=1, dport=2)], ids=["tcp", "udp"])
def test_a_checksum_to_finish_stays_one_both_ways(gateway: Gateway, transport: Packet) -> None:
    offset = 16 if TCP in transport else 6
    to_ipv4 = IPv6(src=HOST, dst=SERVER6) / transport / b"data"
    for _ in range(2):  # the second one by the hot path
        ((after, sent),) = hand_over(gateway, unfinished(to_ipv4), header(0, 0, 40, offset))
        assert after == header(0, 0, 20, offset)
        assert sent[20:] == unfinished(IP(src=LEASED, dst=SERVER4) / transport / b"data")[20:]
        assert on_the_link([(after, sent)])[0][20:] == gateway.send_one(to_ipv4)[20:]
    to_ipv6 = IP(src=SERVER4, dst=LEASED) / transport / b"data"
    for _ in range(2):
        ((after, sent),) = hand_over(gateway, unfinished(to_ipv6), header(0, 0, 20, offset))
        assert after == header(0, 0, 40, offset)
        assert sent[40:] == unfinished(IPv6(src=SERVER6, dst=HOST) / transport / b"data")[40:]
        assert on_the_link([(after, sent)])[0] == gateway.send_one(to_ipv6)


def test_congestion_marks_and_the_length_of_the_headers_are_kept(gateway: Gateway) -> None:
    whole = unfinished(IPv6(src=HOST, dst=SERVER6) / TCP(sport=1, dport=2) / bytes(3000))
    ((after, _),) = hand_over(gateway, whole, header(GSO_TCP6 | MARK, 1400, 40, 16, linear=60))
    assert after == header(GSO_TCP4 | MARK, 1400, 20, 16, linear=40)


def test_segments_too_long_for_the_link_are_told_to_the_sender(gateway: Gateway) -> None:
    whole = unfinished(IP(src=SERVER4, dst=LEASED, flags="DF") / TCP(sport=1, dport=2) / bytes(3000))
    sent = hand_over(gateway, whole, header(GSO_TCP4, 1460, 20, 16))
    assert {before for before, _ in sent} == {NOTHING_LEFT}
    errors = [IP(packet) for _, packet in sent if packet[0] >> 4 == 4]
    assert [(e.dst, e.payload.type, e.payload.code, e.payload.nexthopmtu) for e in errors] == [
        (SERVER4, 3, 4, 1480)
    ] * 2
    assert len(sent) == 3  # the last segment fits
    assert gateway.counts[counters.TOO_BIG] == 2


def test_behind_extension_headers_the_work_is_done_here(gateway: Gateway) -> None:
    packet = IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2) / b"data"
    data = bytearray(raw(packet))
    right = bytes(data)
    plain = unfinished(IPv6(src=HOST, dst=SERVER6) / UDP(sport=1, dport=2) / b"data")
    data[54:56] = plain[46:48]
    ((after, sent),) = hand_over(gateway, data, header(0, 0, 48, 6))
    assert after == NOTHING_LEFT
    assert sent[20:] == gateway.send_one(right)[20:]


def test_the_checksum_of_a_packet_in_a_tunnel_is_finished_here(gateway: Gateway) -> None:
    inner = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2) / b"data"
    right = IPv6(src=HOST, dst=SERVER6) / UDP(sport=4789, dport=4789) / (bytes(8) + raw(inner))
    data = bytearray(raw(right))
    start = 40 + 8 + 8 + 20
    data[start + 6 : start + 8] = unfinished(inner)[26:28]
    ((after, sent),) = hand_over(gateway, data, header(0, 0, start, 6))
    assert after == NOTHING_LEFT
    assert sent == gateway.send_one(right)[:4] + sent[4:6] + gateway.send_one(right)[6:10] + sent[10:]
    assert rebuilt(sent) == sent


def test_packets_for_the_translator_itself_are_finished_and_answered(gateway: Gateway) -> None:
    packet = unfinished(IPv6(src=HOST, dst=OWN6) / UDP(sport=1, dport=2) / b"data")
    ((after, sent),) = hand_over(gateway, packet, header(0, 0, 40, 6))
    assert after == NOTHING_LEFT
    assert (IPv6(sent).dst, IPv6(sent).payload.type) == (HOST, 4)


def test_a_packet_with_nothing_left_but_a_kind_it_is_not_is_dropped(gateway: Gateway) -> None:
    echo = bytearray(raw(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(data=b"x" * 100)))
    assert hand_over(gateway, echo, header(GSO_TCP6, 10, 4000, 16)) == []
    assert hand_over(gateway, echo, header(3, 10, 40, 6)) == []
    assert hand_over(gateway, echo, header(0, 0, 4000, 6)) == []
    assert gateway.counts[counters.MALFORMED] == 3


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=10, max_size=10), st.sampled_from([4, 6]))
def test_no_packet_and_no_header_raises(packet: bytes, before: bytes, version: int) -> None:
    gateway = Gateway()
    data = bytearray(bytes((version << 4 | 5,)) + packet)
    if len(data) >= 40:
        data[12:20] = raw(IP(src=SERVER4, dst=LEASED))[12:20] if version == 4 else data[12:20]
        if version == 6:
            data[8:40] = raw(IPv6(src=HOST, dst=SERVER6))[8:40]
    hand_over(gateway, data, before)
