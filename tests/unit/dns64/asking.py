"""Questions to forwarders on loopback through the adapter, and name servers there; dnspython writes the answers."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
from dnslib import DNSLabel

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.dns64.exchange import Exchange, Flags
from nat64.dns64.forwarders import Forwarders, Health
from nat64.dns64.message import Question, RRType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from nat64.dns64.exchange import Ask
    from nat64.dns64.message import Message
    from nat64.dns64.upstream import Upstream

    Address = tuple[str, int]

NAME = "v4.example."
SECONDS = 4.0


class Asking:
    """An exchange whose end can be waited for."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.end = asyncio.Event()
        self.failures: list[tuple[bool, str | None]] = []
        """Each ask that failed: whether by us, and why."""

    @property
    def done(self) -> bool:
        if self.exchange.done:
            self.end.set()
        return self.exchange.done

    @property
    def timer(self) -> float:
        return self.exchange.timer

    @property
    def message(self) -> Message | None:
        return self.exchange.reply.message if self.exchange.reply else None

    def asks_to_send(self) -> list[Ask]:
        return self.exchange.asks_to_send()

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        return self.exchange.reply_received(ask, data, now)

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        self.failures.append((by_us, why))
        self.exchange.ask_failed(ask, now, by_us=by_us, why=why)

    def handle_timer(self, now: float) -> None:
        self.exchange.handle_timer(now)


def begin(
    upstream: Upstream,
    *forwarders: Forwarder,
    rdtype: int = RRType.A,
    name: str = NAME,
    health: Health | None = None,
    random_id: Callable[[], int] = lambda: secrets.randbelow(1 << 16),
) -> Asking:
    """Begin to ask the forwarders."""
    now = asyncio.get_running_loop().time()
    exchange = Exchange(
        question=Question(DNSLabel(name), rdtype),
        flags=Flags(),
        forwarders=Forwarders(forwarders, health or Health(300)),
        deadline=now + SECONDS,
        random_id=random_id,
    )
    exchange.start(now)
    asking = Asking(exchange)
    upstream.begin(asking)
    return asking


async def ask(upstream: Upstream, *forwarders: Forwarder, rdtype: int = RRType.A) -> Message | None:
    """Ask the forwarders; return the reply."""
    asking = begin(upstream, *forwarders, rdtype=rdtype)
    await asking.end.wait()
    return asking.message


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine; it must not take long."""
    asyncio.run(asyncio.wait_for(test(), 30))


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
        while len(self.asked) < times:  # noqa: ASYNC110 - how often is the caller's matter
            await asyncio.sleep(0.005)

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
