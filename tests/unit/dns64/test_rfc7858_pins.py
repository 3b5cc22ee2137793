"""RFC 7858 section 4.2: forwarders that are known by their public keys; `cryptography` makes the certificates."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import Dns64Config, Endpoint, Forwarder, View
from nat64.dns64.public_key import pin_of
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import ask, begin, run, true_reply
from tests.unit.dns64.certificates import certificate, elliptic_key, make_certificate, pin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

RIGHT, WRONG = "dns.example", "other.example"
KEYS = [
    elliptic_key(),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(public_exponent=65537, key_size=2048),
]
DER = certificate("a.example", KEYS[0]).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["a.example", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example"])
def test_the_pin_of_a_certificate_is_that_of_its_key(key: object, name: str) -> None:
    der = certificate(name, key).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]
    assert pin_of(der) == pin(key)  # type: ignore[arg-type]


@given(st.data())
def test_what_is_no_certificate_has_no_pin(data: st.DataObject) -> None:
    der = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(der)))
    try:
        found = pin_of(bytes(der[:end]))
    except ValueError:
        return
    assert len(found) == 32


def test_a_certificate_that_is_cut_off_has_no_pin() -> None:
    for end in range(len(DER)):
        with pytest.raises(ValueError, match=r"cut off|no certificate"):
            pin_of(DER[:end])


@dataclass(slots=True)
class TlsServer:
    """A name server behind TLS."""

    certificate: Path
    asked: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The name that each client wanted (SNI)."""
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TlsServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        context.sni_callback = lambda _object, name, _context: self.names.append(name)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                self.asked.append(await reader.readexactly(size))
                reply = true_reply(self.asked[-1])
                writer.write(len(reply).to_bytes(2, "big") + reply)
        except (EOFError, OSError):
            writer.close()

    def forwarder(self, name: str | None, *pins: bytes) -> Forwarder:
        return Forwarder(Endpoint(IPv4Address("127.0.0.1"), self.port), tls_name=name, pins=pins)


@contextmanager
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def test_a_pin_alone_is_enough_and_no_authority_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_certificate(tmp_path / "c.pem", WRONG)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))

    async def test() -> None:
        async with TlsServer(tmp_path / "c.pem").serving() as server:
            with upstream() as way:
                assert await ask(way, server.forwarder(None, bytes(32), key))
            assert server.names == [None]

    run(test)


def test_another_key_gets_no_question_and_its_pin_is_told(tmp_path: Path) -> None:
    key = make_certificate(tmp_path / "c.pem", RIGHT)

    async def test() -> None:
        async with TlsServer(tmp_path / "c.pem").serving() as server:
            with upstream() as way:
                asking = begin(way, server.forwarder(None, bytes(32)))
                await asking.end.wait()
            assert not server.asked
            told = base64.b64encode(key).decode()
            expected = f"its public key has the pin {told}; mend the pin, if that is its new key"
            assert asking.failures == [(False, expected)]

    run(test)


@pytest.mark.parametrize(
    ("name", "right_pin", "trusted", "asked"),
    [
        (RIGHT, True, True, True),
        (RIGHT, False, True, False),
        (WRONG, True, True, False),
        (RIGHT, True, False, False),
    ],
)
def test_with_a_pin_and_a_name_both_must_fit(  # noqa: PLR0917
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    right_pin: bool,
    trusted: bool,
    asked: bool,
) -> None:
    key = make_certificate(tmp_path / "c.pem", RIGHT)
    make_certificate(tmp_path / "other.pem", RIGHT)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / ("c.pem" if trusted else "other.pem")))

    async def test() -> None:
        async with TlsServer(tmp_path / "c.pem").serving() as server:
            with upstream() as way:
                pinned = key if right_pin else bytes(32)
                asking = begin(way, server.forwarder(name, pinned))
                await asking.end.wait()
            assert bool(server.asked) == asked
            assert bool(asking.reply) == asked
            assert server.names == [name]

    run(test)


def test_rfc8467_4_1_queries_over_tls_are_padded(tmp_path: Path) -> None:
    key = make_certificate(tmp_path / "c.pem", RIGHT)

    async def test() -> None:
        async with TlsServer(tmp_path / "c.pem").serving() as server:
            with upstream() as way:
                for number in range(3):
                    name = f"{'long' * number}name.example."
                    assert await ask(way, server.forwarder(None, key), name=name)
            assert [len(query) for query in server.asked] == [128] * 3

    run(test)


def test_authorities_are_read_again_when_the_config_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "trusted.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    make_certificate(tmp_path / "c.pem", RIGHT)
    make_certificate(trusted, RIGHT)

    async def test() -> None:
        async with TlsServer(tmp_path / "c.pem").serving() as server:
            forwarder = server.forwarder(RIGHT)
            config = Dns64Config(View((forwarder,)))
            with upstream() as way:
                way.prepare(config)
                assert not await ask(way, forwarder)
                trusted.write_bytes((tmp_path / "c.pem").read_bytes())
                assert not await ask(way, forwarder)
                way.prepare(config)
                assert await ask(way, forwarder)
                # What cannot be read any more stays as it was.
                trusted.unlink()
                way.prepare(config)
                assert await ask(way, forwarder, ident=7)
                assert await ask(way, server.forwarder(RIGHT), ident=8)

    run(test)


def test_a_server_without_tls_is_told_of() -> None:
    async def test() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.write(b"no TLS"), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with upstream() as way:
            asking = begin(way, Forwarder(Endpoint(IPv4Address("127.0.0.1"), port), pins=(bytes(32),)))
            await asking.end.wait()
        server.close()
        ((by_us, why),) = asking.failures
        assert not by_us
        assert why is not None
        assert why.startswith("no TLS with it: ")

    run(test)
