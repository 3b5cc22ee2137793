# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The variables of the role nat44, read into what its table is made of, or told what is wrong with them. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from ipaddress import IPv6Address

SMALLEST_MSS = 536
LARGEST_MSS = 65495
# Linux's IFNAMSIZ without the end; a quote, a blank or a wildcard has no place in our table.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@+-]{1,15}")


@dataclass
class Settings:
    """What the table is made of. `findings` says what is wrong; with one of them the rest is not to be used."""

    device: str
    lan_interfaces: list[str] = field(default_factory=list)
    lan_networks: list[str] = field(default_factory=list)
    uplinks: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    source: str = ""
    """The IPv4 address that the pools are masqueraded to; nothing for the uplink's own."""
    clamp_mss: str = ""
    """`rt mtu`, a size in octets, or nothing."""
    port_forwards: list[dict[str, Any]] = field(default_factory=list)
    """Each with protocol, port, ipv4 (the server's address in the translator) and to_port."""
    public_maps: list[str] = field(default_factory=list)
    """The IPv4 networks of maps outside the pools."""
    findings: list[str] = field(default_factory=list)

    def rules(self) -> dict[str, Any]:
        """Return what the template needs."""
        names = ("device", "lan_interfaces", "lan_networks", "uplinks", "pools", "source", "clamp_mss")
        return {name: getattr(self, name) for name in (*names, "port_forwards")}


def read_settings(  # noqa: PLR0913 - these are the role's variables
    *,
    device: str,
    lan_interfaces: Sequence[str],
    lan_networks: Sequence[str],
    uplinks: Sequence[str],
    pool: str,
    further_pools: Sequence[str] = (),
    maps: Sequence[Mapping[str, Any]] = (),
    source: str = "",
    clamp_mss: object = False,
    port_forwards: Sequence[Mapping[str, Any]] = (),
) -> Settings:
    """Read the variables; `maps` is nat64_maps."""
    found = Settings(device)
    _read_interfaces(found, lan_interfaces, uplinks)
    _read_networks(found, lan_networks)
    network = _read_pool(found, "nat44_pool", pool)
    others = [_read_pool(found, "nat44_further_pools", each) for each in further_pools]
    # As below: nft refuses a set whose networks contain one another.
    found.pools = [
        str(each) for each in collapse_addresses([each for each in (network, *others) if each is not None])
    ]
    _read_source(found, source)
    _read_clamp_mss(found, clamp_mss)
    if not lan_interfaces and not lan_networks:
        found.findings.append(
            "nat44_lan_interfaces: no LAN is named, so that nobody might use the prefix; "
            "name its interfaces here, or its networks in nat44_lan_networks"
        )
    # A wrong pool keeps nothing else from being told.
    network = network or IPv4Network("192.168.240.0/20")
    pairs = _pairs(maps)
    found.public_maps = [
        str(ipv4)
        for ipv4, __ in pairs
        if not any(ipv4.subnet_of(each) for each in (network, *others) if each is not None)
    ]
    _read_port_forwards(found, port_forwards, pairs, network)
    return found


def _read_interfaces(found: Settings, lan: Sequence[str], uplinks: Sequence[str]) -> None:
    say = found.findings.append
    for variable, names in (
        ("nat44_lan_interfaces", lan),
        ("nat44_uplinks", uplinks),
        ("nat44_device", [found.device]),
    ):
        wrong = [name for name in names if not _INTERFACE.fullmatch(name)]
        if wrong:
            say(
                f"{variable}: {', '.join(map(repr, wrong))}: no name of an interface; write it as `ip link` shows it"
            )
        elif variable != "nat44_device" and found.device in names:
            say(f"{variable}: {found.device} is the translator's own interface (nat44_device); leave it out")
    both = sorted(set(lan) & set(uplinks))
    if both:
        say(
            f"nat44_lan_interfaces: {', '.join(both)} is an uplink as well, and would let the whole Internet use the "
            "prefix; name the LAN's networks in nat44_lan_networks instead"
        )
    if not uplinks:
        say(
            "nat44_uplinks: this host has no IPv4 default route to take the uplink from; name the interface here"
        )
    found.lan_interfaces = list(dict.fromkeys(lan))
    found.uplinks = list(dict.fromkeys(uplinks))


def _read_networks(found: Settings, networks: Sequence[str]) -> None:
    read: list[IPv6Network] = []
    for text in networks:
        network = _network(found, "nat44_lan_networks", text, 6)
        if isinstance(network, IPv6Network):
            read.append(network)
            if network.prefixlen == 0:
                found.findings.append(
                    f"nat44_lan_networks: {text} lets the whole Internet use the prefix; name the LAN's own networks"
                )
    # nft refuses a set whose networks contain one another.
    found.lan_networks = [str(network) for network in collapse_addresses(read)]


