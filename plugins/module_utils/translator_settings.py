# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What is wrong with the settings of a translator, by themselves and on a host that has links and routes."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union

from ansible_collections.nat64.gateway.plugins.module_utils.nat64_prefix import length_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.nat64.gateway.plugins.module_utils.rtnetlink import Address, Route

    IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
    IPNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

T = TypeVar("T")

# Routes that clash with nothing: the kernel's own belong to addresses, and nat64d marks its own with this number,
# which may still lead to a device that is about to get another name.
HARMLESS_PROTOCOLS: Final = frozenset({"kernel", "64"})
# Narrower than the kernel's: the name goes into shell scripts, and into files where others take patterns. The kernel
# keeps the settings of all devices, and of those to come, under names that then no device can have.
DEVICE_NAME: Final = re.compile(r"(?!(?:all|default|lo)$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
KEYWORDS_OF_VARIABLES: Final = {
    "tun-device": "nat64_device",
    "ipv4-addr": "nat64_ipv4_addr",
    "ipv6-addr": "nat64_ipv6_addr",
    "prefix": "nat64_prefix or nat64_further_prefixes",
    "dynamic-pool": "nat64_pool",
    "rfc6791-pool": "nat64_rfc6791_pool",
    "map": "nat64_maps",
    "tos": "nat64_tos",
    "hairpin": "nat64_hairpin",
    "fast-path": "nat64_fast_path",
    "linger": "nat64_linger",
    "new-hosts": "nat64_new_hosts",
    "lease-listen": "nat64_lease_listen",
    "lease-peer": "nat64_lease_peers",
    "tun-ip": "nat64_tun_addresses",
}


@dataclass(frozen=True)
class Wanted:
    """What the role's variables ask for."""

    device: str
    prefix: str
    pool: str
    ipv4_addr: str
    ipv6_addr: str
    further_prefixes: list[dict[str, Any]] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)
    tun_addresses: list[str] = field(default_factory=list)
    extra_directives: list[str] = field(default_factory=list)
    ra_uplinks: list[str] = field(default_factory=list)
    log_file: str = ""
    rfc6791_pool: str = ""


@dataclass(frozen=True)
class Network:
    """The addresses and routes that a host has, and the names of its interfaces that are no TUN."""

    addresses: list[Address] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    others: frozenset[str] = frozenset()


def findings(wanted: Wanted, host: Network) -> list[str]:
    """Say everything that is wrong with what is wanted, by itself and on this host."""
    found: list[str] = []
    found += _name_findings("nat64_device", wanted.device)
    if wanted.device in host.others:
        found.append(
            f"nat64_device: this host has an interface {wanted.device} that is no TUN; choose another name"
        )
    for uplink in wanted.ra_uplinks:
        found += _name_findings("nat64_ra_uplinks", uplink)
    networks = _wanted_networks(wanted, found)
    found += _overlaps_of_ours(networks)
    for variable, network in networks.items():
        found += _clashes(wanted.device, variable, network, host)
    own = {
        ipaddress.ip_interface(address).ip
        for address in wanted.tun_addresses
        if _interface(address, "nat64_tun_addresses", found)
    }
    taken = {address.interface.ip for address in _of_others(host.addresses, wanted.device)} | own
    # Without an address it is to be the pool's first, and what is wrong with the pool was told above.
    if wanted.ipv4_addr or "nat64_pool" in networks:
        _translator_address(wanted.ipv4_addr, ipaddress.IPv4Address, "nat64_ipv4_addr", taken, found)
    _translator_address(wanted.ipv6_addr, ipaddress.IPv6Address, "nat64_ipv6_addr", taken, found)
    for number, entry in enumerate(wanted.maps, start=1):
        found += _map_findings(f"nat64_maps[{number}]", entry, taken)
    for directive in wanted.extra_directives:
        found += _directive_findings(directive)
    if wanted.log_file and not re.fullmatch(r"(?:/[\w.,+@:-]+)+", wanted.log_file, re.ASCII):
        found.append(
            f"nat64_log_file: '{wanted.log_file}' is not the path of a file; write it as /var/log/nat64d.log"
        )
    return found


def _wanted_networks(wanted: Wanted, found: list[str]) -> dict[str, IPNetwork]:
    """Return the translator's networks by their variables; what is wrong with them is added to `found`."""
    networks: dict[str, IPNetwork] = {}
    _read_prefix("nat64_prefix", wanted.prefix, networks, found)
    _read_pool("nat64_pool", wanted.pool, networks, found)
    for number, entry in enumerate(wanted.further_prefixes, start=1):
        variable = f"nat64_further_prefixes[{number}]"
        _read_prefix(f"{variable}.prefix", str(entry.get("prefix") or ""), networks, found)
        if entry.get("pool"):
            _read_pool(f"{variable}.pool", str(entry["pool"]), networks, found)
    if wanted.rfc6791_pool:
        _read_network("nat64_rfc6791_pool", wanted.rfc6791_pool, "198.51.100.0/24", networks, found)
    return networks


def overlaps(one: IPNetwork, other: IPNetwork) -> bool:
    """Tell whether two networks, perhaps of different families, share an address."""
    return one.version == other.version and one.overlaps(other)


def _of_others(addresses: Iterable[Address], device: str) -> list[Address]:
    """Leave out the addresses on `device`, and those that mean something only on their link."""
    return [each for each in addresses if each.device != device and each.scope != "link"]


