"""ipv4only.arpa and its reverse names, answered here and never asked (RFC 7050, RFC 8880 section 7).

Clients learn the prefixes from it, so each prefix stands in the answer, also 64:ff9b::/96, which otherwise
would not carry 192.0.0.170 and 192.0.0.171.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from dnslib import NS, PTR, RR, SOA, A, DNSLabel

from nat64.dns64.message import CLASS_IN, RCode, RRType
from nat64.dns64.synthesis import aaaa_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.addressing.prefix import Pref64
    from nat64.dns64.message import Message, Question

OUTCOME: Final = "ipv4only"
"""How answers from here are counted."""
NAME: Final = DNSLabel("ipv4only.arpa.")
ADDRESSES: Final = (ipaddress.IPv4Address("192.0.0.170"), ipaddress.IPv4Address("192.0.0.171"))
TTL: Final = 86400
"""Seconds, as in the zone that IANA serves."""

_ARPA: Final = DNSLabel("arpa.")
_REVERSE: Final = tuple(DNSLabel(address.reverse_pointer) for address in ADDRESSES)
# The shape RFC 6303 section 3 gives zones that a resolver serves by itself.
_NEGATIVE_TTL: Final = 10800
_SOA: Final = (1, 3600, 1200, 604800, _NEGATIVE_TTL)


def is_local(question: Question, prefixes: Sequence[Pref64]) -> bool:
    """Tell whether `answer` knows the question; without a prefix there is nothing to say.

    The DS records of a zone are its parent's (RFC 4035 section 3.1.4.1), where a client that validates learns
    that nothing here is signed.
    """
    if not prefixes or question.qclass != CLASS_IN or not question.name.matchSuffix(_ARPA):
        return False
    if question.qtype == RRType.DS and question.name in (NAME, *_REVERSE):
        return False
    return any(question.name.matchSuffix(zone) for zone in (NAME, *_REVERSE))


def answer(question: Question, prefixes: Sequence[Pref64], reply: Message) -> None:
    """Fill `reply` with the answer to a question that `is_local`."""
    name = question.name
    zone = next(zone for zone in (NAME, *_REVERSE) if name.matchSuffix(zone))
    reply.authoritative = True
    records = _records(name, zone, prefixes)
    if name != zone:
        reply.rcode = RCode.NXDOMAIN
    reply.answers = [
        record for record in records if name == zone and question.qtype in (record.rtype, RRType.ANY)
    ]
    if not reply.answers:
        # RFC 2308 section 3: its TTL says for how long the answer may be kept.
        reply.authorities = [_soa(zone, zone, _NEGATIVE_TTL)]


def _records(name: DNSLabel, zone: DNSLabel, prefixes: Sequence[Pref64]) -> list[RR]:
    records = [_soa(name, zone), RR(name, RRType.NS, CLASS_IN, TTL, NS(zone))]
    if zone == NAME:
        for address in ADDRESSES:
            records.append(RR(name, RRType.A, CLASS_IN, TTL, A(tuple(address.packed))))
            records.extend(aaaa_record(name, prefix.embed(address.packed), TTL) for prefix in prefixes)
    else:
        records.append(RR(name, RRType.PTR, CLASS_IN, TTL, PTR(NAME)))
    return records


def _soa(owner: DNSLabel, zone: DNSLabel, ttl: int = TTL) -> RR:
    return RR(owner, RRType.SOA, CLASS_IN, ttl, SOA(zone, DNSLabel("nobody.invalid."), _SOA))
