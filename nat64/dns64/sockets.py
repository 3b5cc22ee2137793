"""The sockets that clients' queries come in by."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64.occupant import holders, occupant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nat64.config.dns64_config import Dns64Config, IPAddress

IPV4_ANY: Final = ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - who is answered is `allow-query`'s matter
IPV6_ANY: Final = ipaddress.IPv6Address("::")

# linux/in.h, linux/in6.h and asm/socket.h; Python's socket module does not carry them all.
IP_PKTINFO: Final = 8
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78
_SO_RCVBUFFORCE: Final = 33

_NOBODY: Final = {
    # Multicast, for sockets that are bound to an interface other than loopback.
    socket.AF_INET: ("127.0.0.1", "224.0.0.1"),
    socket.AF_INET6: ("::1", "ff02::1"),
}
_DISCARD_PORT: Final = 9

_BACKLOG: Final = 1024
_RECEIVE_OCTETS: Final = 1 << 20
"""What may wait in a UDP socket: some 2,500 queries, as its worker is started anew; less where the kernel's limit is lower.

With more, those that come behind a flood would be answered when nobody waits for them any more.
"""
_LONGEST_DEVICE_NAME: Final = 16


class BindError(Exception):
    """A listening socket cannot be opened; the text is ``why; remedy``."""


@dataclass(frozen=True, slots=True)
class Families:
    """Over which IP versions clients are served by what is not an explicit `listen` address."""

    ipv4: bool = True
    ipv6: bool = True


@dataclass(frozen=True, slots=True)
class Binding:
    """Where to listen: an address or a wildcard, a port, and perhaps one interface only."""

    address: IPAddress
    port: int
    device: str | None = None
    tls: bool = False
    """Whether clients are served over TLS there (RFC 7858), and over nothing else."""

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        where = f"{host}:{self.port}" + (f"%{self.device}" if self.device else "")
        return f"{where} over TLS" if self.tls else where


@dataclass(frozen=True, slots=True)
class BoundSockets:
    """The sockets by which one worker serves a binding."""

    tcp: socket.socket
    udp: socket.socket | None
    """None: the binding is for TLS."""

    def __iter__(self) -> Iterator[socket.socket]:
        if self.udp is not None:
            yield self.udp
        yield self.tcp

    @property
    def is_stranded(self) -> bool:
        """Whether they are bound to an interface that was removed, and hear nothing even if it comes back."""
        try:
            self.tcp.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LONGEST_DEVICE_NAME)
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    def close(self) -> None:
        """Close them in this process."""
        for each in self:
            each.close()


def bindings(config: Dns64Config, families: Families) -> list[Binding]:
    """Return where the config says to listen.

    With named interfaces a wildcard is bound to each of them, and the host itself is served on 127.0.0.1 and
    ::1. Those too are bound to their device: otherwise they would clash with the wildcards.
    """
    over_tls = [Binding(each.endpoint.address, each.endpoint.port, tls=True) for each in config.listen_tls]
    return [*_plain_bindings(config, families), *over_tls]


def _plain_bindings(config: Dns64Config, families: Families) -> list[Binding]:
    if config.listen:
        return [Binding(endpoint.address, endpoint.port) for endpoint in config.listen]
    wildcards: list[IPAddress] = [IPV4_ANY] if families.ipv4 else []
    wildcards += [IPV6_ANY] if families.ipv6 else []
    if config.interfaces is None or config.interfaces.every:
        return [Binding(address, config.port) for address in wildcards]
    found = [Binding(address, config.port, name) for name in config.interfaces.names for address in wildcards]
    if "lo" not in config.interfaces.names:
        local: list[IPAddress] = [ipaddress.IPv4Address("127.0.0.1")] if families.ipv4 else []
        local += [ipaddress.IPv6Address("::1")] if families.ipv6 else []
        found += [Binding(address, config.port, "lo") for address in local]
    return found


def refuse_taken(binding: Binding, ours: Collection[int] = ()) -> None:
    """Raise `BindError` when somebody else serves at a binding, or it cannot be had at all.

    Sockets that share a port (SO_REUSEPORT) would share it with another program of the same user as well, which
    then takes a part of the queries. `ours` are the inodes of our sockets, which are in nobody's way.
    """
    for kind in _kinds(binding):
        try:
            _open(binding, kind, shared=False).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _only_ours_clash(binding, kind, ours):
                raise BindError(_explain(binding, kind, error, ours)) from error


def _only_ours_clash(binding: Binding, kind: socket.SocketKind, ours: Collection[int]) -> bool:
    seen = holders(binding.port, _protocol(kind))
    if not seen:  # as in a chroot: only one that shares the port on purpose goes unnoticed then
        return bool(ours)
    clashing = {
        inode
        for inode, address in seen.items()
        # The wildcard of IPv6 may take IPv4, too, which the table does not tell.
        if address == IPV6_ANY
        or (address.version == binding.address.version and _overlap(address, binding.address))
    }
    return clashing <= set(ours)


def _overlap(one: IPAddress, other: IPAddress) -> bool:
    return one == other or one.is_unspecified or other.is_unspecified


def open_bound(binding: Binding, owner: int | None = None) -> BoundSockets:
    """Open the sockets of one worker for a binding. An address that is late or tentative is bound all the same.

    Only sockets of one user share a port; `owner` is the user that we become later, ``None`` where we do not.
    Raises `BindError`.
    """
    opened: list[socket.socket] = []
    for kind in _kinds(binding):
        try:
            opened.append(_open(binding, kind, shared=True, owner=owner))
        except OSError as error:
            for each in opened:
                each.close()
            raise BindError(_explain(binding, kind, error)) from error
    return BoundSockets(opened[-1], None if binding.tls else opened[0])


def hear_no_more(udp: socket.socket) -> None:
    """Have a UDP socket get nothing more, so that what comes in goes to another one; it can be read and send still.

    A connected socket hears its peer alone. Where that fails, the socket goes on to hear all.
    """
    for peer in _NOBODY[udp.family]:
        with contextlib.suppress(OSError):
            udp.connect((peer, _DISCARD_PORT))
            return


def _kinds(binding: Binding) -> tuple[socket.SocketKind, ...]:
    return (socket.SOCK_STREAM,) if binding.tls else (socket.SOCK_DGRAM, socket.SOCK_STREAM)


def _protocol(kind: socket.SocketKind) -> str:
    return "tcp" if kind == socket.SOCK_STREAM else "udp"


def _open(
    binding: Binding, kind: socket.SocketKind, *, shared: bool, owner: int | None = None
) -> socket.socket:
    """Open, bind and listen. Raises `OSError`."""
    version = binding.address.version
    opened = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    try:
        opened.setblocking(False)
        if owner not in {None, os.geteuid()}:
            os.fchown(opened.fileno(), owner, -1)
        _set_options(opened, binding)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        opened.bind((str(binding.address), binding.port))
        if kind == socket.SOCK_STREAM:
            opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _set_options(opened: socket.socket, binding: Binding) -> None:
    version = binding.address.version
    if version == 6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    if binding.device is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, binding.device.encode())
    if opened.type == socket.SOCK_STREAM:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return
    if binding.address.is_unspecified:
        _tell_destination(opened, version)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_OCTETS)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_OCTETS)


def _tell_destination(opened: socket.socket, version: int) -> None:
    """Have the kernel tell with each datagram which address was asked."""
    if version == 6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _explain(binding: Binding, kind: socket.SocketKind, error: OSError, ours: Collection[int] = ()) -> str:
    protocol = _protocol(kind)
    what = f"cannot listen on {binding} ({protocol})"
    if error.errno == errno.EADDRINUSE:
        by = occupant(binding.port, protocol, ours) or "another process"
        return f"{what}: the port is taken by {by}; stop that, or give dns64d other addresses or another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{what}: not permitted; start as root or with CAP_NET_BIND_SERVICE, or use a port over 1023"
    if error.errno == errno.ENODEV:
        return f"{what}: there is no interface '{binding.device}'; see: ip -brief link"
    if error.errno == errno.EAFNOSUPPORT:
        return (
            f"{what}: this host has no IPv{binding.address.version}; start with -no{binding.address.version}"
        )
    return f"{what}: {error.strerror}; mend the address"
