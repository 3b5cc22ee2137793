"""What the translator says for itself: echo replies, errors of its own, and when it keeps silent."""

from __future__ import annotations

import math
from ipaddress import IPv4Network, IPv6Network

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, UDP, IPOption_LSRR
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrRouting,
)
from scapy.packet import Raw

from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.prefix import Pref64
from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, OWN4, OWN6, SERVER4, SERVER6, Gateway


def test_echo_to_the_own_ipv6_address_is_answered(gateway: Gateway) -> None:
    sent = gateway.send_one(
        IPv6(src=HOST, dst=OWN6, tc=8, hlim=3) / ICMPv6EchoRequest(id=1, seq=2, data=b"odd")
    )
    assert sent == raw(IPv6(src=OWN6, dst=HOST, tc=8, hlim=64) / ICMPv6EchoReply(id=1, seq=2, data=b"odd"))
    assert gateway.counts[counters.SELF_ECHO] == 1


def test_echo_behind_extension_headers_is_answered_too(gateway: Gateway) -> None:
    echo = ICMPv6EchoRequest(id=1, seq=2)
    sent = gateway.send_one(IPv6(src=HOST, dst=OWN6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=7) / echo)
    assert sent == raw(IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6EchoReply(id=1, seq=2))


def test_echo_to_the_own_ipv4_address_is_answered(gateway: Gateway) -> None:
    sent = gateway.send_one(IP(src=SERVER4, dst=OWN4, tos=8, ttl=1) / ICMP(id=1, seq=2) / b"odd")
    assert sent == raw(
        IP(src=OWN4, dst=SERVER4, tos=8, ttl=64, id=IP(sent).id) / ICMP(type=0, id=1, seq=2) / b"odd"
    )


def test_tayga_other_protocols_to_the_own_addresses_are_refused(gateway: Gateway) -> None:
    datagram = IPv6(src=HOST, dst=OWN6) / UDP()
    refusal = IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6ParamProblem(code=1, ptr=6)
    assert gateway.send_one(datagram) == raw(refusal / raw(datagram))
    datagram4 = IP(src=SERVER4, dst=OWN4) / UDP()
    sent = gateway.send_one(datagram4)
    refusal4 = IP(src=OWN4, dst=SERVER4, tos=0xC0, ttl=64, id=IP(sent).id) / ICMP(type=3, code=2)
    assert sent == raw(refusal4 / raw(datagram4))
    assert gateway.counts[counters.SELF_OTHER] == 2


def test_rfc4443_3_4_the_pointer_shows_where_the_protocol_stands(gateway: Gateway) -> None:
    datagram = IPv6(src=HOST, dst=OWN6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment() / UDP()
    refusal = IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6ParamProblem(code=1, ptr=48)
    assert gateway.send_one(datagram) == raw(refusal / raw(datagram))


def test_echo_by_a_source_route_or_routing_header_is_refused_as_translation_would_be(
    gateway: Gateway,
) -> None:
    echo = IPv6(src=HOST, dst=OWN6) / IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6]) / ICMPv6EchoRequest()
    refusal = IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6ParamProblem(code=0, ptr=43)
    assert gateway.send_one(echo) == raw(refusal / raw(echo))
    echo4 = IP(src=SERVER4, dst=OWN4, options=[IPOption_LSRR(pointer=4, routers=["192.0.2.1"])]) / ICMP()
    sent = gateway.send_one(echo4)
    refusal4 = IP(src=OWN4, dst=SERVER4, tos=0xC0, ttl=64, id=IP(sent).id) / ICMP(type=3, code=5)
    assert sent == raw(refusal4 / raw(echo4))


def test_nobody_is_made_to_echo_to_a_group(gateway: Gateway) -> None:
    gateway.drop(IPv6(src="ff02::1", dst=OWN6) / ICMPv6EchoRequest(), counters.NEVER_TRANSLATED)
    gateway.drop(IP(src="255.255.255.255", dst=OWN4) / ICMP(), counters.NEVER_TRANSLATED)


def test_other_icmp_messages_to_the_own_addresses_are_ignored(gateway: Gateway) -> None:
    gateway.drop(IPv6(src=HOST, dst=OWN6) / ICMPv6EchoReply(), counters.SELF_OTHER)
    gateway.drop(IP(src=SERVER4, dst=OWN4, flags="MF") / ICMP(), counters.SELF_OTHER)
    gateway.drop(
        IPv6(src=HOST, dst=OWN6) / IPv6ExtHdrFragment(nh=58, m=1) / ICMPv6EchoRequest(), counters.SELF_OTHER
    )
    gateway.drop(raw(IPv6(src=HOST, dst=OWN6) / ICMPv6EchoRequest())[:45], counters.MALFORMED)


