"""What role anycast refuses before anything changes, and what its config of FRR lets pass."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.anycast_settings import findings

from tests.unit.roles.rendering import render, value

ADDRESSES = """\
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
2: lan0    inet6 2001:db8:1::2/64 scope global \\       valid_lft forever preferred_lft forever
"""
GOOD: dict[str, Any] = {
    "anycast_peers": [{"address": "2001:db8:1::1", "asn": 64500}],
    "anycast_local_as": 64512,
    "anycast_router_id": "192.0.2.1",
    "anycast_dns64_addresses": ["2001:db8:53::53"],
    "anycast_ping": ["198.51.100.1"],
    "dns64_listen": [{"address": "2001:db8:53::53"}],
    "nat64_prefix": "64:ff9b::/96",
    "nat64_further_prefixes": [],
}


def _findings(**changed: object) -> list[str]:
    settings: dict[str, Any] = value("anycast", "__anycast_settings", **(GOOD | changed))
    return findings(settings, ADDRESSES)


def test_a_right_setup_is_taken() -> None:
    assert _findings() == []


def test_without_peers_nothing_can_be_wrong() -> None:
    assert _findings(anycast_peers=[], anycast_router_id="", anycast_local_as=0) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"anycast_router_id": ""}, "anycast_router_id: there is none"),
        ({"anycast_router_id": "gateway1"}, "anycast_router_id: 'gateway1' is none"),
        ({"anycast_local_as": 0}, "anycast_local_as: there is none"),
        ({"anycast_ping": []}, "anycast_ping: there is none"),
        ({"anycast_ping": ["2001:db8::1"]}, "anycast_ping: '2001:db8::1' is not an IPv4"),
        ({"anycast_prefixes": ["2001:db8:bad::/96"]}, "'2001:db8:bad::/96' is not translated here"),
        ({"anycast_prefixes": [], "anycast_dns64_addresses": []}, "there is nothing to announce"),
        ({"dns64_listen": []}, "DNS64 is not served at 2001:db8:53::53"),
        ({"anycast_hold": 2}, "anycast_hold: 2 seconds are too few"),
        ({"anycast_peers": [{"address": "2001:db8:2::1", "asn": 64500}]}, "is in no network of this host"),
        ({"anycast_peers": [{"address": "fe80::1", "asn": 64500}]}, "give the router's global one"),
        ({"anycast_peers": [GOOD["anycast_peers"][0]] * 2}, "is there twice"),
        ({"anycast_peers": [GOOD["anycast_peers"][0] | {"password": "a b"}]}, "has a blank"),
        ({"anycast_peers": [GOOD["anycast_peers"][0] | {"asn": 0}]}, "0 is not an AS number"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_variable(changed: dict[str, Any], said: str) -> None:
    (finding,) = _findings(**changed)
    assert said in finding
    assert finding.startswith("anycast_")
    assert "\n" not in finding


def test_a_router_far_away_needs_no_network_of_ours() -> None:
    assert _findings(anycast_peers=[{"address": "2001:db8:2::1", "asn": 64500, "multihop": 2}]) == []


def test_nothing_but_what_is_named_goes_out_and_nothing_comes_in() -> None:
    config = render("anycast/frr.conf.j2", **GOOD)
    assert "ipv6 prefix-list nat64-prefixes seq 5 permit 64:ff9b::/96\n" in config
    assert "ipv6 prefix-list nat64-dns64-addresses seq 5 permit 2001:db8:53::53/128\n" in config
    assert "neighbor 2001:db8:1::1 route-map nat64-anycast-out out\n" in config
    assert "neighbor 2001:db8:1::1 route-map nat64-anycast-in in\n" in config
    assert "route-map nat64-anycast-in deny 99\n" in config
    assert config.count("route-map nat64-anycast-in") == 2


def test_a_password_and_bfd_are_the_peers_own() -> None:
    peers = [
        {"address": "2001:db8:1::1", "asn": 64500, "password": "secret"},
        {"address": "2001:db8:1::3", "asn": 64500, "bfd": False},
    ]
    config = render("anycast/frr.conf.j2", **(GOOD | {"anycast_peers": peers}))
    assert "neighbor 2001:db8:1::1 password secret\n" in config
    assert "neighbor 2001:db8:1::1 bfd\n" in config
    assert "2001:db8:1::3 password" not in config
    assert "2001:db8:1::3 bfd" not in config
