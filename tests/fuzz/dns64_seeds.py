"""Where the fuzzing of DNS64 begins: real queries and replies, and hostile ones. dnspython writes the real ones."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import dns.flags
import dns.message
import dns.opcode
import dns.rrset

from tests.fuzz import dns64_query_target as by_query
from tests.fuzz import dns64_reply_target as by_reply
from tests.fuzz.dns64_reply_target import FIX_ID, FIX_QUESTION

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = "v4.example."
_REVERSE: Final = "1.2.2.0.2.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
_QUERIES: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "aaaa": (_NAME, "AAAA", {}),
    "aaaa-mixed-case": ("V4.ExAmPle.", "AAAA", {"use_edns": 0, "payload": 4096}),
    "aaaa-do": (_NAME, "AAAA", {"want_dnssec": True}),
    "aaaa-cd-do": (_NAME, "AAAA", {"want_dnssec": True, "flags": dns.flags.CD | dns.flags.RD}),
    "aaaa-ad-without-rd": (_NAME, "AAAA", {"flags": dns.flags.AD}),
    "a": (_NAME, "A", {}),
    "https": (_NAME, "HTTPS", {"use_edns": 0, "payload": 100}),
    "any": (_NAME, "ANY", {}),
    "ptr": (_REVERSE, "PTR", {}),
    "ptr-cname": (_REVERSE, "CNAME", {}),
    "ipv4only": ("ipv4only.arpa.", "AAAA", {}),
    "ipv4only-ptr": ("170.0.0.192.in-addr.arpa.", "PTR", {}),
    "chaos": ("version.bind.", "TXT", {"rdclass": "CH"}),
    "root": (".", "NS", {}),
    "ixfr": ("example.", "IXFR", {}),
    "axfr": ("example.", "AXFR", {}),
    "edns-1": (_NAME, "AAAA", {"use_edns": 1}),
    "cookie": (_NAME, "AAAA", {"options": [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))]}),
}
_OPT: Final = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
_QUESTION: Final = b"\x02v4\x07example\0\0\x1c\0\x01"
_HOSTILE: Final = {
    "empty": b"",
    "header": struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0),
    "points-at-itself": struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\x1c\0\x01",
    "option-of-no-length": struct.pack("!6H", 7, 0x0100, 1, 0, 0, 1)
    + _QUESTION
    + _OPT[:-1]
    + b"\4\0\x08\0\0",
    "two-opt": struct.pack("!6H", 7, 0x0100, 1, 0, 0, 2) + _QUESTION + _OPT * 2,
    "lying-counts": struct.pack("!6H", 7, 0x0100, 1, 9, 9, 9) + _QUESTION,
    "response": struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0) + _QUESTION,
    "notify": struct.pack("!6H", 7, dns.opcode.NOTIFY << 11, 1, 0, 0, 0) + _QUESTION,
}
_A_RECORD: Final = b"\xc0\x0c\0\0ME\0\0\x0e\x10\0\4\xc0\0\2\x21"  # the type and class asked for, 192.0.2.33
_SCRIPTS: Final = {
    "silence": b"",
    "refused": bytes((by_query.FAIL, by_query.FAIL_BY_US)) * 4,
    "answered": bytes((by_query.EMPTY, by_query.RECORDS, 1, 0, len(_A_RECORD))) + _A_RECORD,
    "servfail": bytes((by_query.RCODE, 2)) * 6,
    "formerr": bytes((by_query.RCODE, 1)) * 6,
    "truncated": bytes((by_query.TRUNCATED, by_query.TRUNCATED, by_query.EMPTY, by_query.AGAIN)) * 3,
    "junk": bytes((by_query.BYTES, 0, 3)) + b"abc" + bytes((by_query.SILENT, by_query.EMPTY, by_query.EMPTY)),
}

_SOA: Final = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
_REPLIES: Final[dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]] = {
    "nodata": (0, (), (_SOA,)),
    "nxdomain": (3, (), (_SOA,)),
    "servfail": (2, (), ()),
    "a": (0, (f"{_NAME} 3600 IN A 192.0.2.33", f"{_NAME} 3600 IN A 10.0.0.1"), ()),
    "aaaa": (0, (f"{_NAME} 3600 IN AAAA 2001:db8:6::6", f"{_NAME} 3600 IN AAAA ::ffff:192.0.2.1"), ()),
    "cname": (0, (f"{_NAME} 60 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1"), ()),
    "cname-unfinished": (0, (f"{_NAME} 60 IN CNAME b.example.",), ()),
    "cname-loop": (0, (f"{_NAME} 60 IN CNAME b.example.", f"b.example. 60 IN CNAME {_NAME}"), ()),
    "dname": (
        0,
        (
            "example. 60 IN DNAME example.net.",
            f"{_NAME} 0 IN CNAME v4.example.net.",
            "v4.example.net. 9 IN A 192.0.2.1",
        ),
        (),
    ),
    "other-owner": (0, ("other.example. 60 IN A 192.0.2.1",), ()),
    "ptr": (0, ("33.2.0.192.in-addr.arpa. 60 IN PTR v4.example.",), ()),
    "https": (0, (f"{_NAME} 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",), ()),
    "srv-mx": (0, (f"{_NAME} 60 IN SRV 1 2 3 b.example.", f"{_NAME} 60 IN MX 5 b.example."), ()),
    "many": (0, tuple(f"{_NAME} 60 IN A 198.51.100.{host}" for host in range(200)), (_SOA,)),
    "signed": (
        0,
        (
            f"{_NAME} 60 IN A 192.0.2.33",
            f"{_NAME} 60 IN RRSIG A 13 2 60 20300101000000 20200101000000 1 example. AAAA",
        ),
        (),
    ),
}


def query_inputs() -> Iterator[tuple[str, bytes]]:
    """Give each input of the target `dns64-query` with its name."""
    wires = {
        name: dns.message.make_query(qname, rdtype, id=0x1234, **options).to_wire()
        for name, (qname, rdtype, options) in _QUERIES.items()
    } | _HOSTILE
    for number, (name, wire) in enumerate(wires.items()):
        yield name, by_query.encode(0, 0, wire, _SCRIPTS["answered"], tcp=bool(number % 2))
    for number, (name, script) in enumerate(_SCRIPTS.items()):
        for of in ("aaaa", "aaaa-do", "ptr"):
            yield f"{of}-{name}", by_query.encode(number % 4, 1, wires[of], script)
    yield "from-an-outsider", by_query.encode(0, 2, wires["aaaa"], b"")


def reply_inputs() -> Iterator[tuple[str, bytes]]:
    """Give each input of the target `dns64-reply` with its name."""
    nodata = _records(*_REPLIES["nodata"])
    fixed = FIX_ID | FIX_QUESTION
    for name, reply in _REPLIES.items():
        wire = _records(*reply)
        for query in range(len(by_reply.QUERIES)):
            yield f"{name}-to-{query}", by_reply.encode(query, query % 4, (fixed, nodata), (fixed, wire))
        yield f"{name}-first", by_reply.encode(0, 0, (fixed, wire), (fixed, wire))
        yield f"{name}-not-asked", by_reply.encode(1, 1, (0, wire), (FIX_ID, wire), (FIX_QUESTION, wire))
    truncated = _header(0x8380, 0, 0, 0)
    yield "truncated", by_reply.encode(0, 1, *((fixed, truncated),) * 4, (fixed, nodata))
    yield "formerr-alone", by_reply.encode(0, 1, (FIX_ID, _header(0x8181, 0, 0, 0, questions=0)))
    bogus = _OPT[:-2] + struct.pack("!HHHH", 6, 15, 2, 6)
    yield "bogus", by_reply.encode(1, 0, (fixed, _header(0x8182, 0, 0, 1) + bogus), (fixed, nodata))
    text = _OPT[:-2] + struct.pack("!HHHH", 8, 15, 4, 22) + b"\xff\xfe"
    yield (
        "text-that-is-none",
        by_reply.encode(6, 0, (fixed, _header(0x8180, 0, 0, 1) + text)),
    )
    short = _OPT[:-2] + struct.pack("!HHHB", 5, 15, 1, 0)
    yield "error-without-a-code", by_reply.encode(6, 0, (fixed, _header(0x8180, 0, 0, 1) + short))
    pointers = b"".join(struct.pack("!H", 0xC000 | 12 + 2 * at) for at in range(1000))
    chain = _header(0x8180, 1, 0, 0) + b"\0" + struct.pack("!HHIH", 16, 1, 0, len(pointers)) + pointers
    yield "pointers", by_reply.encode(0, 0, (fixed, chain), (fixed, chain))


def _header(flags: int, *counts: int, questions: int = 1) -> bytes:
    return struct.pack("!6H", 7, flags, questions, *counts)


def _records(rcode: int, answer: tuple[str, ...], authority: tuple[str, ...]) -> bytes:
    """Write a reply without its question, which `FIX_QUESTION` puts there; so no name is compressed."""
    records = b""
    for line in (*answer, *authority):
        owner, ttl, rdclass, rdtype, rdata = line.split(None, 4)
        rrset = dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata)
        wire = rrset[0].to_digestable()
        records += rrset.name.to_digestable()
        records += struct.pack("!HHIH", rrset.rdtype, rrset.rdclass, int(ttl), len(wire)) + wire
    return _header(0x8180 | rcode, len(answer), len(authority), 0) + records