def test_packets_that_claim_to_come_from_the_own_addresses_are_dropped(gateway: Gateway) -> None:
    gateway.drop(IPv6(src=OWN6, dst=SERVER6) / UDP(), counters.FROM_SELF)
    gateway.drop(IP(src=OWN4, dst=LEASED) / UDP(), counters.FROM_SELF)
    gateway.drop(IPv6(src=OWN6, dst=OWN6) / ICMPv6EchoRequest(), counters.SELF_OTHER)
    gateway.drop(IP(src=OWN4, dst=OWN4) / ICMP(), counters.SELF_OTHER)


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src=HOST, dst="2001:db8:99::1", hlim=1) / ICMPv6EchoReply(),
        IPv6(src=HOST, dst="2001:db8:99::1", hlim=1) / UDP(),
    ],
)
def test_rfc4443_2_4_errors_answer_ordinary_packets(gateway: Gateway, packet: IPv6) -> None:
    assert gateway.send_one(packet) == raw(
        IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6TimeExceeded() / raw(packet)
    )


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src="ff02::1", dst=SERVER6, hlim=1) / UDP(),
        IPv6(src="::", dst=SERVER6, hlim=1) / UDP(),
        IPv6(src=HOST, dst="ff05::1", hlim=1) / UDP(),
        IP(src=SERVER4, dst="224.0.0.1", ttl=1) / UDP(),
        IP(src="0.0.0.1", dst=LEASED, ttl=1) / UDP(),
    ],
)
def test_rfc4443_2_4_e_no_error_answers_multicast_or_sources_that_are_nobody(
    gateway: Gateway, packet: IPv6
) -> None:
    gateway.drop(packet, counters.NEVER_TRANSLATED)


def test_rfc1122_3_2_2_no_error_answers_a_later_fragment(gateway: Gateway) -> None:
    assert gateway.send(IP(src=SERVER4, dst=LEASED, ttl=1, frag=5, proto=17) / Raw(bytes(8))) == []
    assert gateway.send(IP(src=SERVER4, dst=LEASED, ttl=1, proto=1)) == []  # it might be an error
    assert gateway.counts[counters.ERROR_UNANSWERABLE] == 2
    assert gateway.counts[counters.ERROR_SENT] == 0


def test_rfc4443_2_4_c_an_error_shows_as_much_as_fits(gateway: Gateway) -> None:
    packet = IPv6(src=HOST, dst="2001:db8:99::1") / UDP() / bytes(1400)
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6DestUnreach(code=3) / raw(packet)[:1232])
    assert len(sent) == 1280


def test_rfc4443_2_4_f_errors_are_rate_limited() -> None:
    gateway = Gateway(error_rate=10.0, error_burst=5.0)
    packet = IPv6(src=HOST, dst=SERVER6, hlim=1) / UDP()
    assert sum(len(gateway.send(packet, now=100.0)) for _ in range(20)) == 5
    assert gateway.counts[counters.ERROR_RATE_LIMITED] == 15
    assert sum(len(gateway.send(packet, now=100.35)) for _ in range(20)) == 3
    assert sum(len(gateway.send(packet, now=200.0)) for _ in range(20)) == 5
    assert sum(len(gateway.send(packet, now=150.0)) for _ in range(20)) == 0  # a clock that goes back


def test_rfc7915_4_4_errors_are_limited_or_not_as_the_administrator_says() -> None:
    packet = IPv6(src=HOST, dst=SERVER6, hlim=1) / UDP()
    unlimited = Gateway(error_rate=math.inf, error_burst=math.inf)
    assert sum(len(unlimited.send(packet, now=100.0)) for _ in range(5000)) == 5000
    silent = Gateway(error_rate=0.0, error_burst=0.0)
    assert [silent.send(packet, now=now) for now in (0.0, 1.0, 1000.0)] == [[], [], []]
    assert silent.counts[counters.ERROR_RATE_LIMITED] == 3
    assert silent.send_one(IPv6(src=HOST, dst=SERVER6) / UDP())


@pytest.mark.parametrize("source", ["240.0.0.1", "255.255.255.254"])
def test_rfc1122_3_2_2_no_error_answers_a_class_e_source(gateway: Gateway, source: str) -> None:
    assert gateway.send(IP(src=source, dst=LEASED, ttl=1) / UDP()) == []
    assert gateway.counts[counters.ERROR_UNANSWERABLE] == 1
    assert len(gateway.send(IP(src=source, dst=LEASED) / UDP())) == 1  # TAYGA translates them


