"""Takes queries from clients over TCP, and sends the responses: the asyncio adapter."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from nat64.dns64.service import Later
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from nat64.dns64.service import Service

log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 256
MOST_CONNECTIONS_OF_A_HOST: Final = 32
MOST_PIPELINED: Final = 32
"""Queries of one connection that are answered at the same time; reading waits beyond."""
IDLE_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 5.0


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
    """Serves the TCP sockets: bounded connections, pipelined queries (RFC 7766)."""

    def __init__(self, service: Service, begin: Callable[[], None]) -> None:
        self._service = service
        self._begin = begin
        self._connections: Counter[str] = Counter()

    async def serve(self, listening: socket.socket) -> asyncio.Server:
        """Accept on one socket until the returned server is closed."""
        return await asyncio.start_server(self._accept, sock=listening)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("peername")[0]
        if (
            self._connections.total() >= MOST_CONNECTIONS
            or self._connections[host] >= MOST_CONNECTIONS_OF_A_HOST
        ):
            self._service.counters["tcp_connections_refused"] += 1
            writer.transport.abort()
            return
        self._connections[host] += 1
        connection = _TcpConnection(reader, writer, host, self._service, self._begin)
        try:
            await connection.run()
            await connection.close()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client left or stalled, or the daemon ends
        finally:
            self._connections[host] -= 1
            if not self._connections[host]:
                del self._connections[host]
            connection.abort()


class _TcpConnection:
    """One client's connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        service: Service,
        begin: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._service = service
        self._begin = begin
        self._tasks = Tasks()
        self._free = asyncio.Semaphore(MOST_PIPELINED)
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Read queries until the client is done or silent for long; answers come as they are ready."""
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            if self._writer.is_closing():
                return  # it takes no answers, so that what else it asked before is nobody's question any more
            try:
                data = await self._read()
            except EOFError:
                # It may only have closed its own direction, and still waits for answers.
                await self._tasks.finish()
                return
            later: asyncio.Future[bytes] = loop.create_future()
            result = self._service.message_received(
                data, self._host, transport=Transport.TCP, now=loop.time(), deliver=later.set_result
            )
            self._begin()
            if isinstance(result, Later):
                self._tasks.start(self._resolve(later))
            elif result is None:
                await self._tasks.finish()
                return
            else:
                await self._write(result)
                self._free.release()

    async def _read(self) -> bytes:
        async with asyncio.timeout(IDLE_SECONDS):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(size)

    async def _resolve(self, later: asyncio.Future[bytes]) -> None:
        try:
            await self._write(await later)
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self._free.release()

    async def _write(self, response: bytes) -> None:
        async with self._writing, asyncio.timeout(WRITE_SECONDS):
            self._writer.write(len(response).to_bytes(2, "big") + response)
            await self._writer.drain()

    async def close(self) -> None:
        """Close once the client has taken what was written; one that does not in time is a `TimeoutError`."""
        self._writer.close()
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Forget what is not sent yet, and close."""
        self._tasks.cancel()
        self._writer.transport.abort()
