"""RFC 7915 sections 4.3 and 5.3: the packet inside an ICMP error, as a router shows it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_Redirect,
    ICMPv6TimeExceeded,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Packet, Raw

from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, SERVER4, SERVER6, Gateway
from tests.unit.siit.test_rfc4884_extensions import ROUTER4_IN_IPV6, icmpv4, icmpv6

DATA = bytes(range(200))


def shown_to_host(inner: Packet | bytes) -> bytes:
    """What the host gets to see of `inner`, its own packet, in a time exceeded from the IPv4 side."""
    sent = Gateway().send_one(icmpv4(11, 0, 0, bytes(inner)))
    assert sent == raw(icmpv6(3, 0, 0, sent[48:], src=ROUTER4_IN_IPV6, dst=HOST, hlim=63))
    return sent[48:]


def shown_to_server(inner: Packet | bytes) -> bytes:
    """What the server gets to see of `inner`, its own packet, in a time exceeded from the IPv6 side."""
    sent = Gateway().send_one(icmpv6(3, 0, 0, bytes(inner)))
    assert sent == raw(icmpv4(11, 0, 0, sent[28:], src=LEASED, dst=SERVER4, ttl=63, id=IP(sent).id))
    return sent[28:]


@pytest.mark.parametrize(
    "options",
    [
        [IPOption_NOP()],
        [IPOption_RR(pointer=4, routers=["192.0.2.1"] * 3)],
        [IPOption_LSRR(pointer=4, routers=["192.0.2.1"])],
    ],
    ids=["nop", "record route", "source route"],
)
def test_rfc7915_4_3_options_of_an_inner_packet_are_ignored(options: list[Packet]) -> None:
    plain = raw(
        IP(src=LEASED, dst=SERVER4) / UDP(sport=1, dport=2) / DATA
    )  # a route would mislead scapy's checksum
    inner = IP(src=LEASED, dst=SERVER4, ttl=1, tos=8, proto=17, options=options) / Raw(plain[20:])
    assert shown_to_host(inner) == raw(
        IPv6(src=HOST, dst=SERVER6, hlim=1, tc=8) / UDP(sport=1, dport=2) / DATA
    )


@pytest.mark.parametrize(
    "extensions",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt(),
        IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6]),
        IPv6ExtHdrHopByHop()
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrRouting(addresses=[HOST])
        / IPv6ExtHdrDestOpt(),
    ],
    ids=["hop by hop", "destination", "routing", "all"],
)
def test_rfc7915_5_3_extension_headers_of_an_inner_packet_are_skipped(extensions: Packet) -> None:
    ipv6 = IPv6(src=SERVER6, dst=HOST, hlim=1, tc=8)
    plain = raw(ipv6 / UDP(sport=1, dport=2) / DATA)  # the routing header would mislead scapy's checksum
    inner = raw(ipv6 / extensions / Raw(plain[40:]))
    before_last = len(inner) - len(plain[40:]) - len(extensions.lastlayer())
    inner = inner[:before_last] + b"\x11" + inner[before_last + 1 :]  # UDP follows
    assert shown_to_server(inner) == raw(
        IP(src=SERVER4, dst=LEASED, ttl=1, tos=8, id=0) / UDP(sport=1, dport=2) / DATA
    )


def test_rfc7915_5_3_extension_headers_before_a_fragment_header() -> None:
    inner = (
        IPv6(src=SERVER6, dst=HOST)
        / IPv6ExtHdrHopByHop()
        / IPv6ExtHdrFragment(nh=6, offset=100, m=1, id=0x90007)
        / Raw(DATA)
    )
    assert shown_to_server(inner) == raw(
        IP(src=SERVER4, dst=LEASED, id=7, frag=100, flags="MF", proto=6) / Raw(DATA)
    )


def test_rfc7915_5_3_an_inner_fragment_header_without_fragmentation() -> None:
    inner = IPv6(src=SERVER6, dst=HOST) / IPv6ExtHdrFragment(id=0x90007) / UDP(sport=1, dport=2) / DATA
    assert shown_to_server(inner) == raw(IP(src=SERVER4, dst=LEASED, id=7) / UDP(sport=1, dport=2) / DATA)


def test_rfc7915_4_3_an_inner_first_fragment_has_its_checksum_adjusted() -> None:
    whole4 = raw(IP(src=LEASED, dst=SERVER4) / UDP(sport=1, dport=2) / bytes(1000))
    whole6 = raw(IPv6(src=HOST, dst=SERVER6) / UDP(sport=1, dport=2) / bytes(1000))
    inner = IP(src=LEASED, dst=SERVER4, id=7, flags="MF", proto=17) / Raw(whole4[20:532])
    assert shown_to_host(inner) == raw(
        IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(nh=17, m=1, id=7) / Raw(whole6[40:552])
    )
    back4 = raw(IP(src=SERVER4, dst=LEASED) / TCP(sport=1, dport=2) / bytes(1000))
    back6 = raw(IPv6(src=SERVER6, dst=HOST) / TCP(sport=1, dport=2) / bytes(1000))
    inner6 = IPv6(src=SERVER6, dst=HOST) / IPv6ExtHdrFragment(nh=6, m=1, id=7) / Raw(back6[40:552])
    assert shown_to_server(inner6) == raw(
        IP(src=SERVER4, dst=LEASED, id=7, flags="MF", proto=6) / Raw(back4[20:532])
    )


@settings(deadline=None)
@given(
    layer=st.sampled_from([UDP(sport=1, dport=2), TCP(sport=1, dport=2), ICMP(type=8, id=3)]),
    length=st.integers(0, 1200),
    cut=st.integers(0, 600),
)
def test_rfc7915_4_3_and_5_3_an_inner_packet_may_be_cut_anywhere(
    layer: Packet, length: int, cut: int
) -> None:
    """With the checksum in it, what is left is the beginning of what the whole packet became."""
    data = (DATA * 6)[:length]
    echo = isinstance(layer, ICMP)
    layer6 = ICMPv6EchoRequest(id=3, data=data) if echo else layer / data
    inner4 = raw(IP(src=LEASED, dst=SERVER4, ttl=1, id=0) / layer / data)
    inner6 = raw(IPv6(src=HOST, dst=SERVER6, hlim=1) / layer6)
    least = 8 if echo else 18 if isinstance(layer, TCP) else 8
    cut = max(cut, least)
    assert shown_to_host(inner4[: 20 + cut]) == inner6[: 40 + cut]
    layer6 = ICMPv6EchoReply(id=3, data=data) if echo else layer / data
    inner6 = raw(IPv6(src=SERVER6, dst=HOST, hlim=1) / layer6)
    layer4 = ICMP(type=0, id=3) if echo else layer
    flags = "DF" if len(inner6) > 1280 else 0
    inner4 = raw(IP(src=SERVER4, dst=LEASED, ttl=1, id=0, flags=flags) / layer4 / data)
    assert shown_to_server(inner6[: 40 + cut]) == inner4[: min(20 + cut, 548)]


@pytest.mark.parametrize("cut", range(28))
def test_rfc7915_4_3_an_error_without_a_whole_inner_header_is_dropped(gateway: Gateway, cut: int) -> None:
    inner4 = raw(IP(src=LEASED, dst=SERVER4, options=[IPOption_NOP()] * 8) / UDP())
    gateway.drop(icmpv4(11, 0, 0, inner4[:cut]), counters.ICMP_INNER)
    inner6 = raw(IPv6(src=SERVER6, dst=HOST) / IPv6ExtHdrDestOpt() / UDP())
    gateway.drop(icmpv6(3, 0, 0, inner6[: cut + 20]), counters.ICMP_INNER)


@pytest.mark.parametrize("icmp_type", [3, 4, 5, 11, 12, 13, 255])
def test_rfc7915_4_3_an_error_about_anything_but_echo_is_dropped(gateway: Gateway, icmp_type: int) -> None:
    inner = IP(src=LEASED, dst=SERVER4) / ICMP(type=icmp_type) / bytes(28)
    gateway.drop(icmpv4(11, 0, 0, raw(inner)), counters.ICMP_INNER)


@pytest.mark.parametrize(
    "message",
    [
        ICMPv6TimeExceeded() / IPv6(src=HOST, dst=SERVER6) / UDP(),
        ICMPv6ND_Redirect(),
        ICMPv6Unknown(type=100, msgbody=bytes(8)),
        ICMPv6Unknown(type=255, msgbody=bytes(8)),
    ],
    ids=["error", "redirect", "unknown error", "unknown"],
)
def test_rfc7915_5_3_an_error_about_anything_but_echo_is_dropped(gateway: Gateway, message: Packet) -> None:
    gateway.drop(icmpv6(3, 0, 0, raw(IPv6(src=SERVER6, dst=HOST) / message)), counters.ICMP_INNER)


def test_rfc7915_4_3_inner_fragments_of_icmp_are_dropped(gateway: Gateway) -> None:
    """Fragments of ICMP are never translated (section 1.2), so an error about one is no answer to ours."""
    echo = Raw(raw(ICMP()) + bytes(8))
    for inner in (
        IP(src=LEASED, dst=SERVER4, proto=1, flags="MF") / echo,
        IP(src=LEASED, dst=SERVER4, proto=1, frag=1) / echo,
    ):
        gateway.drop(icmpv4(11, 0, 0, raw(inner)), counters.ICMP_INNER)
    echo = Raw(b"\x81" + bytes(15))
    for fragment in (IPv6ExtHdrFragment(nh=58, m=1), IPv6ExtHdrFragment(nh=58, offset=1)):
        inner6 = IPv6(src=SERVER6, dst=HOST) / fragment / echo
        gateway.drop(icmpv6(3, 0, 0, raw(inner6)), counters.ICMP_INNER)


@pytest.mark.parametrize(
    ("total_length", "plateau"),
    [
        (65535, 32000),
        (32001, 32000),
        (32000, 17914),
        (17914, 8166),
        (8166, 4352),
        (4352, 2002),
        (2002, 1492),
        (1493, 1492),
    ],
)
def test_rfc1191_7_the_plateau_below_the_packet_is_its_mtu(total_length: int, plateau: int) -> None:
    inner = raw(IP(src=LEASED, dst=SERVER4, len=total_length) / UDP(len=total_length - 20))
    sent = Gateway(mtu=65535).send_one(icmpv4(3, 4, 0, inner))
    assert int.from_bytes(sent[44:48], "big") == plateau + 20


@pytest.mark.parametrize(
    ("device", "reported", "told"), [(1500, 1280, 1300), (1280, 1400, 1280), (9000, 1, 1280)]
)
def test_rfc7915_4_2_the_mtu_is_the_least_of_all_but_1280_at_least(
    device: int, reported: int, told: int
) -> None:
    inner = raw(IP(src=LEASED, dst=SERVER4) / UDP() / bytes(1400))
    sent = Gateway(mtu=device).send_one(icmpv4(3, 4, reported, inner))
    assert int.from_bytes(sent[44:48], "big") == told
