"""The host's network as the CLAT sees it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv6Address, IPv6Interface

CLAT_NETWORK: Final = IPv4Network("192.0.0.0/29")
"""What the host's own IPv4 addresses behind a CLAT are from, RFC 7335."""

_UNIQUE_LOCAL: Final = IPv6Network("fc00::/7")
_SUBNET: Final = 64


@dataclass(frozen=True, slots=True)
class HostAddress:
    """A global IPv6 address of the uplink, with the length of its network."""

    interface: IPv6Interface
    is_usable: bool = True
    """Neither tentative nor found to be another host's (RFC 4862)."""
    is_deprecated: bool = False
    """Its network is going away, or it was never meant as a source."""

    @property
    def network(self) -> IPv6Network:
        """Return the network that it lies in."""
        return self.interface.network


@dataclass(frozen=True, slots=True)
class Uplink:
    """The interface that the IPv6 default route leads to. `mtu` is that of IPv6 on it, in octets."""

    device: str
    index: int
    mtu: int
    addresses: tuple[HostAddress, ...] = ()

    def sources(self) -> list[IPv6Address]:
        """Return the addresses that packets may come from."""
        return [each.interface.ip for each in self.addresses if each.is_usable and not each.is_deprecated]

    def subnets(self) -> list[IPv6Network]:
        """Return the /64s in which the host may give itself an address, global ones before unique local ones."""
        found = dict.fromkeys(
            each.network
            for each in self.addresses
            if each.network.prefixlen == _SUBNET and each.is_usable and not each.is_deprecated
        )
        return sorted(found, key=lambda network: network.subnet_of(_UNIQUE_LOCAL))


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """All that counts of the host's interfaces and routes."""

    uplink: Uplink | None = None
    native_ipv4: str = ""
    """The interface of an IPv4 default route that is not the CLAT's; empty where there is none."""
    other_clat: str = ""
    """The interface where another CLAT has its address; empty where there is none."""
