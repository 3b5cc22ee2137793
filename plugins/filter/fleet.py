# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Filters for a fleet of gateways: what each of them gets, who they are, and what two of them cannot both have."""

from __future__ import annotations

import ipaddress
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# The defaults of role `nat64`, for gateways whose inventory does not say these; a test compares them.
DEFAULTS: Final = {"nat64_prefix": "64:ff9b::/96", "nat64_pool": "192.168.240.0/20"}
_TOPICS: Final = ("nat64_prefix", "nat64_pool", "nat64_rfc6791_pool", "nat64_ipv4_addr", "nat64_ipv6_addr")


class _Claim(NamedTuple):
    """What a gateway says is its own."""

    host: str
    variable: str
    value: str
    network: IPNetwork


def nth_subnet(network: object, length: object, index: object) -> str:
    """Return the subnet number `index`, from 0, of the prefix length `length` in `network`."""
    try:
        whole = ipaddress.ip_network(str(network))
        new, number = int(str(length)), int(str(index))
    except ValueError as reason:
        raise AnsibleFilterError(
            f"nth_subnet: {reason}; give a network, a length and an index, as in '172.16.0.0/12' | nth_subnet(20, 3)"
        ) from reason
    if not whole.prefixlen <= new <= whole.max_prefixlen:
        raise AnsibleFilterError(
            f"nth_subnet: {whole} has no subnets of length {new};"
            f" take one from {whole.prefixlen} to {whole.max_prefixlen}"
        )
    if not 0 <= number < 1 << new - whole.prefixlen:
        raise AnsibleFilterError(
            f"nth_subnet: index {number}, and {whole} has {1 << new - whole.prefixlen} subnets of length {new};"
            " take an index below that, or a larger network"
        )
    first = int(whole.network_address) + (number << whole.max_prefixlen - new)
    return f"{type(whole.network_address)(first)}/{new}"


def fleet_members(hostvars: Mapping[str, Mapping[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return what the fleet must know of each gateway; see the filter's documentation."""
    return [_member(name, hostvars[name]) for name in names]


def fleet_overlaps(members: list[dict[str, Any]]) -> list[str]:
    """Say what is no network, and what two gateways claim both; a line each, with both names and variables."""
    claims: list[list[_Claim]] = []
    found: list[str] = []
    for member in members:
        own: list[_Claim] = []
        for variable, value in member["claims"].items():
            try:
                own.append(_Claim(member["name"], variable, value, ipaddress.ip_network(value)))
            except ValueError as reason:
                found.append(f"{member['name']}: {variable}: {reason}; give an address or a network")
        claims.append(own)
    for (one, its), (other, others) in combinations(zip(members, claims, strict=True), 2):
        if one["cluster"] != other["cluster"]:
            found += _between(its, others)
    return found


def fleet_views(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a view for `dns64_views` for each gateway that has client networks: these get its prefix."""
    return [
        {"name": member["name"], "networks": member["clients"], "prefixes": [member["prefix"]]}
        for member in members
        if member["clients"]
    ]


def _member(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    claims = {topic: str(variables.get(topic) or DEFAULTS.get(topic, "")) for topic in _TOPICS}
    for number, further in enumerate(variables.get("nat64_further_prefixes") or []):
        for word in ("prefix", "pool"):
            claims[f"nat64_further_prefixes[{number}].{word}"] = str(further.get(word) or "")
    return {
        "name": name,
        "prefix": claims["nat64_prefix"],
        "clients": list(variables.get("fleet_clients") or []),
        "cluster": str(variables.get("fleet_cluster") or name),
        "claims": {variable: value for variable, value in claims.items() if value},
    }


def _between(its: list[_Claim], others: list[_Claim]) -> Iterator[str]:
    """Say once for each family what two gateways both claim: an address inside a pool would say it again."""
    said: set[int] = set()
    for one in its:
        for other in others:
            version = one.network.version
            if (
                version == other.network.version
                and version not in said
                and one.network.overlaps(other.network)
            ):
                said.add(version)
                yield (
                    f"{one.host} and {other.host}: {one.variable} {one.value} of {one.host} overlaps"
                    f" {other.variable} {other.value} of {other.host}; give one of them another,"
                    " or both the same fleet_cluster if they serve as one"
                )


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "nth_subnet": nth_subnet,
            "fleet_members": fleet_members,
            "fleet_overlaps": fleet_overlaps,
            "fleet_views": fleet_views,
        }
