"""A client's TCP connection: the asyncio adapter of `ClientConnection`. Answers leave as they are ready (RFC 7766)."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final, Protocol, cast

from nat64.dns64.client_connection import TAKING_SECONDS, ClientConnection, Overdue
from nat64.dns64.connection_table import MOST_UNSENT, MOST_UNSENT_OF_ALL
from nat64.dns64.framing import framed
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.connection_table import ConnectionTable
    from nat64.dns64.service import Service

log = logging.getLogger(__name__)

READ_SIZE: Final = 4 << 10
"""Bytes read at a time."""
QUERIES_A_TURN: Final = 32
"""Queries of one connection that are answered before others have their turn."""
_COLLECTED: Final = 16 << 10
"""Bytes of responses that are collected before they are sent, as long as more queries are there to be answered."""


class Shared(Protocol):
    """What the connections of all listeners share."""

    service: Service
    begin: Callable[[], None]
    table: ConnectionTable[TcpConnection]
    buffer: bytearray
    """Of `READ_SIZE`: what came is taken out of it before anyone else reads."""


class TcpConnection(asyncio.BufferedProtocol):
    """One client's connection, from its being accepted to its end."""

    kind = Transport.TCP

    def __init__(self, shared: Shared, host: str) -> None:
        self.host = host
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()
        """Set when nothing is to be awaited of it any more."""
        self._closing = False
        self._serving = False
        self._reading = True
        self._out = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._state = ClientConnection(self._loop.time(), shared.table.limits.idle, shaken=self._is_shaken())
        shared.table.enter(self, host)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; or end, if it was closed before."""
        self._transport = cast("asyncio.Transport", transport)
        if self._closing:
            self._transport.abort()
            return
        # Without a mark to fall below, `resume_writing` would come with bytes still unsent.
        self._transport.set_write_buffer_limits(high=0)
        self._settle()

    def get_buffer(self, _sizehint: int) -> bytearray:
        """Return where to read to."""
        return self._shared.buffer

    def buffer_updated(self, size: int) -> None:
        """Take what was read."""
        if not self._closing:
            self._received(bytes(self._shared.buffer[:size]))
            self._serve()

    def eof_received(self) -> bool:
        """Answer what has come; nothing more does."""
        self._state.end()
        self._settle()
        return True  # it may only have closed its own direction, and still wait for answers

    def resume_writing(self) -> None:
        """Go on: everything is sent."""
        self._note_sent()
        self._serve()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the client, who has gone."""
        self._forget()

    # What the listeners call.

    def drain(self) -> None:
        """Take what is under way, answer it, and close."""
        self._state.drain(self._loop.time())
        self._settle()

    def close(self) -> None:
        """Close, once the client has what was sent."""
        if not self._closing:
            self._forget()
            if self._transport is not None:
                self._say_goodbye()
                self._transport.close()
                if self._transport.get_write_buffer_size():
                    self._loop.call_later(TAKING_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Close at once, whatever is not sent yet."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    # What another transport does differently.

    def _is_shaken(self) -> bool:
        return True

    def _received(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._state.received(data, self._loop.time())

    def _holds_enough(self) -> bool:
        """Tell whether what came from the network already is enough for now."""
        return False

    def _read_more(self) -> bool:
        """Read on in what came from the network already; tell whether there was something."""
        return False

    def _send(self, data: bytes) -> None:
        """Send bytes of the client's stream."""
        self._write(data)

    def _say_goodbye(self) -> None:
        """Send what tells the client that nothing more comes."""

    # The connection's life.

    def _write(self, data: bytes) -> None:
        """Hand bytes to the network."""
        if self._transport is not None and data and not self._transport.is_closing():
            self._transport.write(data)
            self._note_sent()

    def _serve(self) -> None:
        """Answer what the client has asked, as far as it may be taken now."""
        if self._serving or self._closing:
            return
        self._serving = True
        left = QUERIES_A_TURN
        try:
            while not self._closing:
                query = self._state.take_query(self._loop.time()) if left else None
                if query is not None:
                    left -= 1
                    self._answer(query)
                elif not left:
                    self._flush()
                    self._loop.call_soon(self._serve)
                    break
                elif not (self._flush() and (self._state.has_query or self._read_more())):
                    break
        finally:
            self._serving = False
        self._settle()

    def _answer(self, query: bytes) -> None:
        shared = self._shared
        now = self._loop.time()
        try:
            response = shared.service.message_received(
                query, self.host, transport=self.kind, now=now, deliver=self._deliver
            )
            if isinstance(response, bytes):
                self._respond(response)
            elif response is None:
                self._state.answered(now)
                self._state.end(forget=True)  # who sends what is no query has nothing to say
            shared.begin()
        except Exception:
            log.exception("a query failed by a fault of ours")
            self.abort()

    def _deliver(self, response: bytes) -> None:
        """Take the response to a query that it took time to answer."""
        if self._closing:
            return
        self._respond(response)
        if self._serving:
            return
        self._flush()
        if self._state.has_query or not self._reading:
            self._loop.call_soon(self._serve)  # not from here: the answer to that may be delivered from there
        else:
            self._settle()

    def _respond(self, response: bytes) -> None:
        self._out += framed(response)
        self._state.answered(self._loop.time())
        if len(self._out) >= _COLLECTED:
            self._flush()

    def _flush(self) -> bool:
        """Send the responses that were collected; tell whether the connection stands."""
        if self._out and not self._closing:
            out, self._out = bytes(self._out), bytearray()
            unsent = self._state.unsent
            if unsent and (
                unsent + len(out) > MOST_UNSENT or self._shared.table.unsent + len(out) > MOST_UNSENT_OF_ALL
            ):
                self._give_up(Overdue.UNREAD)
            else:
                self._send(out)
        return not self._closing

    def _note_sent(self) -> None:
        if self._transport is not None and not self._closing:
            before = self._state.unsent
            unsent = self._transport.get_write_buffer_size()
            self._state.sent(unsent, self._loop.time())
            self._shared.table.unsent += unsent - before

    def _settle(self) -> None:
        """Read or not, close or not, and look after the time."""
        if self._closing or self._transport is None:
            return
        state = self._state
        if state.is_over:
            self.close()
            return
        reading = state.may_read and not state.has_query and not self._holds_enough()
        if reading is not self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        self._shared.table.note(self, state.standing)
        deadline = state.deadline()
        if deadline < self._timer_at:
            self._set_timer(deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look) if at < math.inf else None

    def _look(self) -> None:
        """Close if the client has taken too long; else look again when that may be."""
        overdue = self._state.overdue(self._loop.time())
        if overdue is None:
            self._timer = None
            self._set_timer(self._state.deadline())
        else:
            self._give_up(overdue)

    def _give_up(self, why: Overdue) -> None:
        if not self._state.draining:
            self._shared.service.statistics.counters[why.value] += 1
        if why is Overdue.UNREAD:
            self.abort()
        else:
            self.close()

    def _forget(self) -> None:
        """Have nothing to do with the client any more; answers that are still delivered go nowhere."""
        if self._closing:
            return
        self._closing = True
        self.closed.set()
        self._shared.table.unsent -= self._state.unsent
        self._shared.table.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
