"""DNS messages of the plain kind, read and written as bytes: most of all traffic, where objects would cost the most.

What is not plain here is `message`'s to read: each reader returns ``None`` for it. What both can read they read
alike. All numbers in messages are in network order. No I/O.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nat64.dns64.message import CLASS_IN, HEADER_SIZE, UNFRAGMENTED_SIZE, RRType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.dns64.message import Message

_HEADER: Final = struct.Struct("!HHHHHH")
_COUNTS: Final = struct.Struct("!HHHH")
_KIND: Final = struct.Struct("!HH")  # QTYPE, QCLASS; or ID, flags
_OPT: Final = struct.Struct("!BHHIH")  # the root, type, size, extended RCODE and flags, RDLENGTH
_RECORD: Final = struct.Struct("!HHIH")  # type, class, TTL, RDLENGTH
_ADDRESS: Final = struct.Struct("!HHHIH")  # a pointer for the name, and the same
_TTL_IN_ADDRESS: Final = 6
_SOA_NUMBERS: Final = struct.Struct("!IIIII")

OPT_SIZE: Final = _OPT.size
"""Bytes of an OPT record without options."""

QR: Final = 0x8000
OPCODE: Final = 0x7800
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
RCODE: Final = 0x000F
DO: Final = 0x8000
"""In the TTL of an OPT record (RFC 6891 section 6.1.4)."""

# Plain numbers: to look up a member costs as much as half the reading of a record.
_TYPE_OPT: Final = int(RRType.OPT)
_TYPE_SOA: Final = int(RRType.SOA)
_TYPE_AAAA: Final = int(RRType.AAAA)
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 255
_POINTER: Final = 0xC0
_NAME_OF_QUESTION: Final = 0xC000 | HEADER_SIZE
_MOST_HOPS: Final = 127  # of a name that is only skipped
_SIGN_BIT: Final = 1 << 31


@dataclass(slots=True)
class ClientQuery:
    """What a client asks, and what it can take."""

    id: int
    flags: int
    """The header's second word."""
    name: bytes
    """QNAME in wire form, in the client's case."""
    qtype: int
    qclass: int
    udp_size: int | None = None
    """Bytes that an OPT record offers; ``None``: no EDNS."""
    dnssec_ok: bool = False
    version: int = 0
    """The EDNS version."""
    options: tuple[tuple[int, bytes], ...] = ()

    @property
    def key(self) -> bytes:
        """What two queries share that one answer serves: name, type and class, RD, CD and DO."""
        bits = (self.flags & (RD | CD)) >> 3 | self.dnssec_ok
        return self.name.lower() + _KEY.pack(self.qtype, self.qclass, bits)
        # `lower` leaves the lengths alone: they are at most 63, less than an "A".

    @property
    def recursion_desired(self) -> bool:
        """The RD bit."""
        return bool(self.flags & RD)

    @property
    def checking_disabled(self) -> bool:
        """The CD bit (RFC 4035 section 3.2.2)."""
        return bool(self.flags & CD)

    @property
    def wants_authentic(self) -> bool:
        """Whether the client understands the AD bit (RFC 6840 section 5.7)."""
        return self.dnssec_ok or bool(self.flags & AD)


_KEY: Final = struct.Struct("!HHB")


def read_query(data: bytes) -> ClientQuery | None:
    """Read a query: one question, its name uncompressed, and at most an OPT record behind it."""
    try:
        ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
        if flags & (QR | OPCODE) or questions != 1 or answers or authorities or additionals > 1:
            return None
        end = _end_of_plain_name(data, HEADER_SIZE)
        qtype, qclass = _KIND.unpack_from(data, end)
        query = ClientQuery(ident, flags, data[HEADER_SIZE:end], qtype, qclass)
        end += _KIND.size
        if additionals:
            end = _read_opt(data, end, query)
    except (struct.error, IndexError):
        return None
    return query if end == len(data) else None


def _read_opt(data: bytes, at: int, query: ClientQuery) -> int:
    """Read the OPT record at `at` into the query; return where it ends. Raises `IndexError` and `struct.error`."""
    root, rtype, query.udp_size, extended, length = _OPT.unpack_from(data, at)
    at += _OPT.size
    if root or rtype != _TYPE_OPT or at + length != len(data):
        raise IndexError
    query.dnssec_ok = bool(extended & DO)
    query.version = extended >> 16 & 0xFF
    if length:
        query.options = _read_options(data, at)
    return int(at + length)


