"""RFC 7858: forwarders that are asked over TLS, and only so. The other side is a TLS server on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Network
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import CacheSettings, Dns64Config, Endpoint, Forwarder, SynthesisPrefix, View
from nat64.dns64.flights import Later
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport
from nat64.dns64.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

RIGHT, WRONG = "dns.example", "other.example"
NAME = "v4.example."


@dataclass(slots=True)
class NameServer:
    """A name server behind TLS that knows one IPv4-only name."""

    certificate: Path
    port: int = 0
    connections: int = 0
    protocols: list[str | None] = field(default_factory=list)
    """What ALPN agreed upon, by connection."""
    asked: list[str] = field(default_factory=list)
    """The types asked for."""
    asked_twice: asyncio.Event = field(default_factory=asyncio.Event)
    mute: bool = False
    truncate: bool = False
    closes_after: int | None = None
    """How many questions of a connection it answers."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[NameServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        context.set_alpn_protocols(["dot"])
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        answered = 0
        try:
            while answered != self.closes_after:
                size = int.from_bytes(await reader.readexactly(2), "big")
                data = self._answer(await reader.readexactly(size))
                if not self.mute:
                    writer.write(len(data).to_bytes(2, "big") + data)
                answered += 1
        except (EOFError, OSError):
            pass
        writer.close()

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        rdtype = query.question[0].rdtype.name
        self.asked.append(rdtype)
        if len(self.asked) == 2:
            self.asked_twice.set()
        reply = dns.message.make_response(query)
        if rdtype == "A":
            reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.33"))
        if self.truncate:
            reply.flags |= dns.flags.TC
        return reply.to_wire()


@dataclass(slots=True)
class Dns64:
    """A DNS64 service with its way to forwarders on loopback."""

    service: Service
    upstream: Upstream

    async def ask(self, rdtype: str = "AAAA", name: str = NAME) -> dns.message.Message:
        query = dns.message.make_query(name, rdtype)
        now = asyncio.get_running_loop().time()
        response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        result = self.service.message_received(
            query.to_wire(), "::1", transport=Transport.UDP, now=now, deliver=response.set_result
        )
        assert isinstance(result, Later)
        for flight in self.service.flights_to_begin():
            self.upstream.begin(flight)
        return dns.message.from_wire(await response)


def forwarder(port: int, name: str = RIGHT) -> Forwarder:
    return Forwarder(Endpoint(IPv4Address("127.0.0.1"), port), tls_name=name)


