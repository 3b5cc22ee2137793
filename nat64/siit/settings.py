"""What a translator is told once, beside the address map."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from nat64.siit import ipv6_header

if TYPE_CHECKING:
    from nat64.addressing.router_pool import RouterPool

PAIRS_KEPT: Final = 65536


class UdpZeroChecksum(Enum):
    """What becomes of an IPv4 UDP packet without a checksum (RFC 7915 section 4.5)."""

    DROP = "drop"
    FORWARD = "fwd"
    """Passed on without a checksum, which most IPv6 hosts refuse (RFC 8200 section 8.1, RFC 6936)."""
    CALCULATE = "calc"
    """Given a checksum. A fragment is dropped: its checksum would need the whole packet."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A translator's own addresses (network order) and limits.

    `mtu` is the TUN device's, in octets. `offlink_mtu` bounds the IPv6 packets made from IPv4 packets that
    may be fragmented. `error_rate` and `error_burst` limit the ICMP errors that the translator itself sends,
    per second and at once. Translated errors of routers without a counterpart come from `rfc6791_pool`, where there is
    none from the own address, and with `rfc5837` the router's address stands beside the packet. `pairs_kept` bounds the
    memory for each direction. `tos_to_ipv4` and `tos_to_ipv6` are the TOS octet and the traffic class of translated
    packets; None copies that of the packet (RFC 7915 sections 4.1, 5.1).
    """

    ipv4_addr: bytes
    ipv6_addr: bytes
    mtu: int = 1500
    offlink_mtu: int = ipv6_header.MINIMUM_MTU
    udp_zero_checksum: UdpZeroChecksum = UdpZeroChecksum.DROP
    error_rate: float = 1000.0
    error_burst: float = 250.0
    rfc6791_pool: RouterPool | None = None
    rfc5837: bool = False
    tos_to_ipv4: int | None = None
    tos_to_ipv6: int | None = None
    pairs_kept: int = PAIRS_KEPT
