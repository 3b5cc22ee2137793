"""Addresses of a translator's config that get in each other's way, each told with both places."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, TypeVar

from nat64.config.grammar import Placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nat64.addressing.eamt import Eam
    from nat64.addressing.prefix import Pref64
    from nat64.config.grammar import Findings, Place

_Network = TypeVar("_Network", IPv4Network, IPv6Network)


def refuse_overlaps(  # noqa: PLR0913 - these are the addresses that a config has
    findings: Findings,
    *,
    ipv4_addr: Placed[IPv4Address] | None,
    ipv6_addr: Placed[IPv6Address] | None,
    prefixes: Sequence[Placed[Pref64]],
    pools: Sequence[Placed[IPv4Network]],
    eams: Sequence[tuple[Placed[Eam], Pref64 | None]],
) -> None:
    """Record a mistake for each overlap that leaves a mapping without effect. `eams` come with their prefixes.

    A pool may contain the translator's own address and maps: they are kept out of it. Maps may contain one another.
    """
    if ipv6_addr:
        for prefix in prefixes:
            if ipv6_addr.value in prefix.value.network:
                findings.refuse(
                    ipv6_addr.place,
                    f"ipv6-addr {ipv6_addr.value} lies inside the prefix {prefix.value} of {prefix.place}",
                    "give an address outside it, or none, so that one is made from ipv4-addr",
                )
    _refuse_overlapping(findings, "prefix", [Placed(each.value.network, each.place) for each in prefixes])
    _refuse_overlapping(findings, "pool", pools)
    for eam, _ in eams:
        _check_eam_ipv4(findings, eam, ipv4_addr, pools)
        _check_eam_ipv6(findings, eam, ipv6_addr, prefixes)
    _refuse_duplicates(findings, ((Placed(eam.value.ipv4, eam.place), None) for eam, _ in eams))
    _refuse_duplicates(findings, ((Placed(eam.value.ipv6, eam.place), prefix) for eam, prefix in eams))


def _refuse_overlapping(findings: Findings, what: str, networks: Sequence[Placed[_Network]]) -> None:
    ordered = sorted(networks, key=lambda network: network.place.line)
    for number, network in enumerate(ordered):
        earlier = next((other for other in ordered[:number] if other.value.overlaps(network.value)), None)
        if earlier is not None:
            findings.refuse(
                network.place,
                f"the {what} {network.value} overlaps the {what} {earlier.value} of {earlier.place}",
                f"give {what}{'e' * (what[-1] == 'x')}s that have no address in common",
            )


def refuse_router_pool_overlaps(
    findings: Findings,
    router_pool: Placed[IPv4Network],
    others: Iterable[tuple[str, Placed[IPv4Network]]],
) -> None:
    """Record a mistake for each of the `others`, each with its keyword, that shares addresses with the `rfc6791-pool`.

    Errors that come from an address that somebody has would be taken for that one's.
    """
    for keyword, other in others:
        if other.value.overlaps(router_pool.value):
            findings.refuse(
                router_pool.place,
                f"rfc6791-pool {router_pool.value} overlaps the {keyword} {other.value} of {other.place}",
                "give it a network of its own",
            )


def _overlap(one: _Network, other: _Network) -> bool:
    """Whether the networks share an address, told without the objects that `overlaps` makes: maps come by thousands."""
    longer = one.max_prefixlen - min(one.prefixlen, other.prefixlen)
    return int(one.network_address) >> longer == int(other.network_address) >> longer


def _check_eam_ipv4(
    findings: Findings,
    eam: Placed[Eam],
    ipv4_addr: Placed[IPv4Address] | None,
    pools: Sequence[Placed[IPv4Network]],
) -> None:
    network = eam.value.ipv4
    if ipv4_addr and network.prefixlen == 32 and network.network_address == ipv4_addr.value:
        findings.refuse(
            eam.place,
            f"{ipv4_addr.value} is the translator's own address since {ipv4_addr.place}",
            "map another IPv4 address",
        )
    for pool in pools:
        if network.prefixlen <= pool.value.prefixlen and _overlap(network, pool.value):
            findings.refuse(
                eam.place,
                f"the map {network} takes every address of the pool {pool.value} of {pool.place}",
                "map another IPv4 network, or remove the pool",
            )


def _check_eam_ipv6(
    findings: Findings,
    eam: Placed[Eam],
    ipv6_addr: Placed[IPv6Address] | None,
    prefixes: Sequence[Placed[Pref64]],
) -> None:
    network = eam.value.ipv6
    if ipv6_addr and ipv6_addr.value in network:
        findings.refuse(
            eam.place,
            f"{network} contains the translator's own address {ipv6_addr.value} of {ipv6_addr.place}",
            "map another IPv6 address",
        )
    for prefix in prefixes:
        if _overlap(network, prefix.value.network):
            findings.refuse(
                eam.place,
                f"{network} overlaps the prefix {prefix.value} of {prefix.place}",
                "map an IPv6 address outside the prefix",
            )


def _refuse_duplicates(
    findings: Findings, networks: Iterable[tuple[Placed[_Network], Pref64 | None]]
) -> None:
    """Record a mistake for each network that an earlier map for the same prefix has; without one, for any prefix."""
    seen: dict[tuple[int, int, Pref64 | None], Place] = {}
    for network, prefix in networks:
        key = int(network.value.network_address), network.value.prefixlen, prefix
        earlier = seen.setdefault(key, network.place)
        if earlier is not network.place:
            findings.refuse(
                network.place, f"{network.value} is already mapped at {earlier}", "keep one of the two maps"
            )
