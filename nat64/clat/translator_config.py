"""The config of the translator that a CLAT runs: one host, one prefix, and a map between (RFC 6877 section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.clat.network import CLAT_NETWORK

if TYPE_CHECKING:
    from pathlib import Path

    from nat64.clat.decisions import Wanted

TRANSLATOR_IPV4: Final = CLAT_NETWORK[1]
"""The translator's own address, the first hop of a traceroute."""
HOST_IPV4: Final = CLAT_NETWORK[2]
"""The host's address."""

_SMALLEST_IPV4_MTU: Final = 1280 - 28
_ENLARGES_BY: Final = 28
"""Octets by which IPv6 may be longer: 20 for the header, 8 for that of a fragment (RFC 7915 section 4)."""


def ipv4_mtu(ipv6_mtu: int) -> int:
    """Return the largest IPv4 packet, in octets, that fits the uplink in any case."""
    return max(ipv6_mtu - _ENLARGES_BY, _SMALLEST_IPV4_MTU)


def text(wanted: Wanted, *, device: str, control_socket: Path) -> str:
    """Return the config in the grammar of tayga.conf.

    The fast path knows hosts on the IPv6 side alone, and would take all of a CLAT's packets for those of new ones. And what
    may be fragmented need not be cut to 1280 octets: who hears that a packet is too big is the host itself, which heeds it.
    """
    return f"""\
# Written by nat64-clat; changes here are lost.
tun-device {device}
ipv4-addr {TRANSLATOR_IPV4}
ipv6-addr {wanted.source}
prefix {wanted.prefix}
map {HOST_IPV4} {wanted.address}
hairpin off
workers 1
tun-up yes
tun-ip {HOST_IPV4}/32
tun-route {wanted.address}/128
control-socket {control_socket}
fast-path off
offlink-mtu {wanted.mtu}
"""
