"""Clients over TCP: RFC 7766, and clients that hoard, stall and flood."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import tracemalloc

import pytest

from nat64.config.dns64_config import ClientLimits
from nat64.dns64 import client_connection, tcp_listeners
from nat64.dns64.client_connection import MOST_PIPELINED
from nat64.dns64.connection_table import MOST_UNSENT
from nat64.dns64.framing import LONGEST_FRAME, framed
from nat64.dns64.tcp_connection import READ_SIZE
from nat64.dns64.transport import Transport
from tests.unit.dns64.stream_clients import run, serving


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give clients little time."""
    monkeypatch.setattr(client_connection, "QUERY_SECONDS", 0.2)
    monkeypatch.setattr(client_connection, "TAKING_SECONDS", 0.2)


def test_rfc7766_6_2_1_1_answers_leave_as_they_are_ready() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            client.ask(b"later 1", b"later 2", b"now 3", b"soon 4")
            assert await client.answers(2) == [b"now 3!", b"soon 4!"]
            server.answers.deliver(b"later 2")
            assert await client.answer() == b"later 2!"
            server.answers.deliver(b"later 1")
            assert await client.answer() == b"later 1!"
            asked = [query for query, *_ in server.answers.asked]
            assert asked == [b"later 1", b"later 2", b"now 3", b"soon 4"]
            assert server.answers.asked[0][1:] == ("127.0.0.1", Transport.TCP)
            assert server.answers.begun == 4

    run(test)


def test_rfc7766_6_2_1_thousands_of_pipelined_queries_are_answered_in_turn() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            queries = [b"%s %d" % ((b"now", b"soon")[number % 2], number) for number in range(5000)]
            client.ask(*queries)
            assert await client.answers(5000) == [query + b"!" for query in queries]

    run(test)


def test_rfc7766_8_a_query_may_come_byte_by_byte() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            for byte in framed(b"now") + framed(b"now again"):
                client.writer.write(bytes((byte,)))
                await asyncio.sleep(0.001)
            assert await client.answers(2) == [b"now!", b"now again!"]

    run(test)


def test_no_more_is_taken_than_may_be_outstanding() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            queries = [b"later %d" % number for number in range(MOST_PIPELINED * 3)]
            client.ask(*queries)
            await server.until(lambda: len(server.answers.waiting) == MOST_PIPELINED)
            await asyncio.sleep(0.05)
            assert len(server.answers.asked) == MOST_PIPELINED
            received = []
            for query in queries:
                await server.until(lambda query=query: query in server.answers.waiting)  # type: ignore[misc]
                server.answers.deliver(query)
                received.append(await client.answer())
                assert len(server.answers.waiting) <= MOST_PIPELINED
            assert received == [query + b"!" for query in queries]

    run(test)


def test_rfc7766_6_2_4_a_client_that_closed_its_direction_gets_its_answers() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            client.ask(b"later", b"now")
            client.writer.write_eof()
            assert await client.answer() == b"now!"
            server.answers.deliver(b"later")
            assert await client.answers(2) == [b"later!", None]
            await server.until(lambda: not server.connections)

    run(test)


def test_what_is_no_query_ends_the_connection_once_what_was_asked_is_answered() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            client.ask(b"later", b"junk", b"now")
            await server.until(lambda: b"later" in server.answers.waiting)
            server.answers.deliver(b"later")
            assert await client.answers(2) == [b"later!", None]
            assert [query for query, *_ in server.answers.asked] == [b"later", b"junk"]

    run(test)


def test_a_client_that_left_is_forgotten_and_its_answers_go_nowhere() -> None:
    async def test() -> None:
        async with serving() as server:
            async with server.client() as client:
                client.ask(b"later")
                await server.until(lambda: bool(server.answers.waiting))
                left = client.writer.get_extra_info("socket")
                left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # by a reset
            await server.until(lambda: not server.connections)
            server.answers.deliver(b"later")
            async with server.client() as client:
                client.ask(b"now")
                assert await client.answer() == b"now!"

    run(test)


