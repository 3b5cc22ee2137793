# noqa: INP001 - a script that the role sends, not a module
"""Look at a host before the translator is set up on it: what stands in the way, and what must be heeded.

The role feeds this file to the host's own Python (``python3 - JSON``). It changes nothing, and prints JSON:

``findings``
    Why the translator cannot be set up; each names the variable and the remedy. Empty when it can.
``default_routes``
    The default routes that forwarding must leave as they are, one line each.
``sysctl``
    Kernel settings: ``wanted`` in the order they must be made, ``before`` what they were before this role, and
    whether the kernel ``differs`` from what is wanted; and the ``uplinks`` whose accept_ra is among them.
``ifupdown``
    Whether there are ifupdown's hooks, which must keep accept_ra on those uplinks.
``left_over``
    The topics of handlers that an earlier run did not come to.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
    Links = list[dict[str, Any]]
    Routes = list[dict[str, Any]]

T = TypeVar("T")

TUN = Path("/dev/net/tun")
SYSCTLS = Path("/proc/sys")
IFUPDOWN_HOOKS = Path("/etc/network/if-up.d")
# Routes that clash with nothing: the kernel's own belong to addresses, and nat64d marks its own with this number,
# which may still lead to a device that is about to get another name.
HARMLESS_PROTOCOLS = frozenset({"kernel", "64"})
PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)
KEYWORDS_OF_VARIABLES = {
    "tun-device": "nat64_device",
    "ipv4-addr": "nat64_ipv4_addr",
    "ipv6-addr": "nat64_ipv6_addr",
    "prefix": "nat64_prefix",
    "dynamic-pool": "nat64_pool",
    "map": "nat64_maps",
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
    maps: list[dict[str, str]] = field(default_factory=list)
    tun_addresses: list[str] = field(default_factory=list)
    extra_directives: list[str] = field(default_factory=list)
    ra_uplinks: list[str] = field(default_factory=list)
    sysctl_file: str = ""
    before_file: str = ""
    applied: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Host:
    """What the host has. Addresses and routes as ``ip -json`` shows them."""

    links: Links
    ipv4_routes: Routes
    ipv6_routes: Routes


# --- What stands in the way -------------------------------------------------------------------------------


def findings(wanted: Wanted, host: Host) -> list[str]:
    """Say everything that is wrong with what is wanted, by itself and on this host."""
    found: list[str] = []
    if not re.fullmatch(r"[^\s/%:]{1,15}", wanted.device):
        found.append(
            f"nat64_device: '{wanted.device}' cannot be an interface's name; use up to 15 letters and digits"
        )
    prefix = _network(wanted.prefix, ipaddress.IPv6Network, "nat64_prefix", "64:ff9b::/96", found)
    if prefix is not None:
        found += _prefix_findings(prefix)
        found += _clashes(wanted.device, "nat64_prefix", prefix, host.links, host.ipv6_routes)
    pool = _network(wanted.pool, ipaddress.IPv4Network, "nat64_pool", "192.168.240.0/20", found)
    if pool is not None:
        if pool.prefixlen > 30:
            found.append(f"nat64_pool: {pool} holds too few addresses; give a network of /30 or larger")
        found += _clashes(wanted.device, "nat64_pool", pool, host.links, host.ipv4_routes)
    own = {
        ipaddress.ip_interface(address).ip
        for address in wanted.tun_addresses
        if _interface(address, "nat64_tun_addresses", found)
    }
    taken = _host_addresses(host.links, wanted.device) | own
    _translator_address(wanted.ipv4_addr, ipaddress.IPv4Address, "nat64_ipv4_addr", taken, found)
    _translator_address(wanted.ipv6_addr, ipaddress.IPv6Address, "nat64_ipv6_addr", taken, found)
    for number, entry in enumerate(wanted.maps, start=1):
        found += _map_findings(f"nat64_maps[{number}]", entry, taken)
    for directive in wanted.extra_directives:
        found += _directive_findings(directive)
    return found


def _prefix_findings(prefix: ipaddress.IPv6Network) -> list[str]:
    if prefix.prefixlen not in PREFIX_LENGTHS:
        lengths = ", ".join(f"/{length}" for length in PREFIX_LENGTHS)
        return [f"nat64_prefix: {prefix} has a length that RFC 6052 does not know; give one of {lengths}"]
    if prefix.network_address.packed[8]:
        return [
            f"nat64_prefix: {prefix} has bits 64 to 71 set, RFC 6052 wants them zero; choose another prefix"
        ]
    return []


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


def _clashes(device: str, variable: str, network: Network, links: Links, routes: Routes) -> list[str]:
    """Say which networks of the host's own share addresses with `network`.

    A wider route is none: the prefix or pool is a part of it that turns off to the translator.
    """
    found = [
        f"{variable}: {network} overlaps {interface.network}, the network of {link['ifname']}; choose another"
        for link, interface in _interfaces(links, device)
        if overlaps(interface.network, network)
    ]
    for route in routes:
        harmless = route.get("dev") == device or route.get("protocol") in HARMLESS_PROTOCOLS
        if harmless or route.get("dst", "default") == "default":
            continue
        destination = ipaddress.ip_network(route["dst"])
        if destination.prefixlen >= network.prefixlen and overlaps(destination, network):
            via = route.get("dev") or route.get("type", "another way")
            found.append(
                f"{variable}: {network} holds {destination}, which is routed to {via}; choose another"
            )
    return found


def overlaps(one: Network, other: Network) -> bool:
    """Tell whether two networks, perhaps of different families, share an address."""
    return one.version == other.version and one.overlaps(other)


def _interfaces(links: Links, device: str) -> list[tuple[dict[str, Any], Interface]]:
    """Return each address of the host that is not link-local, with its link; those of `device` are left out."""
    return [
        (link, ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}"))
        for link in links
        if link.get("ifname") != device
        for address in link.get("addr_info", [])
        if address.get("scope") != "link" and "local" in address
    ]


def _host_addresses(links: Links, device: str) -> set[Address]:
    return {interface.ip for _, interface in _interfaces(links, device)}


def _translator_address(
    word: str, kind: Callable[[str], Address], variable: str, taken: set[Address], found: list[str]
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


def _map_findings(variable: str, entry: dict[str, str], taken: set[Address]) -> list[str]:
    found: list[str] = []
    for key, kind, example in (
        ("ipv4", ipaddress.IPv4Network, "192.0.2.1"),
        ("ipv6", ipaddress.IPv6Network, "2001:db8::1"),
    ):
        try:
            network = kind(entry[key])
        except ValueError as reason:
            found.append(
                f"{variable}.{key}: '{entry[key]}' is no address or network ({reason}); write it as {example}"
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
    return []


# --- What must be heeded ----------------------------------------------------------------------------------


def default_routes(host: Host) -> list[str]:
    """Return the default routes, each as a line of what must stay: gateway, device, metric."""
    return sorted(
        " ".join(
            f"{key} {value}"
            for key, value in (
                ("family", family),
                *((key, route[key]) for key in ("gateway", "dev", "metric") if key in route),
            )
        )
        for family, routes in (("ipv4", host.ipv4_routes), ("ipv6", host.ipv6_routes))
        for route in _nexthops(routes)
        if route.get("dst") == "default"
    )


def _nexthops(routes: Routes) -> Routes:
    """Write out a route with several next hops as one route each."""
    return [{**route, **hop} for route in routes for hop in route.get("nexthops", [{}])]


def ra_uplinks(host: Host, accept_ra: dict[str, str]) -> list[str]:
    """Name the devices whose default route the kernel learnt from a router advertisement.

    Turning forwarding on takes that route away unless ``accept_ra`` is 2 there. Where it is 0, a daemon such as
    systemd-networkd reads the advertisements, keeps the route itself, and must not be joined by the kernel.
    """
    return sorted(
        {
            route["dev"]
            for route in _nexthops(host.ipv6_routes)
            if route.get("dst") == "default"
            and route.get("protocol") == "ra"
            and accept_ra.get(route["dev"], "0") != "0"
        }
    )


def sysctls(device: str, uplinks: list[str]) -> dict[str, str]:
    """Return the kernel settings of a gateway, in the order they must be made: accept_ra, then forwarding.

    Names are paths below /proc/sys, so that a device may have a dot in its name.
    """
    return {
        **{f"net/ipv6/conf/{uplink}/accept_ra": "2" for uplink in uplinks},
        "net/ipv6/conf/all/forwarding": "1",
        "net/ipv4/conf/all/forwarding": "1",
        "net/ipv4/conf/all/send_redirects": "0",
        f"net/ipv4/conf/{device}/send_redirects": "0",
    }


def recorded(text: str) -> dict[str, str]:
    """Read the settings of a sysctl.d file."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


