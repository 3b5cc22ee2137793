"""An answer that serves every client who asks the same: kept as bytes, written out for each by what it can take.

No I/O, no clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nat64.dns64 import extended_error, wire
from nat64.dns64.lifetime import LONGEST, LONGEST_WITHOUT, lifetime
from nat64.dns64.message import (
    HEADER_SIZE,
    MAX_SIZE,
    MIN_UDP_SIZE,
    UNFRAGMENTED_SIZE,
    Message,
    RCode,
    RRType,
    pack,
)
from nat64.dns64.padding import padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.dns64.reply import Reply
    from nat64.dns64.wire import ClientQuery, PlainReply

STALE_TTL: Final = 30
"""Seconds that a stale answer may be kept by who gets it (RFC 8767 section 4)."""

Option = tuple[int, bytes]
_HEAD: Final = struct.Struct("!HH")
_COUNT: Final = struct.Struct("!H")
_TTL: Final = struct.Struct("!I")
_OPT: Final = struct.Struct("!BHHIH")
_ADDITIONALS_AT: Final = 10


@dataclass(slots=True)
class Answer:
    """A response without what differs from client to client: no ID, no RD, CD and AD, no OPT record."""

    data: bytes
    """The message."""
    ttls: tuple[int, ...]
    """Where in it the TTLs of its records stand."""
    rcode: int
    """All 12 bits."""
    outcome: str
    """How it came about, as a counter's name."""
    lifetime: int
    """Seconds that it may be kept; 0: it may not."""
    errors: tuple[Option, ...] = ()
    """Extended DNS Errors (RFC 8914)."""
    authentic: bool = False
    """Whether a validating forwarder says so."""
    beyond: tuple[int, int] = (0, 0)
    """Where the additional section begins, and how many records it has; zeros: it has none."""


def of_message(message: Message, outcome: str) -> Answer:
    """Return what a response as a `Message` says; its ID, RD, CD and OPT record do not count but for errors."""
    errors = extended_error.of(message.edns)
    bare = replace(
        message,
        id=0,
        recursion_desired=False,
        checking_disabled=False,
        authentic_data=False,
        edns=None,
        rcode=message.rcode & wire.RCODE,
    )
    data = pack(bare)
    beyond = (0, 0)
    if message.additionals:
        beyond = (len(pack(replace(bare, additionals=[]))), len(message.additionals))
    ttls = wire.ttls_at(data)
    return Answer(
        *(data, ttls, message.rcode, outcome, lifetime(message)),
        errors=errors[-extended_error.MOST :],
        authentic=message.authentic_data,
        beyond=beyond,
    )


def empty(query: ClientQuery, rcode: int, outcome: str, errors: tuple[Option, ...] = ()) -> Answer:
    """Return an answer that has the question only."""
    question = query.name + struct.pack("!HH", query.qtype, query.qclass)
    head = struct.pack("!HHHHHH", 0, wire.QR | wire.RA | rcode & wire.RCODE, 1, 0, 0, 0)
    return Answer(head + question, (), rcode, outcome, 0, errors)


def of_plain(reply: Reply, plain: PlainReply, outcome: str) -> Answer:
    """Return what a plain reply says, as its bytes are."""
    counts = reply.data[4:_ADDITIONALS_AT] + bytes(2)
    flags = wire.QR | wire.RA | plain.flags & wire.AA
    data = _HEAD.pack(0, flags) + counts + reply.data[HEADER_SIZE : plain.end]
    authentic = reply.authentic and bool(plain.flags & wire.AD)
    life = min(plain.ttl, LONGEST if plain.addresses else LONGEST_WITHOUT)
    return Answer(data, wire.ttls_at(data), RCode.NOERROR, outcome, life, authentic=authentic)


def with_aaaa(
    name: bytes, addresses: Sequence[bytes], ttl: int, outcome: str, errors: tuple[Option, ...]
) -> Answer:
    """Return an answer of AAAA records for the name in wire form; `ttl` in seconds."""
    data = wire.write_aaaa(name, addresses, ttl, wire.QR | wire.RA)
    ttls = wire.ttls_of_addresses(HEADER_SIZE + len(name) + 4, len(addresses), 16)
    return Answer(data, ttls, RCode.NOERROR, outcome, min(ttl, LONGEST), errors)


