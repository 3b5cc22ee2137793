"""The whole address mapping: explicit maps first, then the prefix, then leases of the dynamic pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.addressing.special_purpose import is_global, may_translate_ipv4, may_translate_ipv6
from nat64.addressing.unmappable import Unmappable

if TYPE_CHECKING:
    from nat64.addressing.eamt import Eamt
    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.addressing.prefix import Pref64


class UnmappableError(Exception):
    """An address cannot be translated; `reason` says why."""

    def __init__(self, reason: Unmappable) -> None:
        super().__init__(reason.value)
        self.reason = reason


class AddressMap:
    """Finds the counterpart of an address. All methods raise `UnmappableError`.

    `wkpf_strict` refuses non-global IPv4 addresses through the Well-Known Prefix.
    """

    def __init__(
        self, prefix: Pref64 | None, eamt: Eamt, pool: DynamicPool | None, *, wkpf_strict: bool
    ) -> None:
        self.prefix = prefix
        self.eamt = eamt
        self.pool = pool
        self._global_only = wkpf_strict and prefix is not None and prefix.is_well_known

    def to_ipv4(self, ipv6: bytes) -> tuple[bytes, Lease | None]:
        """Return the IPv4 address that stands for `ipv6`, with its lease if it has one; make no lease."""
        ipv4 = self._fixed_ipv4(ipv6)
        if ipv4 is not None:
            return ipv4, None
        lease = self.pool.of_host(ipv6, self.prefix) if self.pool is not None else None
        if lease is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        return lease.address, lease

    def source_to_ipv4(self, ipv6: bytes, now: float) -> tuple[bytes, Lease | None]:
        """Return the IPv4 address that stands for the host `ipv6`, with its lease, made if there is none."""
        ipv4 = self._fixed_ipv4(ipv6)
        if ipv4 is not None:
            return ipv4, None
        if self.pool is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        lease = self.pool.assign(ipv6, self.prefix, now)
        if isinstance(lease, Unmappable):
            raise UnmappableError(lease)
        return lease.address, lease

    def to_ipv6(self, ipv4: bytes, now: float) -> tuple[bytes, Lease | None]:
        """Return the IPv6 address that stands for `ipv4`, with its active lease if it has one."""
        if not may_translate_ipv4(ipv4):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        ipv6 = self.eamt.to_ipv6(ipv4)
        if ipv6 is not None:
            return ipv6, None
        if self.pool is not None and self.pool.contains(ipv4):
            lease = self.pool.of_address(ipv4, now)
            if lease is None:
                raise UnmappableError(Unmappable.NO_MAPPING)
            return lease.host, lease
        if self.prefix is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        if self._global_only and not is_global(ipv4):
            raise UnmappableError(Unmappable.NOT_GLOBAL)
        return self.prefix.embed(ipv4), None

    def mark_used(self, ipv4: bytes, now: float) -> None:
        """Take note that the active lease of `ipv4`, if there is one, was used `now`."""
        lease = self.pool.of_address(ipv4, now) if self.pool is not None else None
        if lease is not None:
            lease.last_use = now

    def _fixed_ipv4(self, ipv6: bytes) -> bytes | None:
        """Return the IPv4 address that a map or the prefix gives for `ipv6`, if any."""
        if not may_translate_ipv6(ipv6):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        ipv4 = self.eamt.to_ipv4(ipv6)
        if ipv4 is not None:
            return ipv4
        ipv4 = self.prefix.extract(ipv6) if self.prefix is not None else None
        if ipv4 is None:
            return None
        if not may_translate_ipv4(ipv4):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        if self._global_only and not is_global(ipv4):
            raise UnmappableError(Unmappable.NOT_GLOBAL)
        return ipv4