# --- The host ---------------------------------------------------------------------------------------------


def look() -> Host:
    """Ask the host for its links, addresses and routes."""
    return Host(
        links=_ip("address", "show"),
        ipv4_routes=_ip("-4", "route", "show"),
        ipv6_routes=_ip("-6", "route", "show"),
    )


def _ip(*words: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(_output("ip", "-json", *words) or "[]")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - the role's words


def live(keys: list[str]) -> dict[str, str]:
    """Read the settings that the kernel has; those of a device that is not there are left out."""
    return {key: (SYSCTLS / key).read_text().strip() for key in keys if (SYSCTLS / key).exists()}


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if path and Path(path).exists() else ""


def left_over(applied: list[dict[str, Any]]) -> list[str]:
    """Name the handlers' topics whose files are newer than what their running unit has taken from them.

    A run that failed or was cut short wrote those files and did not come to its handlers.
    """
    boot = time.time() - time.monotonic()
    found: list[str] = []
    for entry in applied:
        moment = f"{entry['since']}TimestampMonotonic"
        shown = _output("systemctl", "show", "--property=ActiveState", f"--property={moment}", entry["unit"])
        state = dict(line.split("=", 1) for line in shown.splitlines())
        written = [os.lstat(file).st_mtime for file in entry["files"] if os.path.lexists(file)]
        if state.get("ActiveState") == "active" and max(written, default=0) > boot + int(state[moment]) / 1e6:
            found.append(entry["topic"])
    return found


def report(wanted: Wanted) -> dict[str, Any]:
    """Look at the host and put together what the role needs to know."""
    found: list[str] = []
    if not (TUN.exists() and stat.S_ISCHR(TUN.stat().st_mode)):
        found.append(
            f"{TUN} is missing; load the kernel module (modprobe tun), or give the device to this container"
        )
    try:
        host = look()
    except FileNotFoundError:
        return {"findings": [*found, "the command 'ip' is missing; install iproute2"]}
    accept_ra = {
        path.parent.name: path.read_text().strip() for path in SYSCTLS.glob("net/ipv6/conf/*/accept_ra")
    }
    kept = [key.split("/")[3] for key in recorded(_text(wanted.sysctl_file)) if key.endswith("/accept_ra")]
    uplinks = sorted({*wanted.ra_uplinks, *kept, *ra_uplinks(host, accept_ra)})
    settings = sysctls(wanted.device, uplinks)
    now = live(list(settings))
    own = f"net/ipv4/conf/{wanted.device}/"
    before = {key: value for key, value in now.items() if not key.startswith(own)}
    return {
        "findings": found + findings(wanted, host),
        "default_routes": default_routes(host),
        "sysctl": {
            "wanted": settings,
            "before": {**before, **recorded(_text(wanted.before_file))},
            "differs": any(settings[key] != value for key, value in now.items()),
            "uplinks": uplinks,
        },
        "ifupdown": IFUPDOWN_HOOKS.is_dir(),
        "left_over": left_over(wanted.applied),
    }


if __name__ == "__main__":
    print(json.dumps(report(Wanted(**json.loads(sys.argv[1])))))  # noqa: T201 - the answer to the role
