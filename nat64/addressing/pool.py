"""The dynamic pool: IPv4 addresses leased to IPv6 hosts, by the rules of TAYGA."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from nat64.addressing.host_limit import HostLimit
from nat64.addressing.idle_queue import LOOKS_PER_CALL, IdleQueue
from nat64.addressing.lease import ACTIVE_SECONDS, REMEMBERED_SECONDS, Lease
from nat64.addressing.unmappable import Unmappable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Network

    from nat64.addressing.host_limit import HostsPerPrefix
    from nat64.addressing.lease import Carrier
    from nat64.addressing.prefix import Pref64


class DynamicPool:
    """Leases of the addresses of one network.

    The lowest address is never leased, nor those in `excluded` (static maps, the translator's own address).
    `hosts_per_prefix` bounds what one IPv6 network may hold; what is restored is kept beyond that.
    `revision` grows with each lease made or ended, so that a saver knows when something changed. Each of
    `observers` is called with "assigned", "reclaimed" or "forgotten" and the lease.
    """

    def __init__(
        self,
        network: IPv4Network,
        excluded: Iterable[IPv4Network] = (),
        hosts_per_prefix: HostsPerPrefix | None = None,
    ) -> None:
        self.network = network
        self.revision = 0
        self.observers: list[Callable[[str, Lease], None]] = []
        self._base = int(network.network_address)
        self._taken = bytearray(network.num_addresses)
        self._reserved: list[tuple[int, int]] = []  # the first offset, and the one after the last
        self._by_host: dict[tuple[bytes, Pref64 | None], Lease] = {}
        self._by_address: dict[bytes, Lease] = {}
        self._idle = IdleQueue()
        self._limit = HostLimit(hosts_per_prefix) if hosts_per_prefix is not None else None
        self._carrier: Carrier | None = None
        self.reserve(excluded)

    def carry_by(self, carrier: Carrier | None) -> None:
        """Tell `carrier` of each lease made or ended from now on, and count its uses of all; None: nobody any more."""
        self._carrier = carrier
        for lease in self:
            lease.last_use = lease.used()  # as the one before saw it
            lease.carrier = carrier

    def reserve(self, excluded: Iterable[IPv4Network]) -> int:
        """Lease `excluded` no more, and what was excluded before again. Returns how many leases end by that.

        It costs nothing for the leases that stay.
        """
        for first, end in self._reserved:
            self._taken[first:end] = bytes(end - first)
        self._reserved = [(0, 1), *filter(None, map(self._offsets, excluded))]
        self._taken[0] = 0
        lost = [lease for first, end in self._reserved for lease in self._held(first, end)]
        for lease in lost:
            if not lease.ended:  # networks may contain one another
                self._end(lease, "reclaimed")
        for first, end in self._reserved:
            self._taken[first:end] = b"\x01" * (end - first)
        self._free = self._taken.count(0)
        self.size = self._free + len(self._by_host)
        return len({lease.address for lease in lost})

    def __len__(self) -> int:
        return len(self._by_host)

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._by_host.values())

    def assign(self, host: bytes, prefix: Pref64 | None, now: float) -> Lease | Unmappable:
        """Return the lease of (`host`, `prefix`), made or reactivated as needed, and used `now`.

        A host starts at a place that a hash of its address gives, so that it gets the same address again
        where that is free. When none is free, the longest-idle dormant lease ends and its address is used; that of
        the host's own network when this one holds all that it may. Refused when each of those leases is active.
        """
        lease = self._by_host.get((host, prefix))
        if lease is not None:
            lease.last_use = now
            return lease
        if self._limit is not None and self._limit.is_reached(host):
            oldest = self._limit.longest_idle(host, now, ACTIVE_SECONDS)
            if oldest is None:
                return Unmappable.PREFIX_EXHAUSTED
            self._end(oldest, "reclaimed")
        if self._free:
            offset = self._next_free(host, prefix)
        else:
            oldest = self._idle.take(now, ACTIVE_SECONDS)
            if oldest is None:
                return Unmappable.POOL_EXHAUSTED
            offset = self._offset(oldest.address)
            self._end(oldest, "reclaimed")
        lease = self._start(host, prefix, offset, now)
        for observe in self.observers:
            observe("assigned", lease)
        return lease

    def of_host(self, host: bytes, prefix: Pref64 | None) -> Lease | None:
        """Return the lease of (`host`, `prefix`), active or dormant, if there is one. It is not marked used."""
        return self._by_host.get((host, prefix))

    def of_address(self, address: bytes, now: float) -> Lease | None:
        """Return the active lease of `address`, if there is one. It is not marked used."""
        lease = self._by_address.get(address)
        return lease if lease is not None and lease.is_active(now) else None

    def holder_of(self, address: bytes) -> Lease | None:
        """Return the lease of `address`, active or dormant, if there is one."""
        return self._by_address.get(address)

    def contains(self, address: bytes) -> bool:
        """Whether `address` lies in the pool's network."""
        return 0 <= int.from_bytes(address, "big") - self._base < len(self._taken)

    def restore(self, host: bytes, prefix: Pref64 | None, address: bytes, last_use: float) -> str | None:
        """Put back a remembered lease. Returns why not, or None when it was put back."""
        if not self.contains(address):
            return f"the address is outside {self.network}"
        offset = self._offset(address)
        if self._taken[offset]:
            return "the address is taken" if address in self._by_address else "the address is reserved"
        if (host, prefix) in self._by_host:
            return "the host has another address"
        self._start(host, prefix, offset, last_use)
        return None

    def take_over(self, host: bytes, prefix: Pref64 | None, address: bytes, last_use: float) -> str | None:
        """Put back a lease that is in use, in place of what was restored for its host or its address.

        Returns why not, or None when it was put back.
        """
        lease = self._by_host.get((host, prefix))
        if lease is not None and lease.address == address:
            lease.last_use = max(lease.last_use, last_use)
            return None
        if not self.contains(address) or (
            self._taken[self._offset(address)] and address not in self._by_address
        ):
            return self.restore(host, prefix, address, last_use)
        for stale in (lease, self._by_address.get(address)):
            if stale is not None:
                self._end(stale, "reclaimed")
        return self.restore(host, prefix, address, last_use)

    def forget(self, now: float) -> list[Lease]:
        """End leases idle for `REMEMBERED_SECONDS`, some at a time, and return those that ended.

        Called once a second, this also keeps the longest-idle dormant lease at hand, for `assign` to take at once.
        """
        ended: list[Lease] = []
        while len(ended) < LOOKS_PER_CALL:
            oldest = self._idle.take(now, ACTIVE_SECONDS)
            if oldest is None:
                break
            if now - oldest.used() <= REMEMBERED_SECONDS:
                self._idle.file(oldest)
                break
            self._end(oldest, "forgotten")
            ended.append(oldest)
        return ended

    def _offsets(self, network: IPv4Network) -> tuple[int, int] | None:
        """Return where `network` begins in the pool, and where it has ended, or None where it does not lie in it."""
        first = int(network.network_address) - self._base
        end = first + (1 << 32 - network.prefixlen)
        if first >= len(self._taken) or end <= 0:
            return None
        return max(first, 0), min(end, len(self._taken))

    def _held(self, first: int, end: int) -> Iterator[Lease]:
        """Yield the leases of addresses from `first` to before `end`, while nothing else is taken."""
        at = self._taken.find(1, first, end)
        while at >= 0:
            yield self._by_address[(self._base + at).to_bytes(4, "big")]
            at = self._taken.find(1, at + 1, end)

    def _offset(self, address: bytes) -> int:
        return int.from_bytes(address, "big") - self._base

    def _next_free(self, host: bytes, prefix: Pref64 | None) -> int:
        start = zlib.crc32(host + (prefix.head if prefix is not None else b"")) % len(self._taken)
        offset = self._taken.find(0, start)
        return offset if offset >= 0 else self._taken.find(0)

    def _start(self, host: bytes, prefix: Pref64 | None, offset: int, last_use: float) -> Lease:
        lease = Lease(host, prefix, (self._base + offset).to_bytes(4, "big"), last_use)
        lease.carrier = self._carrier
        self._taken[offset] = 1
        self._free -= 1
        self._by_host[host, prefix] = lease
        self._by_address[lease.address] = lease
        self._idle.file(lease)
        if self._limit is not None:
            self._limit.started(lease)
        if self._carrier is not None:
            self._carrier.started(lease)
        self.revision += 1
        return lease

    def _end(self, lease: Lease, event: str) -> None:
        lease.ended = True
        del self._by_host[lease.host, lease.prefix]
        del self._by_address[lease.address]
        self._taken[self._offset(lease.address)] = 0
        self._free += 1
        if self._limit is not None:
            self._limit.ended(lease)
        if self._carrier is not None:
            self._carrier.ended(lease)
        self.revision += 1
        for observe in self.observers:
            observe(event, lease)
