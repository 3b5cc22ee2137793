"""What a gateway tells another of its leases, and how that is written: rows of the control protocol. No I/O.

The reply to ``follow-leases`` does not end: line follows line, each with the rows that there are, at most `protocol.PAGE`; one
without rows says that all is well. First come all leases; from then on each as it is made, and every `REFRESH_SECONDS` those that
were used meanwhile, so that the other knows how lately.
"""

from __future__ import annotations

import math
from collections import deque
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from nat64.addressing.lease_agreement import ToldLease
from nat64.addressing.prefix import Pref64
from nat64.control.protocol import PAGE, CommandFailed, parse_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nat64.addressing.lease import Lease

COMMAND: Final = "follow-leases"
REFRESH_SECONDS: Final = 600.0
_MOST_MADE: Final = 10_000
"""Leases that wait to be told, for one follower; of more it hears when all are told again."""

Row = dict[str, object]


class LeaseFeed:
    """What one follower is told, and when. `leases` yields all that there are."""

    def __init__(self, leases: Callable[[], Iterable[Lease]]) -> None:
        self._leases = leases
        self._made: deque[Lease] = deque()
        self._walk: Iterator[Lease] | None = None
        self._walk_due = -math.inf
        self._used_since = -math.inf  # the walk tells of leases that were used then or later

    def made(self, lease: Lease) -> None:
        """Have a new lease told next."""
        if len(self._made) < _MOST_MADE:
            self._made.append(lease)
        else:
            self._made.clear()
            self._walk = None
            self._walk_due = self._used_since = -math.inf

    def next_rows(self, now: float) -> list[Row]:
        """Return what to tell now, most urgent first; nothing when all is told."""
        rows: list[Row] = []
        while self._made and len(rows) < PAGE:
            lease = self._made.popleft()
            if not lease.ended:
                rows.append(write_row(lease, now))
        if self._walk is None and now >= self._walk_due:
            self._walk = iter(list(self._leases()))
            self._walk_due = now + REFRESH_SECONDS
        while self._walk is not None and len(rows) < PAGE:
            on_walk = next(self._walk, None)
            if on_walk is None:
                self._walk = None
                self._used_since = self._walk_due - 2 * REFRESH_SECONDS
            elif not on_walk.ended and on_walk.used() >= self._used_since:
                rows.append(write_row(on_walk, now))
        return rows


def write_row(lease: Lease, now: float) -> Row:
    """Return the row of a lease: the addresses in their usual form, ``idle`` in whole seconds."""
    return {
        "host": str(IPv6Address(lease.host)),
        "prefix": None if lease.prefix is None else str(lease.prefix),
        "address": str(IPv4Address(lease.address)),
        "idle": max(0, int(now - lease.used())),
    }


def read_told(line: bytes) -> list[ToldLease]:
    """Read a line of the reply. Raises `CommandFailed` with the other's reason, or when it is none."""
    rows = parse_reply(line).get("rows")
    if not isinstance(rows, list):
        raise CommandFailed("a line without rows; see that both gateways run one version")
    try:
        return [_read_row(row) for row in rows[:PAGE]]
    except ValueError as error:
        raise CommandFailed(f"{error}; see that both gateways run one version") from None


def _read_row(row: object) -> ToldLease:
    match row:
        case {
            "host": str(host),
            "prefix": str() | None as prefix,
            "address": str(address),
            "idle": int() | float() as idle,
        } if math.isfinite(idle):
            return ToldLease(
                IPv6Address(host).packed,
                None if prefix is None else Pref64(IPv6Network(prefix)),
                IPv4Address(address).packed,
                float(idle),
            )
        case _:
            raise ValueError(f"{str(row)[:80]!r} is not a lease")
