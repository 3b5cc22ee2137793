"""What is counted of packets that go on: by direction and protocol, each once."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw

from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, SERVER4, SERVER6, Gateway

TO_IPV4 = IPv6(src=HOST, dst=SERVER6)
TO_IPV6 = IP(src=SERVER4, dst=LEASED)


@pytest.mark.parametrize(
    ("packet", "counted"),
    [
        (TO_IPV4 / TCP(), {counters.TO_IPV4, counters.TO_IPV4_TCP}),
        (TO_IPV4 / UDP(), {counters.TO_IPV4, counters.TO_IPV4_UDP}),
        (TO_IPV4 / ICMPv6EchoRequest(), {counters.TO_IPV4, counters.TO_IPV4_ICMP}),
        (
            TO_IPV4 / IPv6ExtHdrFragment(nh=17, offset=9) / Raw(bytes(8)),
            {counters.TO_IPV4, counters.TO_IPV4_UDP},
        ),
        (IPv6(src=HOST, dst=SERVER6, nh=132) / Raw(bytes(8)), {counters.TO_IPV4, counters.TO_IPV4_OTHER}),
        (TO_IPV6 / TCP(), {counters.TO_IPV6, counters.TO_IPV6_TCP}),
        (TO_IPV6 / UDP(), {counters.TO_IPV6, counters.TO_IPV6_UDP}),
        (TO_IPV6 / ICMP(), {counters.TO_IPV6, counters.TO_IPV6_ICMP}),
        (IP(src=SERVER4, dst=LEASED, proto=132) / Raw(bytes(8)), {counters.TO_IPV6, counters.TO_IPV6_OTHER}),
    ],
)
def test_a_packet_is_counted_by_direction_and_protocol(
    gateway: Gateway, packet: Packet, counted: set[str]
) -> None:
    for number in (1, 2):  # the second one by the hot path, where it takes that
        gateway.send_one(packet)
        assert {name: count for name, count in gateway.counts.items() if count} == dict.fromkeys(
            counted, number
        )


def test_every_counter_says_what_it_counts() -> None:
    names = {value for name, value in vars(counters).items() if name.isupper() and isinstance(value, str)}
    assert names == set(counters.MEANINGS) == set(counters.fresh())
