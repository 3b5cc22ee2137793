"""Clients over TLS: RFC 7858. What RFC 7766 asks of connections is tested over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING

import dns.asyncquery
import dns.message
import pytest

from nat64.config.dns64_config import ClientLimits
from nat64.config.totd import parse
from nat64.dns64 import client_connection
from nat64.dns64.client_connection import MOST_PIPELINED
from nat64.dns64.connection_table import MOST_UNSENT
from nat64.dns64.framing import framed
from nat64.dns64.service import Service
from nat64.dns64.tls_listeners import CertificateError, TlsListeners, server_context
from nat64.dns64.transport import Transport
from tests.unit.dns64 import certificates
from tests.unit.dns64.stream_clients import run, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.dns64.stream_clients import Client

NAME = "dns64.example"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    return certificates.make(tmp_path_factory.mktemp("certificates"), NAME)


@pytest.fixture
def served(files: certificates.Files) -> ssl.SSLContext:
    return server_context(files.certificate, files.key)


@pytest.fixture
def trusting(files: certificates.Files) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.certificate)
    context.set_alpn_protocols(["dot"])
    return context


def tls_of(client: Client) -> ssl.SSLObject:
    tls: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
    return tls


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_rfc7858_3_3_queries_are_answered_as_they_are_ready(
    served: ssl.SSLContext, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version

    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting) as client:
            assert tls_of(client).selected_alpn_protocol() == "dot"
            client.ask(b"later", b"now", b"soon")
            assert await client.answers(2) == [b"now!", b"soon!"]
            server.answers.deliver(b"later")
            assert await client.answer() == b"later!"
            assert server.answers.asked[0][1:] == ("127.0.0.1", Transport.TLS)
            assert server.answers.count("connections_tls") == 1

    run(test)


def test_thousands_of_pipelined_queries_are_answered_in_turn(
    served: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting) as client:
            queries = [b"%s %d" % ((b"now", b"soon")[number % 2], number) for number in range(5000)]
            client.ask(*queries)
            assert await client.answers(5000) == [query + b"!" for query in queries]

    run(test)


def test_what_was_sent_in_one_record_waits_until_there_is_room(
    served: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting) as client:
            queries = [b"later %d" % number for number in range(MOST_PIPELINED * 40)]
            client.ask(*queries)
            received = []
            for query in queries:
                await server.until(lambda query=query: query in server.answers.waiting)  # type: ignore[misc]
                assert len(server.answers.waiting) <= MOST_PIPELINED
                server.answers.deliver(query)
                received.append(await client.answer())
            assert received == [query + b"!" for query in queries]

    run(test)


def test_long_answers_come_whole(served: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting, room=4096) as client:
            client.ask(*[b"big"] * 30)
            for _ in range(30):
                assert await client.answer() == b"big" + bytes(60000)

    run(test)


def test_a_client_that_closed_its_direction_gets_its_answers(
    served: ssl.SSLContext, files: certificates.Files
) -> None:
    """asyncio's own client closes both directions, so this one is written out."""

    async def test() -> None:
        async with serving(context=served) as server:
            loop = asyncio.get_running_loop()
            asked = framed(b"later")
            asking = loop.run_in_executor(None, ask_and_shut_down, server.port, files.certificate, asked)
            await server.until(lambda: b"later" in server.answers.waiting)
            server.answers.deliver(b"later")
            assert await asking == framed(b"later!")

    run(test)


def test_whoever_closes_its_direction_behind_many_queries_gets_all_answers(
    served: ssl.SSLContext, files: certificates.Files
) -> None:
    async def test() -> None:
        async with serving(context=served) as server:
            queries = [b"%s %d" % ((b"now", b"soon")[number % 2], number) for number in range(3000)]
            asked = b"".join(map(framed, queries))
            received = await asyncio.get_running_loop().run_in_executor(
                None, ask_and_shut_down, server.port, files.certificate, asked
            )
            assert received == b"".join(framed(query + b"!") for query in queries)
            await server.until(lambda: not server.connections)

    run(test)


