"""RFC 7766: forwarders that are asked over TCP, by connections that are kept."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.dns64 import failure_pace, streams
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import all_end, ask, begin, run, true_reply, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@contextmanager
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@dataclass(slots=True)
class TcpServer:
    """A name server on one TCP port of loopback that writes what `says` returns for each question."""

    says: Callable[[bytes], bytes] = lambda data: framed(true_reply(data))
    closes_after: int | None = None
    """How many questions of a connection it reads."""
    asked: list[bytes] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    open: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Forwarder]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        yield Forwarder(Endpoint(IPv4Address("127.0.0.1"), port))
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        self.open += 1
        asked = 0
        try:
            while asked != self.closes_after:
                size = int.from_bytes(await reader.readexactly(2), "big")
                self.asked.append(await reader.readexactly(size))
                asked += 1
                writer.write(self.says(self.asked[-1]))
        except (EOFError, OSError):
            pass
        self.open -= 1
        writer.close()


def test_rfc7766_6_2_1_questions_share_a_connection_whatever_their_order() -> None:
    async def test() -> None:
        kept: list[bytes] = []

        def says(data: bytes) -> bytes:
            kept.append(framed(true_reply(data)))
            return b"".join(reversed(kept)) if len(kept) == 5 else b""

        server = TcpServer(says)
        with upstream() as way:
            async with server.serving() as forwarder:
                askings = [begin(way, forwarder, tcp=True, name=f"v{each}.example.") for each in range(5)]
                await all_end(askings)
                assert all(asking.reply for asking in askings)
                kept.clear()
                kept.extend([b""] * 4)
                assert await ask(way, forwarder, tcp=True)
                assert len(server.connections) == 1

    run(test)


def test_a_reply_in_pieces_is_put_together() -> None:
    async def test() -> None:
        server = TcpServer(lambda _: b"")
        with upstream() as way:
            async with server.serving() as forwarder:
                asking = begin(way, forwarder, tcp=True)
                await until(lambda: bool(server.asked))
                for octet in framed(true_reply(server.asked[0])):
                    server.connections[0].write(bytes((octet,)))
                    await asyncio.sleep(0)
                await asking.end.wait()
                assert asking.reply

    run(test)


def test_two_questions_with_one_id_go_by_two_connections() -> None:
    async def test() -> None:
        server = TcpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                askings = [begin(way, forwarder, tcp=True, ident=7, name=f"{each}.example.") for each in "ab"]
                await all_end(askings)
                assert all(asking.reply for asking in askings)
                assert len(server.connections) == 2

    run(test)


def test_rfc7766_6_2_4_what_a_server_closes_is_asked_again_once() -> None:
    async def test() -> None:
        server = TcpServer(closes_after=1)
        with upstream() as way:
            async with server.serving() as forwarder:
                for number in range(1, 20):
                    assert await ask(way, forwarder, tcp=True)
                    assert len(server.connections) in (number, number + 1)
                server.says = lambda _: b""
                asking = begin(way, forwarder, tcp=True)
                await asking.end.wait()
                assert asking.failures == [(False, "it closed the connection; see what its log says")]

    run(test)


def test_connections_that_bring_nothing_are_not_made_again_without_end() -> None:
    async def test() -> None:
        server = TcpServer(lambda _: b"", closes_after=1)
        with upstream() as way:
            async with server.serving() as forwarder:
                for _ in range(100):
                    asking = begin(way, forwarder, tcp=True)
                    await asking.end.wait()
                    assert asking.failures[0][1] == "it closed the connection; see what its log says"
                    if len(server.connections) >= failure_pace.MOST_FAILURES:
                        break
                count = len(server.connections)
                for _ in range(100):
                    await begin(way, forwarder, tcp=True).end.wait()
                # One more for each second, however long this takes.
                assert len(server.connections) - count < 50
                server.closes_after = None
                server.says = lambda data: framed(true_reply(data))
                await asyncio.sleep(2.0)
                assert await ask(way, forwarder, tcp=True)

    run(test)


def test_a_closed_port_fails_at_once_and_says_why() -> None:
    async def test() -> None:
        with socket.socket() as closed, upstream() as way:
            closed.bind(("127.0.0.1", 0))
            forwarder = Forwarder(Endpoint(IPv4Address("127.0.0.1"), closed.getsockname()[1]))
            asking = begin(way, forwarder, tcp=True)
            await asking.end.wait()
            ((by_us, why),) = asking.failures
            assert not by_us
            assert why is not None
            assert "Connection refused" in why or "Connect call failed" in why
            assert why.endswith("; see that DNS over TCP is served there")

    run(test)


def test_what_is_no_reply_fails_its_question_and_what_nobody_asked_for_the_connection() -> None:
    async def test() -> None:
        server = TcpServer(lambda data: framed(data[:2] + bytes(10)))
        with upstream() as way:
            async with server.serving() as forwarder:
                asking = begin(way, forwarder, tcp=True)
                await asking.end.wait()
                assert asking.failures == [(False, None)]
                server.says = lambda data: framed(bytes((data[0] ^ 1, data[1]))) * 1000
                asking = begin(way, forwarder, tcp=True)
                await asking.end.wait()
                assert asking.failures == [(False, "it closed the connection; see what its log says")]
                assert len(server.connections) == 2

    run(test)


@pytest.mark.parametrize("length", [0, 1])
def test_messages_without_an_id_are_passed_by(length: int) -> None:
    async def test() -> None:
        server = TcpServer(lambda data: framed(bytes(length)) + framed(true_reply(data)))
        with upstream() as way:
            async with server.serving() as forwarder:
                assert await ask(way, forwarder, tcp=True)

    run(test)


def test_rfc7766_6_2_3_a_connection_without_questions_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IDLE_SECONDS", 0.2)

    async def test() -> None:
        server = TcpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                assert await ask(way, forwarder, tcp=True)
                assert server.open == 1
                await until(lambda: not server.open)
                assert await ask(way, forwarder, tcp=True)
                assert len(server.connections) == 2

    run(test)


def test_a_connection_whose_other_side_does_not_read_is_closed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(streams, "MOST_WAITING", 1 << 16)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listening, upstream() as way:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            listening.setblocking(False)
            forwarder = Forwarder(Endpoint(IPv4Address("127.0.0.1"), listening.getsockname()[1]))
            begin(way, forwarder, tcp=True, ident=0)
            connection, _ = await loop.sock_accept(listening)
            name = "a" * 60 + "." + "b" * 60 + ".example."
            (route,) = way._streams._routes.values()
            await until(lambda: route.connections[0]._transport is not None)
            askings = [begin(way, forwarder, tcp=True, name=name, ident=each) for each in range(1, 1 << 15)]
            transport = route.connections[0]._transport
            assert transport is not None
            assert transport.get_write_buffer_size()
            async with asyncio.timeout(20):
                await all_end(askings)
                await until(lambda: not route.connections)
            connection.close()

    run(test)