def _name_findings(variable: str, name: str) -> list[str]:
    if DEVICE_NAME.fullmatch(name):
        return []
    return [f"{variable}: '{name}' cannot be an interface's name; use up to 15 letters and digits"]


def _read_prefix(variable: str, word: str, networks: dict[str, IPNetwork], found: list[str]) -> None:
    """Read a prefix into `networks`; what is wrong with it is added to `found`."""
    prefix = _network(word, ipaddress.IPv6Network, variable, "64:ff9b::/96", found)
    if prefix is None:
        return
    networks[variable] = prefix
    if wrong := length_findings(variable, prefix):
        found += wrong
    elif prefix.network_address.packed[8]:
        found.append(
            f"{variable}: {prefix} has bits 64 to 71 set, RFC 6052 wants them zero; choose another prefix"
        )


def _read_pool(variable: str, word: str, networks: dict[str, IPNetwork], found: list[str]) -> None:
    """Read a pool into `networks`; what is wrong with it is added to `found`."""
    pool = _read_network(variable, word, "192.168.240.0/20", networks, found)
    if pool is not None and pool.prefixlen > 30:
        found.append(f"{variable}: {pool} holds too few addresses; give a network of /30 or larger")


def _read_network(
    variable: str, word: str, example: str, networks: dict[str, IPNetwork], found: list[str]
) -> ipaddress.IPv4Network | None:
    """Read an IPv4 network into `networks`, and return it; what is wrong with it is added to `found`."""
    network = _network(word, ipaddress.IPv4Network, variable, example, found)
    if network is not None:
        networks[variable] = network
    return network


def _overlaps_of_ours(networks: dict[str, IPNetwork]) -> list[str]:
    """Say which prefixes, and which pools, share addresses."""
    return [
        f"{variable}: {network} overlaps {other}, {earlier}; choose another"
        for number, (variable, network) in enumerate(networks.items())
        for earlier, other in list(networks.items())[:number]
        if overlaps(network, other)
    ]


def _network(word: str, kind: Callable[[str], T], variable: str, example: str, found: list[str]) -> T | None:
    """Read a network; what is wrong with it is added to `found`."""
    if "/" not in word:
        found.append(f"{variable}: '{word}' has no length; write it as {example}")
        return None
    try:
        return kind(word)
    except ValueError as reason:
        found.append(f"{variable}: '{word}' is not a network ({reason}); write it as {example}")
        return None


def _interface(word: str, variable: str, found: list[str]) -> bool:
    try:
        ipaddress.ip_interface(word)
    except ValueError:
        found.append(f"{variable}: '{word}' is not an address with a length; write it as 192.0.2.1/32")
        return False
    return True


def _clashes(device: str, variable: str, network: IPNetwork, host: Network) -> list[str]:
    """Say which networks of the host's own share addresses with `network`.

    A wider route is none: the prefix or pool is a part of it that turns off to the translator.
    """
    found = [
        f"{variable}: {network} overlaps {each.interface.network}, the network of {each.device}; choose another"
        for each in _of_others(host.addresses, device)
        if overlaps(each.interface.network, network)
    ]
    for route in host.routes:
        harmless = route.device == device or route.protocol in HARMLESS_PROTOCOLS
        destination = route.destination
        if harmless or destination.prefixlen < max(network.prefixlen, 1):
            continue
        if overlaps(destination, network):
            via = route.device or route.kind
            found.append(
                f"{variable}: {network} holds {destination}, which is routed to {via}; choose another"
            )
    return found


def _translator_address(
    word: str, kind: Callable[[str], IPAddress], variable: str, taken: set[IPAddress], found: list[str]
) -> None:
    try:
        address = kind(word)
    except ValueError:
        found.append(
            f"{variable}: '{word}' is not an address of its family; leave it unset for a default that fits"
        )
        return
    if address in taken:
        found.append(
            f"{variable}: {address} is an address of the host itself; the translator needs one of its own"
        )


def _map_findings(variable: str, entry: dict[str, Any], taken: set[IPAddress]) -> list[str]:
    found: list[str] = []
    for key, kind, example in (
        ("ipv4", ipaddress.IPv4Network, "192.0.2.1"),
        ("ipv6", ipaddress.IPv6Network, "2001:db8::1"),
    ):
        word = str(entry.get(key, ""))
        try:
            network = kind(word)
        except ValueError as reason:
            found.append(
                f"{variable}.{key}: '{word}' is no address or network ({reason}); write it as {example}"
            )
            continue
        found += [
            f"{variable}.{key}: {network} holds {address}, an address of the host itself; map another"
            for address in sorted(taken, key=str)
            if address in network
        ]
    return found


def _directive_findings(directive: str) -> list[str]:
    words = directive.split()
    if not words or "\n" in directive:
        return [f"nat64_extra_directives: {directive!r} is not one directive; give one line an entry"]
    variable = KEYWORDS_OF_VARIABLES.get(words[0].lower())
    if variable:
        return [f"nat64_extra_directives: '{words[0]}' has a variable of its own; use {variable}"]
    if words[0].lower() == "bpffs":
        return ["nat64_extra_directives: the role mounts a BPF file system of its own; leave 'bpffs' out"]
    return []
