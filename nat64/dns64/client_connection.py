"""What a client does on its connection, and how long it may take (RFC 7766 sections 6.2 and 7). No I/O, no clock.

A client has its time for each thing that it has to do: sending a query that it began, taking the responses, asking
again. What takes us long is not held against it.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from nat64.dns64.connection_table import Standing
from nat64.dns64.framing import Framing

MOST_PIPELINED: Final = 32
"""Queries of a connection that are answered at the same time; nothing more is read beyond."""
QUERY_SECONDS: Final = 5.0
"""How long a query may take to come in, once it has begun; and a TLS handshake."""
TAKING_SECONDS: Final = 5.0
"""How long a client may take to read what was sent, until nothing waits for it any more."""
DRAINED_SECONDS: Final = 0.05
"""While draining: how long a connection without a query stays open, for one that is under way."""
BEGUN_WHILE_DRAINING: Final = 1.0
"""While draining: how long a query may take to come in."""


class Overdue(Enum):
    """Why a connection is closed, as it is counted."""

    IDLE = "tcp_idle"
    SLOW_QUERY = "tcp_slow_query"
    UNREAD = "tcp_unread"
    """What we sent; it is thrown away."""


class ClientConnection:
    """One connection's state. Times are seconds of a clock that only goes forward."""

    def __init__(self, now: float, idle: float, *, shaken: bool = True) -> None:
        """Begin with an open connection that may be idle for so long; `shaken`: it needs no handshake any more."""
        self.idle = idle
        self.outstanding = 0
        """Queries taken that are not answered yet."""
        self.draining = False
        self._framing = Framing()
        self._ended = False
        self._unsent = 0
        self._unsent_since = now
        self._idle_since = now
        self._begun_since = now
        self._shaken = shaken

    @property
    def held(self) -> int:
        """Bytes of queries that are held."""
        return len(self._framing)

    @property
    def unsent(self) -> int:
        """Bytes of responses that the client has not made room for."""
        return self._unsent

    @property
    def may_read(self) -> bool:
        """Whether more is to be read from the client: not before it takes what it has asked for."""
        return not self._ended and self.has_room

    @property
    def has_room(self) -> bool:
        """Whether another query may be taken."""
        return self.outstanding < MOST_PIPELINED and not self._unsent

    @property
    def has_query(self) -> bool:
        """Whether a query can be taken."""
        return self.has_room and self._framing.is_ready

    @property
    def standing(self) -> Standing:
        """What is to be done next, and by whom."""
        if self._unsent:
            return Standing.OWING
        return Standing.WAITING if self.outstanding else Standing.IDLE

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to come any more, from either side."""
        return self._ended and self.standing is Standing.IDLE and not self._framing.is_ready

    def shaken(self, now: float) -> None:
        """Note the end of the TLS handshake."""
        self._shaken = True
        self._idle_since = now

    def received(self, data: bytes, now: float) -> None:
        """Take bytes from the client."""
        if self._ended:
            return
        if not self.held:
            self._begun_since = now
        self._framing.add(data)

    def take_query(self, now: float) -> bytes | None:
        """Return the next query, ``None`` if there is none to take. It is to be `answered`."""
        if not self.has_room:
            return None
        query = self._framing.take()
        if query is not None:
            self.outstanding += 1
            self._begun_since = now
        return query

    def answered(self, now: float) -> None:
        """Note that a query is answered, or never will be."""
        if not self.has_room:
            self._begun_since = now  # it could not send the rest of the next one before
        self.outstanding -= 1
        self._idle_since = now

    def sent(self, unsent: int, now: float) -> None:
        """Note how many bytes of what was sent the client has not made room for."""
        if unsent and not self._unsent:
            self._unsent_since = now
        elif self._unsent and not unsent:
            self._idle_since = self._begun_since = now
        self._unsent = unsent

    def end(self, *, forget: bool = False) -> None:
        """Take nothing more from the client, and answer what came; `forget`: only what was taken already."""
        self._ended = True
        if forget:
            self._framing = Framing()

    def drain(self, now: float) -> None:
        """Leave soon: take what is under way, answer it, and be done."""
        self.draining = True
        self._idle_since = max(self._idle_since, now)
        self._begun_since = max(self._begun_since, now)

    def deadline(self) -> float:
        """Return when the client will have taken too long; infinity while it waits for us."""
        return self._limit()[0]

    def overdue(self, now: float) -> Overdue | None:
        """Tell whether the client has taken too long, and with what."""
        at, why = self._limit()
        return why if now >= at else None

    def _limit(self) -> tuple[float, Overdue | None]:
        if self._unsent:
            return self._unsent_since + TAKING_SECONDS, Overdue.UNREAD
        if self.may_read and (self.held or not self._shaken):
            patience = BEGUN_WHILE_DRAINING if self.draining else QUERY_SECONDS
            return self._begun_since + patience, Overdue.SLOW_QUERY
        if not self.outstanding:
            patience = min(self.idle, DRAINED_SECONDS) if self.draining else self.idle
            return self._idle_since + patience, Overdue.IDLE
        return math.inf, None
