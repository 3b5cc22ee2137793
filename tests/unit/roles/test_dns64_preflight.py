"""What role dns64's look at a host makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.roles.scripts import load

dns64 = load("roles/dns64/files/host_state.py")


def dns64_findings(*listening: object, **wanted: object) -> list[str]:
    values: dict[str, object] = {
        "interfaces": ["lan0"],
        "allow_query": [],
        "listen": [],
        "port": 53,
        "prefixes": ["64:ff9b::/96"],
        "forwarders": [{"address": "127.0.0.1", "port": 65053}],
    }
    host = dns64.Host(["lo", "lan0", "wan0"], list(listening))
    found: list[str] = dns64.findings(dns64.Wanted(**(values | wanted)), host)
    return found


def test_nothing_stands_in_the_way_of_a_named_lan() -> None:
    assert dns64_findings() == []


@pytest.mark.parametrize(
    ("wanted", "variable"),
    [
        ({"interfaces": []}, "dns64_interfaces"),
        ({"interfaces": ["lan7"]}, "dns64_interfaces"),
        ({"allow_query": ["2001:db8::1/64"]}, "dns64_allow_query"),
        ({"prefixes": []}, "dns64_prefixes"),
        ({"prefixes": ["64:ff9b::/95"]}, "dns64_prefixes"),
        ({"forwarders": []}, "dns64_forwarders"),
        ({"forwarders": [{"address": "ns.example"}]}, "dns64_forwarders"),
        ({"forwarders": [{"address": "::1"}]}, "dns64_forwarders"),
        ({"forwarders": [{"address": "::1", "port": "53"}]}, "dns64_forwarders"),
        ({"listen": [{"address": "lan0"}]}, "dns64_listen"),
        ({"listen": [{"address": "2001:db8::53", "port": 65536}]}, "dns64_listen"),
        ({"forwarders": [{"address": "192.0.2.53", "port": -1}]}, "dns64_forwarders"),
        ({"port": 70000}, "dns64_port"),
    ],
)
def test_a_bad_dns64_value_is_told_with_its_variable(wanted: dict[str, Any], variable: str) -> None:
    (finding,) = dns64_findings(**wanted)
    assert finding.startswith(f"{variable}: ")
    assert ";" in finding, "a remedy follows"


# As `ss -H -tulnp` of iproute2 6.1 shows them.
NAMED = 'udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("named",pid=612,fd=7))\n'
RESOLVED = 'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=88,fd=13))\n'
LIBVIRT = 'tcp LISTEN 0 32 192.168.122.1:53 0.0.0.0:* users:(("dnsmasq",pid=901,fd=6))\n'
DUAL_STACK = 'tcp LISTEN 0 128 *:53 *:* users:(("coredns",pid=77,fd=9))\n'
IPV6_LAN = 'udp UNCONN 0 0 [2001:db8:64:1::1]:53 [::]:* users:(("unbound",pid=5,fd=3))\n'


@pytest.mark.parametrize(
    ("line", "culprit"),
    [(NAMED, "named"), (LIBVIRT, "dnsmasq"), (DUAL_STACK, "coredns"), (IPV6_LAN, "unbound")],
)
def test_who_holds_port_53_is_named(line: str, culprit: str) -> None:
    (finding,) = dns64_findings(*dns64.parse_listening(line, "0"))
    assert finding.startswith("dns64_port: ")
    assert culprit in finding


def test_port_53_held_by_us_is_free() -> None:
    assert dns64.parse_listening(NAMED, "612") == []


def test_a_listener_on_another_address_of_loopback_is_no_clash() -> None:
    assert dns64_findings(*dns64.parse_listening(RESOLVED, "0")) == []


def test_explicit_addresses_avoid_what_listens_elsewhere() -> None:
    listening = dns64.parse_listening(LIBVIRT, "0")
    assert dns64_findings(*listening, listen=[{"address": "2001:db8:64:1::1", "port": None}]) == []
