"""Forwarders that lie, stall or talk nonsense: the client has a right answer by the deadline, or a failure.

`answered` checks on the way what every response has to be. dnspython writes what the forwarders say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from nat64.config.totd import parse
from nat64.dns64.message import parse as parse_message
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport
from tests.fuzz.dns64_promises import answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

    Spoil = Callable[[dns.message.Message], bytes]

NAME: Final = "v4.example."
FIRST, SECOND = "192.0.2.53", "192.0.2.54"
ONE: Final = f"forwarder {FIRST}\nprefix 2001:db8:64::/96\n"
TWO: Final = f"{ONE}forwarder {SECOND}\n"
FORGED: Final = "203.0.113.66"
SYNTHESIZED: Final = "2001:db8:64::c000:221"


def true_reply(ask: bytes, *answer: str) -> dns.message.Message:
    """Make the right reply: one A record, and no AAAA record; or the records of `answer`."""
    query = dns.message.from_wire(ask)
    reply = dns.message.make_response(query, recursion_available=True)
    if not answer and query.question[0].rdtype == dns.rdatatype.A:
        answer = (f"{NAME} 60 IN A 192.0.2.33",)
    for line in answer:
        owner, ttl, rdclass, rdtype, rdata = line.split(None, 4)
        reply.answer.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    return reply


def forgery(ask: bytes) -> dns.message.Message:
    """Make a reply that would be believed but for what is then spoiled in it: each of the types is answered."""
    rdtype = dns.message.from_wire(ask).question[0].rdtype
    lies = {
        dns.rdatatype.A: f"{NAME} 60 IN A {FORGED}",
        dns.rdatatype.AAAA: f"{NAME} 60 IN AAAA 2001:db8:bad::1",
    }
    return true_reply(ask, lies[rdtype])


def _id(reply: dns.message.Message) -> bytes:
    reply.id ^= 1
    return reply.to_wire()


def _question(reply: dns.message.Message) -> bytes:
    reply.question = [
        dns.rrset.RRset(dns.name.from_text("v5.example."), dns.rdataclass.IN, reply.question[0].rdtype)
    ]
    return reply.to_wire()


def _type(reply: dns.message.Message) -> bytes:
    reply.question = [dns.rrset.RRset(reply.question[0].name, dns.rdataclass.IN, dns.rdatatype.TXT)]
    return reply.to_wire()


def _class(reply: dns.message.Message) -> bytes:
    reply.question = [dns.rrset.RRset(reply.question[0].name, dns.rdataclass.CH, reply.question[0].rdtype)]
    return reply.to_wire()


def _query(reply: dns.message.Message) -> bytes:
    reply.flags &= ~dns.flags.QR
    return reply.to_wire()


def _opcode(reply: dns.message.Message) -> bytes:
    wire = reply.to_wire()
    return wire[:2] + bytes((wire[2] | dns.opcode.NOTIFY << 3,)) + wire[3:]


def _no_question(reply: dns.message.Message) -> bytes:
    reply.question = []
    return reply.to_wire()


def _two_questions(reply: dns.message.Message) -> bytes:
    reply.question *= 2
    return reply.to_wire()


def _cut(reply: dns.message.Message) -> bytes:
    return reply.to_wire()[:-1]


def _one_record_too_few(reply: dns.message.Message) -> bytes:
    wire = reply.to_wire()
    return wire[:6] + b"\0\2" + wire[8:]


def _pointer_to_itself(reply: dns.message.Message) -> bytes:
    wire = bytearray(reply.to_wire())
    at = wire.index(b"\xc0\x0c", 12)
    wire[at : at + 2] = struct.pack("!H", 0xC000 | at)
    return bytes(wire)


def _rdlength(reply: dns.message.Message) -> bytes:
    reply.use_edns(edns=False)
    wire = reply.to_wire()
    length = len(reply.answer[0][0].to_digestable())
    return wire[: -length - 2] + struct.pack("!H", length - 1) + wire[-length:]


SPOILS: Final = (
    _id,
    _question,
    _type,
    _class,
    _query,
    _opcode,
    _no_question,
    _two_questions,
    _cut,
    _one_record_too_few,
    _pointer_to_itself,
    _rdlength,
)


def ask_through(
    forwarder: Callable[[Ask, Flight, float], None],
    rdtype: str = "AAAA",
    config: str = ONE,
    *,
    tcp: bool = False,
) -> dns.message.Message:
    """Ask for `NAME` with all forwarders behaving like `forwarder`, and return the response."""
    service = Service(random_id=lambda: 0x1234)
    service.configure(parse(config, "dns64.conf"))
    query = dns.message.make_query(NAME, rdtype)
    data = answered(service, query.to_wire(), "::1", forwarder, tcp=tcp, now=0.0)
    assert data is not None
    return dns.message.from_wire(data)


def data(response: dns.message.Message) -> list[str]:
    return [str(rdata) for rrset in response.answer for rdata in rrset]


def tell(flight: Flight, ask: Ask, now: float) -> None:
    assert flight.reply_received(ask, true_reply(ask.data).to_wire(), now)


@pytest.mark.parametrize("spoil", SPOILS)
def test_rfc5452_9_1_a_forgery_is_not_believed_and_the_truth_behind_it_is(spoil: Spoil) -> None:
    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        for _ in range(10):
            assert not flight.reply_received(ask, spoil(forgery(ask.data)), now)
        tell(flight, ask, now)

    assert data(ask_through(forwarder)) == [SYNTHESIZED]


@pytest.mark.parametrize("spoil", SPOILS)
def test_rfc5452_9_1_forgeries_alone_are_as_silence(spoil: Spoil) -> None:
    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        flight.reply_received(ask, spoil(forgery(ask.data)), now)

    response = ask_through(forwarder, config=TWO)
    assert (response.rcode(), data(response)) == (dns.rcode.SERVFAIL, [])


def test_a_reply_cut_at_any_place_is_as_silence() -> None:
    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        wire = forgery(ask.data).to_wire()
        assert not any(flight.reply_received(ask, wire[:end], now) for end in range(len(wire)))
        tell(flight, ask, now)

    assert data(ask_through(forwarder)) == [SYNTHESIZED]


def test_the_second_forwarder_is_asked_where_the_first_only_talks_nonsense() -> None:
    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        if str(ask.forwarder.endpoint.address) == FIRST:
            flight.reply_received(ask, ask.data[:2] + b"\xff" * 40, now)
        else:
            tell(flight, ask, now)

    assert data(ask_through(forwarder, config=TWO)) == [SYNTHESIZED]


@pytest.mark.parametrize(
    "lie",
    [
        "other.example. 60 IN AAAA 2001:db8:bad::1",
        "v4.example.example. 60 IN AAAA 2001:db8:bad::1",
        "v4.example. 60 CH TYPE28 \\# 16 20010db80bad00000000000000000001",
    ],
)
def test_aaaa_records_of_another_owner_or_class_do_not_hinder_synthesis(lie: str) -> None:
    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        lies = (lie,) if parse_message(ask.data).question.qtype == dns.rdatatype.AAAA else ()
        assert flight.reply_received(ask, true_reply(ask.data, *lies).to_wire(), now)

    assert data(ask_through(forwarder)) == [SYNTHESIZED]


def test_a_records_beside_the_chain_are_not_synthesized() -> None:
    chain = (
        f"{NAME} 60 IN CNAME b.example.",
        "b.example. 60 IN A 192.0.2.33",
        f"c.example. 60 IN A {FORGED}",
    )

    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        records = chain if parse_message(ask.data).question.qtype == dns.rdatatype.A else chain[:1]
        soa = dns.rrset.from_text("example.", 60, "IN", "SOA", "ns.example. root.example. 1 2 3 4 60")
        reply = true_reply(ask.data, *records)
        if len(records) == 1:
            reply.authority.append(soa)
        assert flight.reply_received(ask, reply.to_wire(), now)

    assert data(ask_through(forwarder)) == ["b.example.", SYNTHESIZED]


def test_what_comes_late_twice_or_after_the_answer_changes_nothing() -> None:
    service = Service(random_id=lambda: 0x1234)
    service.configure(parse(TWO, "dns64.conf"))
    responses: list[bytes] = []
    service.message_received(
        dns.message.make_query(NAME, "AAAA").to_wire(),
        "::1",
        transport=Transport.UDP,
        now=0.0,
        deliver=responses.append,
    )
    (flight,) = service.flights_to_begin()
    early = flight.asks_to_send()
    flight.handle_timer(flight.timer)
    late = flight.asks_to_send()
    assert late, "the second forwarder has to be asked for the first to be late"
    for ask in early:
        wire = true_reply(ask.data).to_wire()
        assert flight.reply_received(ask, wire, 1.5)
        assert not flight.reply_received(ask, wire, 1.5)
    (response,) = responses
    for ask in late:
        assert not flight.reply_received(ask, forgery(ask.data).to_wire(), 1.6)
        flight.ask_failed(ask, 1.7)
    flight.handle_timer(9.0)
    assert not flight.asks_to_send()
    assert responses == [response]
    assert data(dns.message.from_wire(response)) == [SYNTHESIZED]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "YXDOMAIN", "NOTAUTH"])
@pytest.mark.parametrize("config", [ONE, TWO])
def test_an_error_from_all_is_told_at_once(rcode: str, config: str) -> None:
    times = []

    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        reply = true_reply(ask.data)
        reply.answer.clear()
        reply.set_rcode(dns.rcode.from_text(rcode))
        times.append(now)
        assert flight.reply_received(ask, reply.to_wire(), now)

    assert dns.rcode.to_text(ask_through(forwarder, config=config).rcode()) == rcode
    assert set(times) == {0.0}


def test_closed_ports_are_servfail_at_once() -> None:
    times = []

    def forwarder(ask: Ask, flight: Flight, now: float) -> None:
        times.append(now)
        flight.ask_failed(ask, now)

    assert ask_through(forwarder, config=TWO).rcode() == dns.rcode.SERVFAIL
    assert set(times) == {0.0}


class _Truncating:
    """Forwarders that send everyone to TCP; `over_tcp` is what happens there, for those in `bad`."""

    def __init__(self, over_tcp: Callable[[Ask, Flight, float], Any], *bad: str) -> None:
        self._over_tcp = over_tcp
        self._bad = bad

    def __call__(self, ask: Ask, flight: Flight, now: float) -> None:
        if str(ask.forwarder.endpoint.address) not in self._bad:
            tell(flight, ask, now)
        elif ask.tcp:
            self._over_tcp(ask, flight, now)
        else:
            reply = true_reply(ask.data)
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            assert flight.reply_received(ask, reply.to_wire(), now)


def _closes(ask: Ask, flight: Flight, now: float) -> None:
    wire = true_reply(ask.data).to_wire()
    assert not flight.reply_received(ask, wire[:-4], now)
    flight.ask_failed(ask, now)


def _stalls(ask: Ask, flight: Flight, now: float) -> None:
    """Never say anything."""


def _truncates_again(ask: Ask, flight: Flight, now: float) -> None:
    reply = true_reply(ask.data)
    reply.flags |= dns.flags.TC
    flight.reply_received(ask, reply.to_wire(), now)


@pytest.mark.parametrize("over_tcp", [_closes, _stalls, _truncates_again])
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test_rfc7766_5_what_fails_over_tcp_is_asked_of_the_next_or_is_servfail(
    over_tcp: Callable[[Ask, Flight, float], None], rdtype: str
) -> None:
    assert ask_through(_Truncating(over_tcp, FIRST), rdtype).rcode() == dns.rcode.SERVFAIL
    assert ask_through(_Truncating(over_tcp, FIRST, SECOND), rdtype, TWO).rcode() == dns.rcode.SERVFAIL
    expected = {"A": "192.0.2.33", "AAAA": SYNTHESIZED}[rdtype]
    assert data(ask_through(_Truncating(over_tcp, FIRST), rdtype, TWO)) == [expected]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(("addresses", "fits"), [(2300, True), (3900, False)])
def test_rfc7766_8_an_answer_of_64_kilobytes_becomes_aaaa_if_they_fit_and_is_truncated_else(
    addresses: int, fits: bool, tcp: bool
) -> None:
    text = tuple(f"{NAME} 60 IN A 198.18.{host >> 8}.{host & 255}" for host in range(addresses))

    def over_tcp(ask: Ask, flight: Flight, now: float) -> None:
        records = text if parse_message(ask.data).question.qtype == dns.rdatatype.A else ()
        wire = (
            true_reply(ask.data, *records).to_wire(max_size=65535)
            if records
            else true_reply(ask.data).to_wire()
        )
        assert flight.reply_received(ask, wire, now)

    response = ask_through(_Truncating(over_tcp, FIRST), tcp=tcp)
    whole = fits and tcp
    assert len(data(response)) == (addresses if whole else 0)
    assert bool(response.flags & dns.flags.TC) == (not whole)
