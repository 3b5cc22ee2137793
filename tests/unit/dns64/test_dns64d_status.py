"""The status of dns64d: every forwarder once, every view."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING, Any

from nat64.commands.dns64d_status import forwarder_rows, view_rows
from nat64.config.dns64_config import Domain, Endpoint, Forwarder

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

PLAIN = Forwarder(Endpoint(IPv4Address("192.0.2.53")))
TLS = Forwarder(Endpoint(IPv4Address("198.51.100.53"), 853), tls_name="dns.example", validating=True)


def test_forwarders_of_views_and_domains_are_listed_once_with_their_health(
    lab: Make, reply: Make, config: Make
) -> None:
    view = {"name": "guests", "networks": (ip_network("2001:db8:9::/48"),), "forwarders": (PLAIN, TLS)}
    domain = Domain((b"example",), None, (TLS, PLAIN))
    dns64 = lab(
        {("v4.example.", "TXT"): reply()}, config("forwarder 192.0.2.53\nretry 100", view, domains=(domain,))
    )
    dns64.dead.add("198.51.100.53")
    dns64.ask("v4.example.", "TXT", host="::1")
    assert forwarder_rows(dns64.service, dns64.now + 10, 5000.0) == [
        {"address": "192.0.2.53", "port": 53, "healthy": True},
        {
            "address": "198.51.100.53",
            "port": 853,
            "healthy": False,
            "tls": "dns.example",
            "validating": True,
            "failed_until": 5090,
        },
    ]
    assert view_rows(dns64.service) == [
        {
            "name": "guests",
            "networks": ["2001:db8:9::/48"],
            "prefixes": [],
            "forwarders": ["192.0.2.53:53", "198.51.100.53:853 (dns.example)"],
        }
    ]
