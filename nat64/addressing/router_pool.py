"""IPv4 addresses that stand for IPv6 routers which have none, RFC 6791."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv4Network

_WITHOUT_BROADCAST: Final = 31  # RFC 3021: networks of this length and longer have only hosts


@dataclass(frozen=True, slots=True)
class RouterPool:
    """A network from which ICMP errors of IPv6 routers get their source.

    Routers share an address where there are more of them than addresses, or where chance has it.
    """

    network: IPv4Network

    def contains(self, ipv4: bytes) -> bool:
        """Whether the address lies in the network."""
        return (
            0 <= int.from_bytes(ipv4, "big") - int(self.network.network_address) < self.network.num_addresses
        )

    def of_router(self, ipv6: bytes) -> bytes:
        """Return the address that stands for the router: always the same one, so that a traceroute is steady.

        It is neither the network's own address nor its broadcast address, from which a host would take no error
        (RFC 1122 section 3.2.1.3).
        """
        first, hosts = int(self.network.network_address), self.network.num_addresses
        if self.network.prefixlen < _WITHOUT_BROADCAST:
            first, hosts = first + 1, hosts - 2
        return (first + zlib.crc32(ipv6) % hosts).to_bytes(4, "big")
