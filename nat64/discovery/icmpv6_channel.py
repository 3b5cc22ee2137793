"""Router advertisements from an interface, and solicitations to it: a raw socket (RFC 3542, icmp6(7))."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, Final

from nat64.discovery import advertisement

if TYPE_CHECKING:
    from collections.abc import Iterator

_ICMP6_FILTER: Final = 1
_ADVERTISEMENT: Final = 134
_TYPES: Final = 256
_LONGEST: Final = 65536
_ROUTERS: Final = "ff02::2"


class Icmpv6Channel:
    """Hears the router advertisements that come to an interface, until `close`. Raises `OSError`."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._socket = socket.socket(
            socket.AF_INET6,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            socket.IPPROTO_ICMPV6,
        )
        try:
            self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _passing_only(_ADVERTISEMENT))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for who waits for it."""
        return self._socket.fileno()

    def solicit(self) -> None:
        """Ask the routers to advertise. Raises `OSError`, as where the interface has no address yet."""
        index = socket.if_nametoindex(self.device)
        self._socket.sendto(advertisement.SOLICITATION, (_ROUTERS, 0, 0, index))

    def advertisements(self) -> Iterator[advertisement.RouterAdvertisement]:
        """Yield what has come. Raises `OSError` when the interface has gone."""
        while True:
            try:
                message, extra, _, source = self._socket.recvmsg(_LONGEST, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return
            hop_limit = next(
                (struct.unpack("i", data)[0] for _, kind, data in extra if kind == socket.IPV6_HOPLIMIT), 0
            )
            address = ipaddress.IPv6Address(source[0].partition("%")[0])
            found = advertisement.read(message, address, hop_limit)
            if found is not None:
                yield found

    def close(self) -> None:
        """Hear no more."""
        with contextlib.suppress(OSError):
            self._socket.close()


def _passing_only(icmp_type: int) -> bytes:
    """Return the filter (RFC 3542 section 3.2) that blocks, with a bit each, all types but one."""
    blocked = (1 << _TYPES) - 1 & ~(1 << icmp_type)
    return struct.pack("=8I", *((blocked >> 32 * word) & 0xFFFFFFFF for word in range(8)))
