"""Clients over TCP and TLS, and a service that answers them as a test says."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nat64.config.dns64_config import ClientLimits
from nat64.dns64.flights import LATER
from nat64.dns64.framing import framed
from nat64.dns64.statistics import Statistics
from nat64.dns64.tcp_listeners import TcpListeners
from nat64.dns64.tls_listeners import TlsListeners

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

    from nat64.dns64.flights import Later
    from nat64.dns64.service import Service
    from nat64.dns64.transport import Transport


class Answers:
    """A service whose queries say what becomes of them.

    ``now…`` is answered at once, ``later…`` when the test says so, ``soon…`` while the query is begun, ``big…`` with
    60,000 bytes, ``junk…`` is no query. An answer is the query with ``!`` behind it.
    """

    def __init__(self) -> None:
        self.statistics = Statistics()
        self.asked: list[tuple[bytes, str, Transport]] = []
        self.waiting: dict[bytes, Callable[[bytes], None]] = {}
        self.begun = 0

    def message_received(
        self, data: bytes, host: str, *, transport: Transport, now: float, deliver: Callable[[bytes], None]
    ) -> bytes | Later | None:
        assert now <= asyncio.get_running_loop().time()
        self.asked.append((data, host, transport))
        if data.startswith(b"now"):
            return data + b"!"
        if data.startswith(b"big"):
            return data + bytes(60000)
        if data.startswith(b"junk"):
            return None
        if data.startswith(b"fault"):
            raise RuntimeError("a fault of ours")
        self.waiting[data] = deliver
        return LATER

    def begin(self) -> None:
        self.begun += 1
        for query in [query for query in self.waiting if query.startswith(b"soon")]:
            self.deliver(query)

    def deliver(self, query: bytes, response: bytes | None = None) -> None:
        """Answer a query that waits."""
        self.waiting.pop(query)(query + b"!" if response is None else response)

    def count(self, name: str) -> int:
        return self.statistics.counters[name]


class Client:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, *queries: bytes) -> None:
        self.writer.write(b"".join(map(framed, queries)))

    async def answer(self) -> bytes | None:
        """Return the next answer, ``None`` when the server has closed."""
        try:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            return await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def answers(self, count: int) -> list[bytes | None]:
        return [await self.answer() for _ in range(count)]

    @property
    def name(self) -> str:
        """The client's address."""
        host: str = self.writer.get_extra_info("sockname")[0]
        return host


class Served:
    """A server on loopback, with what is behind it."""

    def __init__(self, answers: Answers, listeners: TcpListeners, port: int) -> None:
        self.answers = answers
        self.listeners = listeners
        self.port = port

    @asynccontextmanager
    async def client(
        self, context: ssl.SSLContext | None = None, *, room: int | None = None, host: str = "127.0.0.1"
    ) -> AsyncIterator[Client]:
        """Connect; `room` is what the client's kernel takes of what is not read, in bytes."""
        with socket.socket() as connected:
            connected.bind((host, 0))
            if room is not None:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            connected.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", self.port))
            limit = room if room is not None else 1 << 16
            named = "dns64.example" if context is not None else None
            reader, writer = await asyncio.open_connection(
                sock=connected, ssl=context, server_hostname=named, limit=limit
            )
            try:
                yield Client(reader, writer)
            finally:
                writer.transport.abort()

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(1000):
            if what():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came to be so")

    @property
    def connections(self) -> int:
        return len(self.listeners.table)


@asynccontextmanager
async def serving(
    limits: ClientLimits | None = None,
    *,
    context: ssl.SSLContext | None = None,
    service: Service | None = None,
) -> AsyncIterator[Served]:
    """Serve on loopback, over TCP or with a context over TLS; a service, if it is given, instead of `Answers`."""
    answers = Answers()
    behind = service or answers
    listeners = TcpListeners(behind, answers.begin, limits or ClientLimits())  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        if context is None:
            accepting = listeners.serve(listening)
        else:
            accepting = TlsListeners(listeners).serve(listening, context)
        yield Served(answers, listeners, listening.getsockname()[1])
        accepting.close()
        listeners.close()


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine, and end it if it hangs."""
    asyncio.run(asyncio.wait_for(test(), 60))
