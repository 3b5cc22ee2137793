"""How many connections clients may have, and who leaves for a new one (RFC 7766 section 6.2.3). No I/O, no clock."""

from __future__ import annotations

import ipaddress
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from nat64.config.dns64_config import ClientLimits

Connection = TypeVar("Connection")

MOST_UNSENT: Final = 256 << 10
"""Bytes of responses that wait for one client to read."""
MOST_UNSENT_OF_ALL: Final = 16 << 20

_PRESSED_ABOVE: Final = 3 / 4
"""The share of all connections, with more than which an idle one leaves for a new one."""


class Standing(IntEnum):
    """What is to be done on a connection, and by whom: the first leave first."""

    IDLE = 0
    """It is the client's to ask."""
    OWING = 1
    """It is the client's to read."""
    WAITING = 2
    """It is ours to answer."""


class ConnectionTable(Generic[Connection]):
    """The open connections, of all listeners together.

    Who holds the most has to leave first, so that nobody can take all there are: a host with one connection keeps it,
    and gets another, however many of them others open.
    """

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        """May be changed; it holds for connections to come."""
        self.unsent = 0
        """Bytes of responses that wait for all clients to read."""
        self._hosts: dict[Connection, bytes] = {}
        self._of_host: dict[bytes, dict[Connection, None]] = {}
        self._standing: dict[Connection, Standing] = {}
        self._with: dict[Standing, dict[Connection, None]] = {standing: {} for standing in Standing}
        """The connections by their standing; those that have it for longest first."""

    def __len__(self) -> int:
        return len(self._hosts)

    @property
    def all(self) -> list[Connection]:
        """The open connections, the oldest first."""
        return list(self._hosts)

    def leaving_for(self, host: str) -> list[Connection] | None:
        """Return those that are to be closed before a host opens one more, ``None`` if it may not."""
        own = len(self._of_host.get(_host_key(host), ()))
        if own >= self.limits.connections_of_a_host:
            return None
        # More than one only when the limit was lowered since.
        excess = max(1, len(self) + 1 - self.limits.connections)
        if len(self) >= self.limits.connections:
            return self._first_to_leave(own, Standing.WAITING, excess) or None
        if len(self) > int(self.limits.connections * _PRESSED_ABOVE):
            return self._first_to_leave(own, Standing.IDLE, excess)
        return []

    def _first_to_leave(self, own: int, most: Standing, count: int) -> list[Connection]:
        """Return whom a host with `own` connections makes leave, none with a standing above `most`.

        They are of the host that holds the most; where none holds clearly more, of any that hold no less, and then who
        waits for us stays.
        """
        largest = max(map(len, self._of_host.values()))
        least = largest if largest > own + 1 else own
        if largest <= own + 1:
            most = min(most, Standing.OWING)
        among = (
            each
            for standing in Standing
            if standing <= most
            for each in self._with[standing]
            if len(self._of_host[self._hosts[each]]) >= least
        )
        return list(islice(among, count))

    def enter(self, connection: Connection, host: str) -> None:
        """Take in an open connection; it is idle."""
        key = _host_key(host)
        self._hosts[connection] = key
        self._of_host.setdefault(key, {})[connection] = None
        self._standing[connection] = Standing.IDLE
        self._with[Standing.IDLE][connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection. One that left already is no error."""
        key = self._hosts.pop(connection, None)
        if key is None:
            return
        del self._with[self._standing.pop(connection)][connection]
        of_host = self._of_host[key]
        del of_host[connection]
        if not of_host:
            del self._of_host[key]

    def note(self, connection: Connection, standing: Standing) -> None:
        """Note what is to be done on a connection."""
        before = self._standing.get(connection)
        if before is None or before is standing:
            return
        del self._with[before][connection]
        self._standing[connection] = standing
        self._with[standing][connection] = None


def _host_key(host: str) -> bytes:
    """Return what the addresses of one host have in common: all of IPv4, the /64 of IPv6 (RFC 8981: it has many)."""
    packed = ipaddress.ip_address(host.partition("%")[0]).packed
    return packed if len(packed) == 4 else packed[:8]
