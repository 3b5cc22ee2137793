"""The dynamic pool: IPv4 addresses leased to IPv6 hosts, by the rules of TAYGA."""

from __future__ import annotations

import heapq
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Network

    from nat64.addressing.prefix import Pref64

ACTIVE_SECONDS: Final = 7440.0
"""A lease answers packets from the IPv4 side for 124 minutes after its last packet."""

REMEMBERED_SECONDS: Final = 14 * 86400.0
"""A host finds its address again for two weeks, unless the pool ran full meanwhile."""

_LOOKS_PER_CALL: Final = 64
"""How many leases one call may look at while it searches for the longest idle one.

A lease is looked at again only when it was used since, so the search ends over a few calls, and no packet waits
for a walk through a large pool.
"""


class Lease:
    """One address of the pool in the hands of one host.

    `host` (16 octets) and `prefix` name whose it is: a reply to a pool address alone could not tell which
    prefix the host used. `address` is 4 octets. `last_use` is in seconds on the caller's clock and may be
    written by the caller: whoever sees a packet of a lease sets it. `ended` turns true when the address is
    taken away; a holder of the object then forgets it.
    """

    __slots__ = ("address", "ended", "host", "last_use", "prefix")

    def __init__(self, host: bytes, prefix: Pref64 | None, address: bytes, last_use: float) -> None:
        self.host = host
        self.prefix = prefix
        self.address = address
        self.last_use = last_use
        self.ended = False

    def is_active(self, now: float) -> bool:
        """Whether the lease was used within `ACTIVE_SECONDS`; otherwise it is dormant."""
        return now - self.last_use <= ACTIVE_SECONDS


class DynamicPool:
    """Leases of the addresses of one network.

    The lowest address is never leased, nor those in `excluded` (static maps, the translator's own address).
    `revision` grows with each lease made or ended, so that a saver knows when something changed. `observe`, if set,
    is called with "assigned", "reclaimed" or "forgotten" and the lease.
    """

    def __init__(self, network: IPv4Network, excluded: Iterable[IPv4Network] = ()) -> None:
        self.network = network
        self.revision = 0
        self.observe: Callable[[str, Lease], None] | None = None
        self._base = int(network.network_address)
        self._taken = bytearray(network.num_addresses)
        self._taken[0] = 1
        for other in excluded:
            if other.overlaps(network):
                first = max(int(other.network_address) - self._base, 0)
                last = min(int(other.broadcast_address) - self._base, network.num_addresses - 1)
                self._taken[first : last + 1] = b"\x01" * (last + 1 - first)
        self._free = self._taken.count(0)
        self.size = self._free
        self._by_host: dict[tuple[bytes, Pref64 | None], Lease] = {}
        self._by_address: dict[bytes, Lease] = {}
        # Idle times, oldest first: (last use when the entry was made, tie breaker, lease). A lease that was used since
        # keeps its old entry until that entry comes up; then it is filed anew.
        self._idle: list[tuple[float, int, Lease]] = []
        self._filed = 0

    def __len__(self) -> int:
        return len(self._by_host)

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._by_host.values())

    def assign(self, host: bytes, prefix: Pref64 | None, now: float) -> Lease | None:
        """Return the lease of (`host`, `prefix`), made or reactivated as needed, and used `now`.

        A host starts at a place that a hash of its address gives, so that it gets the same address again
        where that is free. When none is free, the longest-idle dormant lease ends and its address is used.
        None when every lease is active.
        """
        lease = self._by_host.get((host, prefix))
        if lease is not None:
            lease.last_use = now
            return lease
        if self._free:
            offset = self._next_free(host, prefix)
        else:
            oldest = self._longest_idle(now, ACTIVE_SECONDS)
            if oldest is None:
                return None
            offset = self._offset(oldest.address)
            self._end(oldest, "reclaimed")
        lease = self._start(host, prefix, offset, now)
        if self.observe is not None:
            self.observe("assigned", lease)
        return lease

    def of_host(self, host: bytes, prefix: Pref64 | None) -> Lease | None:
        """Return the lease of (`host`, `prefix`), active or dormant, if there is one. It is not marked used."""
        return self._by_host.get((host, prefix))

    def of_address(self, address: bytes, now: float) -> Lease | None:
        """Return the active lease of `address`, if there is one. It is not marked used."""
        lease = self._by_address.get(address)
        return lease if lease is not None and lease.is_active(now) else None

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

    def forget(self, now: float) -> list[Lease]:
        """End leases idle for `REMEMBERED_SECONDS`, some at a time, and return those that ended.

        Called once a second, this also keeps the longest-idle dormant lease at hand, for `assign` to take at once.
        """
        ended: list[Lease] = []
        while len(ended) < _LOOKS_PER_CALL:
            oldest = self._longest_idle(now, ACTIVE_SECONDS)
            if oldest is None:
                break
            if now - oldest.last_use <= REMEMBERED_SECONDS:
                self._file(oldest)
                break
            self._end(oldest, "forgotten")
            ended.append(oldest)
        return ended

    def _offset(self, address: bytes) -> int:
        return int.from_bytes(address, "big") - self._base

    def _next_free(self, host: bytes, prefix: Pref64 | None) -> int:
        start = zlib.crc32(host + (prefix.head if prefix is not None else b"")) % len(self._taken)
        offset = self._taken.find(0, start)
        return offset if offset >= 0 else self._taken.find(0)

    def _start(self, host: bytes, prefix: Pref64 | None, offset: int, last_use: float) -> Lease:
        lease = Lease(host, prefix, (self._base + offset).to_bytes(4, "big"), last_use)
        self._taken[offset] = 1
        self._free -= 1
        self._by_host[host, prefix] = lease
        self._by_address[lease.address] = lease
        self._file(lease)
        self.revision += 1
        return lease

    def _file(self, lease: Lease) -> None:
        self._filed += 1
        heapq.heappush(self._idle, (lease.last_use, self._filed, lease))

    def _longest_idle(self, now: float, idle_for: float) -> Lease | None:
        """Take the longest-idle lease off the heap if it was idle for more than `idle_for` seconds.

        The caller ends it. None when there is none, or when it was not found within `_LOOKS_PER_CALL`.
        """
        for _ in range(_LOOKS_PER_CALL):
            if not self._idle or now - self._idle[0][0] <= idle_for:
                return None  # filed times are never later than real ones: nothing is idle for so long
            filed_use, _, lease = heapq.heappop(self._idle)
            if filed_use == lease.last_use:
                return lease
            self._file(lease)
        return None

    def _end(self, lease: Lease, event: str) -> None:
        lease.ended = True
        del self._by_host[lease.host, lease.prefix]
        del self._by_address[lease.address]
        self._taken[self._offset(lease.address)] = 0
        self._free += 1
        self.revision += 1
        if self.observe is not None:
            self.observe(event, lease)
