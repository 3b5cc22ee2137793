"""Responses as bytes: flags, EDNS and truncation by what the client can take. No I/O."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final

from nat64.dns64.message import (
    HEADER_SIZE,
    MAX_SIZE,
    MIN_UDP_SIZE,
    OPCODE_QUERY,
    UNFRAGMENTED_SIZE,
    Edns,
    Message,
    RCode,
    pack,
)

_EXTENDED_ERROR: Final = 15  # RFC 8914


def reply_to(query: Message, rcode: int = RCode.NOERROR) -> Message:
    """Return an empty response to a query (RFC 1035 section 4.1.1, RFC 6891 section 6.1.1).

    It carries an OPT record only if the query did, and never AD (RFC 6147 section 5.5 left aside: nothing here
    was validated by us).
    """
    return Message(
        id=query.id,
        question=query.question,
        is_response=True,
        opcode=query.opcode,
        recursion_desired=query.recursion_desired,
        recursion_available=True,
        checking_disabled=query.checking_disabled,
        rcode=rcode,
        edns=Edns(UNFRAGMENTED_SIZE, query.edns.dnssec_ok) if query.edns is not None else None,
    )


def relay(query: Message, upstream: Message) -> Message:
    """Return the response that hands a forwarder's reply on to the client."""
    reply = reply_to(query, upstream.rcode)
    reply.authoritative = upstream.authoritative
    reply.answers = upstream.answers
    reply.authorities = upstream.authorities
    reply.additionals = upstream.additionals
    if upstream.edns is not None and reply.edns is not None:
        # Of the options only Extended DNS Errors concern the client; the others are hop by hop.
        errors = tuple(option for option in upstream.edns.options if option[0] == _EXTENDED_ERROR)
        reply.edns = replace(reply.edns, options=errors)
    return reply


def encode(query: Message, reply: Message, *, tcp: bool) -> bytes:
    """Write a response so that it fits the client's transport.

    Over UDP that is the size the client gave, from 512 to 1232 bytes. What does not fit loses its additional
    records first (RFC 2181 section 9), then everything but the question, with TC set.
    """
    if tcp:
        limit = MAX_SIZE
    else:
        offered = query.edns.udp_size if query.edns is not None else MIN_UDP_SIZE
        limit = max(MIN_UDP_SIZE, min(offered, UNFRAGMENTED_SIZE))
    if reply.rcode > 15 and reply.edns is None:
        reply = replace(reply, rcode=RCode.SERVFAIL)
    data = pack(reply)
    if len(data) > limit and reply.additionals:
        data = pack(replace(reply, additionals=[]))
    if len(data) > limit:
        data = pack(replace(reply, answers=[], authorities=[], additionals=[], truncated=True))
    if len(data) > limit and reply.edns is not None:
        bare = replace(reply.edns, options=())
        data = pack(replace(reply, answers=[], authorities=[], additionals=[], truncated=True, edns=bare))
    return data


def error_for(data: bytes) -> bytes | None:
    """Return the header-only answer to bytes that are no usable query, or ``None`` for silence.

    Silence is for what is too short to have an ID and for responses, so that two servers never argue. An
    unknown opcode gets NOTIMP, the rest FORMERR.
    """
    if len(data) < HEADER_SIZE:
        return None
    ident, flags = struct.unpack_from("!HH", data)
    if flags & 0x8000:
        return None
    opcode = flags >> 11 & 0xF
    rcode = RCode.FORMERR if opcode == OPCODE_QUERY else RCode.NOTIMP
    return struct.pack("!HHHHHH", ident, 0x8000 | flags & 0x7900 | rcode, 0, 0, 0, 0)
