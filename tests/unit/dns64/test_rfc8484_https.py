"""RFC 8484: forwarders that are asked over HTTPS. The other side is hypercorn on loopback."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from nat64.config.dns64_config import Dns64Config, Endpoint, Forwarder, View
from nat64.dns64 import https
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import all_end, ask, begin, run, true_reply
from tests.unit.dns64.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Said = tuple[int, str, bytes]

RIGHT, WRONG = "dns.example", "other.example"
PATH = "/dns-query"
DNS = "application/dns-message"


@dataclass(slots=True)
class HttpsServer:
    """A name server over HTTPS that gives a status, a media type and a body to each question."""

    certificate: Path
    says: Callable[[bytes], Said] = lambda data: (200, DNS, true_reply(data))
    protocols: tuple[str, ...] = ("h2", "http/1.1")
    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HttpsServer]:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", self.port))
            listening.listen()
            self.port = listening.getsockname()[1]
            end = asyncio.Event()
            config = Config()
            config.bind = [f"fd://{listening.detach()}"]
        config.certfile = config.keyfile = str(self.certificate)
        config.alpn_protocols = list(self.protocols)
        config.graceful_timeout = config.shutdown_timeout = 0.1
        config.accesslog = config.errorlog = None
        task = asyncio.create_task(serve(self._application, config, shutdown_trigger=end.wait))  # type: ignore[arg-type]
        yield self
        end.set()
        await task

    async def _application(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] != "http":
            return
        data = b""
        while True:
            message = await receive()
            data += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.asked.append(data)
        self.requests.append(scope)
        await asyncio.sleep(self.seconds)
        status, kind, body = self.says(data)
        headers = [(b"content-type", kind.encode()), (b"set-cookie", b"a=b"), (b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def forwarder(self, name: str | None = RIGHT, *pins: bytes) -> Forwarder:
        endpoint = Endpoint(IPv4Address("127.0.0.1"), self.port)
        return Forwarder(endpoint, tls_name=name, pins=pins, https_path=PATH)


@contextmanager
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


async def failure(way: Upstream, forwarder: Forwarder) -> str:
    """Return why a question fails."""
    asking = begin(way, forwarder)
    await asking.end.wait()
    assert asking.reply is None
    ((by_us, why),) = asking.failures
    assert not by_us
    assert why is not None
    return why


@pytest.mark.parametrize(
    ("protocols", "version"), [(("h2", "http/1.1"), "2"), (("http/1.1",), "1.1")], ids=["h2", "http/1.1"]
)
def test_questions_are_answered_over_kept_connections(
    certificate: Path, protocols: tuple[str, ...], version: str
) -> None:
    async def test() -> None:
        async with HttpsServer(certificate, protocols=protocols).serving() as server:
            with upstream() as way:
                assert await ask(way, server.forwarder())
                names = [f"v{number}.example." for number in range(20)]
                askings = [begin(way, server.forwarder(), name=name) for name in names]
                await all_end(askings)
                found = [str(asking.reply.question[0].name) for asking in askings if asking.reply]
                assert found == names
            assert {request["http_version"] for request in server.requests} == {version}
            clients = {request["client"] for request in server.requests}
            assert len(clients) == 1 if version == "2" else len(clients) <= https.MOST_CONNECTIONS

    run(test)


def test_rfc8484_4_1_the_request(certificate: Path) -> None:
    async def test() -> None:
        async with HttpsServer(certificate).serving() as server:
            with upstream() as way:
                for _ in range(2):
                    assert await ask(way, server.forwarder(), ident=0x1234)
            for data, request in zip(server.asked, server.requests, strict=True):
                headers = {name.decode(): value.decode() for name, value in request["headers"]}
                assert (request["method"], request["path"]) == ("POST", PATH)
                assert headers["content-type"] == headers["accept"] == DNS
                assert f"{RIGHT}:{server.port}" in (headers.get("host"), headers.get(":authority"))
                # RFC 8484 section 8.2: no cookies.
                assert "cookie" not in headers
                assert "user-agent" not in headers
                assert data[:2] == b"\0\0"
                assert len(data) == 128

    run(test)


def test_who_has_another_name_or_key_gets_no_question(certificate: Path) -> None:
    async def test() -> None:
        async with HttpsServer(certificate).serving() as server:
            with upstream() as way:
                why = await failure(way, server.forwarder(WRONG))
                assert why.startswith(f"its certificate does not do for the name {WRONG}: ")
                why = await failure(way, server.forwarder(RIGHT, bytes(32)))
                assert why.startswith("its public key has the pin ")
                assert not server.asked
                key = make_certificate(certificate.with_name("unused.pem"), RIGHT)
                assert (await failure(way, server.forwarder(None, key))).startswith("its public key")

    run(test)


def test_a_pin_alone_is_enough(tmp_path: Path) -> None:
    key = make_certificate(tmp_path / "c.pem", WRONG)

    async def test() -> None:
        async with HttpsServer(tmp_path / "c.pem").serving() as server:
            with upstream() as way:
                assert await ask(way, server.forwarder(None, key))

    run(test)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((404, DNS, b""), f"it answers with HTTP status 404; see that DNS over HTTPS is served at {PATH}"),
        ((302, DNS, b""), f"it answers with HTTP status 302; see that DNS over HTTPS is served at {PATH}"),
        (
            (200, "text/html", b"<p>"),
            f"it answers with text/html, not DNS; see that DNS over HTTPS is served at {PATH}",
        ),
        (
            (200, DNS, bytes(70_000)),
            "it answers with more than a DNS message can have; see what serves there",
        ),
    ],
)
def test_what_is_no_dns_is_told_of(certificate: Path, said: Said, why: str) -> None:
    async def test() -> None:
        async with HttpsServer(certificate, lambda _: said).serving() as server:
            with upstream() as way:
                assert await failure(way, server.forwarder()) == why
                server.says = lambda data: (200, DNS, true_reply(data))
                assert await ask(way, server.forwarder())

    run(test)


@pytest.mark.parametrize("body", [b"", b"\0", bytes(12), b"\1\2" + bytes(20)])
def test_a_body_that_is_no_reply_fails_the_question(certificate: Path, body: bytes) -> None:
    async def test() -> None:
        async with HttpsServer(certificate, lambda _: (200, DNS, body)).serving() as server:
            with upstream() as way:
                asking = begin(way, server.forwarder())
                await asking.end.wait()
                assert asking.failures == [(False, None)]

    run(test)


def test_a_server_that_was_started_again_is_asked_again(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long the server, which is of asyncio, too, waits for the other side of an idle connection to close it.
    monkeypatch.setattr("asyncio.constants.SSL_SHUTDOWN_TIMEOUT", 0.1)

    async def test() -> None:
        server = HttpsServer(certificate)
        with upstream() as way:
            async with server.serving():
                assert await ask(way, server.forwarder())
            async with server.serving():
                assert await ask(way, server.forwarder())
            why = await failure(way, server.forwarder())
            assert why.endswith("; see that DNS over HTTPS is served there")

    run(test)


def test_a_question_ends_in_time(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "REPLY_SECONDS", 0.5)

    async def test() -> None:
        async with HttpsServer(certificate, seconds=1.0).serving() as server:
            with upstream() as way:
                why = await failure(way, server.forwarder())
                assert why == "no HTTPS with it in time; see that DNS over HTTPS is served there"

    run(test)


def test_there_is_a_bound_on_questions_under_way(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "MOST_WAITING", 3)

    async def test() -> None:
        async with HttpsServer(certificate, seconds=0.2).serving() as server:
            with upstream() as way:
                askings = [begin(way, server.forwarder()) for _ in range(3)]
                await asyncio.sleep(0)
                beyond = begin(way, server.forwarder())
                assert beyond.failures == [(True, None)]
                await all_end(askings)
                assert all(asking.reply for asking in askings)

    run(test)


def test_after_a_reload_the_authorities_of_then_count(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path / "other.pem", RIGHT)

    async def test() -> None:
        async with HttpsServer(certificate).serving() as server:
            config = Dns64Config(View((server.forwarder(),)))
            with upstream() as way:
                way.prepare(config)
                assert await ask(way, server.forwarder())
                monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
                way.prepare(config)
                assert "self-signed certificate" in await failure(way, server.forwarder())

    run(test)


CHROOTED = """
import asyncio, importlib.abc, sys
from ipaddress import IPv4Address
from nat64.config.dns64_config import *
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import ask

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        raise ImportError(f"{name} is not in the chroot")

async def main():
    forwarder = Forwarder(Endpoint(IPv4Address("127.0.0.1"), int(sys.argv[1])), tls_name="dns.example", https_path="/")
    way = Upstream()
    way.prepare(Dns64Config(View((forwarder,))))
    sys.meta_path.insert(0, Nothing())
    assert await ask(way, forwarder)
    way.close()

asyncio.run(main())
"""


def test_all_that_is_needed_is_loaded_when_the_config_is(certificate: Path) -> None:
    async def test() -> None:
        async with HttpsServer(certificate).serving() as server:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHROOTED, str(server.port)), cwd=Path(__file__).parents[3]
            )
            assert await process.wait() == 0

    run(test)


def test_without_such_a_forwarder_nothing_of_it_is_loaded() -> None:
    script = "import nat64.dns64.server, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"httpx", "httpcore", "h2", "anyio", "nat64.dns64.https"} & set(found.stdout.split())
