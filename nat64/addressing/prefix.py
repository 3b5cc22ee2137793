"""IPv4-embedded IPv6 addresses, RFC 6052."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Final

LENGTHS: Final = (32, 40, 48, 56, 64, 96)
"""The prefix lengths that RFC 6052 section 2.2 allows."""

WELL_KNOWN: Final = IPv6Network("64:ff9b::/96")

_U_OCTET: Final = 8  # bits 64 to 71, which RFC 6052 section 2.2 keeps zero


@dataclass(frozen=True, slots=True)
class Pref64:
    """A prefix that carries IPv4 addresses.

    `network` must have one of `LENGTHS` (`ValueError` otherwise). `has_u_octet_zero` tells whether a /96 keeps
    bits 64 to 71 zero, which RFC 6052 section 2.2 asks of the administrator.
    """

    network: IPv6Network
    head: bytes = field(init=False, repr=False, compare=False)
    """The prefix's own octets, 4 to 12 of them."""
    _hash: int = field(init=False, repr=False, compare=False)
    _positions: tuple[int, int, int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        length = self.network.prefixlen
        if length not in LENGTHS:
            raise ValueError(f"a NAT64 prefix has a length of {', '.join(map(str, LENGTHS))}, not {length}")
        head = self.network.network_address.packed[: length // 8]
        first = length // 8
        after = [position for position in range(first, 16) if position != _U_OCTET or length == 96]
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "_hash", hash(head))
        object.__setattr__(self, "_positions", tuple(after[:4]))

    def __hash__(self) -> int:
        return self._hash  # a network computes its hash anew each time, which each new lease would pay for

    @property
    def is_well_known(self) -> bool:
        """Whether this is 64:ff9b::/96, for which RFC 6052 section 3.1 forbids non-global IPv4 addresses."""
        return self.network == WELL_KNOWN

    @property
    def has_u_octet_zero(self) -> bool:
        """Whether bits 64 to 71 of the prefix are zero."""
        return self.network.network_address.packed[_U_OCTET] == 0

    def embed(self, ipv4: bytes) -> bytes:
        """Return the IPv6 address that stands for `ipv4`; bits 64 to 71 and the suffix are zero."""
        if len(self.head) == 12:
            return self.head + ipv4
        address = bytearray(16)
        address[: len(self.head)] = self.head
        for position, octet in zip(self._positions, ipv4, strict=True):
            address[position] = octet
        return bytes(address)

    def extract(self, ipv6: bytes) -> bytes | None:
        """Return the IPv4 address inside `ipv6`, or None when `ipv6` is not in this prefix.

        Bits 64 to 71 and the suffix are ignored (RFC 6052 section 2.3).
        """
        if not ipv6.startswith(self.head):
            return None
        if len(self.head) == 12:
            return ipv6[12:]
        return bytes([ipv6[position] for position in self._positions])

    def __str__(self) -> str:
        return str(self.network)
