"""Asks name servers for ipv4only.arpa (RFC 7050 section 3): one question over UDP, to one after the other."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.discovery import ipv4only

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nat64.addressing.prefix import Pref64

RESOLV_CONF: Final = Path("/etc/resolv.conf")

_PORT: Final = 53
_PATIENCE: Final = 3.0
"""Seconds for each name server."""
_LONGEST: Final = 4096
_MOST_SERVERS: Final = 3  # as resolv.conf(5)
_AAAA: Final = 28


class Resolved(NamedTuple):
    """The prefixes of an answer, and for how many seconds they hold."""

    prefixes: tuple[Pref64, ...]
    lifetime: float


def name_servers(resolv_conf: str) -> list[str]:
    """Return the addresses of the name servers in the text of a resolv.conf(5), with their zones."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1]):
            found.append(words[1])
    return found[:_MOST_SERVERS]


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


async def resolve(servers: Sequence[str] | None = None) -> Resolved | None:
    """Return what the first of the `servers` answers that gives a prefix; None where none does.

    Without `servers` those of /etc/resolv.conf are asked.
    """
    for server in _configured_servers() if servers is None else servers:
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await _ask(server)
        except (OSError, TimeoutError):
            continue
        if answer is not None and answer.prefixes:
            return answer
    return None


def _configured_servers() -> Iterable[str]:
    try:
        return name_servers(RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ()


async def _ask(server: str) -> Resolved | None:
    from dnslib import DNSQuestion, DNSRecord  # noqa: PLC0415 - only who has no PREF64 needs it

    loop = asyncio.get_running_loop()
    query = DNSRecord(q=DNSQuestion(ipv4only.NAME, _AAAA))
    query.header.id = secrets.randbits(16)
    query.header.rd = 1
    ((family, _, _, _, address), *_) = socket.getaddrinfo(
        server, _PORT, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as channel:
        await loop.sock_connect(channel, address)
        await loop.sock_sendall(channel, query.pack())
        while True:
            answer = read_answer(await loop.sock_recv(channel, _LONGEST), query.header.id)
            if answer is not None:
                return answer


def read_answer(message: bytes, query_id: int) -> Resolved | None:
    """Return what a DNS message says; None where it is no answer to this query."""
    from dnslib import DNSError, DNSRecord  # noqa: PLC0415 - as above

    try:
        record = DNSRecord.parse(message)
    except (DNSError, RecursionError, ValueError):
        return None
    is_answer = record.header.id == query_id and record.header.qr
    if not is_answer or record.q is None or record.q.qname != ipv4only.NAME or record.q.qtype != _AAAA:
        return None
    found = [each for each in record.rr if each.rtype == _AAAA and each.rname == ipv4only.NAME]
    prefixes = ipv4only.prefixes_in(bytes(each.rdata.data) for each in found)
    return Resolved(prefixes, float(min((each.ttl for each in found), default=0)))