@pytest.mark.parametrize("icmp_type", [3, 4, 5, 11, 12])
def test_rfc1812_4_3_2_7_no_error_answers_an_error(gateway: Gateway, icmp_type: int) -> None:
    route = IPOption_LSRR(pointer=4, routers=["192.0.2.1"])
    error = IP(src=SERVER4, dst=LEASED, options=[route]) / ICMP(type=icmp_type)
    assert gateway.send(error) == []
    assert gateway.send(IP(src=SERVER4, dst="192.168.240.99", ttl=1) / ICMP(type=icmp_type)) == []
    assert gateway.counts[counters.ERROR_UNANSWERABLE] == 1
    assert gateway.counts[counters.ERROR_SENT] == 0


@pytest.mark.parametrize("icmp_type", [1, 2, 3, 4, 100, 101, 127, 137])
def test_rfc4443_2_4_e_no_error_answers_an_error_or_a_redirect(gateway: Gateway, icmp_type: int) -> None:
    routing = IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6])
    message = ICMPv6Unknown(type=icmp_type, msgbody=bytes(48))
    assert gateway.send(IPv6(src=HOST, dst=SERVER6) / routing / message) == []
    assert gateway.send(IPv6(src=HOST, dst="2001:db8:99::1", hlim=1) / message) == []
    assert gateway.counts[counters.ERROR_UNANSWERABLE] == 1
    assert gateway.counts[counters.ERROR_SENT] == 0


def test_rfc1812_4_3_2_3_an_error_has_at_most_576_octets(gateway: Gateway) -> None:
    packet = IP(src=SERVER4, dst=LEASED, ttl=1) / UDP() / bytes(1400)
    sent = gateway.send_one(packet)
    outer = IP(src=OWN4, dst=SERVER4, tos=0xC0, ttl=64, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=11, code=0) / raw(packet)[:548])
    assert len(sent) == 576


def test_rfc6052_3_1_non_global_through_the_well_known_prefix_is_refused() -> None:
    gateway = Gateway(prefix=Pref64(IPv6Network("64:ff9b::/96")))
    packet = IPv6(src=HOST, dst="64:ff9b::10.1.2.3") / UDP()
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst=HOST, hlim=64) / ICMPv6DestUnreach(code=1) / raw(packet))
    packet4 = IP(src="10.1.2.3", dst=LEASED) / UDP()
    sent = gateway.send_one(packet4)
    outer = IP(src=OWN4, dst="10.1.2.3", ttl=64, tos=0xC0, id=IP(sent).id)
    assert sent == raw(outer / ICMP(type=3, code=13) / raw(packet4))
    assert gateway.counts[counters.NOT_GLOBAL] == 2


def test_an_exhausted_pool_is_told_to_the_host() -> None:
    gateway = Gateway(pool=IPv4Network("192.168.240.10/31"))  # the one usable address is taken below
    gateway.send(IPv6(src="2001:db8:1::6", dst=SERVER6) / UDP())
    packet = IPv6(src="2001:db8:1::7", dst=SERVER6) / UDP()
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst="2001:db8:1::7", hlim=64) / ICMPv6DestUnreach(code=3) / raw(packet))
    assert gateway.counts[counters.POOL_EXHAUSTED] == 1


def test_a_network_that_holds_its_share_of_the_pool_is_told_so() -> None:
    gateway = Gateway(hosts_per_prefix=HostsPerPrefix(64, 1))  # HOST has the one
    packet = IPv6(src="2001:db8:1::7", dst=SERVER6) / UDP()
    sent = gateway.send_one(packet)
    assert sent == raw(IPv6(src=OWN6, dst="2001:db8:1::7", hlim=64) / ICMPv6DestUnreach(code=1) / raw(packet))
    assert gateway.counts[counters.PREFIX_EXHAUSTED] == 1


def test_every_counter_has_a_meaning_and_starts_at_zero(gateway: Gateway) -> None:
    assert set(gateway.counts) == set(counters.MEANINGS)
    assert set(gateway.counts.values()) == {0}
    names = {value for name, value in vars(counters).items() if name.isupper() and isinstance(value, str)}
    assert names == set(counters.MEANINGS)


def test_a_reconfigured_translator_forgets_old_pairs_and_keeps_counting(gateway: Gateway) -> None:
    gateway.send(IPv6(src=HOST, dst=SERVER6) / UDP())
    other = Gateway()
    gateway.translator.reconfigure(other.translator.settings, other.translator.address_map)
    gateway.send(IPv6(src=HOST, dst=SERVER6) / UDP(), now=9)
    assert [lease.last_use for lease in other.pool] == [9]
    assert gateway.counts[counters.TO_IPV4] == 2
