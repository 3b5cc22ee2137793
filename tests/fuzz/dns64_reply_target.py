"""Fuzz target: any bytes as the forwarders' replies to given asks, through the resolution to the response.

An input is: which of `QUERIES`, and which config, is under way (one octet); and for each ask in turn what is fixed in its reply
(one octet), the reply's length (two octets), and the reply. With `FIX_ID` it gets the ask's ID; with `FIX_QUESTION` the
question of the ask stands behind its header. When the input ends, the forwarders refuse. A reply is only believed if it has
the ask's ID, opcode and question and is a response; and the client has a good response whatever came.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import dns.message

from tests.fuzz.dns64_promises import HEADER, answered, make_service, question_of, serves_on

if TYPE_CHECKING:
    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

FIX_ID: Final = 1
FIX_QUESTION: Final = 2
RECORD: Final = struct.Struct("!BH")
NOW: Final = 1000.0
QUERIES: Final = tuple(
    (dns.message.make_query(name, rdtype, id=77, **options), tcp)
    for name, rdtype, options, tcp in (
        ("v4.example.", "AAAA", {}, False),
        ("v4.example.", "AAAA", {"use_edns": 0, "payload": 1232}, False),
        ("v4.example.", "AAAA", {"want_dnssec": True}, True),
        ("v4.example.", "AAAA", {"want_dnssec": True, "flags": 0x0110}, False),
        ("v4.example.", "A", {}, False),
        ("v4.example.", "ANY", {"use_edns": 0, "payload": 4096}, True),
        ("v4.example.", "HTTPS", {"use_edns": 0, "payload": 100}, False),
        ("1.2.0.0.2.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "PTR", {}, False),
    )
)
"""Each with whether it came over TCP. Number 3 has CD and DO: its client validates by itself."""


def encode(query: int, config: int, *replies: tuple[int, bytes]) -> bytes:
    """Build an input; each reply is what is fixed in it and its bytes."""
    records = [RECORD.pack(fixed, len(reply)) + reply for fixed, reply in replies]
    return bytes((query | config << 3,)) + b"".join(records)


def run(data: bytes) -> None:
    """Run one input. Raises `AssertionError` for what may not be."""
    if not data:
        return
    message, tcp = QUERIES[data[0] % len(QUERIES)]
    service = make_service(data[0] // len(QUERIES))
    answered(service, message.to_wire(), "::1", _Replies(data[1:]), tcp=tcp, now=NOW)
    validates = message is QUERIES[3][0]
    assert not (validates and service.counters["synthesized"]), "synthesized for a client that validates"
    serves_on(service, NOW + 10)


class _Replies:
    """Forwarders that reply what the input says, right or wrong."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, ask: Ask, flight: Flight, now: float) -> None:
        while len(self._data) >= RECORD.size:
            fixed, length = RECORD.unpack_from(self._data)
            reply = self._data[RECORD.size : RECORD.size + length]
            self._data = self._data[RECORD.size + length :]
            reply = _fixed(reply, fixed, ask.data)
            if flight.reply_received(ask, reply, now):
                _check_belief(ask.data, reply)
                return
        flight.ask_failed(ask, now)


def _fixed(reply: bytes, fixed: int, ask: bytes) -> bytes:
    if fixed & FIX_QUESTION:
        reply = reply[:HEADER] + question_of(ask) + reply[HEADER:]
    return ask[:2] + reply[2:] if fixed & FIX_ID else reply


def _check_belief(ask: bytes, reply: bytes) -> None:
    assert reply[:2] == ask[:2], "believed a reply with another ID"
    assert reply[2] & 0xF8 == 0x80, "believed what is no response to a query"
    if len(reply) > HEADER:
        said = dns.message.from_wire(reply, question_only=True)
        assert said.question == dns.message.from_wire(ask).question, "believed an answer to another question"
    else:
        assert reply[3] & 0xF, "believed an answer without a question"
