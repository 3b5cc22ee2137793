"""A scripted forwarder, to be run inside a namespace: ``forwarder.py ADDRESS VICTIM SEED INTENSITY``. It serves until it is killed.

Of each name it does what the name's kind says. Besides, it sends replies that nobody asked for to random ports of VICTIM, the
host that asks it, in bursts of which INTENSITY multiplies the size: what an attacker can do who writes this forwarder's
address on his datagrams.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from random import Random
from typing import TYPE_CHECKING, Final

from tests.endurance import zones

if TYPE_CHECKING:
    from collections.abc import Callable

    Address = tuple[str, int]

PORT: Final = 53
SLOW: Final = 2.0
SLOWLY_ANSWERED: Final = 0.1
"""The share of the slow names that is answered at all."""
LIES: Final = 80
BURST: Final = 20_000
BURST_EACH: Final = 17.0
_SLICE: Final = 200
_STRANGER: Final = b"\0\0\1\0\0\1\0\0\0\0\0\0\1k\4good\7example\0\0\1\0\1"


class Forwarder(asyncio.DatagramProtocol):
    """The UDP side."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._kinds: dict[str, Callable[[bytes, zones.Question, Address], None]] = {
            "good": self._truth,
            "victim": self._slowly,
            "forged": self._after_lies,
            "garbage": self._garbage,
            "servfail": self._failure(2),
            "refused": self._failure(5),
            "silent": lambda *_: None,
        }

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Address) -> None:
        question = zones.question_of(data)
        if question is None:
            if len(data) >= 12:
                self._send(data[:2] + b"\x81\x85" + bytes(8), peer)  # REFUSED
            return
        self._kinds.get(question.kind, self._nothing)(data, question, peer)

    def _send(self, wire: bytes, peer: Address) -> None:
        self.transport.sendto(wire, peer)

    def _truth(self, query: bytes, question: zones.Question, peer: Address) -> None:
        self._send(zones.truth(query, question, tcp=False), peer)

    def _slowly(self, query: bytes, question: zones.Question, peer: Address) -> None:
        if self._random.random() < SLOWLY_ANSWERED:
            asyncio.get_running_loop().call_later(SLOW, self._truth, query, question, peer)

    def _after_lies(self, query: bytes, question: zones.Question, peer: Address) -> None:
        for lie in zones.lies(query, question, self._random, LIES):
            self._send(lie, peer)
        asyncio.get_running_loop().call_later(0.05, self._truth, query, question, peer)

    def _garbage(self, query: bytes, question: zones.Question, peer: Address) -> None:
        self._send(zones.garbage(query, question, self._random), peer)

    def _failure(self, rcode: int) -> Callable[[bytes, zones.Question, Address], None]:
        return lambda query, question, peer: self._send(zones.response(query, question, [], rcode), peer)

    def _nothing(self, query: bytes, question: zones.Question, peer: Address) -> None:
        self._send(zones.response(query, question, [], rcode=3), peer)


async def serve_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what a connection asks, truly; a kind that is not good gets silence until the other side gives up."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = await reader.readexactly(size)
            question = zones.question_of(query)
            if question is not None and question.kind == "good":
                wire = zones.truth(query, question, tcp=True)
                writer.write(len(wire).to_bytes(2, "big") + wire)
    writer.close()


async def _spoof(forwarder: Forwarder, victim: str, random: Random, intensity: float) -> None:
    """Send bursts of what nobody asked for, each spread over a second."""
    while True:
        await asyncio.sleep(BURST_EACH)
        for _ in range(BURST // _SLICE):
            for _ in range(round(_SLICE * intensity)):
                query = random.randbytes(2) + _STRANGER[2:]
                question = zones.question_of(query)
                assert question is not None
                (lie,) = zones.lies(query, question, random, 1)
                forwarder.transport.sendto(lie, (victim, random.randrange(1024, 65536)))
            await asyncio.sleep(_SLICE / BURST)


async def serve(address: str, victim: str, seed: int, intensity: float) -> None:
    """Serve for ever."""
    random = Random(seed)  # noqa: S311 - the same each time
    loop = asyncio.get_running_loop()
    _, forwarder = await loop.create_datagram_endpoint(lambda: Forwarder(random), local_addr=(address, PORT))
    server = await asyncio.start_server(serve_stream, address, PORT)
    print("serving", flush=True)  # noqa: T201 - tells the campaign that it may begin
    async with server:
        await _spoof(forwarder, victim, random, intensity)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
