"""The sockets that clients' queries come in by."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64.occupant import occupant

if TYPE_CHECKING:
    from nat64.config.dns64_config import Dns64Config, IPAddress

IPV4_ANY: Final = ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - who is answered is `allow-query`'s matter
IPV6_ANY: Final = ipaddress.IPv6Address("::")

# linux/in.h and linux/in6.h; Python's socket module does not carry them all.
IP_PKTINFO: Final = 8
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78

_BACKLOG: Final = 128


class BindError(Exception):
    """A listening socket cannot be opened; the text is ``why; remedy``."""

    def __init__(self, explanation: str, *, taken: bool) -> None:
        super().__init__(explanation)
        self.taken = taken
        """Whether another socket, perhaps one of ours, holds the port."""


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

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}" + (f"%{self.device}" if self.device else "")


@dataclass(frozen=True, slots=True)
class ListeningPair:
    """The UDP and the TCP socket of one binding."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        """Close both."""
        self.udp.close()
        self.tcp.close()


def bindings(config: Dns64Config, families: Families) -> list[Binding]:
    """Return where the config says to listen.

    With named interfaces a wildcard is bound to each of them, and the host itself is served on 127.0.0.1 and
    ::1. Those too are bound to their device: otherwise they would clash with the wildcards.
    """
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


def open_pair(binding: Binding) -> ListeningPair:
    """Open both sockets of a binding. An address that is late or tentative is bound all the same.

    Raises `BindError`.
    """
    udp = _open(binding, socket.SOCK_DGRAM)
    try:
        tcp = _open(binding, socket.SOCK_STREAM)
    except BindError:
        udp.close()
        raise
    return ListeningPair(udp, tcp)


def _open(binding: Binding, kind: socket.SocketKind) -> socket.socket:
    version = binding.address.version
    opened: socket.socket | None = None
    try:
        opened = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
        opened.setblocking(False)
        if version == 6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if binding.device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, binding.device.encode())
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif version == 6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        opened.bind((str(binding.address), binding.port))
        if kind == socket.SOCK_STREAM:
            opened.listen(_BACKLOG)
    except OSError as error:
        if opened is not None:
            opened.close()
        raise BindError(_explain(binding, kind, error), taken=error.errno == errno.EADDRINUSE) from error
    return opened


def _explain(binding: Binding, kind: socket.SocketKind, error: OSError) -> str:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    what = f"cannot listen on {binding} ({protocol})"
    if error.errno == errno.EADDRINUSE:
        by = occupant(binding.port, protocol) or "another process"
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
