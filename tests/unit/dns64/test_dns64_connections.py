"""TCP connections of clients that do not read, or send what is no query."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import dns.flags
import dns.message
from dnslib import RD, RR
from nat64.dns64.response import reply_to

from nat64.config.totd import parse
from nat64.dns64 import tcp_listeners
from nat64.dns64.service import Service
from nat64.dns64.tcp_listeners import TcpListeners
from nat64.dns64.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from nat64.dns64.resolution import Resolution

PREFIXES = "\n".join(f"prefix 2001:db8:{number:x}::/96" for number in range(40))
QUERY = dns.message.make_query("ipv4only.arpa.", "AAAA").to_wire()


@asynccontextmanager
async def connected(service: Service, upstream: Upstream) -> AsyncIterator[socket.socket]:
    """Serve on loopback, with a client that has a connection and little room for what it does not read."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        listening.setblocking(False)
        server = await TcpListeners(service, upstream).serve(listening)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        yield client
        server.close()


async def all_to_end() -> None:
    async with asyncio.timeout(30):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


async def written_and_received() -> tuple[int, int]:
    """Ask over one connection until the server takes no more, and read only after it has given us up.

    Return how many bytes the server meant to send, and how many came.
    """
    service = Service(random_id=lambda: 1)
    service.configure(parse(f"forwarder 192.0.2.53\n{PREFIXES}", "f"))
    answer = service.message_received(QUERY, "::1", tcp=True, now=0.0)
    assert isinstance(answer, bytes)
    async with connected(service, Upstream()) as client:
        while await is_taken(client, (len(QUERY).to_bytes(2, "big") + QUERY) * 100):
            pass
        await all_to_end()
        received = await read_all(client)
    return service.counters["queries_tcp"] * (2 + len(answer)), received


async def is_taken(client: socket.socket, data: bytes) -> bool:
    try:
        async with asyncio.timeout(0.2):
            await asyncio.get_running_loop().sock_sendall(client, data)
    except (TimeoutError, ConnectionError):
        return False
    return True


async def read_all(client: socket.socket) -> int:
    received = 0
    try:
        while data := await asyncio.get_running_loop().sock_recv(client, 1 << 16):
            received += len(data)
    except ConnectionResetError:
        pass
    return received


def test_what_a_client_does_not_read_in_time_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listeners, "WRITE_SECONDS", 0.3)
    written, received = asyncio.run(written_and_received())
    assert received < written / 2


class LongAnswers(Upstream):
    """A way to forwarders that answer soon, and at length."""

    async def pursue(self, resolution: Resolution) -> None:
        await asyncio.sleep(0)
        reply = reply_to(resolution.query)
        reply.answers = [RR(resolution.query.question.name, 65280, 1, 60, RD(bytes(60000)))]
        resolution.answer = reply


async def counted_and_received(asked: bytes, *, reads: bool) -> tuple[int, int]:
    """Send over one connection; return how many queries the server looked at, and how many bytes came."""
    service = Service(random_id=lambda: 1)
    service.configure(parse("forwarder 192.0.2.53", "f"))
    async with connected(service, LongAnswers()) as client:
        await asyncio.get_running_loop().sock_sendall(client, asked)
        received = await read_all(client) if reads else 0
        await asyncio.sleep(0.1)
        await all_to_end()
    assert service.outstanding == 0
    return service.counters["queries_tcp"], received


def framed(message: dns.message.Message) -> bytes:
    wire = message.to_wire()
    return len(wire).to_bytes(2, "big") + wire


def test_a_client_that_does_not_read_has_no_more_of_its_queries_resolved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp_listeners, "WRITE_SECONDS", 0.3)
    many = framed(dns.message.make_query("a.example.", "TXT")) * 1000
    looked_at, _ = asyncio.run(counted_and_received(many, reads=False))
    assert looked_at < 300


def test_rfc7766_6_2_1_1_a_query_is_answered_though_what_follows_is_none() -> None:
    query = dns.message.make_query("a.example.", "TXT")
    response = dns.message.make_query("a.example.", "TXT")
    response.flags |= dns.flags.QR
    looked_at, received = asyncio.run(counted_and_received(framed(query) + framed(response), reads=True))
    assert looked_at == 2
    assert received > 60000
