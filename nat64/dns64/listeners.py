"""Takes queries from clients over UDP and TCP, and sends the responses: the asyncio adapter."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections import Counter
from typing import TYPE_CHECKING, Final

from nat64.dns64.sockets import IP_PKTINFO

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nat64.dns64.service import Query, Service
    from nat64.dns64.upstream import Upstream

log = logging.getLogger(__name__)

_BURST: Final = 64
_LONGEST_QUERY: Final = 4096
_LONGEST_DEVICE_NAME: Final = 16
_CONTROL_SPACE: Final = socket.CMSG_SPACE(20)
_IN_PKTINFO: Final = struct.Struct("=i4s4s")  # interface, our address, destination (ip(7))
_IN6_PKTINFO: Final = struct.Struct("=16si")  # destination, interface (ipv6(7))

MOST_CONNECTIONS: Final = 256
MOST_CONNECTIONS_OF_A_HOST: Final = 32
MOST_PIPELINED: Final = 32
"""Queries of one connection that are answered at the same time; reading waits beyond."""
IDLE_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 5.0

Address = tuple[str, int] | tuple[str, int, int, int]


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


async def respond(service: Service, upstream: Upstream, query: Query) -> bytes:
    """Resolve a query and return the response to it, SERVFAIL after a fault of our own."""
    response = b""
    try:
        await upstream.pursue(query.resolution)
    except Exception:
        log.exception("a query failed by a fault of ours")
    finally:
        response = service.finish(query)
    return response


class UdpListener:
    """Serves one UDP socket; responses leave from the address that was asked."""

    def __init__(self, listening: socket.socket, service: Service, upstream: Upstream, tasks: Tasks) -> None:
        self._socket = listening
        self._service = service
        self._upstream = upstream
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listening, self._readable)

    @property
    def is_stranded(self) -> bool:
        """Whether the socket is bound to an interface that was removed, and hears nothing even if it comes back."""
        try:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LONGEST_DEVICE_NAME)
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    def close(self) -> None:
        """Stop and close the socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BURST):
            try:
                data, control, _, peer = self._socket.recvmsg(_LONGEST_QUERY, _CONTROL_SPACE)
            except BlockingIOError:
                return
            except OSError as error:
                # A queued ICMP error of an earlier response: nobody's loss but that client's.
                log.debug("receiving failed", extra={"error": error})
                continue
            self._received(data, control, peer)

    def _received(self, data: bytes, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        result = self._service.message_received(data, peer[0], tcp=False, now=self._loop.time())
        if isinstance(result, bytes):
            self._send(result, control, peer)
        elif result is not None:
            self._tasks.start(self._resolve(result, control, peer))

    async def _resolve(self, query: Query, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        response = await respond(self._service, self._upstream, query)
        if self._socket.fileno() >= 0:
            self._send(response, control, peer)

    def _send(self, response: bytes, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        try:
            self._socket.sendmsg([response], source_control(control), 0, peer)
        except OSError as error:
            self._service.counters["unsent"] += 1
            log.debug("response not sent", extra={"client": peer[0], "error": error})


def source_control(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Turn what recvmsg told about a query's destination into what makes sendmsg answer from there.

    The interface is named only where the address means nothing without it; routing chooses otherwise.
    """
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            _, ours, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, ours, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            destination, interface = _IN6_PKTINFO.unpack_from(data)
            link_local = destination[0] == 0xFE and destination[1] & 0xC0 == 0x80
            return [(level, kind, _IN6_PKTINFO.pack(destination, interface if link_local else 0))]
    return []


class TcpListeners:
    """Serves the TCP sockets: bounded connections, pipelined queries (RFC 7766)."""

    def __init__(self, service: Service, upstream: Upstream) -> None:
        self._service = service
        self._upstream = upstream
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
        connection = _TcpConnection(reader, writer, host, self._service, self._upstream)
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
        upstream: Upstream,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._service = service
        self._upstream = upstream
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
            result = self._service.message_received(data, self._host, tcp=True, now=loop.time())
            if isinstance(result, bytes):
                await self._write(result)
                self._free.release()
            elif result is None:
                await self._tasks.finish()
                return
            else:
                self._tasks.start(self._resolve(result))

    async def _read(self) -> bytes:
        async with asyncio.timeout(IDLE_SECONDS):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(size)

    async def _resolve(self, query: Query) -> None:
        try:
            await self._write(await respond(self._service, self._upstream, query))
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
