"""DNS messages (RFC 1035, RFC 6891): safe reading, and writing.

dnslib brings the names and records; the reading is bounded here, so that whatever bytes come in, the outcome
is a `Message` or `MalformedMessage`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from dnslib import AAAA, CNAME, MX, NS, PTR, RD, RR, SOA, A, DNSError, DNSLabel
from dnslib.bimap import BimapError
from dnslib.buffer import BufferError as ShortBufferError
from dnslib.label import DNSBuffer, DNSLabelError

CLASS_IN: Final = 1
CLASS_CH: Final = 3
OPCODE_QUERY: Final = 0
HEADER_SIZE: Final = 12
MAX_SIZE: Final = 65535
MIN_UDP_SIZE: Final = 512
UNFRAGMENTED_SIZE: Final = 1232
"""Bytes of a UDP message that every IPv6 path carries unfragmented: what we take and send at most."""

_LONGEST_NAME: Final = 255
_POINTER_LIMIT: Final = 0x4000
_MOST_RECORDS: Final = 4000
_MOST_RECORDS_OF_A_QUERY: Final = 64
"""A query has an OPT record, and hardly more; each record takes its time to read, for a client that may be nobody's."""
_MOST_POINTERS: Final = 32768
"""Compression pointers of one message that are followed. Names that share chains of thousands would cost seconds."""


