"""The host's network, looked at and changed by rtnetlink(7). What can be refused raises `ClatError`.

These functions block: pyroute2 runs an event loop of its own, so that a daemon calls them in a thread.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nat64.clat.errors import ClatError
from nat64.clat.network import CLAT_NETWORK, HostAddress, HostNetwork, Uplink
from nat64.clat.translator_config import HOST_IPV4, ipv4_mtu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nat64.clat.decisions import Wanted

PROTOCOL: Final = 65
"""Marks the default route and the neighbour proxies that are ours."""
METRIC: Final = 0xFFFF_FFFF
"""Of the IPv4 default route: worse than any that another program makes."""

_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_GLOBAL: Final = 0
_NTF_PROXY: Final = 8
_TENTATIVE, _DEPRECATED, _DAD_FAILED = 0x40, 0x20, 0x08
_WITHOUT_ROUTE: Final = 0x200
"""IFA_F_NOPREFIXROUTE: the kernel would leave a route to the uplink behind, before the one to the translator."""
_CHECK_ENDS_WITHIN: Final = 10.0
_LOOKS_EVERY: Final = 0.05
_FORGOTTEN_AFTER: Final = 60
"""For how many seconds at most an address that is checked stays the host's."""


def look(own_device: str, uplink: str | None) -> HostNetwork:
    """Return the host's network; `own_device` is the CLAT's and `uplink` the one to use, None for the default route's."""
    with _netlink("look at the interfaces") as netlink:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
        own = next((index for index, name in names.items() if name == own_device), 0)
        index = _default_device(netlink, socket.AF_INET6, own, names, only=uplink)
        native = _default_device(netlink, socket.AF_INET, own, names)
        other = next((names.get(each["index"], "") for each in _clat_addresses(netlink, own)), "")
        return HostNetwork(
            uplink=_uplink(netlink, index, names[index]) if index else None,
            native_ipv4=names.get(native, ""),
            other_clat=other,
        )


def is_unique(index: int, address: ipaddress.IPv6Address) -> bool:
    """Have the kernel find out whether another host on the link has the address (RFC 4862 section 5.4).

    It is the uplink's for that time, but nothing is sent from it.
    """
    known = {"index": index, "family": socket.AF_INET6, "address": str(address), "prefixlen": 128}
    lifetimes = {"ifa_preferred": 0, "ifa_valid": _FORGOTTEN_AFTER, "cstamp": 0, "tstamp": 0}
    with _netlink(f"check the address {address}") as netlink:
        netlink.addr("replace", **known, IFA_CACHEINFO=lifetimes, IFA_FLAGS=_WITHOUT_ROUTE)
        try:
            return _passes_check(netlink, index, address)
        finally:
            _ignoring_absence(netlink.addr, "del", **known)


def prepare_device(device: str, mtu: int) -> None:
    """Give the translator's device the MTU of the uplink, in octets. A second call changes nothing."""
    with _netlink(f"set the MTU of {device}") as netlink:
        link = _link(netlink, device)
        if link.get_attr("IFLA_MTU") != mtu:
            netlink.link("set", index=link["index"], mtu=mtu)


def attach(wanted: Wanted, device: str) -> None:
    """Let the uplink answer for the CLAT's address, and IPv4 go to the translator.

    A second call changes nothing: the kernel would tell of each change, and so have it looked at again.
    """
    with _netlink(f"send IPv4 to {device}") as netlink:
        _proxy_only(netlink, wanted)
        index, mtu = _link(netlink, device)["index"], ipv4_mtu(wanted.mtu)
        if mtu in _default_mtus(netlink, index):
            return
        netlink.route(
            "replace",
            family=socket.AF_INET,
            dst="0.0.0.0/0",
            oif=index,
            prefsrc=str(HOST_IPV4),
            priority=METRIC,
            proto=PROTOCOL,
            table=_MAIN_TABLE,
            metrics={"mtu": mtu},
        )


def withdraw(device: str) -> None:
    """Take back what `attach` has done, and the device with all its routes, whoever made it."""
    with _netlink(f"remove {device}") as netlink:
        _proxy_only(netlink, None)
        for link in netlink.get_links():
            if link.get_attr("IFLA_IFNAME") == device:
                _ignoring_absence(netlink.link, "del", index=link["index"])


@contextlib.contextmanager
def _netlink(doing: str) -> Iterator[Any]:
    from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415 - it takes a third of a second

    try:
        with IPRoute() as netlink:
            yield netlink
    except NetlinkError as error:
        raise ClatError(f"cannot {doing}: {error.args[1]}; {_remedy(error.code)}") from None
    except OSError as error:
        raise ClatError(f"cannot {doing}: {error.strerror}; {_remedy(error.errno)}") from None


def _remedy(code: int | None) -> str:
    return "run as root or with CAP_NET_ADMIN" if code in {1, 13} else "it is tried again"


def _default_device(
    netlink: Any,  # noqa: ANN401 - pyroute2 is not typed
    family: int,
    own: int,
    names: dict[int, str],
    only: str | None = None,
) -> int:
    """Return the index of the interface that the best default route leads to, 0 for none."""
    found = [
        (route.get_attr("RTA_PRIORITY") or 0, index)
        for route in netlink.get_routes(family=family, table=_MAIN_TABLE)
        if not route["dst_len"] and route["type"] == _UNICAST and route["table"] == _MAIN_TABLE
        for index in (
            route.get_attr("RTA_OIF"),
            *(hop["oif"] for hop in route.get_attr("RTA_MULTIPATH") or ()),
        )
        if index and index != own and (only is None or names.get(index) == only)
    ]
    return min(found, default=(0, 0))[1]


