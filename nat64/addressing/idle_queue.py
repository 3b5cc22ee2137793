"""Leases by how long they have been idle."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.addressing.lease import Lease

LOOKS_PER_CALL: Final = 64
"""How many leases one call may look at while it searches for the longest idle one.

A lease is looked at again only when it was used since, so the search ends over a few calls, and no packet waits
for a walk through a large pool.
"""


class IdleQueue:
    """Finds the longest-idle lease without being told of each use."""

    def __init__(self) -> None:
        # Oldest first: (last use when the entry was made, tie breaker, lease). A lease that was used since keeps its
        # old entry until that entry comes up; then it is filed anew.
        self._entries: list[tuple[float, int, Lease]] = []
        self._filed = 0

    def __len__(self) -> int:
        """How many entries there are, those of ended leases among them."""
        return len(self._entries)

    def file(self, lease: Lease) -> None:
        """Put in a lease that is new, or that `take` gave and that did not end."""
        self._filed += 1
        heapq.heappush(self._entries, (lease.used(), self._filed, lease))

    def take(self, now: float, idle_for: float) -> Lease | None:
        """Take out the longest-idle lease if it was idle for more than `idle_for` seconds at `now`.

        None when there is none, or when it was not found within `LOOKS_PER_CALL`.
        """
        for _ in range(LOOKS_PER_CALL):
            if not self._entries or now - self._entries[0][0] <= idle_for:
                return None  # filed times are never later than real ones: nothing is idle for so long
            filed_use, _, lease = heapq.heappop(self._entries)
            if lease.ended:
                continue
            if filed_use == lease.used():
                return lease
            self.file(lease)
        return None

    def drop_ended(self) -> None:
        """Forget the entries of ended leases."""
        self._entries = [entry for entry in self._entries if not entry[2].ended]
        heapq.heapify(self._entries)
