"""RFC 6052 and RFC 8215: the translator with prefixes of every length, and addresses in the octets where they belong."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from nat64.addressing.prefix import Pref64
from tests.unit.siit.conftest import Gateway

SERVER4 = "192.0.2.33"
# RFC 6052 section 2.4 prints the first six; the rest are its section 2.2 applied to the prefix of RFC 8215.
TABLE = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b:1::/48", "64:ff9b:1:c000:2:2100::"),
    ("64:ff9b:1:ff00::/56", "64:ff9b:1:ffc0:0:221::"),
    ("64:ff9b:1:fffe::/64", "64:ff9b:1:fffe:c0:2:2100::"),
    ("64:ff9b:1:fffe::/96", "64:ff9b:1:fffe::192.0.2.33"),
]
HOST_OUTSIDE = "3fff:1::5"


@pytest.mark.parametrize(("prefix", "server"), TABLE)
def test_rfc6052_2_2_there_and_back_through_a_prefix_of_every_length(prefix: str, server: str) -> None:
    gateway = Gateway(prefix=Pref64(IPv6Network(prefix)))
    segment = TCP(sport=1024, dport=80, flags="S")
    for _ in range(2):  # the long way, and the short one
        there = gateway.send_one(IPv6(src=HOST_OUTSIDE, dst=server) / segment)
        leased = IP(there).src
        assert there == raw(IP(src=leased, dst=SERVER4, ttl=63, id=IP(there).id) / segment)
        back = gateway.send_one(IP(src=SERVER4, dst=leased, flags="DF") / segment)
        assert back == raw(IPv6(src=server, dst=HOST_OUTSIDE, hlim=63) / segment)


@pytest.mark.parametrize(("prefix", "server"), TABLE)
def test_rfc8215_only_the_well_known_prefix_refuses_non_global_addresses(prefix: str, server: str) -> None:
    gateway = Gateway(prefix=Pref64(IPv6Network(prefix)))  # 192.0.2.33 is not global
    assert IP(gateway.send_one(IPv6(src=HOST_OUTSIDE, dst=server) / TCP())).dst == SERVER4