@asynccontextmanager
async def dns64(*forwarders: Forwarder) -> AsyncIterator[Dns64]:
    numbers = iter(range(1, 1000))
    service = Service(random_id=lambda: next(numbers))
    prefix = SynthesisPrefix(Pref64(IPv6Network("2001:db8:64::/96")))
    service.configure(Dns64Config(View(forwarders, prefixes=(prefix,)), cache=CacheSettings(size=0)))
    made = Dns64(service, Upstream())
    yield made
    made.upstream.close()


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine; it must not take long."""
    asyncio.run(asyncio.wait_for(test(), 20))


def copy(file: Path, to: Path) -> None:
    to.write_bytes(file.read_bytes())


def made(response: dns.message.Message) -> list[str]:
    return [item.address for rrset in response.answer for item in rrset if rrset.rdtype.name == "AAAA"]


def test_a_forwarder_with_the_right_name_answers_over_one_connection(certificate: Path) -> None:
    async def test() -> None:
        async with NameServer(certificate).serving() as server, dns64(forwarder(server.port)) as client:
            responses = await asyncio.gather(*(client.ask(name=f"v{number}.example.") for number in range(5)))
            assert [made(response) for response in responses] == [["2001:db8:64::c000:221"]] * 5
            assert (await client.ask("A")).answer
            assert len(server.asked) == 11
            assert (server.connections, server.protocols) == (1, ["dot"])

    run(test)


def test_a_forwarder_with_another_name_is_refused_and_told_once(
    certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with (
            NameServer(certificate).serving() as server,
            dns64(forwarder(server.port, WRONG)) as client,
        ):
            for _ in range(3):
                assert (await client.ask()).rcode() == dns.rcode.SERVFAIL
            assert not server.asked

    run(test)
    (record,) = [each for each in caplog.records if each.message == "forwarder failed"]
    told: Any = record
    assert f"not do for the name {WRONG}" in told.why
    assert RIGHT in told.why or "mismatch" in told.why.lower()
    assert "; mend the name" in told.why


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    empty = tmp_path / "none.pem"
    empty.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))

    async def test() -> None:
        async with NameServer(certificate).serving() as server, dns64(forwarder(server.port)) as client:
            assert (await client.ask()).rcode() == dns.rcode.SERVFAIL
            assert not server.asked

    run(test)
    assert "self-signed certificate" in caplog.records[0].why  # type: ignore[attr-defined]


def test_a_missing_file_of_authorities_is_the_forwarders_failure_until_it_is_there(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    later = tmp_path / "later.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(later))

    async def test() -> None:
        async with NameServer(certificate).serving() as server, dns64(forwarder(server.port)) as client:
            assert (await client.ask()).rcode() == dns.rcode.SERVFAIL
            assert (server.connections, server.asked) == (0, [])
            copy(certificate, later)
            assert made(await client.ask())

    run(test)
    assert f"SSL_CERT_FILE names {later}, which is no file; mend that" in caplog.records[0].why  # type: ignore[attr-defined]


@pytest.mark.usefixtures("certificate")
def test_nothing_is_ever_asked_in_clear() -> None:
    async def test() -> None:
        heard: list[bytes] = []

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port))
            udp.setblocking(False)
            async with dns64(forwarder(port)) as client:
                assert (await client.ask()).rcode() == dns.rcode.SERVFAIL
            with pytest.raises(BlockingIOError):
                udp.recv(1000)
        server.close()
        handshake = 22  # the record type of RFC 8446 section 5.1
        assert heard
        assert all(data[0] == handshake for data in heard)

    run(test)


def test_a_truncated_reply_is_not_asked_again_in_clear(certificate: Path) -> None:
    async def test() -> None:
        async with (
            NameServer(certificate, truncate=True).serving() as server,
            dns64(forwarder(server.port)) as client,
        ):
            assert (await client.ask("TXT")).rcode() == dns.rcode.SERVFAIL
            assert server.asked == ["TXT"]
            assert server.connections == 1

    run(test)


def test_rfc7766_6_2_4_a_connection_that_the_server_closed_is_opened_again(certificate: Path) -> None:
    async def test() -> None:
        async with (
            NameServer(certificate, closes_after=1).serving() as server,
            dns64(forwarder(server.port)) as client,
        ):
            for number in range(1, 4):
                assert (await client.ask("A")).answer
                assert server.connections == number

    run(test)


def test_rfc7766_6_2_4_of_two_questions_on_a_new_connection_the_unanswered_one_is_put_again(
    certificate: Path,
) -> None:
    async def test() -> None:
        async with (
            NameServer(certificate, closes_after=1).serving() as server,
            dns64(forwarder(server.port)) as client,
        ):
            assert made(await client.ask("AAAA")) == ["2001:db8:64::c000:221"]
            assert server.connections == 2

    run(test)


def test_a_question_on_a_connection_that_is_closed_under_it_is_put_again(certificate: Path) -> None:
    async def test() -> None:
        async with (
            NameServer(certificate, closes_after=2).serving() as server,
            dns64(forwarder(server.port)) as client,
        ):
            assert (await client.ask("A")).answer
            server.mute = True
            asking = asyncio.create_task(client.ask("A"))
            await server.asked_twice.wait()
            server.mute = False
            assert (await asking).answer
            assert server.connections == 2

    run(test)


def test_a_forwarder_that_stalls_is_passed_over(certificate: Path) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        async with (
            NameServer(certificate, mute=True).serving() as mute,
            NameServer(certificate).serving() as server,
            dns64(forwarder(mute.port), forwarder(server.port)) as client,
        ):
            assert (await client.ask("A")).answer
            since = loop.time()
            assert (await client.ask("A")).answer
            assert loop.time() - since < 0.5
            assert len(mute.asked) == 1

    run(test)


def test_a_connection_that_brought_nothing_gets_no_more_questions(certificate: Path) -> None:
    async def test() -> None:
        async with NameServer(certificate).serving() as server, dns64(forwarder(server.port)) as client:
            server.mute = True
            assert (await client.ask("A")).rcode() == dns.rcode.SERVFAIL
            server.mute = False
            before = server.connections
            assert (await client.ask("A")).answer
            assert server.connections == before + 1

    run(test)


def test_a_port_without_a_server_fails_at_once(certificate: Path) -> None:
    async def test() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with (
                NameServer(certificate).serving() as server,
                dns64(forwarder(closed.getsockname()[1]), forwarder(server.port)) as client,
            ):
                loop = asyncio.get_running_loop()
                since = loop.time()
                assert (await client.ask("A")).answer
                assert loop.time() - since < 0.5

    run(test)
