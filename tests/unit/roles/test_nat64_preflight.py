"""What role nat64's look at a host makes of it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import gateway_sysctls
from ansible_collections.nat64.gateway.plugins.module_utils.rtnetlink import Address, Route
from ansible_collections.nat64.gateway.plugins.module_utils.translator_settings import (
    Network,
    Wanted,
    findings,
)
from ansible_collections.nat64.gateway.plugins.modules.translator_host import ifupdown_findings


def address(device: str, interface: str, scope: str = "global") -> Address:
    return Address(device, ipaddress.ip_interface(interface), scope)


def route(destination: str, device: str, protocol: str = "static", gateway: str = "", **more: Any) -> Route:  # noqa: ANN401 - whatever a route has
    network = ipaddress.ip_network(destination)
    return Route(
        network,
        device,
        ipaddress.ip_address(gateway) if gateway else None,
        protocol=protocol,
        **more,
    )


ADDRESSES = [
    address("lan0", "2001:db8:64:1::1/64"),
    address("wan0", "198.51.100.2/24"),
    address("wan0", "2001:db8:0:1::2/64"),
]
RA_ROUTE = route("::/0", "wan0", "ra", "fe80::1", metric=1024)


def nat64_findings(
    *,
    addresses: list[Address] | None = None,
    routes: list[Route] | None = None,
    others: frozenset[str] = frozenset(),
    **wanted: Any,  # noqa: ANN401 - whatever the role may want
) -> list[str]:
    values: dict[str, Any] = {
        "device": "nat64",
        "prefix": "64:ff9b::/96",
        "pool": "192.168.240.0/20",
        "ipv4_addr": "192.168.240.1",
        "ipv6_addr": "fd00:db8::64",
    }
    host = Network(ADDRESSES if addresses is None else addresses, routes or [], others)
    return findings(Wanted(**(values | wanted)), host)


def test_nothing_stands_in_the_way_of_the_defaults() -> None:
    assert nat64_findings() == []


@pytest.mark.parametrize("prefix", ["2001:db8::/32", "2001:db8::/40", "2001:db8::/48", "64:ff9b:1::/48"])
def test_rfc6052_2_2_lengths_are_accepted(prefix: str) -> None:
    assert nat64_findings(prefix=prefix, addresses=[]) == []


@pytest.mark.parametrize("prefix", ["2001:db8::/95", "2001:db8::/33", "2001:db8::/128"])
def test_rfc6052_2_2_other_lengths_are_refused(prefix: str) -> None:
    (finding,) = nat64_findings(prefix=prefix, addresses=[])
    assert finding.startswith("nat64_prefix: ")
    assert "RFC 6052" in finding
    assert "/96" in finding


def test_rfc6052_2_2_bits_64_to_71_must_be_zero() -> None:
    (finding,) = nat64_findings(prefix="2001:db8:0:0:100::/96")
    assert "bits 64 to 71" in finding


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("prefix", "64:ff9b::"),
        ("prefix", "64:ff9b::1/96"),
        ("prefix", "192.0.2.0/24"),
        ("pool", "192.168.240.1/20"),
        ("pool", "192.168.240.0"),
        ("pool", "192.168.240.0/31"),
        ("rfc6791_pool", "198.51.100.7"),
        ("rfc6791_pool", "198.51.100.0/24"),  # the network of wan0
        ("ipv4_addr", "192.168.240"),
        ("ipv6_addr", "192.168.240.1"),
        ("device", "a name that is too long"),
        ("device", ""),
        ("device", "*"),
        ("device", "nat$(id)"),
        ("device", "na't"),
        ("device", ".."),
        ("device", "all"),
        ("ra_uplinks", ["ppp0;id"]),
        ("ra_uplinks", [""]),
        ("log_file", "nat64d.log"),
        ("log_file", "/var/log/$(id)"),
    ],
)
def test_a_bad_value_is_told_with_its_variable(variable: str, value: object) -> None:
    wanted: dict[str, Any] = {variable: value}
    (finding,) = nat64_findings(**wanted)
    assert finding.startswith(f"nat64_{variable}: ")
    assert ";" in finding, "a remedy follows"


def test_a_stanza_for_an_ifupdown_that_is_not_there_is_refused() -> None:
    (finding,) = ifupdown_findings(hook=True, managers=["dhcpcd"])
    assert finding.startswith("nat64_ifupdown_hook: ")
    assert ifupdown_findings(hook=True, managers=["ifupdown"]) == []
    assert ifupdown_findings(hook=False, managers=[]) == []


@pytest.mark.parametrize("device", ["nat64", "nat64-in", "tun.64", "_64", "a-name-of-15-ch"])
def test_an_interfaces_name_may_have_more_than_letters(device: str) -> None:
    assert nat64_findings(device=device, ra_uplinks=[device]) == []


def test_the_tun_may_not_have_the_name_of_another_interface() -> None:
    (finding,) = nat64_findings(device="lan0", addresses=[], others=frozenset({"lan0"}))
    assert finding.startswith("nat64_device: ")


def test_a_pool_that_is_none_is_told_once() -> None:
    (finding,) = nat64_findings(pool="garbage", ipv4_addr="")
    assert finding.startswith("nat64_pool: ")


@pytest.mark.parametrize("pool", ["198.51.100.0/24", "198.51.0.0/16", "198.51.100.0/30"])
def test_a_pool_may_not_overlap_a_network_of_the_host(pool: str) -> None:
    (finding,) = nat64_findings(pool=pool)
    assert "nat64_pool" in finding
    assert "wan0" in finding


def test_a_prefix_may_not_overlap_a_network_of_the_host() -> None:
    (finding,) = nat64_findings(prefix="2001:db8:64:1::/64")
    assert "nat64_prefix" in finding
    assert "lan0" in finding


def test_what_means_something_only_on_its_link_is_no_clash() -> None:
    assert nat64_findings(addresses=[address("lan0", "192.168.241.1/24", "link")]) == []


def test_the_tuns_own_addresses_and_routes_are_no_clash() -> None:
    tun = address("nat64", "192.168.240.2/20")
    assert nat64_findings(addresses=[*ADDRESSES, tun], routes=[route("192.168.240.0/20", "nat64")]) == []


def test_our_own_routes_to_a_device_of_another_name_are_no_clash() -> None:
    assert nat64_findings(routes=[route("192.168.240.0/20", "oldname", "64")]) == []


def test_a_route_to_a_part_of_the_pool_is_a_clash_and_a_wider_one_is_none() -> None:
    wider = [route("192.168.0.0/16", "vpn0"), route("0.0.0.0/0", "wan0")]
    assert nat64_findings(routes=wider) == []
    (finding,) = nat64_findings(routes=[route("192.168.241.0/24", "vpn0")])
    assert "192.168.241.0/24" in finding
    assert "vpn0" in finding


def test_the_translator_needs_addresses_of_its_own() -> None:
    (finding,) = nat64_findings(ipv6_addr="2001:db8:64:1::1")
    assert finding.startswith("nat64_ipv6_addr: ")


def test_each_further_prefix_is_told_by_its_number() -> None:
    found = nat64_findings(
        further_prefixes=[
            {"prefix": "2001:db8:65::/96", "pool": "192.168.224.0/20"},
            {"prefix": "2001:db8:66::/95", "pool": "10.0.0.0/31"},
            {"prefix": "2001:db8:67::", "pool": "10.1.0.1/24"},
            {"prefix": "64:ff9b::/64", "pool": "192.168.0.0/16"},
            {"prefix": "2001:db8:64:1::/64", "pool": "198.51.100.0/24"},
        ]
    )
    assert [finding.partition(":")[0] for finding in found] == [
        "nat64_further_prefixes[2].prefix",
        "nat64_further_prefixes[2].pool",
        "nat64_further_prefixes[3].prefix",
        "nat64_further_prefixes[3].pool",
        "nat64_further_prefixes[4].prefix",
        "nat64_further_prefixes[4].pool",
        "nat64_further_prefixes[4].pool",
        "nat64_further_prefixes[5].prefix",
        "nat64_further_prefixes[5].pool",
    ]
    assert found[4] == (
        "nat64_further_prefixes[4].prefix: 64:ff9b::/64 overlaps 64:ff9b::/96, nat64_prefix; choose another"
    )


def test_each_map_is_told_by_its_number() -> None:
    good = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
    found = nat64_findings(maps=[good, good | {"ipv4": "192.0.2.300"}, good | {"ipv6": "2001:db8:64:1::1"}])
    assert [finding.partition(":")[0] for finding in found] == ["nat64_maps[2].ipv4", "nat64_maps[3].ipv6"]


def test_a_directive_with_a_variable_of_its_own_is_refused() -> None:
    (finding,) = nat64_findings(extra_directives=["offlink-mtu 1400", "MAP 192.0.2.1 2001:db8::1"])
    assert "nat64_maps" in finding


def test_the_fast_paths_directives_have_variables_and_a_place_of_the_roles_own() -> None:
    found = nat64_findings(extra_directives=["fast-path off", "linger 5", "new-hosts 5", "bpffs /sys/fs/bpf"])
    wanted = ["nat64_fast_path", "nat64_linger", "nat64_new_hosts", "leave 'bpffs' out"]
    assert [each in finding for each, finding in zip(wanted, found, strict=True)] == [True] * 4


def test_all_findings_come_at_once() -> None:
    assert len(nat64_findings(prefix="2001:db8::/95", pool="198.51.100.0/24", ipv6_addr="x")) == 3


def uplinks(found: Route, accept_ra: str) -> list[str]:
    return gateway_sysctls.ra_uplinks([found], {"wan0": accept_ra})


def test_an_uplink_that_lives_by_router_advertisements_is_found() -> None:
    assert uplinks(RA_ROUTE, "1") == ["wan0"]
    assert uplinks(RA_ROUTE, "2") == ["wan0"]


def test_an_uplink_whose_advertisements_a_daemon_reads_is_left_to_it() -> None:
    assert uplinks(RA_ROUTE, "0") == []


def test_a_static_default_route_needs_no_advertisements() -> None:
    assert uplinks(route("::/0", "wan0", "static", "fe80::1"), "1") == []


def test_a_route_that_is_learnt_but_no_default_route_needs_no_advertisements() -> None:
    assert uplinks(route("2001:db8:9::/48", "wan0", "ra", "fe80::1"), "1") == []


def test_accept_ra_comes_before_forwarding() -> None:
    keys = list(gateway_sysctls.sysctls(["eth0.100"]))
    assert keys.index("net/ipv6/conf/eth0.100/accept_ra") < keys.index("net/ipv6/conf/all/forwarding")


def test_default_routes_are_told_by_what_must_stay() -> None:
    others = [route("192.0.2.0/24", "lan0"), route("0.0.0.0/0", "", kind="unreachable")]
    ppp = route("0.0.0.0/0", "ppp0", "boot")
    assert gateway_sysctls.default_routes([RA_ROUTE, *others, ppp]) == [
        "family ipv4 dev ppp0",
        "family ipv6 gateway fe80::1 dev wan0 metric 1024",
    ]


def test_settings_are_read_back_from_what_was_written() -> None:
    assert gateway_sysctls.recorded("# comment\nnet/ipv6/conf/all/forwarding = 0\n\n") == {
        "net/ipv6/conf/all/forwarding": "0"
    }
