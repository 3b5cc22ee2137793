"""The status of dns64d: every forwarder once, every view; and its statistics."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING, Any

from nat64.commands.dns64d_status import forwarder_rows, stats_rows, view_rows
from nat64.config.dns64_config import Domain, Endpoint, Forwarder
from nat64.dns64.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

PLAIN = Forwarder(Endpoint(IPv4Address("192.0.2.53")))
TLS = Forwarder(Endpoint(IPv4Address("198.51.100.53"), 853), tls_name="dns.example", validating=True)


def test_forwarders_of_views_and_domains_are_listed_once_with_what_the_workers_see(config: Make) -> None:
    view = {"name": "guests", "networks": (ip_network("2001:db8:9::/48"),), "forwarders": (PLAIN, TLS)}
    domain = Domain((b"example",), None, (TLS, PLAIN))
    made = config("forwarder 192.0.2.53\nretry 100", view, domains=(domain,))
    accounts: list[dict[str, Any]] = [
        {"failed": {}},
        {"failed": {repr(TLS): 60.0}},
        {"failed": {repr(TLS): 90.2}},
    ]
    assert forwarder_rows(made, accounts, 5000.0) == [
        {"address": "192.0.2.53", "port": 53, "healthy": True},
        {
            "address": "198.51.100.53",
            "port": 853,
            "healthy": False,
            "tls": "dns.example",
            "validating": True,
            "failed_workers": 2,
            "failed_until": 5090,
        },
    ]
    assert view_rows(made) == [
        {
            "name": "guests",
            "networks": ["2001:db8:9::/48"],
            "prefixes": [],
            "forwarders": ["192.0.2.53:53", "198.51.100.53:853 (dns.example)"],
        }
    ]


def test_what_the_workers_counted_is_added_up_with_the_meaning() -> None:
    one, other = Statistics(), Statistics()
    one.counters["queries_udp"] = 7
    one.counters["of_tomorrow"] = 1
    other.counters["queries_udp"] = 5
    one.answered("synthesized", 0.001, 3)
    other.answered("synthesized", 0.003)
    one.add(Statistics.from_json(other.as_json()))
    stats: Any = stats_rows([{"cache": {"entries": 2, "bytes": 700}}] * 2, one)
    assert stats["cache"] == {"entries": 4, "bytes": 1400}
    counted = {row["name"]: row["count"] for row in stats["rows"] if row["count"]}
    assert counted == {"queries_udp": 12, "of_tomorrow": 1, "synthesized": 4}
    assert all(row["meaning"] for row in stats["rows"])
    assert stats["latencies"] == [
        {"outcome": "synthesized", "count": 4, "mean": 1500, "p50": 1024, "p99": 4096}
    ]


def test_without_workers_nothing_is_counted() -> None:
    stats: Any = stats_rows([], Statistics())
    assert not any(row["count"] for row in stats["rows"])
    assert stats["latencies"] == []