def of_message(query: Message, flags: int, name: bytes) -> ClientQuery:
    """Return what a query asks that was read as a `Message`; `flags` is its header's second word."""
    question, edns = query.question, query.edns
    if edns is None:
        return ClientQuery(query.id, flags, name, question.qtype, question.qclass)
    return ClientQuery(
        *(query.id, flags, name, question.qtype, question.qclass),
        *(edns.udp_size, edns.dnssec_ok, edns.version, edns.options),
    )


def _end_of_plain_name(data: bytes | bytearray, at: int) -> int:
    """Return where an uncompressed name ends. Raises `IndexError` for one that is compressed or does not end."""
    start = at
    while length := data[at]:
        if length > _LONGEST_LABEL:
            raise IndexError
        at += length + 1
    if at + 1 - start > _LONGEST_NAME:
        raise IndexError
    return at + 1


def _read_options(data: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    """Read the options from `at` to the end. Raises `IndexError` and `struct.error`."""
    options = []
    while at < len(data):
        code, length = _KIND.unpack_from(data, at)
        at += _KIND.size + length
        if at > len(data):
            raise IndexError
        options.append((code, data[at - length : at]))
    return tuple(options)


_BARE: Final = _COUNTS.pack(1, 0, 0, 0)
_WITH_OPT: Final = _COUNTS.pack(1, 0, 0, 1)
_OPT_OF_QUERY: Final = {
    dnssec_ok: _OPT.pack(0, RRType.OPT, UNFRAGMENTED_SIZE, DO if dnssec_ok else 0, 0)
    for dnssec_ok in (False, True)
}


def write_query(ident: int, flags: int, question: bytes, *, dnssec_ok: bool | None) -> bytes:
    """Write a query with a question section and an OPT record with or without DO; ``None``: without an OPT record."""
    head = _KIND.pack(ident, flags)
    if dnssec_ok is None:
        return head + _BARE + question
    return head + _WITH_OPT + question + _OPT_OF_QUERY[dnssec_ok]


@dataclass(slots=True)
class PlainReply:
    """A NOERROR reply without an alias: A or AAAA records of the name asked, or only a SOA record that says: nothing."""

    flags: int
    addresses: tuple[bytes, ...]
    """4 or 16 bytes each, by what was asked; empty: there is nothing."""
    ttl: int
    """Seconds, the same of all addresses; without one, for how long there is nothing (RFC 2308 section 5)."""
    end: int
    """Where its records end; only an OPT record follows."""


_SIZES: Final = {int(RRType.A): 4, int(RRType.AAAA): 16}


def read_plain_reply(data: bytes, question_end: int) -> PlainReply | None:
    """Read a reply whose header and question, up to `question_end`, are known to be those of what was asked.

    It is plain when A or AAAA records of class IN were asked for, and each record of its answer section is one, of the
    name asked and with the same TTL as the others, or there is none and the authority section is one SOA record; and
    when nothing else is in it but an OPT record without options and RCODE.
    """
    _, flags, _, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & (RCODE | TC) or additionals > 1 or authorities != (0 if answers else 1):
        return None
    try:
        qtype, qclass = _KIND.unpack_from(data, question_end - _KIND.size)
        size = _SIZES.get(qtype)
        if size is None or qclass != CLASS_IN:
            return None
        addresses: tuple[bytes, ...] = ()
        if answers:
            ttl, addresses, end = _read_addresses(data, question_end, answers, qtype, size)
        else:
            ttl, end = _read_soa(data, question_end)
        at = end
        if additionals:
            root, rtype, _, extended, length = _OPT.unpack_from(data, at)
            if root or rtype != _TYPE_OPT or length or extended & ~DO:
                return None
            at += _OPT.size
    except (struct.error, IndexError):
        return None
    return PlainReply(flags, addresses, ttl, end) if at == len(data) else None


def _read_addresses(
    data: bytes, at: int, count: int, qtype: int, size: int
) -> tuple[int, tuple[bytes, ...], int]:
    """Read so many records of the question's name: their TTL, addresses, where they end. Raises `IndexError`."""
    head = data[at : at + _ADDRESS.size]
    name, rtype, rclass, ttl, length = _ADDRESS.unpack(head)
    each = _ADDRESS.size + size
    end = at + count * each
    if name != _NAME_OF_QUESTION or rtype != qtype or rclass != CLASS_IN or length != size:
        raise IndexError
    if ttl >= _SIGN_BIT or end > len(data):
        raise IndexError
    found = []
    while at < end:
        behind = at + _ADDRESS.size
        if data[at:behind] != head:
            raise IndexError
        at += each
        found.append(data[behind:at])
    return ttl, tuple(found), end


def _read_soa(data: bytes, at: int) -> tuple[int, int]:
    """Read one SOA record: for how long it says that there is nothing, where it ends. Raises `IndexError`."""
    at = _end_of_name(data, at)
    rtype, rclass, ttl, length = _RECORD.unpack_from(data, at)
    at += _RECORD.size
    end = at + length
    numbers_at = _end_of_name(data, _end_of_name(data, at))
    if rtype != _TYPE_SOA or rclass != CLASS_IN or numbers_at + _SOA_NUMBERS.size != end:
        raise IndexError
    minimum = _SOA_NUMBERS.unpack_from(data, numbers_at)[4]
    return min(ttl if ttl < _SIGN_BIT else 0, minimum), end


def _end_of_name(data: bytes, at: int) -> int:
    """Return where a name ends that may be compressed; it is checked like any other. Raises `IndexError`."""
    end = 0
    lowest = at
    size = 1
    for _ in range(_MOST_HOPS):
        while length := data[at]:
            if length > _LONGEST_LABEL:
                break
            at += length + 1
            size += length + 1
        if size > _LONGEST_NAME:
            raise IndexError
        if not length:
            return end or at + 1
        if length < _POINTER:
            raise IndexError
        end = end or at + 2
        at = (length & 0x3F) << 8 | data[at + 1]
        if not HEADER_SIZE <= at < lowest:
            raise IndexError
        lowest = at
    raise IndexError


def end_of_question(message: bytes | bytearray) -> int:
    """Return where the question section ends of a message with one question, whose name is uncompressed."""
    return _end_of_plain_name(message, HEADER_SIZE) + _KIND.size


def is_truncated(response: bytes) -> bool:
    """Tell whether the TC bit is set."""
    return bool(response[2] & TC >> 8)


def truncated(response: bytes) -> bytes:
    """Return a response with the TC bit set."""
    return response[:2] + bytes((response[2] | TC >> 8,)) + response[3:]


def ttls_at(data: bytes) -> tuple[int, ...]:
    """Return where the TTLs of a message's records stand, those of its answer section first. It must be well-formed.

    An OPT record has none.
    """
    _, _, questions, *counts = _HEADER.unpack_from(data)
    at = HEADER_SIZE
    for _ in range(questions):
        at = _skip_name(data, at) + 4
    found = []
    for _ in range(sum(counts)):
        at = _skip_name(data, at)
        rtype, _, _, length = _RECORD.unpack_from(data, at)
        if rtype != _TYPE_OPT:
            found.append(at + 4)
        at += _RECORD.size + length
    return tuple(found)


@lru_cache(1024)  # one tuple for all answers of a shape: many are kept
def ttls_of_addresses(at: int, count: int, size: int) -> tuple[int, ...]:
    """Return where the TTLs stand of so many plain records from `at` on, with addresses of `size` bytes."""
    each = _ADDRESS.size + size
    return tuple(range(at + _TTL_IN_ADDRESS, at + _TTL_IN_ADDRESS + count * each, each))


def _skip_name(data: bytes, at: int) -> int:
    while length := data[at]:
        if length >= _POINTER:
            return at + 2
        at += length + 1
    return at + 1


def write_aaaa(name: bytes, addresses: Sequence[bytes], ttl: int, flags: int) -> bytes:
    """Write a response with AAAA records of the name asked; the ID is 0."""
    question = name + _KIND.pack(_TYPE_AAAA, CLASS_IN)
    head = _ADDRESS.pack(_NAME_OF_QUESTION, _TYPE_AAAA, CLASS_IN, ttl, 16)
    records = b"".join([head + address for address in addresses])
    return _HEADER.pack(0, flags, 1, len(addresses), 0, 0) + question + records
