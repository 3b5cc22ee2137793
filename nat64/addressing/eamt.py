"""The explicit address mapping table, RFC 7757: fixed pairs of IPv4 and IPv6 addresses or networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Eam:
    """One explicit address mapping, RFC 7757 section 3.2.

    The IPv6 network must have a suffix at least as long as that of the IPv4 network (`ValueError` otherwise). Where it
    is longer, the IPv4 suffix stands right behind the IPv6 prefix; what follows is written as zero, and ignored.
    """

    ipv4: IPv4Network
    ipv6: IPv6Network

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"{self.ipv6} is smaller than {self.ipv4}")

    def to_ipv6(self, ipv4: bytes) -> bytes:
        """Return the IPv6 address that stands for `ipv4`, which lies in the IPv4 network."""
        suffix = int.from_bytes(ipv4, "big") & int(self.ipv4.hostmask)
        return (int(self.ipv6.network_address) | suffix << self.padding).to_bytes(16, "big")

    def to_ipv4(self, ipv6: bytes) -> bytes:
        """Return the IPv4 address that stands for `ipv6`, which lies in the IPv6 network."""
        suffix = (int.from_bytes(ipv6, "big") & int(self.ipv6.hostmask)) >> self.padding
        return (int(self.ipv4.network_address) | suffix).to_bytes(4, "big")

    @property
    def padding(self) -> int:
        """How many bits of an IPv6 address stand behind the IPv4 suffix in it."""
        return 96 + self.ipv4.prefixlen - self.ipv6.prefixlen

    def __str__(self) -> str:
        return f"{self.ipv4} {self.ipv6}"


class DuplicateEamError(ValueError):
    """`eam` has the same IPv4 or the same IPv6 network as `earlier`, so it could never be told from it."""

    def __init__(self, eam: Eam, earlier: Eam) -> None:
        super().__init__(f"{eam} conflicts with {earlier}")
        self.eam = eam
        self.earlier = earlier


class Eamt:
    """A table of `Eam`, looked up by longest match in either direction (RFC 7757 section 3.3).

    A lookup costs one dictionary access for each prefix length in use. Raises `DuplicateEamError`.
    """

    def __init__(self, eams: Iterable[Eam] = ()) -> None:
        self._by_ipv4: dict[int, dict[int, Eam]] = {}
        self._by_ipv6: dict[int, dict[int, Eam]] = {}
        self._count = 0
        for eam in eams:
            self._add(eam)
        self._lengths4 = sorted(self._by_ipv4, reverse=True)
        self._lengths6 = sorted(self._by_ipv6, reverse=True)

    def _add(self, eam: Eam) -> None:
        same_length4 = self._by_ipv4.setdefault(eam.ipv4.prefixlen, {})
        same_length6 = self._by_ipv6.setdefault(eam.ipv6.prefixlen, {})
        key4 = int(eam.ipv4.network_address) >> (32 - eam.ipv4.prefixlen)
        key6 = int(eam.ipv6.network_address) >> (128 - eam.ipv6.prefixlen)
        earlier = same_length4.get(key4) or same_length6.get(key6)
        if earlier is not None:
            raise DuplicateEamError(eam, earlier)
        same_length4[key4] = same_length6[key6] = eam
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Eam]:
        for same_length in self._by_ipv4.values():
            yield from same_length.values()

    def find_ipv4(self, ipv4: bytes) -> Eam | None:
        """Return the longest match of `ipv4`, or None."""
        number = int.from_bytes(ipv4, "big")
        for length in self._lengths4:
            eam = self._by_ipv4[length].get(number >> (32 - length))
            if eam is not None:
                return eam
        return None

    def find_ipv6(self, ipv6: bytes) -> Eam | None:
        """Return the longest match of `ipv6`, or None."""
        number = int.from_bytes(ipv6, "big")
        for length in self._lengths6:
            eam = self._by_ipv6[length].get(number >> (128 - length))
            if eam is not None:
                return eam
        return None

    def to_ipv6(self, ipv4: bytes) -> bytes | None:
        """Return the IPv6 address mapped to `ipv4`, or None."""
        eam = self.find_ipv4(ipv4)
        return eam.to_ipv6(ipv4) if eam is not None else None

    def to_ipv4(self, ipv6: bytes) -> bytes | None:
        """Return the IPv4 address mapped to `ipv6`, or None."""
        eam = self.find_ipv6(ipv6)
        return eam.to_ipv4(ipv6) if eam is not None else None