def test_rfc7766_6_2_3_an_idle_connection_is_closed() -> None:
    async def test() -> None:
        async with serving(ClientLimits(idle=1)) as server, server.client() as client:
            client.ask(b"now")
            assert await client.answers(2) == [b"now!", None]
            assert server.answers.count("tcp_idle") == 1

    run(test)


@pytest.mark.usefixtures("impatient")
def test_a_slow_writer_is_cut_off() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            sending = asyncio.create_task(drip(client.writer))
            assert await client.answer() is None
            sending.cancel()
            assert server.answers.count("tcp_slow_query") == 1
            assert not server.answers.asked

    async def drip(writer: asyncio.StreamWriter) -> None:
        for byte in framed(bytes(1000)):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.02)

    run(test)


@pytest.mark.usefixtures("impatient")
def test_a_client_that_does_not_read_is_cut_off_and_no_more_of_its_queries_are_looked_at() -> None:
    async def test() -> None:
        async with serving() as server, server.client(room=4096) as client:
            client.ask(*[b"big"] * 1000)
            await server.until(lambda: not server.connections)
            assert server.answers.count("tcp_unread") == 1
            assert len(server.answers.asked) < 100
            assert server.listeners.table.unsent == 0

    run(test)


@pytest.mark.usefixtures("impatient")
def test_a_client_that_reads_slowly_but_reads_is_served() -> None:
    async def test() -> None:
        async with serving() as server, server.client(room=4096) as client:
            client.ask(*[b"big"] * 20)
            for _ in range(20):
                assert await client.answer() == b"big" + bytes(60000)
                await asyncio.sleep(0.02)
            assert not server.answers.count("tcp_unread")

    run(test)


def test_answers_that_come_at_once_for_a_client_that_does_not_read_are_bounded() -> None:
    async def test() -> None:
        async with serving() as server, server.client(room=4096) as client:
            queries = [b"later %d" % number for number in range(MOST_PIPELINED)]
            client.ask(*queries)
            await server.until(lambda: len(server.answers.waiting) == MOST_PIPELINED)
            most = 0
            for query in queries:
                server.answers.deliver(query, bytes(65000))
                most = max(most, server.listeners.table.unsent)
            assert 0 < most <= MOST_UNSENT
            await server.until(lambda: not server.connections)
            assert server.answers.count("tcp_unread") == 1
            assert server.listeners.table.unsent == 0

    run(test)


def test_many_slow_clients_hold_no_more_memory_than_the_bound() -> None:
    many = 40

    async def test() -> None:
        async with serving(ClientLimits(connections=2 * many, connections_of_a_host=many)) as server:
            clients = [server.client(room=4096) for _ in range(many)]
            entered = [await client.__aenter__() for client in clients]
            tracemalloc.start()
            for client in entered:
                # Answers that are not read, then a query of 64 KiB that never ends. No buffer of the client's is counted.
                sender = client.writer.get_extra_info("socket")
                with socket.socket(fileno=os.dup(sender.fileno())) as raw:
                    assert raw.send((framed(b"big") * 5 + framed(bytes(65535)))[:60000]) == 60000
            await server.until(lambda: len(server.answers.asked) >= many)
            await asyncio.sleep(0.2)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert server.connections == many
            assert held < many * (MOST_UNSENT + LONGEST_FRAME + 2 * READ_SIZE)
            for context in clients:
                await context.__aexit__(None, None, None)

    run(test)


def test_a_host_with_its_share_of_connections_is_refused_and_another_is_not() -> None:
    async def test() -> None:
        async with serving(ClientLimits(connections=20, connections_of_a_host=2)) as server:
            async with server.client() as one, server.client() as two, server.client() as three:
                assert await three.answer() is None
                assert server.answers.count("tcp_connections_refused") == 1
                async with server.client(host="127.0.0.2") as other:
                    for client in (one, two, other):
                        client.ask(b"now")
                        assert await client.answer() == b"now!"
            await server.until(lambda: not server.connections)
            async with server.client() as again:
                again.ask(b"now")
                assert await again.answer() == b"now!"

    run(test)


