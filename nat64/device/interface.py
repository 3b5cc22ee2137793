"""The TUN's network interface: up or down, its addresses and routes, set through netlink, and its redirects."""

from __future__ import annotations

import contextlib
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nat64.device.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

    Address: TypeAlias = IPv4Interface | IPv6Interface
    Route: TypeAlias = IPv4Network | IPv6Network

ROUTE_PROTOCOL: Final = 64
"""Marks the routes that are ours (rtm_protocol, rtnetlink(7)), so that only those are ever removed."""

_FAMILIES: Final = {4: 2, 6: 10}  # AF_INET, AF_INET6
_ANYWHERE: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - the destination of a default route, nothing is bound
_MAIN_TABLE: Final = 254


def configure(name: str, *, up: bool, addresses: Iterable[Address], routes: Iterable[Route]) -> list[str]:
    """Bring the interface into the wanted state and return what was changed, for the log.

    Missing addresses and routes are added; routes of ours that are not wanted are removed; `up` brings it up, and
    nothing brings it down. A second call changes nothing. Raises `DeviceError`.
    """
    # pyroute2 takes a third of a second to import, which `nat64d --check` shall not wait for.
    from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415 - see the line above

    doing = f"find the interface {name}"
    changes: list[str] = []
    try:
        with IPRoute() as netlink:
            (link,) = netlink.link("get", ifname=name)
            index = link["index"]
            if up and not link["flags"] & 1:
                doing = f"bring up {name}"
                netlink.link("set", index=index, state="up")
                changes.append("up")
            present = _addresses(netlink, index)
            for address in addresses:
                if address not in present:
                    doing = f"add the address {address} to {name}"
                    netlink.addr(
                        "add",
                        index=index,
                        family=_FAMILIES[address.version],
                        address=str(address.ip),
                        prefixlen=address.network.prefixlen,
                    )
                    changes.append(f"address {address}")
            wanted = set(routes)
            ours = _routes(netlink, index)
            for route in sorted(wanted - ours, key=str):
                doing = f"add the route {route} to {name}"
                netlink.route("replace", **_route(route, index))
                changes.append(f"route {route}")
            for route in sorted(ours - wanted, key=str):
                doing = f"remove the route {route} from {name}"
                netlink.route("del", **_route(route, index))
                changes.append(f"no route {route}")
    except NetlinkError as error:
        raise DeviceError(f"cannot {doing}: {error.args[1]}; {_remedy(error.code)}") from None
    except OSError as error:
        raise DeviceError(f"cannot {doing}: {error.strerror}; {_remedy(error.errno)}") from None
    return changes


def send_no_redirects(name: str) -> None:
    """Keep the kernel from sending ICMP redirects (RFC 792) to those whose packets come by the interface and leave by it.

    The translator is the only neighbour there, so that no other way is shorter. The kernel heeds it where
    ``net.ipv4.conf.all.send_redirects`` is 0 as well. Where /proc/sys cannot be written the interface stays as it is.
    """
    setting = Path("/proc/sys/net/ipv4/conf", name, "send_redirects")
    with contextlib.suppress(OSError):
        if setting.read_text(encoding="ascii").strip() != "0":
            setting.write_text("0", encoding="ascii")


def _addresses(netlink: Any, index: int) -> set[Address]:  # noqa: ANN401 - pyroute2 is not typed
    return {
        ip_interface(
            f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
        )
        for message in netlink.get_addr(index=index)
    }


def _routes(netlink: Any, index: int) -> set[Route]:  # noqa: ANN401 - pyroute2 is not typed
    """Return the routes of ours on the interface."""
    found: set[Route] = set()
    for version, family in _FAMILIES.items():
        for message in netlink.get_routes(family=family, oif=index, proto=ROUTE_PROTOCOL, table=_MAIN_TABLE):
            if message["proto"] != ROUTE_PROTOCOL or message.get_attr("RTA_OIF") != index:
                continue
            destination = message.get_attr("RTA_DST") or _ANYWHERE[version]
            found.add(ip_network(f"{destination}/{message['dst_len']}"))
    return found


def _route(route: Route, index: int) -> dict[str, object]:
    return {
        "dst": str(route),
        "family": _FAMILIES[route.version],  # without it pyroute2 0.9 cannot tell a default route's family
        "oif": index,
        "proto": ROUTE_PROTOCOL,
        "table": _MAIN_TABLE,
    }


def _remedy(code: int | None) -> str:
    match code:
        case 1 | 13:  # EPERM, EACCES
            return "run as root or with CAP_NET_ADMIN"
        case 19:  # ENODEV
            return "create it: nat64d --mktun"
        case 100:  # ENETDOWN
            return "set tun-up yes, or bring the interface up first"
        case 17 | 98:  # EEXIST, EADDRINUSE
            return "remove the one that is there"
        case _:
            return "see the kernel's log (dmesg)"
