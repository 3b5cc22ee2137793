"""Packets and errors of one host that uses two prefixes, each with a pool."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6

from nat64.addressing.eamt import Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from tests.unit.siit.conftest import HOST, LEASED, PREFIX, SERVER4, SERVER6, Gateway

OTHER_PREFIX = Pref64(IPv6Network("2001:db8:65::/96"))
OTHER_LEASED = "10.9.0.10"
OTHER_SERVER6 = "2001:db8:65::cb00:7150"
ROUTER4 = "198.51.100.1"


@pytest.fixture
def gateway() -> Gateway:
    pool = DynamicPool(IPv4Network("10.9.0.0/24"))
    pool.restore(IPv6Address(HOST).packed, OTHER_PREFIX, IPv4Address(OTHER_LEASED).packed, 0)
    return Gateway(others=[PrefixMap(OTHER_PREFIX, Eamt(), pool, wkpf_strict=True)])


each_prefix = pytest.mark.parametrize(
    ("leased", "server"), [(LEASED, SERVER6), (OTHER_LEASED, OTHER_SERVER6)]
)


@each_prefix
def test_packets_there_and_back_keep_to_their_prefix(gateway: Gateway, leased: str, server: str) -> None:
    for _ in range(2):  # the second time by the pair that was kept
        sent = IP(gateway.send_one(IPv6(src=HOST, dst=server) / TCP(sport=1, dport=2)))
        assert raw(sent) == raw(IP(src=leased, dst=SERVER4, ttl=63, id=sent.id) / TCP(sport=1, dport=2))
        answer = gateway.send_one(IP(src=SERVER4, dst=leased) / TCP(sport=2, dport=1))
        assert answer == raw(IPv6(src=server, dst=HOST, hlim=63) / TCP(sport=2, dport=1))


@each_prefix
def test_rfc7915_4_2_an_error_from_ipv4_is_about_what_the_host_sent(
    gateway: Gateway, leased: str, server: str
) -> None:
    inner = IP(src=leased, dst=SERVER4, ttl=1, id=0) / UDP(sport=1000, dport=2000) / b"payload"
    sent = gateway.send_one(IP(src=ROUTER4, dst=leased) / ICMP(type=11, code=0) / inner)
    router = server.replace("cb00:7150", "c633:6401")
    was = IPv6(src=HOST, dst=server, hlim=1) / UDP(sport=1000, dport=2000) / b"payload"
    assert sent == raw(IPv6(src=router, dst=HOST, hlim=63) / ICMPv6TimeExceeded() / was)


@each_prefix
def test_rfc7915_5_2_an_error_from_the_host_is_about_what_the_server_sent(
    gateway: Gateway, leased: str, server: str
) -> None:
    inner = IPv6(src=server, dst=HOST, hlim=9) / UDP(sport=2000, dport=1000) / b"payload"
    sent = gateway.send_one(IPv6(src=HOST, dst=server) / ICMPv6DestUnreach(code=4) / inner)
    was = IP(src=SERVER4, dst=leased, ttl=9, id=0) / UDP(sport=2000, dport=1000) / b"payload"
    identification = IP(sent).id
    assert sent == raw(IP(src=leased, dst=SERVER4, ttl=63, id=identification) / ICMP(type=3, code=3) / was)


def test_the_same_host_may_hold_a_lease_of_each(gateway: Gateway) -> None:
    other = "2001:db8:1::77"
    first = IP(gateway.send_one(IPv6(src=other, dst=SERVER6) / TCP())).src
    second = IP(gateway.send_one(IPv6(src=other, dst=OTHER_SERVER6) / TCP())).src
    assert IPv4Address(first) in IPv4Network("192.168.240.0/24")
    assert IPv4Address(second) in IPv4Network("10.9.0.0/24")
    assert [lease.prefix for lease in gateway.pool if lease.host == IPv6Address(other).packed] == [PREFIX]
