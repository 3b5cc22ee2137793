# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Who sends the router advertisements of a host: what can be chosen there, and who does so already. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.nat64.gateway.plugins.module_utils.router_advertisement import Plan

RADVD_WITH_PREF64 = (2, 20)
NETWORKD_WITH_PREF64 = 255
# systemd-networkd has no setting for it: these are its own numbers.
NETWORKD_INTERVAL = 600

_WITHOUT_PREF64 = "set router_advertisements_pref64 to [] to advertise all but the prefix, which hosts then find by DNS64 (RFC 7050)"


@dataclass(frozen=True)
class NetworkdLink:
    """What systemd-networkd knows of an interface."""

    network_file: str = ""
    """The .network file that it follows; empty where networkd leaves the interface alone."""
    settings: str = ""
    """The text of that file and of its drop-ins, but ours."""
    unread: bool = False
    """Whether our drop-in came or went since networkd read its files."""


@dataclass(frozen=True)
class Host:
    """What the choice follows from."""

    radvd: str = ""
    """The version that is installed."""
    radvd_candidate: str = ""
    """The version that would be installed; empty where nobody can tell."""
    manage_packages: bool = True
    systemd: int = 0
    links: dict[str, NetworkdLink] = field(default_factory=dict)


def choose(wanted: str, plan: Plan, host: Host) -> tuple[str, list[str]]:
    """Return the backend, and what stands in its way."""
    if wanted == "none" or not plan.interfaces:
        return "none", []
    by_radvd = _radvd_faults(plan, host)
    if wanted == "radvd" or (wanted == "auto" and not by_radvd):
        return "radvd", by_radvd
    by_networkd = _networkd_faults(plan, host)
    if wanted == "networkd" or not by_networkd:
        return "networkd", by_networkd
    return "radvd", by_radvd


