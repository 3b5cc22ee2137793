"""How many addresses of the dynamic pool the hosts of one IPv6 network may hold: `max-hosts-per-prefix`.

A host may give itself as many addresses of its /64 as it likes (RFC 7934), and one alone could take the whole pool from
all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nat64.addressing.idle_queue import IdleQueue

if TYPE_CHECKING:
    from nat64.addressing.lease import Lease


class HostsPerPrefix(NamedTuple):
    """At most `hosts` leases for the addresses that have their first `length` bits in common."""

    length: int
    hosts: int


class _Held:
    """The leases of one network."""

    __slots__ = ("count", "idle")

    def __init__(self) -> None:
        self.count = 0
        self.idle = IdleQueue()


class HostLimit:
    """Counts the leases of each network by `allowed`."""

    def __init__(self, allowed: HostsPerPrefix) -> None:
        self._hosts = allowed.hosts
        self._shift = 128 - allowed.length
        self._held: dict[int, _Held] = {}

    def is_reached(self, host: bytes) -> bool:
        """Whether the network of `host` (16 octets) holds all the leases that it may."""
        held = self._held.get(self._network(host))
        return held is not None and held.count >= self._hosts

    def longest_idle(self, host: bytes, now: float, idle_for: float) -> Lease | None:
        """Take the longest-idle lease of the network of `host`, for the caller to end it, as `IdleQueue.take` does."""
        held = self._held.get(self._network(host))
        return held.idle.take(now, idle_for) if held is not None else None

    def started(self, lease: Lease) -> None:
        """Count a lease."""
        held = self._held.setdefault(self._network(lease.host), _Held())
        held.count += 1
        held.idle.file(lease)

    def ended(self, lease: Lease) -> None:
        """Count a lease no more; it is marked as ended."""
        network = self._network(lease.host)
        held = self._held[network]
        held.count -= 1
        if not held.count:
            del self._held[network]
        elif len(held.idle) > 2 * held.count:
            held.idle.drop_ended()

    def _network(self, host: bytes) -> int:
        return int.from_bytes(host, "big") >> self._shift
