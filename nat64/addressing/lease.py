"""A lease of the dynamic pool: one address in the hands of one host, by the rules of TAYGA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from nat64.addressing.prefix import Pref64

ACTIVE_SECONDS: Final = 7440.0
"""A lease answers packets from the IPv4 side for 124 minutes after its last packet."""

REMEMBERED_SECONDS: Final = 14 * 86400.0
"""A host finds its address again for two weeks, unless the pool ran full meanwhile."""


class Carrier(Protocol):
    """Who translates for leases beside the caller, and does not tell of each packet: the fast path."""

    def started(self, lease: Lease) -> None:
        """Take up a lease that was made just now."""

    def ended(self, lease: Lease) -> None:
        """Translate for it no more."""

    def last_use(self, lease: Lease) -> float:
        """Return when it was last used there, in seconds on the pool's clock."""


class Lease:
    """One address of the pool in the hands of one host.

    `host` (16 octets) and `prefix` name whose it is: a reply to a pool address alone could not tell which
    prefix the host used. `address` is 4 octets. `last_use` is in seconds on the caller's clock and may be
    written by the caller: whoever sees a packet of a lease sets it. What a `carrier` saw, if there is one, stands with
    that: `used` counts both. `ended` turns true when the address is taken away; a holder of the object then forgets it.
    """

    __slots__ = ("address", "carrier", "ended", "host", "last_use", "prefix")

    def __init__(self, host: bytes, prefix: Pref64 | None, address: bytes, last_use: float) -> None:
        self.host = host
        self.prefix = prefix
        self.address = address
        self.last_use = last_use
        self.carrier: Carrier | None = None
        self.ended = False

    def used(self) -> float:
        """Return when it was last used, whoever saw it."""
        if self.carrier is None:
            return self.last_use
        return max(self.last_use, self.carrier.last_use(self))

    def is_active(self, now: float) -> bool:
        """Whether the lease was used within `ACTIVE_SECONDS`; otherwise it is dormant."""
        return now - self.last_use <= ACTIVE_SECONDS or (
            self.carrier is not None and now - self.used() <= ACTIVE_SECONDS
        )