def _read_pool(found: Settings, variable: str, pool: str) -> IPv4Network | None:
    network = _network(found, variable, pool, 4)
    if not isinstance(network, IPv4Network):
        return None
    if not 1 <= network.prefixlen <= 31:
        found.findings.append(
            f"{variable}: {pool}: a pool cannot have the length {network.prefixlen}; write it as 192.168.240.0/20"
        )
        return None
    return network


def _network(found: Settings, variable: str, text: str, version: int) -> IPv4Network | IPv6Network | None:
    kind, example = ("IPv6", "2001:db8:1::/64") if version == 6 else ("IPv4", "192.168.240.0/20")
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        loose = None
    if loose is None or loose.version != version or "/" not in text:
        found.findings.append(f"{variable}: {text}: not an {kind} network; write it as {example}")
        return None
    address = ip_address(text.partition("/")[0])
    if loose.network_address != address:
        found.findings.append(f"{variable}: {text} has bits set after its length; write it as {loose}")
        return None
    return loose


def _read_source(found: Settings, text: str) -> None:
    try:
        address = IPv4Address(text) if text else None
    except ValueError:
        address = None
    if text and (address is None or address.is_unspecified or address.is_multicast or address.is_loopback):
        found.findings.append(
            f"nat44_source: {text}: not an IPv4 address that packets can come from; write one of this gateway's, "
            "as 198.51.100.4, or leave it empty"
        )
    found.source = text


def _read_clamp_mss(found: Settings, value: object) -> None:
    text = str(value).strip().lower()
    if text in ("false", "no", "none", ""):
        found.clamp_mss = ""
    elif text in ("true", "yes"):
        found.clamp_mss = "rt mtu"
    elif re.fullmatch(r"[0-9]{1,5}", text) and SMALLEST_MSS <= int(text) <= LARGEST_MSS:
        found.clamp_mss = str(int(text))
    else:
        found.findings.append(
            f"nat44_clamp_mss: {value}: neither true nor false nor a size from {SMALLEST_MSS} to {LARGEST_MSS} octets; "
            "write true to take the size from the route's MTU"
        )


def _pairs(maps: Iterable[Mapping[str, Any]]) -> list[tuple[IPv4Network, IPv6Network]]:
    """Read nat64_maps; what is wrong with them is told by the role nat64."""
    found = []
    for each in maps:
        try:
            found.append((IPv4Network(str(each["ipv4"])), IPv6Network(str(each["ipv6"]))))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _read_port_forwards(
    found: Settings,
    forwards: Sequence[Mapping[str, Any]],
    pairs: list[tuple[IPv4Network, IPv6Network]],
    pool: IPv4Network,
) -> None:
    taken: set[tuple[str, int]] = set()
    for number, each in enumerate(forwards, 1):
        place = f"nat44_port_forwards: entry {number}"
        protocol = str(each.get("protocol") or "tcp").lower()
        ports = [_port(each.get("port")), _port(each.get("to_port") or each.get("port"))]
        if protocol not in ("tcp", "udp"):
            found.findings.append(
                f"{place}: protocol {protocol}: only tcp and udp have ports; write one of them"
            )
            continue
        if None in ports:
            found.findings.append(
                f"{place}: a port is missing, or none from 1 to 65535; write port: 8080, to_port: 80"
            )
            continue
        if (protocol, ports[0]) in taken:
            found.findings.append(
                f"{place}: {protocol} port {ports[0]} is forwarded already; leave one of the two out"
            )
            continue
        taken.add((protocol, ports[0] or 0))
        ipv4 = _server(found, place, each.get("ipv6"), pairs, pool)
        if ipv4 is not None:
            found.port_forwards.append(
                {"protocol": protocol, "port": ports[0], "ipv4": str(ipv4), "to_port": ports[1]}
            )


def _port(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535 else None


def _server(
    found: Settings,
    place: str,
    server: object,
    pairs: list[tuple[IPv4Network, IPv6Network]],
    pool: IPv4Network,
) -> IPv4Address | None:
    """Return the IPv4 address that stands for an IPv6 address by the maps."""
    try:
        ipv6: IPv4Address | IPv6Address = ip_address(str(server))
    except ValueError:
        ipv6 = ip_address("0.0.0.0")  # noqa: S104 - compared, not bound to
    if ipv6.version != 6:
        found.findings.append(
            f"{place}: ipv6 {server}: not an IPv6 address; write the server's, as 2001:db8:1::80"
        )
        return None
    fitting = [(four, six) for four, six in pairs if ipv6 in six]
    if not fitting:
        example = pool.network_address + min(80, pool.num_addresses - 1)
        found.findings.append(
            f"{place}: no map of nat64_maps gives {ipv6} an IPv4 address; add one from the pool, such as "
            f'{{ipv4: {example}, ipv6: "{ipv6}"}}'
        )
        return None
    four, six = max(fitting, key=lambda pair: pair[1].prefixlen)
    return four.network_address + (int(ipv6) - int(six.network_address))
