"""The way to the forwarders, over sockets on loopback: ports and IDs, forged replies, TCP and its troubles."""

from __future__ import annotations

import asyncio
import secrets
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nat64.config.dns64_config import CacheSettings, Dns64Config, Endpoint, Forwarder, View
from nat64.dns64.flights import Later
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport
from nat64.dns64.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    Address = tuple[str, int]

NAME = "v4.example."
UDP_SIZE = 1232


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    """A name server on one port of loopback, over UDP and TCP."""

    texts: int = 1
    """How many TXT records it has."""
    cut_tcp: bool = False
    """Whether it closes TCP connections in the middle of an answer."""
    before: Callable[[NameServer, bytes, Address], None] | None = None
    """What it does with a datagram before it answers."""
    peers: list[Address] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    tcp_questions: int = 0
    transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, peer: Address) -> None:
        self.peers.append(peer)
        self.ids.append(struct.unpack_from("!H", data)[0])
        if self.before is not None:
            self.before(self, data, peer)
        assert self.transport is not None
        self.transport.sendto(self.answer(data, UDP_SIZE), peer)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tcp_questions += 1
        size = int.from_bytes(await reader.readexactly(2), "big")
        data = self.answer(await reader.readexactly(size), 65535)
        whole = len(data).to_bytes(2, "big") + data
        writer.write(whole[: len(whole) // 2] if self.cut_tcp else whole)
        await writer.drain()
        writer.close()

    def answer(self, data: bytes, limit: int) -> bytes:
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        lines = [f'"{"x" * 200}{number}"' for number in range(self.texts)]
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *lines))
        wire = reply.to_wire(max_size=65535)
        if len(wire) > limit:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        return wire

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1") -> AsyncIterator[Forwarder]:
        loop = asyncio.get_running_loop()
        while self.transport is None:  # a question from somewhere may leave from the UDP port just now
            server = await asyncio.start_server(self.serve_tcp, host, 0)
            port = server.sockets[0].getsockname()[1]
            try:
                self.transport, _ = await loop.create_datagram_endpoint(lambda: self, (host, port))
            except OSError:
                server.close()
        address = IPv6Address(host) if ":" in host else IPv4Address(host)
        yield Forwarder(Endpoint(address, port))
        self.transport.close()
        server.close()


async def respond(
    service: Service, upstream: Upstream, query: bytes, transport: Transport
) -> dns.message.Message:
    """Put a query to the service, and return the response that the forwarders bring about."""
    loop = asyncio.get_running_loop()
    response: asyncio.Future[bytes] = loop.create_future()
    result = service.message_received(
        query, "::1", transport=transport, now=loop.time(), deliver=response.set_result
    )
    assert isinstance(result, Later)
    for flight in service.flights_to_begin():
        upstream.begin(flight)
    return dns.message.from_wire(await response)


async def ask(*forwarders: Forwarder, times: int = 1) -> list[dns.message.Message]:
    """Ask the daemon's own server for a TXT record, over TCP so that nothing of the answer is lost."""
    service = Service(random_id=lambda: secrets.randbelow(1 << 16))
    service.configure(Dns64Config(View(forwarders), cache=CacheSettings(size=0)))
    upstream = Upstream()
    responses = []
    for _ in range(times):
        query = dns.message.make_query(NAME, "TXT")
        response = await respond(service, upstream, query.to_wire(), Transport.TCP)
        assert query.is_response(response)
        responses.append(response)
    return responses


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine; it must not take long."""
    asyncio.run(asyncio.wait_for(test(), 20))


def test_rfc5452_9_2_source_ports_and_ids_are_not_to_be_foreseen() -> None:
    async def test() -> None:
        server = NameServer()
        async with server.serving() as forwarder:
            await ask(forwarder, times=60)
        ports = [port for _, port in server.peers]
        for numbers in (ports, server.ids):
            steps = {later - earlier for earlier, later in pairwise(numbers)}
            assert len(set(numbers)) > 50
            assert len(steps) > 40
        assert max(server.ids) > 0x8000 > min(server.ids)

    run(test)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_rfc7766_5_a_truncated_answer_comes_over_tcp(host: str) -> None:
    async def test() -> None:
        server = NameServer(texts=280)  # nearly 64 KB
        async with server.serving(host) as forwarder:
            (response,) = await ask(forwarder)
        assert len(response.answer[0]) == 280
        assert (len(server.peers), server.tcp_questions) == (1, 1)

    run(test)


def test_tcp_that_is_closed_in_the_middle_of_an_answer_leaves_it_to_the_next_forwarder() -> None:
    async def test() -> None:
        cutting, other = NameServer(texts=20, cut_tcp=True), NameServer(texts=20)
        async with cutting.serving() as first, other.serving() as second:
            (response,) = await ask(first, second)
            assert len(response.answer[0]) == 20
            (response,) = await ask(first)
            assert response.rcode() == dns.rcode.SERVFAIL

    run(test)


def forge_id(server: NameServer, data: bytes, peer: Address) -> None:
    """Send what has another ID, in the name of the right server."""
    assert server.transport is not None
    forged = bytearray(server.answer(data, UDP_SIZE).replace(b"xxx", b"bad"))
    forged[1] ^= 1
    server.transport.sendto(bytes(forged), peer)


def send_garbage(server: NameServer, _: bytes, peer: Address) -> None:
    """Send what is no message."""
    assert server.transport is not None
    for size in (0, 1, 11, 12, 100):
        server.transport.sendto(b"\xff" * size, peer)


@pytest.mark.parametrize("before", [forge_id, send_garbage])
def test_rfc5452_9_1_what_does_not_fit_is_passed_by_and_the_answer_taken(
    before: Callable[[NameServer, bytes, Address], None],
) -> None:
    async def test() -> None:
        server = NameServer(before=before)
        async with server.serving() as forwarder:
            (response,) = await ask(forwarder)
        assert len(server.peers) == 1
        assert b"bad" not in response.answer[0][0].strings[0]

    run(test)


def test_rfc5452_9_1_a_reply_from_another_port_is_not_taken() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        other, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))

        def answer_from_elsewhere(server: NameServer, data: bytes, peer: Address) -> None:
            other.sendto(server.answer(data, UDP_SIZE).replace(b"xxx", b"bad"), peer)

        server = NameServer(before=answer_from_elsewhere)
        async with server.serving() as forwarder:
            (response,) = await ask(forwarder)
        other.close()
        assert b"bad" not in response.answer[0][0].strings[0]

    run(test)