class RRType(IntEnum):
    """The record and query types that DNS64 looks at."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    AAAA = 28
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    IXFR = 251
    AXFR = 252
    ANY = 255


class RCode(IntEnum):
    """Response codes; above 15 they need an OPT record (RFC 6891 section 6.1.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class MalformedMessage(Exception):  # noqa: N818 - it says what came in, and is an error only of the sender
    """The bytes are not a DNS message that can be used."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. The name keeps its case and compares without it."""

    name: DNSLabel
    qtype: int
    qclass: int = CLASS_IN


@dataclass(frozen=True, slots=True)
class Edns:
    """An OPT record of version 0 (RFC 6891): sizes in bytes, options as (code, data)."""

    udp_size: int
    dnssec_ok: bool = False
    version: int = 0
    options: tuple[tuple[int, bytes], ...] = ()


@dataclass(slots=True)
class Message:
    """A query or a response; the OPT record is `edns` and not among the additional records."""

    id: int
    question: Question
    is_response: bool = False
    opcode: int = OPCODE_QUERY
    authoritative: bool = False
    truncated: bool = False
    recursion_desired: bool = True
    recursion_available: bool = False
    authentic_data: bool = False
    checking_disabled: bool = False
    rcode: int = RCode.NOERROR
    answers: list[RR] = field(default_factory=list)
    authorities: list[RR] = field(default_factory=list)
    additionals: list[RR] = field(default_factory=list)
    edns: Edns | None = None

    @property
    def dnssec_ok(self) -> bool:
        """The DO bit (RFC 3225)."""
        return self.edns is not None and self.edns.dnssec_ok


class _WireBuffer(DNSBuffer):  # type: ignore[misc]  # dnslib carries no types
    """dnslib's buffer, with names that are bounded when read and pointers that fit when written."""

    data: bytearray
    offset: int
    pointers: int = 0
    """How many were followed so far."""

    def decode_name(self, _last: int = -1) -> DNSLabel:
        """Read a name. Compression pointers must go back to before where the name began, each further back.

        The header is no name to point at (RFC 1035 section 4.1.4).
        """
        # Most of a message is names, so their bytes are taken directly: it saves a third of the time to read one.
        data = self.data
        labels: list[bytes] = []
        size = 1
        at = lowest = self.offset
        resume: int | None = None
        try:
            while length := data[at]:
                at += 1
                if length >= 0xC0:
                    pointer = (length & 0x3F) << 8 | data[at]
                    if resume is None:
                        resume = at + 1
                    if not HEADER_SIZE <= pointer < lowest:
                        raise MalformedMessage("a compression pointer does not lead back")
                    self.pointers += 1
                    if self.pointers > _MOST_POINTERS:
                        raise MalformedMessage("more compression pointers than names need")
                    at = lowest = pointer
                    continue
                if length > 63:
                    raise MalformedMessage("a label of unknown kind")
                size += length + 1
                if size > _LONGEST_NAME:
                    raise MalformedMessage("a name longer than 255 bytes")
                labels.append(bytes(data[at : at + length]))
                at += length
        except IndexError:
            raise ShortBufferError("a name longer than the message") from None
        self.offset = at + 1 if resume is None else resume
        return DNSLabel(labels)

    def encode_name(self, name: DNSLabel) -> None:
        """Write a name, compressed as far as the 14 bits of a pointer reach."""
        labels = name.label
        for index, label in enumerate(labels):
            rest = labels[index:]
            known = self.names.get(rest)
            if known is not None:
                self.pack("!H", 0xC000 | known)
                return
            if self.offset < _POINTER_LIMIT:
                self.names[rest] = self.offset
            self.append(bytes((len(label),)) + label)
        self.append(b"\0")


# Types whose names are written compressed (RFC 3597 section 4): read into objects, written anew.
_COMPRESSIBLE: Final = {1: A, 2: NS, 5: CNAME, 6: SOA, 12: PTR, 15: MX, 28: AAAA}

# Types whose names a sender of old may have compressed, though it must not (RFC 3597 section 4): bytes before
# the names, number of names. They are written out in full; RDATA of every other type is copied as it is.
_NAMES_IN_RDATA: Final = {
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    14: (0, 2),  # MINFO
    17: (0, 2),  # RP
    18: (2, 1),  # AFSDB
    21: (2, 1),  # RT
    26: (2, 2),  # PX
    33: (6, 1),  # SRV
    36: (2, 1),  # KX
    39: (0, 1),  # DNAME
}


def parse(data: bytes) -> Message:
    """Read one message with exactly one question. Raises `MalformedMessage`, and nothing else."""
    try:
        return _parse(data)
    except (DNSError, DNSLabelError, ShortBufferError, BimapError, struct.error, ValueError) as error:
        raise MalformedMessage(str(error)) from error


def _parse(data: bytes) -> Message:
    buffer = _WireBuffer(data)
    ident, flags, *counts = buffer.unpack("!HHHHHH")
    if counts[0] != 1:
        raise MalformedMessage(f"{counts[0]} questions")
    if sum(counts[1:]) > (_MOST_RECORDS if flags & 0x8000 else _MOST_RECORDS_OF_A_QUERY):
        raise MalformedMessage("more records than it can have a use for")
    name = buffer.decode_name()
    question = Question(name, *buffer.unpack("!HH"))
    message = Message(
        id=ident,
        question=question,
        is_response=bool(flags & 0x8000),
        opcode=flags >> 11 & 0xF,
        authoritative=bool(flags & 0x0400),
        truncated=bool(flags & 0x0200),
        recursion_desired=bool(flags & 0x0100),
        recursion_available=bool(flags & 0x0080),
        authentic_data=bool(flags & 0x0020),
        checking_disabled=bool(flags & 0x0010),
        rcode=flags & 0xF,
    )
    sections = (message.answers, message.authorities, message.additionals)
    try:
        for section, count in zip(sections, counts[1:], strict=True):
            for _ in range(count):
                _parse_record(buffer, message, section)
    except ShortBufferError:
        # A truncated response may end anywhere; what it holds is not used (RFC 2181 section 9).
        if not (message.is_response and message.truncated):
            raise
    return message


def _parse_record(buffer: _WireBuffer, message: Message, section: list[RR]) -> None:
    owner = buffer.decode_name()
    rtype, rclass, ttl, length = buffer.unpack("!HHIH")
    end = buffer.offset + length
    if end > len(buffer):
        raise ShortBufferError("a record longer than the message")
    if rtype == RRType.OPT:
        if message.edns is not None or owner.label or section is not message.additionals:
            raise MalformedMessage("an OPT record out of place")
        message.edns = Edns(
            udp_size=rclass,
            dnssec_ok=bool(ttl & 0x8000),
            version=ttl >> 16 & 0xFF,
            options=_parse_options(buffer.get(length)),
        )
        message.rcode |= ttl >> 24 << 4
        return
    rdata = _parse_rdata(buffer, rtype, rclass, length)
    if buffer.offset != end:
        raise MalformedMessage("RDLENGTH does not fit the record")
    # RFC 2181 section 8: a TTL with the most significant bit set counts as zero.
    section.append(RR(owner, rtype, rclass, ttl if ttl < 1 << 31 else 0, rdata))


def _parse_rdata(buffer: _WireBuffer, rtype: int, rclass: int, length: int) -> RD:
    if rclass != CLASS_IN and rtype in (RRType.A, RRType.AAAA):
        # No IP address: CHAOS has a name and a number there (RFC 1035 section 3.2.4), others who knows what.
        if rclass == CLASS_CH and rtype == RRType.A:
            return RD(wire_name(buffer.decode_name()) + buffer.get(2))
        return RD(buffer.get(length))
    kind = _COMPRESSIBLE.get(rtype)
    if kind is not None:
        return kind.parse(buffer, length)
    names = _NAMES_IN_RDATA.get(rtype)
    if names is None:
        return RD(buffer.get(length))
    before, count = names
    rdata = buffer.get(before)
    for _ in range(count):
        rdata += wire_name(buffer.decode_name())
    return RD(rdata)


def _parse_options(data: bytes) -> tuple[tuple[int, bytes], ...]:
    options = []
    offset = 0
    while offset < len(data):
        code, length = struct.unpack_from("!HH", data, offset)
        offset += 4 + length
        if offset > len(data):
            raise MalformedMessage("an EDNS option longer than its record")
        options.append((code, data[offset - length : offset]))
    return tuple(options)


def name_of(wire: bytes) -> DNSLabel:
    """Read a name that stands alone, in wire form and without compression."""
    labels = []
    at = 0
    while length := wire[at]:
        at += length + 1
        labels.append(wire[at - length : at])
    return DNSLabel(labels)


def wire_name(name: DNSLabel) -> bytes:
    """Return the name as bytes without compression."""
    return b"".join(bytes((len(label),)) + label for label in name.label) + b"\0"


def pack(message: Message) -> bytes:
    """Write a message, which may come out longer than any transport takes."""
    rcode = message.rcode
    flags = (
        message.is_response << 15
        | message.opcode << 11
        | message.authoritative << 10
        | message.truncated << 9
        | message.recursion_desired << 8
        | message.recursion_available << 7
        | message.authentic_data << 5
        | message.checking_disabled << 4
        | rcode & 0xF
    )
    additional = len(message.additionals) + (message.edns is not None)
    buffer = _WireBuffer()
    buffer.pack("!HHHHHH", message.id, flags, 1, len(message.answers), len(message.authorities), additional)
    buffer.encode_name(message.question.name)
    buffer.pack("!HH", message.question.qtype, message.question.qclass)
    for section in (message.answers, message.authorities, message.additionals):
        for record in section:
            record.pack(buffer)
    if message.edns is not None:
        edns = message.edns
        options = b"".join(struct.pack("!HH", code, len(data)) + data for code, data in edns.options)
        ttl = rcode >> 4 << 24 | edns.version << 16 | edns.dnssec_ok << 15
        buffer.append(struct.pack("!BHHIH", 0, RRType.OPT, edns.udp_size, ttl, len(options)) + options)
    return bytes(buffer.data)
