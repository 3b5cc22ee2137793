"""The CNAME chain of a reply: where it leads, and whether it is whole. No I/O.

A DNAME needs nothing of its own: RFC 6672 section 3.1 puts the CNAME that it stands for beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.dns64.message import CLASS_IN, Message, RCode, RRType

if TYPE_CHECKING:
    from dnslib import RR, DNSLabel


def chain_end(reply: Message) -> DNSLabel:
    """Follow the CNAME records of a reply from its question's name; a loop ends where it closes."""
    targets = _targets(reply)
    name = reply.question.name
    for _ in range(len(targets)):
        if name not in targets:
            break
        name = targets[name]
    return name


def answers_at_end(reply: Message, rtype: int) -> list[RR]:
    """Return the records of that type that stand where the question's CNAME chain ends."""
    end = chain_end(reply)
    return [
        record
        for record in reply.answers
        if record.rtype == rtype and record.rclass == CLASS_IN and record.rname == end
    ]


def unfinished_end(reply: Message) -> DNSLabel | None:
    """Return the name that the chain leads to without a word about it; ``None`` when the reply is whole.

    A SOA record in the authority section says that there is nothing more (RFC 2308 section 2.2), and so does a
    loop.
    """
    question = reply.question
    if reply.rcode != RCode.NOERROR or question.qclass != CLASS_IN:
        return None
    if question.qtype in (RRType.CNAME, RRType.ANY):
        return None
    targets = _targets(reply)
    if not targets:
        return None
    end = chain_end(reply)
    if end == question.name or end in targets or answers_at_end(reply, question.qtype):
        return None
    if any(record.rtype == RRType.SOA for record in reply.authorities):
        return None
    return end


def _targets(reply: Message) -> dict[DNSLabel, DNSLabel]:
    return {
        record.rname: record.rdata.label
        for record in reply.answers
        if record.rtype == RRType.CNAME and record.rclass == CLASS_IN
    }
