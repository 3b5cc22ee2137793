# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The host's links, addresses and routes, read from the kernel by rtnetlink(7), without the command ``ip``.

busybox's ``ip`` has no ``-json``. Numbers are those of linux/rtnetlink.h, if_link.h, if_addr.h and netlink.h.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Iterator

    IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
    IPInterface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
    IPNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAIN_TABLE: Final = 254
PROTOCOLS: Final = {0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}
KINDS_OF_ROUTE: Final = {
    1: "unicast",
    2: "local",
    6: "blackhole",
    7: "unreachable",
    8: "prohibit",
    9: "throw",
}
SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}

# Flags of an address; dynamic means that its lifetime ends, or that no administrator gave it.
_DEPRECATED: Final = 0x20
_TENTATIVE: Final = 0x40
_DADFAILED: Final = 0x08
_PERMANENT: Final = 0x80


@dataclass(frozen=True)
class Link:
    """An interface."""

    index: int
    name: str
    up: bool = False
    """Whether it is meant to be up."""
    running: bool = False
    """Whether it is up, with a carrier."""
    mtu: int = 0
    kind: str = ""
    """What made it, such as ``tun``, ``bridge``, ``vlan``; empty for hardware and loopback."""
    loopback: bool = False


@dataclass(frozen=True)
class Address:
    """An address of the host."""

    device: str
    interface: IPInterface
    """The address with the length of its network."""
    scope: str = "global"
    tentative: bool = False
    """Not to be used yet, or found to be another host's (RFC 4862)."""
    deprecated: bool = False
    dynamic: bool = False


@dataclass(frozen=True)
class Route:
    """A way to a network; one with several next hops is a route each."""

    destination: IPNetwork
    """Of length 0: a default route."""
    device: str = ""
    gateway: IPAddress | None = None
    metric: int = 0
    protocol: str = "static"
    """Who made it: ``kernel``, ``ra``, ``static``, ``boot``, ``dhcp``, or a number."""
    kind: str = "unicast"
    table: int = MAIN_TABLE

    @property
    def is_default(self) -> bool:
        """Whether it leads everywhere that no other route does."""
        return self.destination.prefixlen == 0 and self.kind == "unicast"


def links() -> list[Link]:
    """Return the host's interfaces. Raises OSError."""
    return [parse_link(message) for message in _dump(_GETLINK)]


def addresses() -> list[Address]:
    """Return the host's addresses, of both families. Raises OSError."""
    names = _names()
    return [parse_address(message, names) for message in _dump(_GETADDR)]


def routes() -> list[Route]:
    """Return the routes of the main table, of both families. Raises OSError."""
    names = _names()
    dumped = [*_dump(_GETROUTE, socket.AF_INET), *_dump(_GETROUTE, socket.AF_INET6)]
    found = [route for message in dumped for route in parse_route(message, names)]
    return [route for route in found if route.table == MAIN_TABLE]


def _names() -> dict[int, str]:
    return dict(socket.if_nameindex())


# --- What a message says --------------------------------------------------------------------------------------

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE: Final = struct.Struct(
    "=BBBBBBBBI"
)  # rtmsg: family, lengths, TOS, table, protocol, scope, type, flags
_NEXT_HOP: Final = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight, index
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
_U32: Final = struct.Struct("=I")

_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 4, 18, 1
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE, _RTA_VIA = 1, 4, 5, 6, 9, 15, 18
_CLONED: Final = 0x200


def parse_link(message: bytes) -> Link:
    """Read the body of an RTM_NEWLINK."""
    __, __, index, flags, __ = _LINK.unpack_from(message)
    found = _attributes(message[_LINK.size :])
    information = _attributes(found.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=_word(found[_IFLA_IFNAME]),
        up=bool(flags & _IFF_UP),
        running=bool(flags & _IFF_UP and flags & _IFF_RUNNING),
        mtu=_number(found.get(_IFLA_MTU)),
        kind=_word(information.get(_IFLA_INFO_KIND, b"")),
        loopback=bool(flags & _IFF_LOOPBACK),
    )