def _clat_addresses(netlink: Any, own: int) -> list[Any]:  # noqa: ANN401 - as above
    return [
        each
        for each in netlink.get_addr(family=socket.AF_INET)
        if each["index"] != own and ipaddress.IPv4Address(each.get_attr("IFA_LOCAL")) in CLAT_NETWORK
    ]


def _uplink(netlink: Any, index: int, device: str) -> Uplink:  # noqa: ANN401 - as above
    (link,) = netlink.get_links(index)
    mtu = min(_advertised_mtu(device), link.get_attr("IFLA_MTU"))
    addresses = (
        HostAddress(
            ipaddress.IPv6Interface((each.get_attr("IFA_ADDRESS"), each["prefixlen"])),
            is_usable=not _flags(each) & (_TENTATIVE | _DAD_FAILED),
            is_deprecated=bool(_flags(each) & _DEPRECATED),
        )
        for each in netlink.get_addr(family=socket.AF_INET6, index=index)
        if each["index"] == index and each["scope"] == _GLOBAL
    )
    return Uplink(device, index, mtu, tuple(sorted(addresses, key=lambda each: each.interface)))


def _advertised_mtu(device: str) -> int:
    """Return the IPv6 MTU of an interface, which routers may have lowered (RFC 4861 section 4.6.4)."""
    try:
        return int(Path("/proc/sys/net/ipv6/conf", device, "mtu").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 65535


def _flags(address: Any) -> int:  # noqa: ANN401 - as above
    flags: int = address.get_attr("IFA_FLAGS") or address["flags"]
    return flags


def _passes_check(netlink: Any, index: int, address: ipaddress.IPv6Address) -> bool:  # noqa: ANN401 - as above
    """Wait until the address is no longer tentative. The kernel removes one that another host has."""
    end = time.monotonic() + _CHECK_ENDS_WITHIN
    while time.monotonic() < end:
        found = next(
            (
                _flags(each)
                for each in netlink.get_addr(family=socket.AF_INET6, index=index)
                if each["index"] == index and each.get_attr("IFA_ADDRESS") == str(address)
            ),
            _DAD_FAILED,
        )
        if found & _DAD_FAILED:
            return False
        if not found & _TENTATIVE:
            return True
        time.sleep(_LOOKS_EVERY)
    raise ClatError(f"the kernel does not finish checking {address}; see whether the uplink has a carrier")


def _link(netlink: Any, device: str) -> Any:  # noqa: ANN401 - as above
    for link in netlink.get_links():
        if link.get_attr("IFLA_IFNAME") == device:
            return link
    raise ClatError(f"the device {device} is gone; it is made again")


def _default_mtus(netlink: Any, index: int) -> list[int]:  # noqa: ANN401 - as above
    """Return the MTU of each IPv4 default route of ours by the interface."""
    return [
        metrics.get_attr("RTAX_MTU") or 0
        for route in netlink.get_routes(family=socket.AF_INET, table=_MAIN_TABLE, oif=index)
        if not route["dst_len"] and route["proto"] == PROTOCOL and route.get_attr("RTA_OIF") == index
        if (metrics := route.get_attr("RTA_METRICS")) is not None
    ]


def _proxy_only(netlink: Any, wanted: Wanted | None) -> None:  # noqa: ANN401 - as above
    """Have the kernel answer for the wanted address on its uplink (RFC 4389), and for none of our others."""
    found = {
        (each["ifindex"], each.get_attr("NDA_DST"))
        for each in _proxies(netlink)
        if each.get_attr("NDA_PROTOCOL") == PROTOCOL
    }
    keep = {(wanted.index, str(wanted.address))} if wanted is not None else set()
    for index, address in found - keep:
        _ignoring_absence(netlink.neigh, "del", **_proxy(index, address))
    for index, address in keep - found:
        netlink.neigh("replace", **_proxy(index, address), NDA_PROTOCOL=PROTOCOL)


def _proxies(netlink: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Return all neighbour proxies, which the kernel lists only to who asks with this flag in the header."""
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST  # noqa: PLC0415 - as above
    from pyroute2.netlink.rtnl import RTM_GETNEIGH  # noqa: PLC0415 - as above
    from pyroute2.netlink.rtnl.ndmsg import ndmsg  # noqa: PLC0415 - as above

    asking = ndmsg()
    asking["family"], asking["flags"] = socket.AF_INET6, _NTF_PROXY
    netlink.status["nlm_generator"] = False  # pyroute2 0.9 asks for this without having set it
    return list(netlink.nlm_request(asking, msg_type=RTM_GETNEIGH, msg_flags=NLM_F_REQUEST | NLM_F_DUMP))


def _proxy(index: int, address: str) -> dict[str, object]:
    return {"ifindex": index, "dst": address, "family": socket.AF_INET6, "flags": _NTF_PROXY}


def _ignoring_absence(do: Any, *what: str, **of: object) -> None:  # noqa: ANN401 - as above
    from pyroute2 import NetlinkError  # noqa: PLC0415 - as above

    try:
        do(*what, **of)
    except NetlinkError as error:
        if error.code not in {2, 3, 19, 99}:  # ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL
            raise
