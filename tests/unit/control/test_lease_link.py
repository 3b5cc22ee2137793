"""Leases between gateways, over TCP on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.lease_agreement import ToldLease, agree
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import Endpoint
from nat64.control import lease_link
from nat64.control.lease_link import LeaseLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

PREFIX = Pref64(IPv6Network("64:ff9b::/96"))
ONE, TWO = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
WAITS = 20.0


def host(number: int) -> bytes:
    return b"\x20\x01\x0d\xb8" + number.to_bytes(12, "big")


def free_port(address: IPv4Address) -> int:
    with socket.socket() as probe:
        probe.bind((str(address), 0))
        port: int = probe.getsockname()[1]
        return port


class Gateway:
    """A pool and its end of the link."""

    def __init__(self, listen: Endpoint, *peers: Endpoint) -> None:
        self.pool = DynamicPool(IPv4Network("192.168.240.0/24"))
        self.link = LeaseLink(listen, peers, lambda: self.pool, self._take, lambda: 0.0)
        self.pool.observers.append(self.link.observe)

    def _take(self, told: Sequence[ToldLease]) -> None:
        for lease in told:
            agree({PREFIX: self.pool}, lease, 0.0)

    def use(self, number: int) -> None:
        self.pool.assign(host(number), PREFIX, 0.0)

    def held(self) -> dict[bytes, bytes]:
        return {lease.host: lease.address for lease in self.pool}


@contextlib.asynccontextmanager
async def running(*gateways: Gateway) -> AsyncIterator[None]:
    try:
        for gateway in gateways:
            await gateway.link.start()
        yield
    finally:
        for gateway in gateways:
            gateway.link.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAITS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def ends() -> tuple[Endpoint, Endpoint]:
    return Endpoint(ONE, free_port(ONE)), Endpoint(TWO, free_port(TWO))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_link, "_FIRST_RETRY", 0.05)


def test_each_hears_of_what_was_there_and_of_what_comes(ends: tuple[Endpoint, Endpoint]) -> None:
    async def run() -> None:
        first, second = Gateway(ends[0], ends[1]), Gateway(ends[1], ends[0])
        first.use(1)
        async with running(first, second):
            await until(lambda: host(1) in second.held())
            second.use(2)
            await until(lambda: first.held() == second.held() and host(2) in first.held())
            assert [peer.problem for gateway in (first, second) for peer in gateway.link.peers] == [
                None,
                None,
            ]

    asyncio.run(run())


def test_one_that_was_away_is_found_again(ends: tuple[Endpoint, Endpoint]) -> None:
    async def run() -> None:
        first = Gateway(ends[0], ends[1])
        first.use(1)
        async with running(first):
            await until(lambda: first.link.peers[0].problem not in {None, "not reached yet"})
            async with running(second := Gateway(ends[1], ends[0])):
                await until(lambda: host(1) in second.held() and first.link.peers[0].problem is None)

    asyncio.run(run())


def test_who_is_no_peer_is_hung_up_on(ends: tuple[Endpoint, Endpoint]) -> None:
    async def run() -> bytes:
        gateway = Gateway(ends[0], Endpoint(IPv4Address("127.0.0.9"), 9))
        gateway.use(1)
        async with running(gateway):
            reader, writer = await asyncio.open_connection(str(ONE), ends[0].port, local_addr=(str(TWO), 0))
            writer.write(b'{"version":1,"command":"follow-leases"}\n')
            try:
                return await asyncio.wait_for(reader.read(), WAITS)
            except ConnectionResetError:
                return b""

    assert asyncio.run(run()) == b""


@pytest.mark.parametrize("asked", [b"\n", b"\xff\n", b'{"version":1,"command":"reload"}\n'])
def test_a_peer_that_asks_for_anything_else_is_told_why_not(
    asked: bytes, ends: tuple[Endpoint, Endpoint]
) -> None:
    async def run() -> bytes:
        gateway = Gateway(ends[0], ends[1])
        async with running(gateway):
            reader, writer = await asyncio.open_connection(str(ONE), ends[0].port, local_addr=(str(TWO), 0))
            writer.write(asked)
            return await asyncio.wait_for(reader.read(), WAITS)

    assert b'"ok":false' in asyncio.run(run())


@pytest.mark.parametrize(
    "said", [b"\xff\xff\n", b'{"version":1,"ok":true,"result":{}}\n', b"x" * 300_000 + b"\n", b""]
)
def test_a_peer_that_says_what_it_should_not_is_left_and_its_problem_known(
    said: bytes, ends: tuple[Endpoint, Endpoint]
) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def run() -> None:
        gateway = Gateway(ends[0], ends[1])
        async with await asyncio.start_server(answer, str(TWO), ends[1].port), running(gateway):
            (peer,) = gateway.link.peers
            await until(lambda: peer.problem not in {None, "not reached yet"})
        assert len(gateway.pool) == 0

    asyncio.run(run())
