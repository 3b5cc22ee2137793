"""What the gateways of a fleet get by their index, and what two of them cannot both have."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nat64.gateway.plugins.filter.fleet import (
    DEFAULTS,
    fleet_members,
    fleet_overlaps,
    fleet_views,
    nth_subnet,
)

from tests.unit.roles.test_specs import defaults


def overlaps(**variables: dict[str, Any]) -> list[str]:
    return fleet_overlaps(fleet_members(variables, list(variables)))


@pytest.mark.parametrize(("network", "length"), [("192.168.240.0/20", 24), ("2001:db8:6464::/48", 52)])
def test_the_index_counts_a_networks_subnets(network: str, length: int) -> None:
    expected = [str(subnet) for subnet in ip_network(network).subnets(new_prefix=length)]
    assert [nth_subnet(network, length, index) for index in range(16)] == expected


@pytest.mark.parametrize(
    ("index", "length", "told"),
    [(16, 24, "has 16 subnets"), (-1, 24, "has 16"), (0, 19, "take one from 20 to 32")],
)
def test_what_a_network_has_no_room_for_is_refused(index: int, length: int, told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        nth_subnet("192.168.240.0/20", length, index)


def test_a_member_without_variables_has_the_roles_defaults() -> None:
    role = defaults("nat64")
    assert {name: role[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("variable", "one", "other"),
    [
        ("nat64_prefix", "2001:db8:1::/96", "2001:db8:1::/64"),
        ("nat64_pool", "192.168.240.0/20", "192.168.248.0/24"),
        ("nat64_ipv6_addr", "2001:db8:9::64", "2001:db8:9::64"),
    ],
)
def test_an_overlap_names_both_hosts_and_both_variables(variable: str, one: str, other: str) -> None:
    apart = {
        "a": {"nat64_prefix": "2001:db8:a::/96", "nat64_pool": "192.168.224.0/24"},
        "b": {"nat64_prefix": "2001:db8:b::/96", "nat64_pool": "192.168.225.0/24"},
    }
    assert overlaps(**apart) == []
    apart["a"][variable], apart["b"][variable] = one, other
    (told,) = overlaps(**apart)
    assert told.startswith(f"a and b: {variable} {one} of a overlaps {variable} {other} of b; ")


def test_gateways_that_serve_as_one_may_have_the_same() -> None:
    assert overlaps(a={"fleet_cluster": "pair"}, b={"fleet_cluster": "pair"}) == []
    assert len(overlaps(a={}, b={})) == 2  # prefix and pool


def test_what_is_no_network_is_said_of_its_host() -> None:
    (told,) = overlaps(a={"nat64_pool": "192.168.240.1/20"})
    assert told.startswith("a: nat64_pool: ")


def test_a_view_gives_each_networks_clients_their_gateways_prefix() -> None:
    members = fleet_members(
        {"a": {"nat64_prefix": "2001:db8:a::/96", "fleet_clients": ["2001:db8:1::/48"]}, "b": {}}, ["a", "b"]
    )
    assert fleet_views(members) == [
        {"name": "a", "networks": ["2001:db8:1::/48"], "prefixes": ["2001:db8:a::/96"]}
    ]
