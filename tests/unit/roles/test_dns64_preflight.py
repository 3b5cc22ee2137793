"""What role dns64's look at a host makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.listening import Listener
from ansible_collections.nat64.gateway.plugins.modules import dns64_host as dns64

VARIABLES: dict[str, Any] = {
    "interfaces": ["lan0"],
    "allow_query": [],
    "listen": [],
    "listen_tls": [],
    "port": 53,
    "prefixes": ["64:ff9b::/96"],
    "forwarders": [{"address": "127.0.0.1", "port": 65053}],
    "domains": [],
    "exclude": [],
    "mapped": [],
    "unmapped": [],
    "views": [],
    "query_log": "",
    "extra_directives": [],
}


def dns64_findings(*listening: Listener, **wanted: object) -> list[str]:
    given = dns64.read(VARIABLES | wanted)
    return dns64.findings(given, ["lo", "lan0", "wan0"], {53: list(listening), 853: list(listening)})


def test_nothing_stands_in_the_way_of_a_named_lan() -> None:
    assert dns64_findings() == []


def test_nothing_stands_in_the_way_of_what_is_otherwise_for_some() -> None:
    assert (
        dns64_findings(
            prefixes=["64:ff9b::/96", {"prefix": "3fff:64::/96", "for": ["192.0.2.0/24"]}],
            forwarders=[{"address": "127.0.0.1", "tls": "dns.example", "port": None, "validating": True}],
            domains=[{"name": "corp.example", "synthesis": "never"}],
            views=[{"name": "guests", "networks": ["2001:db8:2::/48"], "prefixes": []}],
            listen_tls=[
                {"address": "2001:db8::1", "certificate": "/etc/nat64/tls/c", "key": "/etc/nat64/tls/k"}
            ],
            exclude=["2001:db8:bad::/48"],
            unmapped=["192.0.2.0/24"],
            query_log="/var/log/dns64d/queries.log",
        )
        == []
    )


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
        ({"forwarders": [{"address": "192.0.2.53", "port": 0}]}, "dns64_forwarders"),
        ({"port": 70000}, "dns64_port"),
        ({"prefixes": [{"for": ["192.0.2.0/24"]}]}, "dns64_prefixes"),
        ({"prefixes": [{"prefix": "64:ff9b::/95", "for": ["192.0.2.0/24"]}]}, "dns64_prefixes"),
        ({"forwarders": [{"address": "::1", "port": 53, "tls": "dns.example"}]}, "dns64_forwarders"),
        ({"domains": [{"synthesis": "never"}]}, "dns64_domains"),
        ({"views": [{"networks": ["2001:db8::/32"]}]}, "dns64_views"),
        ({"extra_directives": ["Domain corp.example never"]}, "dns64_extra_directives"),
        ({"extra_directives": ["view guests 2001:db8::/32"]}, "dns64_extra_directives"),
        ({"extra_directives": ["port 5353"]}, "dns64_extra_directives"),
        ({"extra_directives": ["Cache-Size 64M"]}, "dns64_extra_directives"),
        ({"listen_tls": [{"address": "lan0", "certificate": "/c", "key": "/k"}]}, "dns64_listen_tls"),
        ({"listen_tls": [{"address": "::1", "key": "/k"}]}, "dns64_listen_tls"),
        ({"listen_tls": [{"address": "::1", "certificate": "c", "key": "/k"}]}, "dns64_listen_tls"),
        ({"listen_tls": [{"address": "::1", "certificate": "/c", "key": None}]}, "dns64_listen_tls"),
        (
            {
                "listen_tls": [{"address": "::1", "certificate": "/c", "key": "/k"}],
                "forwarders": [{"address": "::1", "tls": "dns.example"}],
            },
            "dns64_forwarders",
        ),
        (
            {
                "listen_tls": [{"address": "::", "port": 443, "certificate": "/c", "key": "/k"}],
                "forwarders": [{"address": "::1", "https": "https://dns.example/"}],
            },
            "dns64_forwarders",
        ),
        ({"forwarders": [{"address": "::1", "port": 53, "tls_pins": ["x"]}]}, "dns64_forwarders"),
        ({"query_log": "queries.log"}, "dns64_query_log"),
        ({"query_log": "/queries.log"}, "dns64_query_log"),
        ({"query_log": "/var/log/../etc/shadow"}, "dns64_query_log"),
        ({"query_log": "/var/log/d ns/q"}, "dns64_query_log"),
        ({"query_log": "/var/log/%n/q"}, "dns64_query_log"),
        ({"query_log": "/var/log/dns64d/"}, "dns64_query_log"),
        ({"query_log": None}, "dns64_query_log"),
        ({"query_log": ["/var/log/dns64d/q"]}, "dns64_query_log"),
        ({"extra_directives": ["retry 60\nretry 70"]}, "dns64_extra_directives"),
    ],
)
def test_a_bad_dns64_value_is_told_with_its_variable(wanted: dict[str, Any], variable: str) -> None:
    (finding,) = dns64_findings(**wanted)
    assert finding.startswith(f"{variable}: ")
    assert ";" in finding, "a remedy follows"


@pytest.mark.parametrize("value", [None, 64, True, "lan0", {"lan0": 1}, [None], [64], [""]])
@pytest.mark.parametrize("variable", [name for name in VARIABLES if name not in {"port", "query_log"}])
def test_another_type_than_a_list_of_words_gets_one_clear_error(variable: str, value: object) -> None:
    (finding,) = dns64_findings(**{variable: value})
    assert finding.startswith(f"dns64_{variable}: ")
    assert ";" in finding, "a remedy follows"


@pytest.mark.parametrize("value", [None, True, "fifty-three", [53], 53.5, {}])
def test_another_type_than_a_port_gets_one_clear_error(value: object) -> None:
    for wanted, variable in (
        ({"port": value}, "dns64_port"),
        ({"listen": [{"address": "2001:db8::53", "port": value or "none"}]}, "dns64_listen"),
    ):
        (finding,) = dns64_findings(**wanted)
        assert finding.startswith(f"{variable}: there is no port ")


def test_a_port_given_as_a_word_on_the_command_line_is_a_port() -> None:
    assert dns64_findings(port="53", listen=[{"address": "2001:db8::53", "port": "5353"}]) == []


NAMED = Listener("udp", "0.0.0.0", "", "named", 612)  # noqa: S104 - not bound to
RESOLVED = Listener("udp", "127.0.0.53", "lo", "systemd-resolve", 88)
LIBVIRT = Listener("tcp", "192.168.122.1", "", "dnsmasq", 901)
DUAL_STACK = Listener("tcp", "*", "", "coredns", 77)
IPV6_LAN = Listener("udp", "2001:db8:64:1::1", "", "unbound", 5)


@pytest.mark.parametrize("other", [NAMED, LIBVIRT, DUAL_STACK, IPV6_LAN])
def test_who_holds_port_53_is_named(other: Listener) -> None:
    (finding,) = dns64_findings(other)
    assert finding.startswith("dns64_port: ")
    assert other.process in finding


def test_a_listener_on_another_address_of_loopback_is_no_clash() -> None:
    assert dns64_findings(RESOLVED) == []


def test_who_holds_the_port_for_tls_is_named_unless_it_is_udp_alone() -> None:
    served = [{"address": "192.168.122.1", "certificate": "/c", "key": "/k"}]
    listen = [{"address": "192.0.2.1"}]
    (finding,) = dns64_findings(LIBVIRT, listen=listen, listen_tls=served)
    assert finding.startswith("dns64_listen_tls: port 853 is taken by dnsmasq on 192.168.122.1; ")
    quic = replace(LIBVIRT, protocol="udp")
    assert dns64_findings(quic, listen=listen, listen_tls=served) == []


def test_explicit_addresses_avoid_what_listens_elsewhere() -> None:
    assert dns64_findings(LIBVIRT, listen=[{"address": "2001:db8:64:1::1", "port": None}]) == []