def test_rfc7766_6_2_3_hoarders_make_room_for_whoever_comes() -> None:
    async def test() -> None:
        limits = ClientLimits(connections=8, connections_of_a_host=8)
        async with serving(limits) as server, server.client() as waiting:
            waiting.ask(b"later")
            await server.until(lambda: bool(server.answers.waiting))
            hoarders = [server.client() for _ in range(30)]
            entered = [await hoarder.__aenter__() for hoarder in hoarders]
            async with server.client(host="127.0.0.2") as client:
                client.ask(b"now")
                assert await client.answer() == b"now!"
            server.answers.deliver(b"later")
            assert await waiting.answer() == b"later!"
            assert server.connections <= 8
            assert server.answers.count("tcp_made_room") >= 22
            assert await entered[0].answer() is None
            for hoarder in hoarders:
                await hoarder.__aexit__(None, None, None)

    run(test)


def test_limits_that_a_reload_brings_hold_for_connections_to_come() -> None:
    async def test() -> None:
        async with serving(ClientLimits(connections_of_a_host=1)) as server, server.client() as one:
            one.ask(b"now")
            assert await one.answer() == b"now!"
            server.listeners.configure(ClientLimits(connections_of_a_host=2, idle=1))
            async with server.client() as two:
                two.ask(b"now")
                assert await two.answers(2) == [b"now!", None]
            one.ask(b"now")
            assert await one.answer() == b"now!"

    run(test)


def test_while_draining_what_was_asked_is_answered_and_the_rest_closed() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as idle, server.client() as waiting:
            waiting.ask(b"later")
            await server.until(lambda: bool(server.answers.waiting))
            idle.ask(b"now")  # perhaps it is still under way
            draining = asyncio.create_task(server.listeners.drain(20.0))
            assert await idle.answers(2) == [b"now!", None]
            server.answers.deliver(b"later")
            assert await waiting.answers(2) == [b"later!", None]
            await draining

    run(test)


def test_a_drain_ends_in_time_whatever_is_still_open() -> None:
    async def test() -> None:
        async with serving() as server, server.client() as client:
            client.ask(b"later")
            await server.until(lambda: bool(server.answers.waiting))
            await server.listeners.drain(0.1)
            assert await client.answer() is None
            assert not server.connections

    run(test)


def test_a_fault_of_ours_ends_one_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with serving() as server, server.client() as one, server.client() as other:
            one.ask(b"fault")
            assert await one.answer() is None
            other.ask(b"now")
            assert await other.answer() == b"now!"

    run(test)
    assert "a query failed by a fault of ours" in caplog.text


class WithoutDescriptors:
    """A listening socket of a process that has no descriptor left, for a while."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.failures = 3

    def fileno(self) -> int:
        return self._listening.fileno()

    def close(self) -> None:
        self._listening.close()

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE if self.failures else errno.EPROTO, "Too many open files")
        return self._listening.accept()


def test_a_shortage_of_descriptors_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listeners, "_SHORTAGE_SECONDS", 0.05)

    async def test() -> None:
        async with serving() as server:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                listening.setblocking(False)
                accepting = server.listeners.serve(WithoutDescriptors(listening))  # type: ignore[arg-type]
                server.port = listening.getsockname()[1]
                async with server.client() as client:
                    client.ask(b"now")
                    assert await client.answer() == b"now!"
                assert server.answers.count("tcp_shortage") == 2
                accepting.close()

    run(test)


def test_what_waits_to_be_accepted_is_served_when_a_socket_is_closed() -> None:
    async def test() -> None:
        async with serving() as server:
            with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
                listening.setblocking(False)
                accepting = server.listeners.serve(listening)
                client.connect(listening.getsockname())
                accepting.close()
                client.sendall(framed(b"now"))
                client.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(client, 100) == framed(b"now!")

    run(test)
