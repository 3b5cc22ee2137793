"""How many connections clients may have, and who leaves for a new one (RFC 7766 section 6.2.3). No I/O, no clock."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from nat64.config.dns64_config import ClientLimits

Connection = TypeVar("Connection")

MOST_UNSENT: Final = 256 << 10
"""Bytes of responses that wait for one client to read."""
MOST_UNSENT_OF_ALL: Final = 16 << 20

_PRESSED_ABOVE: Final = 3 / 4
"""The share of all connections, with more than which the longest idle one leaves for a new one."""


class ConnectionTable(Generic[Connection]):
    """The open connections, of all listeners together."""

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        """May be changed; it holds for connections to come."""
        self.unsent = 0
        """Bytes of responses that wait for all clients to read."""
        self._hosts: dict[Connection, bytes] = {}
        self._of_host: Counter[bytes] = Counter()
        self._idle: dict[Connection, None] = {}
        """The longest idle one first."""

    def __len__(self) -> int:
        return len(self._hosts)

    @property
    def all(self) -> list[Connection]:
        """The open connections, the oldest first."""
        return list(self._hosts)

    def has_room_for(self, host: str) -> bool:
        """Tell whether a host may open one more. Where all have too many, one that is idle can leave for it."""
        if self._of_host[_host_key(host)] >= self.limits.connections_of_a_host:
            return False
        return len(self) < self.limits.connections or bool(self._idle)

    def leaving(self) -> list[Connection]:
        """Return those that are to be closed before one is opened: of the idle ones those that are so for longest."""
        if len(self) <= int(self.limits.connections * _PRESSED_ABOVE):
            return []
        # More than one only when the limit was lowered since.
        excess = max(1, len(self) + 1 - self.limits.connections)
        return list(self._idle)[:excess]

    def enter(self, connection: Connection, host: str) -> None:
        """Take in an open connection; it is idle."""
        key = _host_key(host)
        self._hosts[connection] = key
        self._of_host[key] += 1
        self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection. One that left already is no error."""
        key = self._hosts.pop(connection, None)
        if key is None:
            return
        self._idle.pop(connection, None)
        self._of_host[key] -= 1
        if not self._of_host[key]:
            del self._of_host[key]

    def note(self, connection: Connection, *, busy: bool) -> None:
        """Note whether the client of a connection waits for an answer."""
        if busy:
            self._idle.pop(connection, None)
        elif connection in self._hosts:
            self._idle.setdefault(connection)


def _host_key(host: str) -> bytes:
    """Return what the addresses of one host have in common: all of IPv4, the /64 of IPv6 (RFC 8981: it has many)."""
    packed = ipaddress.ip_address(host.partition("%")[0]).packed
    return packed if len(packed) == 4 else packed[:8]
