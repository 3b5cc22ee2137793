"""Responses as bytes: flags, EDNS and truncation by what the client can take. No I/O."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from nat64.dns64 import extended_error
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

if TYPE_CHECKING:
    from collections.abc import Sequence


def reply_to(query: Message, rcode: int = RCode.NOERROR) -> Message:
    """Return an empty response to a query (RFC 1035 section 4.1.1, RFC 6891 section 6.1.1).

    It carries an OPT record only if the query did. AD is never the client's own (RFC 6840 section 5.7).
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
    """Return the response that hands a forwarder's reply on to the client.

    Its AD bit, which must stand only where it can be believed, goes on to who understands it (RFC 6840 section
    5.8).
    """
    reply = reply_to(query, upstream.rcode)
    reply.authoritative = upstream.authoritative
    reply.answers = upstream.answers
    reply.authorities = upstream.authorities
    reply.additionals = upstream.additionals
    reply.authentic_data = upstream.authentic_data and (query.authentic_data or query.dnssec_ok)
    add_errors(reply, extended_error.of(upstream.edns))
    return reply


def add_errors(reply: Message, errors: Sequence[tuple[int, bytes]]) -> None:
    """Add Extended DNS Errors to a response that has an OPT record, each once; of too many the last ones stay."""
    if errors and reply.edns is not None:
        options = tuple(dict.fromkeys((*reply.edns.options, *errors)))
        reply.edns = replace(reply.edns, options=options[-extended_error.MOST :])


def encode(query: Message, reply: Message, *, tcp: bool) -> bytes:
    """Write a response so that it fits the client's transport.

    Over UDP that is the size the client gave, from 512 to 1232 bytes. What does not fit loses its additional
    records first (RFC 2181 section 9), then the text of Extended DNS Errors, which must not be what truncates a
    response (RFC 8914 section 2), then everything but the question, with TC set.
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
        reply = replace(reply, additionals=[])
        data = pack(reply)
    if len(data) > limit and reply.edns is not None:
        codes = tuple(dict.fromkeys((code, text[:2]) for code, text in reply.edns.options))
        reply = replace(reply, edns=replace(reply.edns, options=codes))
        data = pack(reply)
    if len(data) > limit:
        reply = replace(reply, answers=[], authorities=[], truncated=True)
        data = pack(reply)
    if len(data) > limit and reply.edns is not None:
        data = pack(replace(reply, edns=replace(reply.edns, options=())))
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
