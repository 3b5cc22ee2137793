"""Properties of the whole translator: it never raises, there and back is the same, right checksums stay right."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6Unknown, IPv6
from scapy.utils import checksum as scapy_checksum

from nat64.siit import counters
from nat64.siit.settings import UdpZeroChecksum
from tests.unit.siit.conftest import HOST, LEASED, MAPPED6, OWN4, OWN6, SERVER4, SERVER6, Gateway

ADDRESSES4 = [IPv4Address(text).packed for text in (LEASED, SERVER4, OWN4, "224.0.0.1", "192.168.240.99")]
ADDRESSES6 = [IPv6Address(text).packed for text in (HOST, SERVER6, OWN6, "ff02::1", "2001:db8:64:ff9b::")]
ADDRESSES6 += [IPv6Address(text).packed for text in (MAPPED6, f"2001:db8:64:ff9b::{LEASED}")]  # hairpins
PROTOCOLS = st.sampled_from([0, 1, 6, 17, 43, 44, 58, 60, 132])
OCTETS = st.integers(0, 255)


@st.composite
def shaped(draw: st.DrawFn, depth: int = 1) -> bytes:
    """Packets with known addresses and mostly possible lengths, nested as in ICMP errors, around any payload."""
    payload = draw(st.binary(max_size=80))
    if depth and draw(st.booleans()):
        payload = draw(st.binary(min_size=8, max_size=8)) + draw(shaped(depth - 1))
    slack = draw(st.sampled_from([0, 0, 0, -1, 1, 8, 1000]))
    if draw(st.booleans()):
        words = bytes((0x40 | draw(st.sampled_from([5, 5, 6, 15])), draw(OCTETS)))
        words += max(0, 20 + len(payload) + slack).to_bytes(2, "big") + draw(
            st.binary(min_size=4, max_size=4)
        )
        words += bytes((draw(OCTETS), draw(PROTOCOLS), 0, 0))
        return words + draw(st.sampled_from(ADDRESSES4)) + draw(st.sampled_from(ADDRESSES4)) + payload
    words = bytes((0x60, 0, 0, 0)) + max(0, len(payload) + slack).to_bytes(2, "big")
    words += bytes((draw(PROTOCOLS), draw(OCTETS)))
    return words + draw(st.sampled_from(ADDRESSES6)) + draw(st.sampled_from(ADDRESSES6)) + payload


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=120), shaped()), max_size=6), st.sampled_from(UdpZeroChecksum))
def test_no_packet_raises_and_what_is_sent_has_right_lengths(
    packets: list[bytes], mode: UdpZeroChecksum
) -> None:
    gateway = Gateway(udp_zero_checksum=mode)
    for packet in packets:
        check_lengths(gateway.send(packet))


def check_lengths(packets: list[bytes]) -> None:
    for sent in packets:
        if sent[0] >> 4 == 4:
            assert int.from_bytes(sent[2:4], "big") == len(sent)
            assert IP(sent).chksum == IP(raw(IP(sent[:20], chksum=None))).chksum
        else:
            assert sent[0] >> 4 == 6
            assert int.from_bytes(sent[4:6], "big") + 40 == len(sent)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 4, 11, 12]), st.integers(0, 15), st.binary(min_size=4, max_size=4), shaped(0)
)
def test_no_packet_inside_an_error_raises(icmp_type: int, code: int, rest: bytes, inner: bytes) -> None:
    gateway = Gateway()
    message = rest + inner
    unsummed = bytes((icmp_type, code, 0, 0)) + message
    number = scapy_checksum(unsummed).to_bytes(2, "big")
    check_lengths(gateway.send(IP(src=SERVER4, dst=LEASED, proto=1) / (unsummed[:2] + number + message)))
    error6 = IPv6(src=HOST, dst=SERVER6) / ICMPv6Unknown(type=icmp_type, code=code, msgbody=message)
    check_lengths(gateway.send(error6))
    assert gateway.counts[counters.ICMP_CHECKSUM] == 0


TRANSPORT = st.one_of(
    st.builds(lambda data: TCP(sport=1, dport=2) / data, st.binary(max_size=1400)),
    st.builds(lambda data: UDP(sport=1, dport=2) / data, st.binary(max_size=1400)),
    st.builds(lambda data: ICMPv6EchoRequest(id=3, data=data), st.binary(max_size=1400)),
)


@settings(deadline=None)
@given(TRANSPORT, OCTETS, st.integers(3, 255))
def test_there_and_back_is_the_same_but_for_the_hops(
    payload: TCP | UDP | ICMPv6EchoRequest, traffic_class: int, hop_limit: int
) -> None:
    gateway = Gateway()
    packet = IPv6(src=HOST, dst=SERVER6, tc=traffic_class, hlim=hop_limit) / payload
    there = bytearray(gateway.send_one(packet))
    there[12:20] = there[16:20] + there[12:16]  # send it back as it is
    back = bytearray(gateway.send_one(bytes(there)))
    back[8:40] = back[24:40] + back[8:24]
    back[7] += 2
    assert bytes(back) == raw(packet)


@settings(deadline=None)
@given(st.binary(max_size=600), st.booleans())
def test_right_checksums_stay_right_whatever_the_addresses(host_and_data: bytes, is_tcp: bool) -> None:
    gateway = Gateway()
    host = b"\x3f\xff" + host_and_data[:14].ljust(14, b"\0")
    layer = TCP(sport=9, dport=10) if is_tcp else UDP(sport=9, dport=10)
    packet = IPv6(src=str(IPv6Address(host)), dst=SERVER6) / layer / host_and_data
    for _ in range(2):
        sent = IP(gateway.send_one(packet))
        fresh = IP(raw(IP(src=sent.src, dst=sent.dst) / layer / host_and_data))
        assert raw(sent)[20:] == raw(fresh)[20:]


def test_icmp_layer_is_not_confused_with_other_protocols(gateway: Gateway) -> None:
    assert ICMP in IP(gateway.send_one(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest()))
