"""AAAA records made from A records (RFC 6147 section 5.1). No I/O.

The functions look at the replies to a client's AAAA question and to the A question for the same name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslib import AAAA, RR

from nat64.addressing.special_purpose import is_global, may_translate_ipv4
from nat64.dns64.message import CLASS_IN, Edns, Message, RCode, RRType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnslib import DNSLabel

    from nat64.addressing.prefix import Pref64

TTL_WITHOUT_SOA: Final = 600
"""Seconds; RFC 6147 section 5.1.7."""

_EDE: Final = 15
# Extended DNS Errors (RFC 8914 section 4) that say a validator found the answer bogus: 6 to 12.
_BOGUS: Final = range(6, 13)


class PrefixRotation:
    """Takes the prefixes in turn, one turn an answer, so that each serves equally many."""

    def __init__(self, prefixes: Sequence[Pref64]) -> None:
        self._prefixes = tuple(prefixes)
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def next(self) -> tuple[Pref64, ...]:
        """Return all prefixes, the one whose turn it is first."""
        turn = self._turn
        self._turn = (turn + 1) % len(self._prefixes) if self._prefixes else 0
        return self._prefixes[turn:] + self._prefixes[:turn]


def chain_end(reply: Message) -> DNSLabel:
    """Follow the CNAME records of a reply from its question's name; a loop ends where it closes.

    A DNAME needs nothing of its own: RFC 6672 section 3.1 puts the CNAME it stands for beside it.
    """
    targets = {
        record.rname: record.rdata.label
        for record in reply.answers
        if record.rtype == RRType.CNAME and record.rclass == CLASS_IN
    }
    name = reply.question.name
    for _ in range(len(targets)):
        if name not in targets:
            break
        name = targets[name]
    return name


def answers_at_end(reply: Message, rtype: RRType) -> list[RR]:
    """Return the records of that type that stand where the question's CNAME chain ends."""
    end = chain_end(reply)
    return [
        record
        for record in reply.answers
        if record.rtype == rtype and record.rclass == CLASS_IN and record.rname == end
    ]


def without_excluded(reply: Message, excluded: Sequence[ipaddress.IPv6Network]) -> Message:
    """Return the reply without the AAAA records in excluded networks (RFC 6147 section 5.1.4).

    Where one is dropped the signatures over that set go too: they no longer fit.
    """
    bad = [
        record
        for record in reply.answers
        if record.rtype == RRType.AAAA and any(_address6(record) in network for network in excluded)
    ]
    if not bad:
        return reply
    owners = {record.rname for record in bad}
    dropped = set(map(id, bad))
    kept = [
        record
        for record in reply.answers
        if id(record) not in dropped and not (record.rname in owners and _covers(record, RRType.AAAA))
    ]
    return replace(reply, answers=kept)


def wants_synthesis(reply: Message | None, *, synthesize_on_failure: bool) -> bool:
    """Tell whether the reply to the AAAA question calls for synthesis; ``None`` is a timeout.

    It does for an empty answer, never for NXDOMAIN (RFC 6147 section 5.1.2), and by choice for a failure,
    unless a validator says that the answer is bogus.
    """
    if reply is None:
        return synthesize_on_failure
    if reply.rcode == RCode.NXDOMAIN:
        return False
    if reply.rcode == RCode.NOERROR:
        return not answers_at_end(reply, RRType.AAAA)
    return synthesize_on_failure and not is_bogus(reply.edns)


def is_bogus(edns: Edns | None) -> bool:
    """Tell whether an Extended DNS Error says that DNSSEC validation failed (RFC 8914)."""
    if edns is None:
        return False
    return any(
        code == _EDE and len(data) >= 2 and int.from_bytes(data[:2], "big") in _BOGUS
        for code, data in edns.options
    )


def longest_ttl(aaaa_reply: Message | None) -> int:
    """Return the seconds that a synthesized record may live by the negative AAAA answer (section 5.1.7)."""
    if aaaa_reply is not None:
        for record in aaaa_reply.authorities:
            if record.rtype == RRType.SOA and record.rclass == CLASS_IN:
                return int(min(record.ttl, record.rdata.times[4]))
    return TTL_WITHOUT_SOA


def synthesize(a_reply: Message, prefixes: Iterable[Pref64], longest: int) -> list[RR]:
    """Return the answer section for the AAAA question: the chain as it is, each A turned into AAAA.

    Each address takes the first of `prefixes` that may carry it; one that none may carry is left out. The
    records live no longer than `longest` seconds. Without a single AAAA the list is empty.
    """
    candidates = tuple(prefixes)
    end = chain_end(a_reply)
    records: list[RR] = []
    made = False
    for record in a_reply.answers:
        if _covers(record, RRType.A):
            continue
        if record.rtype != RRType.A or record.rclass != CLASS_IN:
            records.append(record)
            continue
        if record.rname != end:
            continue
        address = embed(bytes(record.rdata.data), candidates)
        if address is not None:
            records.append(aaaa_record(record.rname, address, min(record.ttl, longest)))
            made = True
    return records if made else []


def embed(address: bytes, prefixes: Iterable[Pref64]) -> bytes | None:
    """Embed an IPv4 address in the first prefix that may carry it.

    64:ff9b::/96 must not carry an address that is not global (RFC 6052 section 3.1). An address that no
    translator lets pass, such as 127.0.0.1, is embedded in none.
    """
    if not may_translate_ipv4(address):
        return None
    for prefix in prefixes:
        if not prefix.is_well_known or is_global(address):
            return prefix.embed(address)
    return None


def aaaa_record(owner: DNSLabel, address: bytes, ttl: int) -> RR:
    """Make an AAAA record."""
    return RR(owner, RRType.AAAA, CLASS_IN, ttl, AAAA(tuple(address)))


def _address6(record: RR) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(bytes(record.rdata.data))


def _covers(record: RR, rtype: RRType) -> bool:
    """Tell whether the record is a signature over records of that type (RFC 4034 section 3.1.1)."""
    return bool(record.rtype == RRType.RRSIG and record.rdata.data[:2] == rtype.to_bytes(2, "big"))