def parse_address(message: bytes, names: dict[int, str]) -> Address:
    """Read the body of an RTM_NEWADDR; `names` are the interfaces' by index."""
    __, length, short_flags, scope, index = _ADDRESS.unpack_from(message)
    found = _attributes(message[_ADDRESS.size :])
    flags = _number(found[_IFA_FLAGS]) if _IFA_FLAGS in found else short_flags
    # With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours.
    own = _ip(found[_IFA_LOCAL] if _IFA_LOCAL in found else found[_IFA_ADDRESS])
    return Address(
        device=names.get(index, str(index)),
        interface=ipaddress.ip_interface(f"{own}/{length}"),
        scope=SCOPES.get(scope, str(scope)),
        tentative=bool(flags & (_TENTATIVE | _DADFAILED)),
        deprecated=bool(flags & _DEPRECATED),
        dynamic=not flags & _PERMANENT,
    )


def parse_route(message: bytes, names: dict[int, str]) -> list[Route]:
    """Read the body of an RTM_NEWROUTE, as a route for each next hop; none of what the kernel only cached."""
    family, length, __, __, short_table, protocol, __, kind, flags = _ROUTE.unpack_from(message)
    if flags & _CLONED:
        return []
    found = _attributes(message[_ROUTE.size :])
    anywhere = "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - compared with, not bound to
    destination = _ip(found[_RTA_DST]) if _RTA_DST in found else anywhere
    hops = list(_next_hops(found[_RTA_MULTIPATH])) if _RTA_MULTIPATH in found else [_hop(found)]
    return [
        Route(
            destination=ipaddress.ip_network(f"{destination}/{length}"),
            device=names.get(hop.device, str(hop.device)) if hop.device else "",
            gateway=hop.gateway,
            metric=_number(found.get(_RTA_PRIORITY)),
            protocol=PROTOCOLS.get(protocol, str(protocol)),
            kind=KINDS_OF_ROUTE.get(kind, str(kind)),
            table=_number(found[_RTA_TABLE]) if _RTA_TABLE in found else short_table,
        )
        for hop in hops
    ]


class _Hop(NamedTuple):
    device: int
    gateway: IPAddress | None


def _hop(attributes: dict[int, bytes], index: int = 0) -> _Hop:
    gateway = attributes.get(_RTA_GATEWAY)
    if gateway is None and _RTA_VIA in attributes:
        gateway = attributes[_RTA_VIA][2:]  # behind its family
    return _Hop(index or _number(attributes.get(_RTA_OIF)), _ip(gateway) if gateway else None)


def _next_hops(data: bytes) -> Iterator[_Hop]:
    while len(data) >= _NEXT_HOP.size:
        length, __, __, index = _NEXT_HOP.unpack_from(data)
        yield _hop(_attributes(data[_NEXT_HOP.size : length]), index)
        data = data[max(_aligned(length), _NEXT_HOP.size) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[
            _ATTRIBUTE.size : length
        ]  # without the bits that say nested, network order
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _number(data: bytes | None) -> int:
    return int(_U32.unpack(data)[0]) if data else 0


def _word(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def _ip(data: bytes) -> IPAddress:
    return ipaddress.ip_address(data)


# --- The kernel -----------------------------------------------------------------------------------------------

_GETLINK, _GETADDR, _GETROUTE = 18, 22, 26
_REQUEST_AND_DUMP: Final = 0x301
_DUMP_INTERRUPTED: Final = 0x10
_ERROR, _DONE = 2, 3
_ATTEMPTS: Final = 10


class _ChangedMeanwhileError(Exception):
    """What was read did not stay the same while it was read."""


def _dump(what: int, family: int = socket.AF_UNSPEC) -> list[bytes]:
    """Ask for all of a kind; return the bodies of the messages. Raises OSError."""
    for __ in range(_ATTEMPTS):
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
                kernel.settimeout(10)
                body = bytes([family]).ljust(_LINK.size, b"\0")
                kernel.send(_HEADER.pack(_HEADER.size + len(body), what, _REQUEST_AND_DUMP, 1, 0) + body)
                return list(_answers(kernel))
        except _ChangedMeanwhileError:
            continue
    raise OSError("the kernel's tables change too fast to be read; try again")


def _answers(kernel: socket.socket) -> Iterator[bytes]:
    while True:
        for kind, flags, body in split(kernel.recv(1 << 18)):
            if flags & _DUMP_INTERRUPTED:
                raise _ChangedMeanwhileError
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -int(struct.unpack_from("=i", body)[0])
                raise OSError(number, os.strerror(number))
            yield body


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Split what came in one read into messages: type, flags, body."""
    while len(data) >= _HEADER.size:
        length, kind, flags, __, __ = _HEADER.unpack_from(data)
        yield kind, flags, data[_HEADER.size : length]
        data = data[max(_aligned(length), _HEADER.size) :]
