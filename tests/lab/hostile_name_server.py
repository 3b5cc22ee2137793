"""A name server that abuses who asks it, to be run inside a namespace: ``hostile_name_server.py ADDRESS PORT STRANGER``.

The first label of the name says what it does; any other name has its true answer at once, which is one A record
and no other. STRANGER is an address of the namespace that nobody asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Address = tuple[str, int]

TRUE: Final = "192.0.2.33"
FORGED: Final = "203.0.113.66"
AFTER: Final = 0.1
"""Seconds from the lies to the truth."""
LATE: Final = 1.6
FLOOD: Final = 300
SPRAY: Final = 100_000
SPRAY_SECONDS: Final = 2.0
"""On a busy machine it ends by then, so that the truth comes while somebody waits for it."""
HUGE: Final = 250

_SOA: Final = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
_random = random.Random(64)  # noqa: S311 - the same nonsense each time


def reply(data: bytes, address: str = TRUE) -> dns.message.Message:
    """Make the true reply, or one that has another address; a lie has an AAAA record too."""
    query = dns.message.from_wire(data)
    made = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    if question.rdtype == dns.rdatatype.A:
        made.answer.append(dns.rrset.from_text(question.name, 300, "IN", "A", address))
    elif question.rdtype == dns.rdatatype.AAAA and address == FORGED:
        made.answer.append(dns.rrset.from_text(question.name, 300, "IN", "AAAA", f"2001:db8::{FORGED}"))
    else:
        owner, ttl, rdclass, rdtype, rdata = _SOA.split(None, 4)
        made.authority.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    return made


def truncated(data: bytes) -> bytes:
    made = reply(data)
    made.answer.clear()
    made.flags |= dns.flags.TC
    return made.to_wire()


def failed(data: bytes, rcode: dns.rcode.Rcode) -> bytes:
    made = reply(data)
    made.answer.clear()
    made.authority.clear()
    made.set_rcode(rcode)
    return made.to_wire()


def wrong_ids(data: bytes) -> Iterator[bytes]:
    made = reply(data, FORGED)
    right = made.id
    for change in range(1, 51):
        made.id = right ^ change
        yield made.to_wire()


def wrong_questions(data: bytes) -> Iterator[bytes]:
    made = reply(data, FORGED)
    rdtype = made.question[0].rdtype
    for name, asked in (
        (dns.name.from_text("other.example."), rdtype),
        (made.question[0].name, dns.rdatatype.TXT),
    ):
        made.question = [dns.rrset.RRset(name, dns.rdataclass.IN, asked)]
        yield made.to_wire()


def nonsense(data: bytes) -> Iterator[bytes]:
    whole = reply(data, FORGED).to_wire()
    yield from (b"", whole[:1], whole[:11], whole[:-1], whole[:6] + b"\xff" * 6 + whole[12:])
    yield from (data[:2] + _random.randbytes(size) for size in range(0, 90, 3))


LIES: Final[dict[str, Callable[[bytes], Iterator[bytes]]]] = {
    "wrong-id": wrong_ids,
    "wrong-question": wrong_questions,
    "nonsense": nonsense,
}
OVER_TCP: Final = ("closes", "stalls", "huge", "drops")
FAILURES: Final = ("refused", "servfail")


class Udp(asyncio.DatagramProtocol):
    """The server proper; `strangers` are sockets that nobody asked, by the deed that they are for."""

    def __init__(self) -> None:
        self.strangers: dict[str, asyncio.DatagramTransport] = {}
        self.has_sprayed = False

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, peer: Address) -> None:
        deed = deed_of(data)
        if deed in self.strangers:
            self.strangers[deed].sendto(reply(data, FORGED).to_wire(), peer)
        if deed == "spray" and not self.has_sprayed:
            self.has_sprayed = True  # once: it takes this server some seconds
            self._spray(data, peer[0])
        later = asyncio.get_running_loop().call_later
        for seconds, wire in said_over_udp(deed, data):
            later(seconds, self._transport.sendto, wire, peer)

    def _spray(self, data: bytes, host: str) -> None:
        """Send lies to all ports that a question may have left from, in this server's name and with all IDs."""
        lie = reply(data, FORGED).to_wire()[2:]
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        sender = socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno()))
        with sender:
            end = time.monotonic() + SPRAY_SECONDS
            for number in range(SPRAY):
                if time.monotonic() > end:
                    break
                ident = _random.randbytes(2)
                port = low + number % (high - low + 1)
                if ident != data[:2]:
                    with contextlib.suppress(OSError):  # the ICMP error of a closed port, or no room just now
                        sender.sendto(ident + lie, (host, port))


def said_over_udp(deed: str, data: bytes) -> list[tuple[float, bytes]]:
    """Return what is sent in reply, each with the seconds until then."""
    true = reply(data).to_wire()
    if deed in LIES:
        return [*((0.0, lie) for lie in LIES[deed](data)), (AFTER, true)]
    if deed in OVER_TCP:
        return [(0.0, truncated(data))]
    if deed in FAILURES:
        return [(0.0, failed(data, dns.rcode.from_text(deed)))]
    others: dict[str, list[tuple[float, bytes]]] = {
        "wrong-port": [(AFTER, true)],
        "wrong-address": [(AFTER, true)],
        "flood": [(0.0, lie) for lie in wrong_ids(data)] * (FLOOD // 50),
        "twice": [(0.0, true)] * 5,
        "late": [(LATE, true)],
        "silent": [],
    }
    return others.get(deed, [(0.0, true)])


def deed_of(data: bytes) -> str:
    name = dns.message.from_wire(data).question[0].name
    return name.labels[0].decode().lower()


async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = int.from_bytes(await reader.readexactly(2), "big")
    data = await reader.readexactly(size)
    deed = deed_of(data)
    made = reply(data)
    if deed == "huge":
        question = made.question[0]
        texts = [f'"{number:03}{"x" * 240}"' for number in range(HUGE)]
        made.answer = [dns.rrset.from_text(question.name, 300, "IN", "TXT", *texts)]
    wire = made.to_wire(max_size=65535)
    framed = len(wire).to_bytes(2, "big") + wire
    if deed == "stalls":
        writer.write(b"\xff\xff" + wire)
        await writer.drain()
        await reader.read()  # until the other side gives up
    elif deed == "closes":
        writer.write(framed[:-3])
    elif deed != "drops":
        writer.write(framed)
    writer.close()


async def serve(address: str, port: int, stranger: str) -> None:
    loop = asyncio.get_running_loop()
    _, udp = await loop.create_datagram_endpoint(Udp, local_addr=(address, port))
    for deed, local in (("wrong-port", (address, port + 1)), ("wrong-address", (stranger, port))):
        udp.strangers[deed], _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=local
        )
    server = await asyncio.start_server(connected, address, port)
    print("serving", flush=True)  # noqa: T201 - tells the test that it may begin
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
