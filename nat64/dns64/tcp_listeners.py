"""Takes connections from clients over TCP, as many as may be: the asyncio adapter.

The server makes one `TcpListeners`, which `serve`s each listening socket, and `configure`s it at a reload. All
connections, those over TLS too (`TlsListeners`), are in its table. `drain` is for the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Final

from nat64.dns64.connection_table import ConnectionTable
from nat64.dns64.tcp_connection import READ_SIZE, TcpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nat64.config.dns64_config import ClientLimits
    from nat64.dns64.service import Service

log = logging.getLogger(__name__)

_BURST: Final = 64
"""Connections accepted before others have their turn."""
_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SHORTAGE_SECONDS: Final = 1.0
"""How long nothing is accepted after the host had no descriptor or memory for it."""
_SEND_BUFFER: Final = 128 << 10
"""Bytes that the kernel takes of what a client does not read; by itself it would take some MiB."""


class Tasks:
    """Keeps the tasks under way alive, and ends them together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` beside the rest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for them all."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()


class TcpListeners:
    """Serves clients over TCP, and has the connections of all listeners."""

    def __init__(self, service: Service, begin: Callable[[], None], limits: ClientLimits) -> None:
        """`begin` has what `Service.flights_to_begin` returns pursued; it is called after a query that needs it."""
        self.service = service
        self.begin = begin
        self.table: ConnectionTable[TcpConnection] = ConnectionTable(limits)
        self.buffer = bytearray(READ_SIZE)
        self._opening = Tasks()
        self._draining = False

    def configure(self, limits: ClientLimits) -> None:
        """Take connections by other limits from here on; those that stand keep their idle time."""
        self.table.limits = limits

    def serve(self, listening: socket.socket) -> Accepting:
        """Accept on a non-blocking listening socket until what is returned is closed."""
        return Accepting(listening, self, TcpConnection)

    async def drain(self, seconds: float) -> None:
        """Answer what clients have asked, and close their connections; those that are left then are cut off.

        Call it when no socket is accepted on any more.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self._draining = True
        await self._opening.finish()
        for connection in self.table.all:
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                for connection in self.table.all:
                    await connection.closed.wait()
        self.close()

    def close(self) -> None:
        """Cut off all connections."""
        self._opening.cancel()
        for connection in self.table.all:
            connection.abort()

    def accepted(
        self, client: socket.socket, host: str, make: Callable[[TcpListeners, str], TcpConnection]
    ) -> None:
        """Take a new connection, or close it at once when there are too many."""
        counters = self.service.statistics.counters
        all_leaving = self.table.leaving_for(host)
        if all_leaving is None:
            counters["tcp_connections_refused"] += 1
            client.close()
            return
        for leaving in all_leaving:
            counters["tcp_made_room"] += 1
            leaving.abort()
        connection = make(self, host)
        counters[f"connections_{connection.kind.value}"] += 1
        self._opening.start(self._open(client, connection))

    async def _open(self, client: socket.socket, connection: TcpConnection) -> None:
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)
        except OSError:
            connection.abort()  # it has gone already
            client.close()
        if self._draining:
            connection.drain()


class Accepting:
    """A listening socket that is accepted on."""

    def __init__(
        self,
        listening: socket.socket,
        listeners: TcpListeners,
        make: Callable[[TcpListeners, str], TcpConnection],
    ) -> None:
        self._listening = listening
        self._listeners = listeners
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(listening.fileno(), self._readable)

    def stop(self) -> None:
        """Take what is there, and nothing more; the socket stays open."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())
            self._accept_all()

    def close(self) -> None:
        """Stop, and close the socket; the connections stay."""
        self.stop()
        self._listening.close()

    def _readable(self) -> None:
        shortage = self._accept_all()
        if shortage is not None:
            self._listeners.service.statistics.counters["tcp_shortage"] += 1
            log.warning("no connection can be accepted", extra={"why": shortage})
            self._loop.remove_reader(self._listening.fileno())
            self._pause = self._loop.call_later(_SHORTAGE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._readable)

    def _accept_all(self) -> str | None:
        """Accept what waits; return what this host is short of, if it is."""
        for _ in range(_BURST):
            try:
                client, address = self._listening.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _SHORTAGES:
                    return error.strerror
                continue  # that one has gone already (accept(2) tells errors of its network, too)
            client.setblocking(False)
            self._listeners.accepted(client, address[0], self._make)
        return None
