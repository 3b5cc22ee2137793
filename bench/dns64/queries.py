"""The questions that the bench asks, and whether an answer is right. Bytes in, bytes out.

Every name is ``<set><seven digits>.bench.example``, has one A record, the same for all, and no AAAA record. A query has
RD, EDNS with 1232 octets, and the low sixteen bits of the name's number as its ID.
"""

from __future__ import annotations

import ipaddress
import random
import re
from dataclasses import dataclass
from typing import Final

import dnslib

ZONE: Final = "bench.example"
IPV4: Final = ipaddress.IPv4Address("203.0.113.33")
PREFIX: Final = ipaddress.IPv6Network("2001:db8:64::/96")
SYNTHESIZED: Final = PREFIX[int(IPV4)]
TTL: Final = 3600
"""Of the A record, and of the proof that there is no AAAA record, in seconds: longer than a run of the bench."""

_FLAGS_AND_COUNTS: Final = bytes.fromhex("0100 0001 0000 0000 0001")
_REST: Final = b"".join(bytes([len(label)]) + label.encode() for label in ZONE.split(".")) + bytes.fromhex(
    "00 001c0001" + "00 0029 04d0 00000000 0000"
)
SIZE: Final = 2 + len(_FLAGS_AND_COUNTS) + 1 + 8 + len(_REST)
"""Octets of every query."""

_NAME: Final = re.compile(rf"([a-z])(\d{{7}})\.{re.escape(ZONE)}\.")


@dataclass(frozen=True, slots=True)
class Names:
    """The `count` names from number `first` on of the set that a letter stands for."""

    letter: str
    first: int
    count: int

    def has(self, letter: str, number: int) -> bool:
        """Tell whether a name is one of them."""
        return letter == self.letter and self.first <= number < self.first + self.count


def queries(names: Names) -> bytes:
    """Return the AAAA queries for the names, end to end.

    Their order is random, and the same each time.
    """
    numbers = list(range(names.first, names.first + names.count))
    random.Random(names.count).shuffle(numbers)  # noqa: S311 - an order, no secret
    middle = _FLAGS_AND_COUNTS + b"\x08" + names.letter.encode("ascii") + b"%07d" + _REST
    return b"".join([(number & 0xFFFF).to_bytes(2, "big") + middle % number for number in numbers])


def fault(reply: bytes, names: Names) -> str | None:
    """Return what is wrong with a reply to one of these queries; ``None`` if it is right."""
    try:
        message = dnslib.DNSRecord.parse(reply)
        name = _NAME.fullmatch(str(message.q.qname))
    except (dnslib.DNSError, IndexError) as error:
        return f"it cannot be parsed: {error}"
    if name is None or not names.has(name[1], int(name[2])):
        return f"nobody asked for {message.q.qname}"
    found = [(str(record.rname), record.rtype, str(record.rdata)) for record in message.rr]
    faults = (
        (
            message.header.id != int(name[2]) & 0xFFFF,
            f"the ID {message.header.id} is not that of the query for {message.q.qname}",
        ),
        (
            bool(message.header.rcode or message.header.tc),
            f"rcode {message.header.rcode}, TC {message.header.tc}",
        ),
        (
            found != [(str(message.q.qname), dnslib.QTYPE.AAAA, str(SYNTHESIZED))],
            f"the answer section is {found}",
        ),
        (not all(0 < record.ttl <= TTL for record in message.rr), f"a TTL of {message.rr}"),
    )
    return next((text for wrong, text in faults if wrong), None)
