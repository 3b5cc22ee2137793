"""One NAT64 prefix and what belongs to it: the maps and the leases of the hosts that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.addressing.special_purpose import is_global, may_translate_ipv4
from nat64.addressing.unmappable import Unmappable, UnmappableError

if TYPE_CHECKING:
    from nat64.addressing.eamt import Eamt
    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.addressing.prefix import Pref64


class PrefixMap:
    """`prefix` with its `eamt` and its `pool`. All methods raise `UnmappableError`.

    Without a prefix there is only what maps and pool say. `wkpf_strict` refuses non-global IPv4 addresses through the
    Well-Known Prefix; `is_global_only` tells whether that holds for this one.
    """

    def __init__(
        self, prefix: Pref64 | None, eamt: Eamt, pool: DynamicPool | None, *, wkpf_strict: bool
    ) -> None:
        self.prefix = prefix
        self.eamt = eamt
        self.pool = pool
        self.is_global_only = wkpf_strict and prefix is not None and prefix.is_well_known

    def embed(self, ipv4: bytes) -> bytes:
        """Return the IPv6 address that stands for `ipv4` in the prefix."""
        if self.prefix is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        self._check(ipv4)
        return self.prefix.embed(ipv4)

    def extract(self, ipv6: bytes) -> bytes | None:
        """Return the IPv4 address inside `ipv6`, or None when `ipv6` is not in the prefix."""
        ipv4 = self.prefix.extract(ipv6) if self.prefix is not None else None
        if ipv4 is not None:
            self._check(ipv4)
        return ipv4

    def lease_of(self, host: bytes) -> Lease | None:
        """Return the lease of `host`, active or dormant, if there is one."""
        return self.pool.of_host(host, self.prefix) if self.pool is not None else None

    def lease_to(self, host: bytes, now: float) -> Lease:
        """Return the lease of `host`, made if there is none, and used `now`."""
        if self.pool is None:
            raise UnmappableError(Unmappable.NO_MAPPING)
        lease = self.pool.assign(host, self.prefix, now)
        if isinstance(lease, Unmappable):
            raise UnmappableError(lease)
        return lease

    def _check(self, ipv4: bytes) -> None:
        if not may_translate_ipv4(ipv4):
            raise UnmappableError(Unmappable.NEVER_TRANSLATED)
        if self.is_global_only and not is_global(ipv4):
            raise UnmappableError(Unmappable.NOT_GLOBAL)
