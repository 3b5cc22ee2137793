"""The whole address mapping: explicit maps first, then the prefixes, then the leases of their pools.

A packet has a near side, the IPv6 host that the translator serves, and a far side, which is seen through a prefix. A
host has a map or a lease for each prefix that it uses, so the far side decides from IPv6, and the near side from IPv4,
which prefix a packet belongs to. The source of a packet from IPv6 is near; inside an ICMPv6 error, which is about a
packet of the other direction, it is far.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from nat64.addressing.special_purpose import may_translate_ipv4, may_translate_ipv6
from nat64.addressing.unmappable import Unmappable, UnmappableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.addressing.prefix_map import PrefixMap


class Hairpin(Enum):
    """How a host reaches another one by its IPv4 address, RFC 7757 section 4."""

    OFF = "off"
    """Nothing is done for it; the other host sees the sender's IPv6 address, and its answers go astray."""
    SIMPLE = "simple"
    """Where both addresses from IPv4 have a map or a lease, the source is seen through the prefix."""
    INTRINSIC = "intrinsic"
    """A packet through a prefix to an address that has a map or an active lease turns back at once."""


class Counterpart(NamedTuple):
    """An address of the other family, and whose it is.

    `of` is the prefix that the mapping belongs to, `lease` the lease that it comes from, if any. `is_embedded` tells
    that neither a map nor a lease but the prefix alone gave it.
    """

    address: bytes
    of: PrefixMap
    lease: Lease | None = None
    is_embedded: bool = False


class AddressMap:
    """Finds the counterparts of addresses. All methods raise `UnmappableError` unless they say otherwise.

    `prefixes` are one or more, the first one first: what could be any prefix's belongs to that. Their networks, maps
    and pools may not overlap.
    """

    def __init__(self, prefixes: Sequence[PrefixMap], hairpin: Hairpin = Hairpin.INTRINSIC) -> None:
        self.prefixes = tuple(prefixes)
        self.hairpin = hairpin
        # What each new pair of addresses goes through holds only what there is.
        self._mapped = tuple((of.eamt, of) for of in self.prefixes if len(of.eamt))
        self._pooled = tuple((of.pool, of) for of in self.prefixes if of.pool is not None)

    @property
    def pools(self) -> tuple[DynamicPool, ...]:
        """The pools, in the order of their prefixes."""
        return tuple(pool for pool, _ in self._pooled)

    def mark_used(self, ipv4: bytes, now: float) -> None:
        """Take note that the active lease of `ipv4`, if there is one, was used `now`. Never raises."""
        for pool in self.pools:
            lease = pool.of_address(ipv4, now)
            if lease is not None:
                lease.last_use = now

    # From IPv6

    def far_to_ipv4(self, ipv6: bytes) -> Counterpart:
        """Return the IPv4 address that stands for `ipv6`, which is a far side; make no lease."""
        if not may_translate_ipv6(ipv6):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        found = [(eam, of) for eamt, of in self._mapped if (eam := eamt.find_ipv6(ipv6)) is not None]
        if found:
            eam, of = max(found, key=lambda each: each[0].ipv6.prefixlen)
            return Counterpart(eam.to_ipv4(ipv6), of)
        for of in self.prefixes:
            ipv4 = of.extract(ipv6)
            if ipv4 is not None:
                return Counterpart(ipv4, of, is_embedded=True)
        for pool, of in self._pooled:
            lease = pool.of_host(ipv6, of.prefix)
            if lease is not None:
                return Counterpart(lease.address, of, lease)
        raise UnmappableError(Unmappable.NO_MAPPING)

    def near_to_ipv4(self, ipv6: bytes, of: PrefixMap, now: float) -> tuple[bytes, Lease | None]:
        """Return the IPv4 address of the host `ipv6` for the prefix `of`, with its lease, made if there is none."""
        ipv4 = self._fixed_ipv4(ipv6, of)
        if ipv4 is not None:
            return ipv4, None
        lease = of.lease_to(ipv6, now)
        return lease.address, lease

    def known_to_ipv4(self, ipv6: bytes, of: PrefixMap) -> bytes:
        """Return the IPv4 address that `ipv6` has for the prefix `of`; make no lease."""
        ipv4 = self._fixed_ipv4(ipv6, of)
        if ipv4 is not None:
            return ipv4
        lease = of.lease_of(ipv6)
        if lease is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        return lease.address

    def turned_back(self, far: Counterpart, now: float) -> Counterpart | None:
        """Return the host that a packet to `far` turns back to, if it does. Never raises."""
        if self.hairpin is not Hairpin.INTRINSIC or not far.is_embedded:
            return None
        try:
            return self._lookup_ipv6(far.address, now)
        except UnmappableError:
            return None

    def may_turn_back(self, ipv4: bytes) -> bool:
        """Whether packets to `ipv4` that do not turn back now may do so later. Never raises."""
        if self.hairpin is Hairpin.INTRINSIC:
            for pool, _ in self._pooled:
                if pool.contains(ipv4):
                    return True
        return False

    def _fixed_ipv4(self, ipv6: bytes, of: PrefixMap) -> bytes | None:
        """Return the IPv4 address that a map of `of` or any prefix gives for `ipv6`, if any."""
        if not may_translate_ipv6(ipv6):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        ipv4 = of.eamt.to_ipv4(ipv6)
        if ipv4 is not None:
            return ipv4
        for each in self.prefixes:
            ipv4 = each.extract(ipv6)
            if ipv4 is not None:
                return ipv4
        return None

    # From IPv4

    def near_to_ipv6(self, near: bytes, far: bytes, now: float) -> Counterpart:
        """Return the IPv6 address that stands for `near`, with its active lease if it has one.

        Only where `near` has neither map nor lease does `far` decide the prefix.
        """
        found = self._find_ipv6(near, now)
        if found is not None:
            return found
        try:
            other = self._find_ipv6(far, now)
        except UnmappableError:
            other = None
        of = other.of if other is not None else self.prefixes[0]
        return Counterpart(of.embed(near), of, is_embedded=True)

    def far_to_ipv6(self, far: bytes, near: Counterpart, now: float) -> Counterpart:
        """Return the IPv6 address by which the host `near` sees `far`."""
        found = self._find_ipv6(far, now)
        if found is None or (self.hairpin is Hairpin.SIMPLE and not near.is_embedded):
            return Counterpart(near.of.embed(far), near.of, is_embedded=True)
        return found

    def _find_ipv6(self, ipv4: bytes, now: float) -> Counterpart | None:
        """Return what a map or an active lease gives for `ipv4`, None for an address that has its place in a prefix."""
        if not may_translate_ipv4(ipv4):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        return self._lookup_ipv6(ipv4, now)

    def _lookup_ipv6(self, ipv4: bytes, now: float) -> Counterpart | None:
        """Do the same for an address that may be translated."""
        found = [(eam, of) for eamt, of in self._mapped if (eam := eamt.find_ipv4(ipv4)) is not None]
        if found:
            eam, of = max(found, key=lambda each: each[0].ipv4.prefixlen)
            return Counterpart(eam.to_ipv6(ipv4), of)
        for pool, of in self._pooled:
            if pool.contains(ipv4):
                lease = pool.of_address(ipv4, now)
                if lease is None:
                    raise UnmappableError(Unmappable.NO_MAPPING)
                return Counterpart(lease.host, of, lease)
        return None
