"""RFC 7757 section 4: one IPv6 host reaches another by that one's IPv4 address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    in6_chksum,
)

from nat64.addressing.address_map import Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, MAPPED4, MAPPED6, OWN6, SERVER4, Gateway

if TYPE_CHECKING:
    from scapy.packet import Packet

HOST_SEEN = "2001:db8:64:ff9b::c0a8:f00a"  # LEASED in the prefix
MAPPED_SEEN = "2001:db8:64:ff9b::c000:209"  # MAPPED4 in the prefix
OTHER_HOST = "2001:db8:1::6"
OTHER_LEASED = "192.168.240.11"
OTHER_SEEN = "2001:db8:64:ff9b::c0a8:f00b"
ROUTER6 = "2001:db8:1::1"


def gateway_with_two_leases(hairpin: Hairpin = Hairpin.INTRINSIC, mtu: int = 1500) -> Gateway:
    made = Gateway(hairpin=hairpin, mtu=mtu)
    (lease,) = made.pool
    made.pool.restore(IPv6Address(OTHER_HOST).packed, lease.prefix, IPv4Address(OTHER_LEASED).packed, 0)
    return made


@pytest.fixture
def gateway() -> Gateway:
    return gateway_with_two_leases()


@pytest.mark.parametrize(
    ("source", "source_seen", "destination_seen", "destination"),
    [
        (HOST, HOST_SEEN, MAPPED_SEEN, MAPPED6),
        (MAPPED6, MAPPED_SEEN, HOST_SEEN, HOST),
        (HOST, HOST_SEEN, OTHER_SEEN, OTHER_HOST),
        (HOST, HOST_SEEN, HOST_SEEN, HOST),
    ],
)
@pytest.mark.parametrize(
    "payload",
    [
        TCP(sport=1000, dport=80) / b"payload",
        UDP(sport=1000, dport=53) / b"odd",
        ICMPv6EchoRequest(id=7, seq=1, data=b"payload"),
        ICMPv6EchoReply(id=7, seq=1, data=b"payload"),
        b"",
    ],
    ids=["tcp", "udp", "request", "reply", "nothing"],
)
def test_rfc7757_4_2_2_a_packet_turns_back_and_its_source_is_seen_through_the_prefix(  # noqa: PLR0917 - two packets' addresses
    gateway: Gateway, source: str, source_seen: str, destination_seen: str, destination: str, payload: Packet
) -> None:
    sent = IPv6(src=source, dst=destination_seen, hlim=9, tc=0x2E) / payload
    expected = IPv6(src=source_seen, dst=destination, hlim=8, tc=0x2E) / payload
    for _ in range(2):  # the second time nothing may have been kept that leads out
        assert gateway.send_one(sent) == raw(expected)
    assert gateway.counts[counters.HAIRPINNED] == 2
    assert gateway.counts[counters.TO_IPV4] == 0


def test_rfc7757_4_2_2_the_answer_turns_back_likewise(gateway: Gateway) -> None:
    request = IPv6(gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / UDP(sport=1000, dport=2000) / b"?"))
    answer = IPv6(src=request.dst, dst=request.src) / UDP(sport=2000, dport=1000) / b"!"
    received = IPv6(gateway.send_one(answer))
    assert (received.src, received.dst) == (OTHER_SEEN, HOST)


def test_a_packet_that_turns_back_uses_both_leases(gateway: Gateway) -> None:
    gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / TCP(), now=5.0)
    assert [lease.last_use for lease in gateway.pool] == [5.0, 5.0]


def test_a_new_host_gets_a_lease_for_it(gateway: Gateway) -> None:
    sent = IPv6(gateway.send_one(IPv6(src="2001:db8:1::77", dst=OTHER_SEEN) / TCP()))
    (address,) = [
        lease.address for lease in gateway.pool if lease.host == IPv6Address("2001:db8:1::77").packed
    ]
    assert sent.src == str(IPv6Address(IPv6Address("2001:db8:64:ff9b::").packed[:12] + address))


def test_a_destination_that_gets_its_lease_later_is_turned_back_to_from_then_on() -> None:
    gateway = Gateway()
    sent = IPv6(src=HOST, dst=OTHER_SEEN) / UDP(sport=1000, dport=2000) / b"?"
    for _ in range(2):
        assert IP(gateway.send_one(sent)).dst == OTHER_LEASED
    (lease,) = gateway.pool
    gateway.pool.restore(IPv6Address(OTHER_HOST).packed, lease.prefix, IPv4Address(OTHER_LEASED).packed, 0)
    assert IPv6(gateway.send_one(sent)).dst == OTHER_HOST


@pytest.mark.parametrize("hairpin", [Hairpin.OFF, Hairpin.SIMPLE])
def test_rfc7757_4_2_1_without_intrinsic_hairpinning_the_packet_leaves_as_ipv4(hairpin: Hairpin) -> None:
    gateway = gateway_with_two_leases(hairpin)
    sent = IP(gateway.send_one(IPv6(src=HOST, dst=MAPPED_SEEN) / TCP()))
    assert (sent.src, sent.dst) == (LEASED, MAPPED4)


@pytest.mark.parametrize(
    ("hairpin", "source"),
    [(Hairpin.OFF, HOST), (Hairpin.SIMPLE, HOST_SEEN), (Hairpin.INTRINSIC, HOST)],
)
def test_rfc7757_4_2_1_simple_hairpinning_on_the_way_back_from_ipv4(hairpin: Hairpin, source: str) -> None:
    gateway = gateway_with_two_leases(hairpin)
    for destination4, destination in ((MAPPED4, MAPPED6), (OTHER_LEASED, OTHER_HOST)):
        for _ in range(2):
            sent = gateway.send_one(IP(src=LEASED, dst=destination4, ttl=9) / TCP(sport=1000))
            assert sent == raw(IPv6(src=source, dst=destination, hlim=8) / TCP(sport=1000))
    sent = gateway.send_one(IP(src=SERVER4, dst=LEASED) / TCP())
    assert IPv6(sent).src == "2001:db8:64:ff9b::cb00:7150"


def test_rfc7757_4_2_1_errors_under_simple_hairpinning() -> None:
    """The other host refuses what it got from the host: one ICMP error, translated out and in again."""
    gateway = gateway_with_two_leases(Hairpin.SIMPLE)
    question = IPv6(src=HOST, dst=OTHER_SEEN, hlim=9) / UDP(sport=1000, dport=2000) / b"payload"
    delivered = IPv6(gateway.send_one(gateway.send_one(question)))
    assert (delivered.src, delivered.dst) == (HOST_SEEN, OTHER_HOST)
    error = IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6DestUnreach(code=4) / delivered
    on_ipv4 = gateway.send_one(error)
    assert (IP(on_ipv4).src, IP(on_ipv4).dst) == (OTHER_LEASED, LEASED)
    received = gateway.send_one(on_ipv4)
    inner = question.copy()
    inner.hlim = delivered.hlim
    assert received == raw(IPv6(src=OTHER_SEEN, dst=HOST, hlim=62) / ICMPv6DestUnreach(code=4) / inner)


@pytest.mark.parametrize(
    "error",
    [
        ICMPv6DestUnreach(code=4),
        ICMPv6PacketTooBig(mtu=1280),
        ICMPv6TimeExceeded(code=1),
    ],
    ids=["unreachable", "too big", "time exceeded"],
)
@pytest.mark.parametrize(
    "payload",
    [
        UDP(sport=1000, dport=2000) / b"payload",
        TCP(sport=1000, dport=2000) / b"payload",
        ICMPv6EchoRequest(id=7, seq=1, data=b"payload"),
        IPv6ExtHdrFragment(m=1, id=5) / UDP(sport=1000, dport=2000, len=100, chksum=0x1234) / b"eight oc",
        IPv6ExtHdrFragment(offset=3, id=5, nh=17) / b"payload",
    ],
    ids=["udp", "tcp", "echo", "first fragment", "later fragment"],
)
def test_rfc7757_4_2_2_an_error_shows_the_sender_what_it_sent(
    gateway: Gateway, error: Packet, payload: Packet
) -> None:
    question = IPv6(src=HOST, dst=OTHER_SEEN, hlim=9) / payload
    delivered = gateway.send_one(question)
    assert IPv6(delivered).dst == OTHER_HOST
    received = gateway.send_one(IPv6(src=OTHER_HOST, dst=HOST_SEEN) / error / delivered)
    question.hlim = 8
    assert received == raw(IPv6(src=OTHER_SEEN, dst=HOST, hlim=63) / error / raw(question))
    assert gateway.counts[counters.ERROR_HAIRPINNED] == 1


def test_rfc7757_4_2_2_an_error_from_a_router_comes_from_the_translators_own_address(
    gateway: Gateway,
) -> None:
    question = IPv6(src=HOST, dst=OTHER_SEEN, hlim=9) / UDP(sport=1000, dport=2000) / b"payload"
    delivered = gateway.send_one(question)
    received = gateway.send_one(IPv6(src=ROUTER6, dst=HOST_SEEN) / ICMPv6TimeExceeded() / delivered)
    question.hlim = 8
    assert received == raw(IPv6(src=OWN6, dst=HOST, hlim=63) / ICMPv6TimeExceeded() / question)
    assert gateway.counts[counters.SOURCE_REPLACED] == 1


def test_an_error_may_show_only_the_beginning_of_the_packet(gateway: Gateway) -> None:
    question = IPv6(src=HOST, dst=OTHER_SEEN, hlim=9) / UDP(sport=1000, dport=2000) / bytes(100)
    delivered = gateway.send_one(question)
    for shown in (40, 44, 47, 48, 60):
        error = IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6DestUnreach() / delivered[:shown]
        received = gateway.send_one(error)
        expected = bytearray(raw(question)[:shown])
        expected[7] = 8
        assert received == raw(
            IPv6(src=OTHER_SEEN, dst=HOST, hlim=63) / ICMPv6DestUnreach() / bytes(expected)
        )


@pytest.mark.parametrize(
    ("inner", "counter"),
    [
        (b"", counters.ICMP_INNER),
        (raw(IPv6(src=HOST_SEEN, dst=OTHER_HOST) / ICMPv6DestUnreach() / bytes(48)), counters.ICMP_INNER),
        (raw(IPv6(src="2001:db8:64:ff9b::cb00:7150", dst=OTHER_HOST) / UDP()), counters.ICMP_INNER),
        (raw(IPv6(src=HOST_SEEN, dst=ROUTER6) / UDP()), counters.ICMP_INNER),
    ],
    ids=["none", "an error", "about another sender", "about no host"],
)
def test_errors_about_other_packets_are_dropped(gateway: Gateway, inner: bytes, counter: str) -> None:
    gateway.drop(IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6DestUnreach() / inner, counter)


def test_damaged_and_unknown_errors_are_dropped(gateway: Gateway) -> None:
    inner = raw(IPv6(src=HOST_SEEN, dst=OTHER_HOST) / UDP())
    wrong = IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6DestUnreach(cksum=1) / inner
    gateway.drop(wrong, counters.ICMP_CHECKSUM)
    unknown = IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6Unknown(type=100, msgbody=bytes(4) + inner)
    gateway.drop(unknown, counters.ICMP_TYPE)
    gateway.drop(IPv6(src=OTHER_HOST, dst=HOST_SEEN, hlim=1) / ICMPv6DestUnreach(), counters.ICMP_HOP_LIMIT)


def test_fragments_turn_back_each_by_itself(gateway: Gateway) -> None:
    first = (
        IPv6ExtHdrFragment(m=1, id=0xABCDEF01) / UDP(sport=1000, dport=2000, len=24, chksum=0x1234) / bytes(8)
    )
    sent = gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / first)
    # RFC 1624: the checksum changes by the difference of the addresses' sums
    before = sum(IPv6Address(HOST).packed[i] << (8 * (1 - i % 2)) for i in range(16))
    before += sum(IPv6Address(OTHER_SEEN).packed[i] << (8 * (1 - i % 2)) for i in range(16))
    after = sum(IPv6Address(HOST_SEEN).packed[i] << (8 * (1 - i % 2)) for i in range(16))
    after += sum(IPv6Address(OTHER_HOST).packed[i] << (8 * (1 - i % 2)) for i in range(16))
    first[UDP].chksum = (0x1234 - (after - before)) % 0xFFFF
    assert sent == raw(IPv6(src=HOST_SEEN, dst=OTHER_HOST, hlim=63) / first)
    last = IPv6ExtHdrFragment(offset=2, id=0xABCDEF01, nh=17) / bytes(8)
    sent = gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / last)
    assert sent == raw(IPv6(src=HOST_SEEN, dst=OTHER_HOST, hlim=63) / last)


def test_extension_headers_are_left_out_as_by_a_translation(gateway: Gateway) -> None:
    udp = UDP(sport=1000, dport=2000) / b"payload"
    for headers in (IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=7)):
        sent = gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / headers / udp)
        assert sent == raw(IPv6(src=HOST_SEEN, dst=OTHER_HOST, hlim=63) / udp)


def test_what_cannot_be_translated_does_not_turn_back(gateway: Gateway) -> None:
    there = IPv6(src=HOST, dst=OTHER_SEEN)
    gateway.drop(there / ICMPv6Unknown(type=135, msgbody=bytes(20)), counters.ICMP_TYPE)
    gateway.drop(there / ICMPv6Unknown(type=128, msgbody=b""), counters.MALFORMED)
    gateway.drop(there / IPv6ExtHdrFragment(m=1, nh=58) / bytes(8), counters.ICMP_FRAGMENT)
    (error,) = gateway.send(IPv6(src=HOST, dst=OTHER_SEEN, hlim=1) / TCP())
    assert IPv6(error)[ICMPv6TimeExceeded].code == 0
    assert gateway.counts[counters.HAIRPINNED] == 0


def test_a_packet_longer_than_the_tuns_mtu_is_told_to_its_sender() -> None:
    gateway = gateway_with_two_leases(mtu=1400)
    (error,) = gateway.send(IPv6(src=HOST, dst=OTHER_SEEN) / UDP() / bytes(1400 - 48 + 1))
    assert IPv6(error)[ICMPv6PacketTooBig].mtu == 1400
    assert len(gateway.send_one(IPv6(src=HOST, dst=OTHER_SEEN) / UDP() / bytes(1400 - 48))) == 1400


def test_rfc6052_3_1_wkpf_strict_holds_for_what_would_turn_back() -> None:
    gateway = Gateway(Pref64(IPv6Network("64:ff9b::/96")))
    (error,) = gateway.send(IPv6(src=MAPPED6, dst="64:ff9b::192.168.240.10") / TCP())
    assert IPv6(error)[ICMPv6DestUnreach].code == 1
    assert gateway.counts[counters.NOT_GLOBAL] == 1


def test_each_side_sees_the_other_through_the_prefix_that_it_uses() -> None:
    other_prefix = Pref64(IPv6Network("2001:db8:65::/64"))
    other = PrefixMap(
        other_prefix,
        Eamt([Eam(IPv4Network("198.51.100.7"), IPv6Network("2001:db8:7::7"))]),
        DynamicPool(IPv4Network("192.168.0.0/24")),
        wkpf_strict=True,
    )
    gateway = Gateway(others=[other])
    request = gateway.send_one(IPv6(src=HOST, dst="2001:db8:64:ff9b::198.51.100.7") / TCP(sport=1, dport=2))
    seen = "2001:db8:65:0:c0:a8f0:a00::"  # LEASED, RFC 6052 section 2.2
    assert request == raw(IPv6(src=seen, dst="2001:db8:7::7", hlim=63) / TCP(sport=1, dport=2))
    answer = gateway.send_one(IPv6(src="2001:db8:7::7", dst=seen) / TCP(sport=2, dport=1))
    assert answer == raw(IPv6(src="2001:db8:64:ff9b::c633:6407", dst=HOST, hlim=63) / TCP(sport=2, dport=1))
    error = gateway.send_one(IPv6(src="2001:db8:7::7", dst=seen) / ICMPv6DestUnreach(code=4) / request)
    inner = IPv6(src=HOST, dst="2001:db8:64:ff9b::c633:6407", hlim=63) / TCP(sport=1, dport=2)
    assert error == raw(
        IPv6(src="2001:db8:64:ff9b::c633:6407", dst=HOST, hlim=63) / ICMPv6DestUnreach(code=4) / inner
    )


def test_what_leads_out_and_comes_back_without_a_map_is_no_hairpin(gateway: Gateway) -> None:
    sent = IP(gateway.send_one(IPv6(src=HOST, dst=MAPPED6) / ICMPv6EchoRequest()))
    assert (sent.src, sent.dst) == (LEASED, MAPPED4)  # a map's IPv6 address is another host's only on IPv4
    assert ICMP in sent


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from([HOST_SEEN, OTHER_SEEN, MAPPED_SEEN, "2001:db8:64:ff9b::"]),
    st.sampled_from([HOST, OTHER_HOST, MAPPED6, ROUTER6, "ff02::1"]),
    st.sampled_from([0, 6, 17, 43, 44, 58, 60, 132]),
    st.integers(0, 100),
    st.binary(max_size=80),
    st.integers(0, 120),
)
def test_no_packet_inside_an_error_raises_and_checksums_are_right(  # noqa: PLR0917 - the fields of two packets
    icmp_type: int, source: str, destination: str, protocol: int, length: int, payload: bytes, shown: int
) -> None:
    gateway = gateway_with_two_leases()
    inner = raw(IPv6(src=source, dst=destination, nh=protocol, plen=length)) + payload
    error = IPv6(src=OTHER_HOST, dst=HOST_SEEN) / ICMPv6Unknown(
        type=icmp_type, msgbody=bytes(4) + inner[:shown]
    )
    for sent in gateway.send(error):
        assert len(sent) == len(raw(error))
        assert in6_chksum(58, IPv6(sent[:40]), sent[40:]) == 0  # type: ignore[no-untyped-call] # scapy's


@settings(deadline=None)
@given(st.binary(max_size=1400), st.sampled_from([TCP, UDP]), st.integers(0, 255), st.integers(3, 255))
def test_there_and_back_is_the_same_but_for_the_hops(
    data: bytes, layer: type[TCP | UDP], traffic_class: int, hop_limit: int
) -> None:
    gateway = gateway_with_two_leases()
    packet = IPv6(src=HOST, dst=OTHER_SEEN, tc=traffic_class, hlim=hop_limit) / layer(sport=1, dport=2) / data
    there = bytearray(gateway.send_one(packet))
    there[8:40] = there[24:40] + there[8:24]  # send it back as it is
    back = bytearray(gateway.send_one(bytes(there)))
    back[8:40] = back[24:40] + back[8:24]
    back[7] += 2
    assert bytes(back) == raw(packet)