@dataclass(frozen=True, slots=True)
class Carrier:
    """How a response travels."""

    stream: bool
    """Over TCP or TLS, where it may have 65535 bytes."""
    options: tuple[Option, ...] = ()
    """What its OPT record says beside errors, if the client sent one."""
    pad_to: int = 0
    """It is padded to a multiple of so many bytes (RFC 7830); 0: it is not."""


DATAGRAM: Final = Carrier(stream=False)
STREAM: Final = Carrier(stream=True)


def response(
    answer: Answer, query: ClientQuery, carrier: Carrier, age: int = 0, stale: Option | None = None
) -> bytearray:
    """Write the answer for one client, `age` seconds after it came, or as a stale one with the error that says so.

    What does not fit over UDP, by the size the client gave (from 512 to 1232 bytes), loses its additional records
    first (RFC 2181 section 9), then the text of Extended DNS Errors, which must not be what truncates a response
    (RFC 8914 section 2), then everything but the question, with TC set.
    """
    data = bytearray(answer.data)
    rcode = answer.rcode
    if rcode > wire.RCODE and query.udp_size is None:
        rcode = RCode.SERVFAIL
    flags = _flags(answer, query, rcode)
    _HEAD.pack_into(data, 0, query.id, flags)
    data[HEADER_SIZE : HEADER_SIZE + len(query.name)] = query.name
    errors = answer.errors if stale is None else (*answer.errors, stale)
    if age or stale is not None:
        _write_ttls(data, answer.ttls, None if stale is not None else age)
    offered = MIN_UDP_SIZE if query.udp_size is None else query.udp_size
    limit = MAX_SIZE if carrier.stream else max(MIN_UDP_SIZE, min(offered, UNFRAGMENTED_SIZE))
    opt = b""
    if query.udp_size is not None:
        opt = _opt(rcode >> 4, query.dnssec_ok, (*errors, *carrier.options))
    if len(data) + len(opt) > limit and answer.beyond[1]:
        del data[answer.beyond[0] :]
        _COUNT.pack_into(data, _ADDITIONALS_AT, 0)
    if len(data) + len(opt) > limit:
        opt = _make_fit(data, opt, limit, errors, carrier.options)
    if opt and carrier.pad_to:
        opt = padded(opt, len(data), carrier.pad_to)
    if opt:
        _COUNT.pack_into(data, _ADDITIONALS_AT, _COUNT.unpack_from(data, _ADDITIONALS_AT)[0] + 1)
        data += opt
    return data


def _write_ttls(data: bytearray, ttls: tuple[int, ...], age: int | None) -> None:
    """Write the TTLs of an answer of that age, or of a stale one."""
    for at in ttls:
        left = STALE_TTL if age is None else max(0, _TTL.unpack_from(data, at)[0] - age)
        _TTL.pack_into(data, at, left)


def _flags(answer: Answer, query: ClientQuery, rcode: int) -> int:
    flags: int = _HEAD.unpack_from(answer.data)[1] & ~wire.RCODE | rcode & wire.RCODE
    flags |= query.flags & (wire.RD | wire.CD)
    if answer.authentic and query.wants_authentic:
        flags |= wire.AD
    return flags


def _make_fit(
    data: bytearray, opt: bytes, limit: int, errors: Sequence[Option], options: tuple[Option, ...]
) -> bytes:
    """Shorten a response that has no additional records until it fits; return its OPT record."""
    extended, dnssec_ok = (opt[5], bool(opt[7] & wire.DO >> 8)) if opt else (0, False)
    if opt:
        codes = tuple(dict.fromkeys((code, text[:2]) for code, text in errors))
        opt = _opt(extended, dnssec_ok, (*codes, *options))
    if len(data) + len(opt) > limit:
        del data[wire.end_of_question(data) :]
        flags = _HEAD.unpack_from(data)[1]
        struct.pack_into("!HHHHH", data, 2, flags | wire.TC, 1, 0, 0, 0)
        if len(data) + len(opt) > limit and opt:
            opt = _opt(extended, dnssec_ok, options)
    return opt


@lru_cache(256)
def _opt(extended: int, dnssec_ok: bool, options: tuple[Option, ...]) -> bytes:
    """Write an OPT record; `extended` are the upper 8 bits of the response code."""
    data = b"".join([_HEAD.pack(code, len(text)) + text for code, text in options]) if options else b""
    flags = extended << 24 | (wire.DO if dnssec_ok else 0)
    return _OPT.pack(0, RRType.OPT, UNFRAGMENTED_SIZE, flags, len(data)) + data
