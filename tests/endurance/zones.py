"""What the scripted forwarders know, and so what is a right answer. Bytes in, bytes out; no I/O.

A name is ``LABEL.KIND.example``. Names of the kind ``good`` are answered truly and at once: by the first letter of LABEL they have
an A record (``k``, and ``f`` for names that are asked for once), an AAAA record too (``b``), an alias (``c``), or many A records
(``m``). The other kinds are what forwarders do that fail, are slow or lie.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from random import Random

PREFIX: Final = ipaddress.IPv6Network("2001:db8:64::/96")
FORGED: Final = ipaddress.IPv4Address("203.0.113.66")
"""In every lie, and in no answer."""
TTL: Final = 20
MANY: Final = 100
A, CNAME, SOA, AAAA = 1, 5, 6, 28
TRUNCATED: Final = 0x0200
_RESPONSE: Final = 0x8180
_HEADER: Final = struct.Struct("!6H")
_POINTER: Final = 0xC000
_FITS: Final = 1232


class Question(NamedTuple):
    """The question of a query: the labels in lower case, and the octets as they came."""

    label: str
    kind: str
    rdtype: int
    wire: bytes


def question_of(query: bytes) -> Question | None:
    """Read the question of a query; ``None`` when it is not one of a name of ours."""
    labels, at = [], _HEADER.size
    try:
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii").lower())
            at += 1 + query[at]
        (rdtype,) = struct.unpack_from("!H", query, at + 1)
    except (IndexError, UnicodeDecodeError, struct.error):
        return None
    if len(labels) != 3 or labels[2] != "example":
        return None
    return Question(labels[0], labels[1], rdtype, query[_HEADER.size : at + 5])


def ipv4_of(label: str) -> ipaddress.IPv4Address:
    """Return the address of a name, for names that have one."""
    return ipaddress.IPv4Address("198.51.100.0") + (1 + zlib.crc32(label[1:].encode()) % 254)


def addresses_of(label: str) -> frozenset[ipaddress.IPv6Address]:
    """Return what a DNS64 has to answer for ``LABEL.good.example``."""
    if label[0] == "b":
        return frozenset({_native(label)})
    if label[0] == "m":
        return frozenset(PREFIX[int(address)] for address in _many())
    return frozenset({PREFIX[int(ipv4_of(label))]})


def _native(label: str) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address("2001:db8:6::") + int(ipv4_of(label)) % 256


def _many() -> list[ipaddress.IPv4Address]:
    return [ipaddress.IPv4Address("192.0.2.0") + number for number in range(1, MANY + 1)]


def truth(query: bytes, question: Question, *, tcp: bool) -> bytes:
    """Return the true response, truncated where it is too long for UDP."""
    wire = response(query, question, _answers(question))
    if len(wire) > _FITS and not tcp:
        return _HEADER.pack(_id(query), _RESPONSE | TRUNCATED, 1, 0, 0, 0) + question.wire
    return wire


def _answers(question: Question) -> list[bytes]:
    label, rdtype = question.label, question.rdtype
    if label[0] == "c":
        # The target's parent is the question's: a pointer behind the first label.
        target = bytes([len(label)]) + b"k" + label[1:].encode()
        target += struct.pack("!H", _POINTER | _HEADER.size + 1 + len(label))
        alias = _record(CNAME, target)
        owner = _HEADER.size + len(question.wire) + len(alias) - len(target)
        return [alias, _record(A, ipv4_of(label).packed, owner)] if rdtype == A else [alias]
    if rdtype == A:
        return [_record(A, address.packed) for address in (_many() if label[0] == "m" else [ipv4_of(label)])]
    if rdtype == AAAA and label[0] == "b":
        return [_record(AAAA, _native(label).packed)]
    return []


def _record(rdtype: int, data: bytes, owner: int = _HEADER.size) -> bytes:
    """Return a record whose owner stands at the offset `owner`; that is the question's name, if nothing is said."""
    return struct.pack("!HHHIH", _POINTER | owner, rdtype, 1, TTL, len(data)) + data


def response(query: bytes, question: Question, records: list[bytes], rcode: int = 0) -> bytes:
    """Return a response with these records as its answer, and an SOA record where none is of the type asked for."""
    found = any(record[2:4] == question.rdtype.to_bytes(2, "big") for record in records)
    header = _HEADER.pack(_id(query), _RESPONSE | rcode, 1, len(records), not found, 0)
    answer = header + question.wire + b"".join(records)
    if found:
        return answer
    # The zone is "example", the question's last label.
    zone = struct.pack("!H", _POINTER | _HEADER.size + len(question.wire) - 4 - 9)
    data = zone + zone + struct.pack("!5I", 1, 7200, 3600, 604800, TTL)
    return answer + zone + struct.pack("!HHIH", SOA, 1, TTL, len(data)) + data


def lies(query: bytes, question: Question, random: Random, count: int) -> list[bytes]:
    """Return forged responses, none with the right ID."""
    forged = response(query, question, [_record(question.rdtype, _forged(question.rdtype))])
    right = _id(query)
    return [
        ((right + random.randint(1, 0xFFFF)) & 0xFFFF).to_bytes(2, "big") + forged[2:] for _ in range(count)
    ]


def _forged(rdtype: int) -> bytes:
    return ipaddress.IPv6Address("2001:db8:bad::66").packed if rdtype == AAAA else FORGED.packed


def garbage(query: bytes, question: Question, random: Random) -> bytes:
    """Return a response with something wrong in it."""
    whole = response(query, question, [_record(question.rdtype, _forged(question.rdtype))])
    spoilt = bytearray(whole)
    match random.randrange(5):
        case 0:
            return query[:2] + random.randbytes(random.randrange(400))
        case 1:
            return whole[: random.randrange(len(whole))]
        case 2:
            spoilt[4:12] = random.randbytes(8)
        case 3:
            at = random.randrange(12, len(spoilt))
            spoilt[at] = random.randrange(256)
            spoilt[-2:] = b"\xc0\x0c"
        case _:
            other = question._replace(wire=b"\5other\7example\0" + question.wire[-4:])
            return response(query, other, [_record(question.rdtype, _forged(question.rdtype))])
    return bytes(spoilt)


def _id(query: bytes) -> int:
    return int.from_bytes(query[:2], "big")
