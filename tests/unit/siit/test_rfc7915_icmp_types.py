"""RFC 7915 sections 4.2 and 5.2: which ICMP messages pass at all, and what is dropped in silence."""

from __future__ import annotations

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, UDP, IPOption_LSRR
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6Unknown, IPv6
from scapy.packet import Raw

from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, SERVER4, SERVER6, Gateway

INNER4 = raw(IP(src=LEASED, dst=SERVER4) / UDP())
INNER6 = raw(IPv6(src=SERVER6, dst=HOST) / UDP())


@pytest.mark.parametrize("icmp_type", sorted(set(range(256)) - {0, 3, 8, 11, 12}))
def test_rfc7915_4_2_all_other_types_are_dropped_in_silence(gateway: Gateway, icmp_type: int) -> None:
    gateway.drop(IP(src=SERVER4, dst=LEASED) / ICMP(type=icmp_type) / INNER4, counters.ICMP_TYPE)
    for hopeless in (IP(src=SERVER4, dst=LEASED, ttl=1), IP(src=SERVER4, dst="192.168.240.99")):
        assert gateway.send(hopeless / ICMP(type=icmp_type) / INNER4) == []
    assert gateway.counts[counters.ERROR_SENT] == 0


@pytest.mark.parametrize("icmp_type", sorted(set(range(256)) - {1, 2, 3, 4, 128, 129}))
def test_rfc7915_5_2_all_other_types_are_dropped_in_silence(gateway: Gateway, icmp_type: int) -> None:
    message = ICMPv6Unknown(type=icmp_type, msgbody=bytes(4) + INNER6)
    gateway.drop(IPv6(src=HOST, dst=SERVER6) / message, counters.ICMP_TYPE)
    for hopeless in (
        IPv6(src=HOST, dst=SERVER6, hlim=1),
        IPv6(src=HOST, dst="2001:db8:99::1"),
        IPv6(src="2001:db8:1::77", dst=SERVER6),
    ):
        assert gateway.send(hopeless / message) == []
    assert gateway.counts[counters.ERROR_SENT] == 0
    assert len(gateway.pool) == 1  # no lease was made


def test_rfc7915_5_2_a_message_that_ends_early_makes_no_lease(gateway: Gateway) -> None:
    for length in range(8):
        echo = raw(ICMPv6EchoRequest())[:length]
        gateway.drop(IPv6(src="2001:db8:1::77", dst=SERVER6, nh=58) / Raw(echo), counters.MALFORMED)
    assert len(gateway.pool) == 1


def test_rfc7915_4_2_igmp_is_dropped_in_silence(gateway: Gateway) -> None:
    for ttl in (1, 64):
        gateway.drop(IP(src=SERVER4, dst=LEASED, proto=2, ttl=ttl) / Raw(bytes(8)), counters.PROTOCOL)
    route = IPOption_LSRR(pointer=4, routers=["192.0.2.1"])
    gateway.drop(IP(src=SERVER4, dst=LEASED, proto=2, options=[route]) / Raw(bytes(8)), counters.PROTOCOL)


@pytest.mark.parametrize("code", [0, 1, 255])
def test_rfc7915_4_2_and_5_2_echo_changes_its_type_alone(gateway: Gateway, code: int) -> None:
    request6 = IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(code=code, id=1, seq=2, data=b"odd")
    sent = gateway.send_one(request6)
    request4 = IP(src=LEASED, dst=SERVER4, ttl=63, id=IP(sent).id)
    assert sent == raw(request4 / ICMP(type=8, code=code, id=1, seq=2) / b"odd")
    back = gateway.send_one(IP(src=SERVER4, dst=LEASED) / ICMP(type=8, code=code, id=1, seq=2) / b"odd")
    assert back == raw(
        IPv6(src=SERVER6, dst=HOST, hlim=63) / ICMPv6EchoRequest(code=code, id=1, seq=2, data=b"odd")
    )
