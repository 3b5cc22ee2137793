# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Filters for addresses: IPv4 inside IPv6 (RFC 6052), and the first host of a network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ansible.errors import AnsibleFilterError
from ansible_collections.nat64.gateway.plugins.module_utils.nat64_prefix import LENGTHS

if TYPE_CHECKING:
    from collections.abc import Callable

# All but a /96 leave out the u-octet, bits 64 to 71: without it an address is a number of 120 bits, 56 of them
# behind the gap, and the IPv4 address is 32 of these in one piece.
_BEHIND_GAP: Final = 56
_LAST_32: Final = (1 << 32) - 1

Parsed = TypeVar("Parsed")


def embed(ipv4: object, prefix: object) -> str:
    """Return the IPv6 address that stands for `ipv4` in `prefix` (RFC 6052 section 2.2)."""
    embedded = int(_parse("embed", IPv4Address, ipv4, "an IPv4 address, such as 192.0.2.33"))
    network = _prefix("embed", prefix)
    head = int(network.network_address)
    if network.prefixlen == 96:
        return str(IPv6Address(head | embedded))
    return str(IPv6Address(_open_gap(_close_gap(head) | embedded << 88 - network.prefixlen)))


def extract(ipv6: object, prefix: object) -> str:
    """Return the IPv4 address inside `ipv6`; the u-octet and the suffix are ignored (RFC 6052 section 2.3)."""
    address = _parse("extract", IPv6Address, ipv6, "an IPv6 address, such as 64:ff9b::192.0.2.33")
    network = _prefix("extract", prefix)
    if address not in network:
        raise AnsibleFilterError(
            f"extract: {address} is not in {network}; give the prefix that it was made with"
        )
    if network.prefixlen == 96:
        return str(IPv4Address(int(address) & _LAST_32))
    return str(IPv4Address(_close_gap(int(address)) >> 88 - network.prefixlen & _LAST_32))


def first_host(network: object, otherwise: str | None = None) -> str:
    """Return the first address of `network` that a host may have: the one after the network's own.

    What is no network gives `otherwise`, for who tells of the mistake himself, and an error without it.
    """
    try:
        parsed = _parse("first_host", ip_network, network, "a network, such as 192.168.240.0/20")
    except AnsibleFilterError:
        if otherwise is None:
            raise
        return otherwise
    return str(next(iter(parsed.hosts())))


def _close_gap(address: int) -> int:
    return address >> 64 << _BEHIND_GAP | address & (1 << _BEHIND_GAP) - 1


def _open_gap(number: int) -> int:
    return number >> _BEHIND_GAP << 64 | number & (1 << _BEHIND_GAP) - 1


def _prefix(filter_name: str, value: object) -> IPv6Network:
    network = _parse(filter_name, IPv6Network, value, "an IPv6 prefix, such as 64:ff9b::/96")
    if network.prefixlen not in LENGTHS:
        allowed = ", ".join(map(str, LENGTHS))
        raise AnsibleFilterError(
            f"{filter_name}: prefix {str(value)!r} has the length {network.prefixlen}; "
            f"RFC 6052 allows {allowed}: give one of these, as in 64:ff9b::/96"
        )
    return network


def _parse(filter_name: str, parse: Callable[[str], Parsed], value: object, wanted: str) -> Parsed:
    try:
        return parse(str(value))
    except ValueError as reason:
        raise AnsibleFilterError(f"{filter_name}: {reason}; give {wanted}") from reason


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"embed": embed, "extract": extract, "first_host": first_host}
