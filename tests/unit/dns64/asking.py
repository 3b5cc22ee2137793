"""Questions to forwarders on loopback through the adapter, and name servers there; dnspython writes the answers."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import dns.message
import dns.rrset

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.dns64.exchange import Ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

    from nat64.dns64.upstream import Upstream

    Address = tuple[str, int]

NAME = "v4.example."


class Asking:
    """One question, to one forwarder or more, which waits for a reply as long as that takes."""

    def __init__(self, *asks: Ask) -> None:
        self.end = asyncio.Event()
        self._data: bytes | None = None
        self.failures: list[tuple[bool, str | None]] = []
        """Whether it failed by us, and why."""
        self.timer = asyncio.get_running_loop().time() + 60
        self._unsent = list(asks)

    @property
    def done(self) -> bool:
        return self.end.is_set()

    def asks_to_send(self) -> list[Ask]:
        asks, self._unsent = self._unsent, []
        return asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        assert now <= asyncio.get_running_loop().time()
        end = ask.data.index(b"\0", 12) + 5
        if data[:2] != ask.data[:2] or data[12:end] != ask.data[12:end] or not data[2] & 0x80:
            return False
        self._data = data
        self.end.set()
        return True

    @property
    def reply(self) -> dns.message.Message | None:
        return dns.message.from_wire(self._data) if self._data is not None else None

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        assert ask.sent <= now <= asyncio.get_running_loop().time()
        self.failures.append((by_us, why))
        self.end.set()

    def handle_timer(self, now: float) -> None:
        raise AssertionError(now)


def question(
    forwarder: Forwarder,
    *,
    name: str = NAME,
    rdtype: str = "A",
    ident: int | None = None,
    tcp: bool = False,
) -> Ask:
    """Make a question to a forwarder."""
    ident = secrets.randbelow(1 << 16) if ident is None else ident
    data = ident.to_bytes(2, "big") + _query(name, rdtype)[2:]
    now = asyncio.get_running_loop().time()
    return Ask(forwarder, tcp or forwarder.is_encrypted, data, edns=True, sent=now)


def begin(upstream: Upstream, forwarder: Forwarder, **options: Any) -> Asking:  # noqa: ANN401 - those of `question`
    """Begin to ask a forwarder."""
    asking = Asking(question(forwarder, **options))
    upstream.begin(asking)
    return asking


@cache
def _query(name: str, rdtype: str) -> bytes:
    return dns.message.make_query(name, rdtype, use_edns=0, payload=1232).to_wire()


async def ask(upstream: Upstream, forwarder: Forwarder, **options: Any) -> dns.message.Message | None:  # noqa: ANN401 - those of `question`
    """Ask a forwarder; return its reply."""
    asking = begin(upstream, forwarder, **options)
    await asking.end.wait()
    return asking.reply


async def all_end(askings: Iterable[Asking]) -> None:
    """Wait until all have their replies, or have failed."""
    for asking in askings:
        await asking.end.wait()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not holds():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine; it must not take long."""
    asyncio.run(asyncio.wait_for(test(), 100))


def true_reply(data: bytes) -> bytes:
    """Make the right reply to a query for an A record."""
    reply = dns.message.make_response(dns.message.from_wire(data))
    name = reply.question[0].name
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.33"))
    return reply.to_wire()


def empty_reply(data: bytes) -> bytes:
    """Make a reply without records, at little cost."""
    return data[:2] + b"\x81\x80" + data[4:]


@dataclass(slots=True)
class UdpServer(asyncio.DatagramProtocol):
    """A name server on one UDP port of loopback that says what `says` returns, once `seconds` have passed."""

    says: Callable[[bytes], list[bytes]] = lambda data: [true_reply(data)]
    seconds: float = 0.0
    peers: list[Address] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, peer: Address) -> None:
        self.peers.append(peer)
        self.asked.append(data)
        if self.seconds:
            asyncio.get_running_loop().call_later(self.seconds, self.say, data, peer)
        else:
            self.say(data, peer)

    async def was_asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        await until(lambda: len(self.asked) >= times)

    def say(self, data: bytes, peer: Address) -> None:
        assert self.transport is not None
        for reply in self.says(data):
            self.transport.sendto(reply, peer)

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1") -> AsyncIterator[Forwarder]:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, (host, 0))
        port = self.transport.get_extra_info("sockname")[1]
        yield Forwarder(Endpoint(ip_address(host), port))
        self.transport.close()
