"""A name server for tests, to be run inside a namespace: ``fake_name_server.py NAME ADDRESS PORT``.

dnspython makes its replies. ``who.example TXT`` tells its NAME. What ``big.example`` has is truncated over UDP.
"""

from __future__ import annotations

import asyncio
import sys

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
RECORDS = [
    "v4.example. 3600 IN A 192.0.2.33",
    "v6.example. 3600 IN AAAA 2001:db8:6::6",
    "both.example. 3600 IN A 192.0.2.34",
    "both.example. 3600 IN AAAA 2001:db8:6::7",
    "alias.example. 3600 IN CNAME alias2.example.",
    "alias2.example. 3600 IN CNAME v4.example.",
    "text.example. 3600 IN TXT hello",
    "33.2.0.192.in-addr.arpa. 3600 IN PTR v4.example.",
    *(f"big.example. 3600 IN A 192.0.2.{host}" for host in range(1, 201)),
]


def find(name: str, rdtype: str) -> tuple[list[str], bool]:
    """Return the lines that answer a question, CNAMEs followed, and whether the name exists."""
    found: list[str] = []
    while True:
        owned = [line for line in RECORDS if line.split()[0] == name]
        exact = [line for line in owned if line.split()[3] == rdtype]
        aliases = [line for line in owned if line.split()[3] == "CNAME"]
        if exact or not aliases:
            return found + exact, bool(owned)
        found += aliases
        name = aliases[0].split()[4]


def reply_to(data: bytes, identity: str, *, tcp: bool) -> bytes:
    query = dns.message.from_wire(data)
    reply = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name = str(question.name).lower()
    lines, exists = find(name, question.rdtype.name)
    if name == "who.example.":
        lines, exists = [f"who.example. 0 IN TXT {identity}"], True
    for line in lines:
        owner, ttl, rdclass, rdtype, rdata = line.split(None, 4)
        reply.answer.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    if not any(line.split()[3] == question.rdtype.name for line in lines):
        owner, ttl, rdclass, rdtype, rdata = SOA.split(None, 4)
        reply.authority.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    if not exists:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    if len(reply.to_wire(max_size=65535)) > 1232 and not tcp:
        reply.answer.clear()
        reply.flags |= dns.flags.TC
    return reply.to_wire(max_size=65535)


class Udp(asyncio.DatagramProtocol):
    def __init__(self, identity: str) -> None:
        self._identity = identity

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        self._transport.sendto(reply_to(data, self._identity, tcp=False), peer)


async def serve(identity: str, address: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        data = reply_to(await reader.readexactly(size), identity, tcp=True)
        writer.write(len(data).to_bytes(2, "big") + data)
        writer.close()

    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Udp(identity), local_addr=(address, port))
    server = await asyncio.start_server(connected, address, port)
    print("serving", flush=True)  # noqa: T201 - tells the test that it may begin
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
