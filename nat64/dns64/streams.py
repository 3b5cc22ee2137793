"""Asks forwarders over TCP (RFC 7766) and TLS (RFC 7858), by connections that are kept for further questions."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64.asker import OUR_SHORTAGES, ForwarderError
from nat64.dns64.failure_pace import FailurePace
from nat64.dns64.query_padding import padded
from nat64.dns64.tls import explain

if TYPE_CHECKING:
    import ssl

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.asker import Asker
    from nat64.dns64.exchange import Ask
    from nat64.dns64.tls import TlsContexts

CONNECT_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 10.0
"""How long a connection without questions stays open."""
STALLED_SECONDS: Final = 1.0
"""A connection that brought nothing for so long, with a question on it, gets no more of them."""
MOST_WAITING: Final = 500
"""Questions on one connection at a time; another one is opened beyond."""
MOST_CONNECTIONS: Final = 32
"""Connections to one forwarder."""
MOST_USELESS: Final = 100
"""Messages that answer nothing before a connection is closed."""
_CLOSE_SECONDS: Final = 1.0
_LENGTH: Final = 2
"""Bytes of the length before each message (RFC 1035 section 4.2.2)."""


@dataclass(slots=True, eq=False)
class StreamWaiting:
    """A question that is on its way over a stream."""

    ask: Ask
    asker: Asker
    data: bytes
    """The message as it goes out."""
    since: float = 0.0
    connection: _Connection | None = None
    was_moved: bool = False
    """Whether it was put again over another connection already."""
    is_given_up: bool = False

    def give_up(self) -> None:
        """Want no reply any more."""
        self.is_given_up = True
        if self.connection is not None:
            self.connection.give_up(self)


class StreamForwarders:
    """The connections to all forwarders. Their replies and failures go to the askers."""

    def __init__(self, contexts: TlsContexts) -> None:
        self._contexts = contexts
        self._routes: dict[Forwarder, _Route] = {}

    def send(self, ask: Ask, asker: Asker) -> StreamWaiting:
        """Put a question to its forwarder.

        Raises `ForwarderError` when that cannot be asked now, and `OSError` for a shortage of ours.
        """
        data = padded(ask.data) if ask.forwarder.is_encrypted else ask.data
        waiting = StreamWaiting(ask, asker, data)
        self._put(waiting)
        return waiting

    def put_again(self, waiting: StreamWaiting) -> None:
        """Put a question over another connection than the one that was closed under it.

        RFC 7766 section 6.2.4: a server may close what it has kept for long, or after another's answer, just then.
        """
        now = asyncio.get_running_loop().time()
        waiting.was_moved = True
        try:
            self._put(waiting)
        except ForwarderError as error:
            waiting.asker.ask_failed(waiting.ask, now, why=str(error))
        except OSError as error:
            waiting.asker.ask_failed(waiting.ask, now, by_us=error.errno in OUR_SHORTAGES)

    def close(self) -> None:
        """Close all connections at once; nobody hears of it."""
        for route in self._routes.values():
            for connection in route.connections:
                connection.abort()
        self._routes.clear()

    def _put(self, waiting: StreamWaiting) -> None:
        for known in [known for known, route in self._routes.items() if route.is_forgettable]:
            del self._routes[known]
        forwarder = waiting.ask.forwarder
        route = self._routes.get(forwarder)
        if route is None:
            route = self._routes[forwarder] = _Route(self, forwarder)
        context = self._contexts.of(forwarder) if forwarder.is_encrypted else None
        route.connection(waiting.data[:2], context).put(waiting)


class _Route:
    """The connections to one forwarder, and how well they did."""

    def __init__(self, owner: StreamForwarders, forwarder: Forwarder) -> None:
        self.owner = owner
        self.forwarder = forwarder
        self.connections: list[_Connection] = []
        self._pace = FailurePace()

    @property
    def is_forgettable(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.connections and not self._pace.recent(asyncio.get_running_loop().time())

    def connection(self, ident: bytes, context: ssl.SSLContext | None) -> _Connection:
        """Return one that a message with that ID can go by. Raises `ForwarderError`, and `OSError` for a shortage."""
        for kept in self.connections:
            if kept.takes(ident):
                return kept
        self._pace.check(asyncio.get_running_loop().time())
        if len(self.connections) >= MOST_CONNECTIONS:
            raise OSError(errno.ENOBUFS, f"more than {MOST_CONNECTIONS} connections")
        fresh = _Connection(self, context)
        self.connections.append(fresh)
        return fresh

    def ended(self, connection: _Connection, failure: str | None) -> None:
        """Learn that a connection is closed; `failure` says why, if it brought no answer at all."""
        if connection in self.connections:
            self.connections.remove(connection)
        if failure is None:
            self._pace.succeeded()
        else:
            self._pace.failed(asyncio.get_running_loop().time(), failure)


class _Connection(asyncio.Protocol):
    """One connection, and the questions on it."""

    def __init__(self, route: _Route, context: ssl.SSLContext | None) -> None:
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        # None: given up, so that no late reply is taken for another question's (RFC 7766 section 6.2.1).
        self._waiting: dict[bytes, StreamWaiting | None] = {}
        self._last_used = self._last_heard = self._loop.time()
        self._has_answered = False
        self._is_stalled = False
        self._useless = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._opening = self._loop.create_task(self._open(context))

    def takes(self, ident: bytes) -> bool:
        """Tell whether a message with that ID can go this way."""
        return ident not in self._waiting and len(self._waiting) < MOST_WAITING and not self._is_stalled

    def put(self, waiting: StreamWaiting) -> None:
        """Put a question, as soon as the connection is open."""
        waiting.connection = self
        waiting.since = self._last_used = self._loop.time()
        self._waiting[waiting.data[:2]] = waiting
        if self._transport is not None:
            self._write(self._transport, waiting)

    def give_up(self, waiting: StreamWaiting) -> None:
        """Want no reply to a question any more."""
        ident = waiting.data[:2]
        if self._waiting.get(ident) is not waiting:
            return
        if self._transport is None:
            del self._waiting[ident]
        else:
            self._waiting[ident] = None
        if self._last_heard <= waiting.since and self._loop.time() - waiting.since >= STALLED_SECONDS:
            self._is_stalled = True

    def abort(self) -> None:
        """Close at once; those who wait hear nothing."""
        self._waiting.clear()
        self._opening.cancel()
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put what has waited for that."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's word for it
        self._transport = transport
        self._idle_timer = self._loop.call_later(IDLE_SECONDS, self._look_if_idle)
        for waiting in list(self._waiting.values()):
            if waiting is not None:
                self._write(transport, waiting)

    def data_received(self, data: bytes) -> None:
        """Take whole messages to those who wait for them."""
        received = self._received
        received += data
        self._last_heard = self._loop.time()
        while len(received) >= _LENGTH:
            end = _LENGTH + int.from_bytes(received[:_LENGTH], "big")
            if len(received) < end:
                return
            message = bytes(received[_LENGTH:end])
            del received[:end]
            self._take(message)

    def connection_lost(self, _error: Exception | None) -> None:
        """Put the questions again elsewhere."""
        self._stop_timer()
        why = "it closed the connection; see what its log says"
        self._route.ended(self, None if self._has_answered else why)
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if each is None or each.is_given_up:
                continue
            if each.was_moved:
                each.asker.ask_failed(each.ask, self._loop.time(), why=why)
            else:
                self._route.owner.put_again(each)

    async def _open(self, context: ssl.SSLContext | None) -> None:
        forwarder = self._route.forwarder
        endpoint = forwarder.endpoint
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.create_connection(
                    lambda: self,
                    str(endpoint.address),
                    endpoint.port,
                    ssl=context,
                    server_hostname=None if context is None else forwarder.tls_name or "",
                    ssl_handshake_timeout=None if context is None else CONNECT_SECONDS,
                    ssl_shutdown_timeout=None if context is None else _CLOSE_SECONDS,
                )
        except OSError as error:
            self._not_opened(error)

    def _not_opened(self, error: OSError) -> None:
        by_us = error.errno in OUR_SHORTAGES
        why = explain(self._route.forwarder, error)
        self._stop_timer()
        self._route.ended(self, why)
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if each is not None:
                each.asker.ask_failed(each.ask, self._loop.time(), by_us=by_us, why=why)

    def _write(self, transport: asyncio.Transport, waiting: StreamWaiting) -> None:
        transport.write(len(waiting.data).to_bytes(_LENGTH, "big") + waiting.data)

    def _take(self, message: bytes) -> None:
        waiting = self._waiting.pop(message[:2], None)
        if waiting is None:
            self._useless += 1
            if self._useless >= MOST_USELESS and self._transport is not None:
                self._transport.abort()
            return
        self._has_answered = True
        if not waiting.asker.reply_received(waiting.ask, message, self._last_heard):
            waiting.asker.ask_failed(waiting.ask, self._last_heard)

    def _look_if_idle(self) -> None:
        due = max(self._last_used, self._last_heard) + IDLE_SECONDS
        if self._transport is not None and due <= self._loop.time():
            self._is_stalled = True  # no question is to meet the closing
            self._transport.close()
            # What it does not read would keep the connection open, and one in the place of others.
            self._idle_timer = self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
        else:
            self._idle_timer = self._loop.call_at(due, self._look_if_idle)

    def _stop_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
