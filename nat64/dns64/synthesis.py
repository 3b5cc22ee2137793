"""AAAA records made from A records (RFC 6147 section 5.1). No I/O.

The functions look at the replies to a client's AAAA question and to the A question for the same name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslib import AAAA, RR

from nat64.dns64 import answer, extended_error
from nat64.dns64.chain import answers_at_end
from nat64.dns64.message import CLASS_IN, Message, RCode, RRType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslib import DNSLabel

    from nat64.dns64.answer import Answer
    from nat64.dns64.prefix_choice import PrefixChoice
    from nat64.dns64.wire import PlainReply

TTL_WITHOUT_SOA: Final = 600
"""Seconds; RFC 6147 section 5.1.7."""
_SYNTHESIZED: Final = (extended_error.SYNTHESIZED,)  # one for all: many answers are kept
EVERY_ADDRESS: Final = (ipaddress.IPv6Network("::/0"),)
"""An exclusion set that leaves no AAAA record."""


def excludes(networks: Sequence[ipaddress.IPv6Network], addresses: Sequence[bytes]) -> bool:
    """Tell whether any of the addresses, in 16 bytes each, is in one of the networks."""
    return any(ipaddress.IPv6Address(address) in network for address in addresses for network in networks)


def without_excluded(reply: Message, excluded: Sequence[ipaddress.IPv6Network]) -> Message:
    """Return the reply without the AAAA records in `excluded` networks (RFC 6147 section 5.1.4).

    Where one is dropped the signatures over that set go too: they no longer fit.
    """
    bad = [
        record
        for record in reply.answers
        if record.rtype == RRType.AAAA
        and record.rclass == CLASS_IN
        and any(ipaddress.IPv6Address(_address(record)) in network for network in excluded)
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
    return replace(reply, answers=kept, authentic_data=False)


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
    return synthesize_on_failure and not extended_error.is_bogus(reply.edns)


def longest_ttl(aaaa_reply: Message | None) -> int:
    """Return the seconds that a synthesized record may live by the negative AAAA answer (section 5.1.7)."""
    if aaaa_reply is not None:
        for record in aaaa_reply.authorities:
            if record.rtype == RRType.SOA and record.rclass == CLASS_IN:
                return int(min(record.ttl, record.rdata.times[4]))
    return TTL_WITHOUT_SOA


def synthesize(a_reply: Message, choice: PrefixChoice, longest: int) -> list[RR]:
    """Return the answer section for the AAAA question: the chain as it is, each A turned into AAAA.

    `choice` says which address stands for which; an A record for which there is none is left out, and so are
    AAAA records, which nobody asked for there. The records live no longer than `longest` seconds. Without a
    single AAAA the list is empty.
    """
    at_end = answers_at_end(a_reply, RRType.A)
    embedded = choice.embed(_address(record) for record in at_end)
    if not embedded:
        return []
    end = at_end[0].rname
    records: list[RR] = []
    for record in a_reply.answers:
        if record.rtype in (RRType.A, RRType.AAAA) and record.rclass == CLASS_IN:
            if record.rtype == RRType.A and record.rname == end and _address(record) in embedded:
                address = embedded[_address(record)]
                records.append(aaaa_record(record.rname, address, min(record.ttl, longest)))
        elif not (_covers(record, RRType.A) or _covers(record, RRType.AAAA)):
            records.append(record)
    return records


def of_plain(name: bytes, aaaa: PlainReply, a: PlainReply, choice: PrefixChoice) -> Answer | None:
    """Return the answer that plain replies make, the one to the AAAA question empty; ``None``: they make none.

    `name` is the question's in wire form. All is as `synthesize` and `longest_ttl` have it.
    """
    embedded = choice.embed(a.addresses)
    if not embedded:
        return None
    addresses = [embedded[address] for address in a.addresses if address in embedded]
    ttl = min(a.ttl, aaaa.ttl)
    return answer.with_aaaa(name, addresses, ttl, "synthesized", _SYNTHESIZED)


def nothing_to_make(aaaa_reply: Message | None, a_reply: Message) -> Message:
    """Return the empty answer for a name whose A records may none of them be synthesized from.

    The AAAA reply says it best. Where that was a failure, or lost all its AAAA records to exclusion, no zone has
    said that there is nothing, so that there is no SOA record to give, and nobody may keep the answer (RFC 2308
    section 5). NS records without one would make it a referral (section 2.2).
    """
    if aaaa_reply is not None and aaaa_reply.rcode == RCode.NOERROR:
        empty = aaaa_reply
    else:
        kept = [record for record in a_reply.answers if record.rtype in (RRType.CNAME, RRType.DNAME)]
        empty = replace(a_reply, answers=kept, authentic_data=False)
    if any(record.rtype == RRType.SOA for record in empty.authorities):
        return empty
    return replace(empty, authorities=[], additionals=[])


def aaaa_record(owner: DNSLabel, address: bytes, ttl: int) -> RR:
    """Make an AAAA record."""
    return RR(owner, RRType.AAAA, CLASS_IN, ttl, AAAA(tuple(address)))


def _address(record: RR) -> bytes:
    return bytes(record.rdata.data)


def _covers(record: RR, rtype: RRType) -> bool:
    """Tell whether the record is a signature over records of that type (RFC 4034 section 3.1.1)."""
    return bool(record.rtype == RRType.RRSIG and record.rdata.data[:2] == rtype.to_bytes(2, "big"))