def ask_and_shut_down(port: int, certificate: Path, asked: bytes) -> bytes:
    context = ssl.create_default_context(cafile=certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connected:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connected.sendall(outgoing.read())
                incoming.write(connected.recv(1 << 16))
        tls.write(asked)
        connected.sendall(outgoing.read())
        connected.shutdown(socket.SHUT_WR)
        received = b""
        while data := connected.recv(1 << 16):
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                while answer := tls.read():
                    received += answer
        return received


def test_a_goodbye_of_tls_is_answered_with_what_was_asked_and_a_goodbye(
    served: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting) as client:
            client.ask(b"now")
            assert await client.answer() == b"now!"
            client.writer.close()
            await client.writer.wait_closed()
            await server.until(lambda: not server.connections)

    run(test)


def test_dnspython_is_served_over_tls(served: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    service = Service(random_id=lambda: 1)
    service.configure(parse("forwarder 192.0.2.53\nprefix 2001:db8:64::/96", "dns64.conf"))
    query = dns.message.make_query("ipv4only.arpa.", "AAAA")

    async def test() -> None:
        async with serving(context=served, service=service) as server:
            response = await dns.asyncquery.tls(
                query, "127.0.0.1", 10, server.port, ssl_context=trusting, server_hostname=NAME
            )
            made = sorted(str(each) for each in response.answer[0])
            assert made == ["2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]
            assert service.counters["queries_tls"] == 1

    run(test)


def test_rfc7858_3_2_what_is_no_tls_costs_a_counter_and_gets_no_answer(served: ssl.SSLContext) -> None:
    async def test() -> None:
        async with serving(context=served) as server, server.client() as client:
            client.ask(b"now")
            received = await client.reader.read()
            assert received[:1] in {b"", b"\x15"}  # an alert (RFC 8446 section 5.1), if anything
            assert server.answers.count("tls_handshakes_failed") == 1
            assert not server.answers.asked
            await server.until(lambda: not server.connections)

    run(test)


def test_old_versions_of_tls_are_refused(served: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    assert served.minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.warns(DeprecationWarning, match="deprecated"):
        trusting.minimum_version = trusting.maximum_version = ssl.TLSVersion.TLSv1_1

    async def test() -> None:
        async with serving(context=served) as server:
            with pytest.raises((ssl.SSLError, OSError)):
                async with server.client(trusting):
                    pass

    run(test)


def test_a_handshake_that_does_not_end_is_cut_off(
    served: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "QUERY_SECONDS", 0.2)

    async def test() -> None:
        async with serving(context=served) as server, server.client() as client:
            client.writer.write(b"\x16\x03\x01")
            assert await client.reader.read() == b""
            assert server.answers.count("tcp_slow_query") == 1
            async with server.client(trusting) as other:
                other.ask(b"now")
                assert await other.answer() == b"now!"

    run(test)


def test_connections_over_tls_count_among_those_over_tcp(
    served: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def test() -> None:
        async with serving(ClientLimits(connections=20, connections_of_a_host=1), context=served) as server:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                listening.setblocking(False)
                accepting = server.listeners.serve(listening)
                async with server.client(trusting) as client:
                    client.ask(b"now")
                    assert await client.answer() == b"now!"
                    server.port = listening.getsockname()[1]
                    async with server.client() as other:
                        assert await other.answer() is None
                accepting.close()

    run(test)


def test_answers_for_a_client_that_does_not_read_are_bounded(
    served: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "TAKING_SECONDS", 0.3)

    async def test() -> None:
        async with serving(context=served) as server, server.client(trusting, room=4096) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.ask(*[b"big"] * 200)
            await server.until(lambda: server.listeners.table.unsent > 0)
            assert server.listeners.table.unsent <= MOST_UNSENT
            await server.until(lambda: not server.connections)
            assert server.answers.count("tcp_unread") == 1
            assert len(server.answers.asked) < 100
            assert server.listeners.table.unsent == 0

    run(test)


def test_a_client_that_is_reset_is_forgotten(served: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async def test() -> None:
        async with serving(context=served) as server:
            async with server.client(trusting) as client:
                client.ask(b"later")
                await server.until(lambda: bool(server.answers.waiting))
                left = client.writer.get_extra_info("socket")
                left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await server.until(lambda: not server.connections)
            server.answers.deliver(b"later")

    run(test)


def test_a_certificate_that_a_reload_brings_holds_for_connections_to_come(
    served: ssl.SSLContext, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    newer = certificates.make(tmp_path, NAME)

    async def test() -> None:
        async with serving() as server:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                listening.setblocking(False)
                accepting = TlsListeners(server.listeners).serve(listening, served)
                server.port = listening.getsockname()[1]
                async with server.client(trusting) as client:
                    accepting.context = server_context(newer.certificate, newer.key)
                    client.ask(b"now")
                    assert await client.answer() == b"now!"
                    with pytest.raises(ssl.SSLCertVerificationError):
                        async with server.client(trusting):
                            pass
                    async with server.client(ssl.create_default_context(cafile=newer.certificate)) as other:
                        other.ask(b"now")
                        assert await other.answer() == b"now!"
                accepting.close()

    run(test)


def test_files_that_do_not_serve_are_told_with_a_remedy(files: certificates.Files, tmp_path: Path) -> None:
    other = certificates.make(tmp_path, "other.example")
    locked = certificates.make(tmp_path, "locked.example", password=b"secret")
    text = tmp_path / "text"
    text.write_text("no PEM")
    for certificate, key, why in (
        (tmp_path / "missing.pem", files.key, "missing.pem: No such file or directory; name a PEM file"),
        (files.certificate, tmp_path, "Is a directory; name a PEM file"),
        (files.certificate, other.key, "is not the key of the certificate in"),
        (text, files.key, "no certificate in"),
        (files.certificate, text, "no certificate in"),
        (locked.certificate, locked.key, "the key wants a password; "),
    ):
        with pytest.raises(CertificateError, match="; ") as raised:
            server_context(certificate, key)
        assert why in str(raised.value)