def version(text: str) -> tuple[int, int] | None:
    """Read a version as a package or program writes it: 2.20, 1:2.20-1+b1, 2.20-r0, 2.20_rc1."""
    match = re.match(r"(?:\d+:)?(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _radvd_faults(plan: Plan, host: Host) -> list[str]:
    if not host.radvd and not host.manage_packages:
        return [
            "router_advertisements_manage_packages: false, and this host has no radvd; install it, or set it to true"
        ]
    known = version(host.radvd or host.radvd_candidate)
    if not plan.offers_pref64 or known is None or known >= RADVD_WITH_PREF64:
        return []
    has = "has" if host.radvd else "would get"
    networkd = f", nor does systemd {host.systemd}" if 0 < host.systemd < NETWORKD_WITH_PREF64 else ""
    finding = (
        f"router_advertisements_pref64: radvd {known[0]}.{known[1]}, which this host {has}, cannot advertise a NAT64 "
        f"prefix{networkd}; use a release with radvd 2.20 (Debian 13, Alpine 3.21) or have systemd-networkd 255 manage "
        f"the interfaces, or {_WITHOUT_PREF64}"
    )
    return [finding]


def _networkd_faults(plan: Plan, host: Host) -> list[str]:
    found = [
        f"router_advertisements_backend: systemd-networkd does not manage {each.name} on this host; take radvd, or give "
        f"the interface a .network file"
        for each in plan.interfaces
        if not host.links.get(each.name, NetworkdLink()).network_file
    ]
    files = [host.links[each.name].network_file for each in plan.interfaces if each.name in host.links]
    if len(set(files)) < len(files):
        found.append(
            "router_advertisements_interfaces: several of them share one .network file of systemd-networkd; give each its "
            "own, or set router_advertisements_backend to radvd"
        )
    if plan.offers_pref64 and host.systemd < NETWORKD_WITH_PREF64:
        found.append(
            f"router_advertisements_pref64: systemd {host.systemd}, which this host has, cannot advertise a NAT64 prefix; "
            f"use systemd {NETWORKD_WITH_PREF64} or radvd 2.20, or {_WITHOUT_PREF64}"
        )
    if any(each.max_interval != NETWORKD_INTERVAL for each in plan.interfaces):
        found.append(
            f"router_advertisements_interval: systemd-networkd always takes {NETWORKD_INTERVAL} seconds; write that, or "
            "set router_advertisements_backend to radvd"
        )
    if any(each.mtu for each in plan.interfaces):
        found.append(
            "router_advertisements_mtu: systemd-networkd advertises none; write 0, or set router_advertisements_backend "
            "to radvd"
        )
    return found


# Who advertises already


@dataclass(frozen=True)
class Process:
    """A process that may send router advertisements."""

    name: str
    arguments: tuple[str, ...] = ()
    settings: str = ""
    """The text of its config, comments left out."""


def foreign(
    processes: Sequence[Process],
    plan: Plan,
    own_config: str,
    enabled_radvd: bool,
    links: dict[str, NetworkdLink],
) -> list[str]:
    """Say who else advertises on the interfaces: it is named, and never taken over."""
    names = [each.name for each in plan.interfaces]
    found = [
        _finding(process.name, where)
        for process in processes
        for where in [_advertises(process, names, own_config)]
        if where
    ]
    if enabled_radvd and not any("radvd" in finding for finding in found):
        found.append(_finding("radvd", "the distribution's service, started at boot with /etc/radvd.conf"))
    found += [
        _finding("systemd-networkd", f"IPv6SendRA= of {links[name].network_file}")
        for name in names
        if name in links
        and re.search(
            r"^\s*IPv6SendRA\s*=\s*(yes|true|on|1)\b", links[name].settings, re.MULTILINE | re.IGNORECASE
        )
    ]
    return list(dict.fromkeys(found))


def _finding(name: str, where: str) -> str:
    return (
        f"router_advertisements_backend: {name} sends router advertisements here already ({where}); stop it, now and at "
        "boot, or set router_advertisements_backend to none and let it tell the prefix"
    )


def _advertises(process: Process, names: list[str], own_config: str) -> str:
    """Tell by what a process advertises on one of the interfaces; nothing if it does not."""
    rule = _RULES.get(process.name)
    if rule is None or own_config in process.arguments:
        return ""
    words = "\n".join([process.settings, *process.arguments])
    where, patterns = rule
    if patterns is not None and not re.search(patterns, words, re.MULTILINE):
        return ""
    limits = set(_limits(process.name, words))
    return where if not limits or any(fnmatch(name, limit) for name in names for limit in limits) else ""


# What a daemon's config says when it advertises; None: it has no other job.
_RULES: dict[str, tuple[str, str | None]] = {
    "radvd": ("with a config of its own", None),
    "corerad": ("by its config", None),
    "odhcpd": ("by its config", None),
    "bird": ("protocol radv", r"\bprotocol\s+radv\b"),
    "bird6": ("protocol radv", r"\bprotocol\s+radv\b"),
    "zebra": ("no ipv6 nd suppress-ra", r"\bno ipv6 nd suppress-ra\b"),
    "dnsmasq": (
        "enable-ra",
        r"^\s*(--)?enable-ra\b|^\s*(--)?dhcp-range\s*=.*\b(ra-only|ra-names|ra-stateless|ra-advrouter|slaac)\b",
    ),
}
_LIMITS = {
    "radvd": r"\binterface\s+([^\s{]+)",
    "bird": r'\binterface\s+"([^"]+)"',
    "bird6": r'\binterface\s+"([^"]+)"',
    "zebra": r"^interface\s+(\S+)",
    "dnsmasq": r"^\s*(?:--)?interface\s*=\s*(\S+)",
}


def _limits(daemon: str, words: str) -> Iterator[str]:
    """Return the interfaces that a config names; none means all."""
    pattern = _LIMITS.get(daemon)
    for names in re.findall(pattern, words, re.MULTILINE) if pattern else []:
        yield from names.split(",")
