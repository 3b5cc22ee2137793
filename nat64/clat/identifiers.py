"""The CLAT's own addresses: one for each network, always the same there, and telling nothing elsewhere (RFC 7217)."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv6Network

_PURPOSE: Final = b"nat64-clat"
_RESERVED: Final = (
    (0, 0),  # subnet-router anycast, RFC 4291 section 2.6.1
    (0x0200_5EFF_FE00_0000, 0x0200_5EFF_FEFF_FFFF),  # IANA's Ethernet block, RFC 5453
    (0xFDFF_FFFF_FFFF_FF80, 0xFDFF_FFFF_FFFF_FFFF),  # reserved anycast, RFC 2526
)


def stable_address(secret: bytes, network: IPv6Network, device: str, conflicts: int) -> IPv6Address:
    """Return the address in a /64 that is the `conflicts`-th choice there, RFC 7217 section 5.

    `secret` is the host's own. An identifier that is reserved (RFC 5453) is passed over.
    """
    attempt = 0
    while True:
        seed = b"|".join(
            (_PURPOSE, network.network_address.packed[:8], device.encode(), b"%d.%d" % (conflicts, attempt))
        )
        identifier = int.from_bytes(hmac.digest(secret, seed, hashlib.sha256)[:8], "big")
        if not any(first <= identifier <= last for first, last in _RESERVED):
            return IPv6Address(int(network.network_address) | identifier)
        attempt += 1
