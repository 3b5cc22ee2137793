"""Whatever forwarders do and clients ask, there is one answer, in time, and it breaks no rule."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network
from itertools import count
from typing import TYPE_CHECKING

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import (
    Dns64Config,
    Domain,
    Endpoint,
    Forwarder,
    Synthesis,
    SynthesisPrefix,
    View,
)
from nat64.dns64.flights import Later
from nat64.dns64.resolution import DEADLINE_SECONDS
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from nat64.dns64.exchange import Ask

NAMES = ("a.example.", "b.example.", "c.example.")
PREFIX = IPv6Network("2001:db8:64::/96")
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
LINES = st.lists(
    st.sampled_from(
        [f"{name} 60 IN CNAME {target}" for name in NAMES for target in NAMES]
        + [f"{name} 60 IN A 192.0.2.{last}" for name in NAMES for last in (1, 2)]
        + [f"{name} 60 IN AAAA {address}" for name in NAMES for address in ("3fff::1", "::ffff:192.0.2.9")]
        + [f"{name} 60 CH A net.example. 11" for name in NAMES]
        + [f"{name} 60 CH AAAA \\# 3 000000" for name in NAMES]
    ),
    max_size=4,
)


@st.composite
def replies(draw: st.DrawFn, data: bytes) -> bytes | None:
    """Draw what a forwarder sends for a question: nothing, garbage, or a reply of any kind."""
    how = draw(st.sampled_from(("reply", "reply", "reply", "silence", "garbage", "header")))
    if how == "silence":
        return None
    if how == "garbage":
        return draw(st.binary(max_size=80))
    if how == "header":
        return data[:2] + b"\x81\x81" + bytes(8)
    query = dns.message.from_wire(data)
    reply = dns.message.make_response(query)
    reply.flags |= draw(st.sampled_from((0, dns.flags.AD, dns.flags.TC, dns.flags.AA)))
    reply.set_rcode(dns.rcode.Rcode.make(draw(st.sampled_from((0, 0, 0, 2, 3, 5)))))
    for section, lines in (
        (reply.answer, draw(LINES)),
        (reply.authority, draw(st.sampled_from(((), (SOA,))))),
    ):
        for line in lines:
            name, ttl, rdclass, rdtype, rdata = line.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata))
    if query.edns >= 0 and draw(st.booleans()):
        code = dns.edns.EDECode.make(draw(st.integers(0, 30)))
        reply.use_edns(0, options=[dns.edns.EDEOption(code, draw(st.sampled_from((None, "why"))))])
    return reply.to_wire()


@st.composite
def queries(draw: st.DrawFn) -> dns.message.Message:
    query = dns.message.make_query(
        draw(st.sampled_from(NAMES)), draw(st.sampled_from(("AAAA", "AAAA", "A", "TXT")))
    )
    if draw(st.booleans()):
        query.use_edns(0, payload=draw(st.sampled_from((0, 512, 1232, 4096))))
        query.want_dnssec(draw(st.booleans()))
    query.flags ^= draw(st.sampled_from((0, 0, dns.flags.RD, dns.flags.CD, dns.flags.AD)))
    return query


@st.composite
def configs(draw: st.DrawFn) -> Dns64Config:
    def forwarder(last: int) -> Forwarder:
        return Forwarder(Endpoint(IPv4Address(f"192.0.2.{last}")), validating=draw(st.booleans()))

    synthesis = draw(st.sampled_from((None, None, *Synthesis)))
    return Dns64Config(
        View(
            tuple(forwarder(last) for last in range(draw(st.integers(1, 3)))),
            prefixes=(SynthesisPrefix(Pref64(PREFIX)),),
            domains=(Domain((b"b", b"example"), synthesis, (forwarder(9),)),),
            synthesize_on_failure=draw(st.booleans()),
        )
    )


@given(config=configs(), query=queries(), data=st.data())
def test_a_good_query_gets_one_right_answer_by_the_deadline(
    config: Dns64Config, query: dns.message.Message, data: st.DataObject
) -> None:
    ids = count(1)
    service = Service(random_id=lambda: next(ids))
    service.configure(config)
    now = 100.0
    responses: list[bytes] = []
    result = service.message_received(
        query.to_wire(), "::1", transport=Transport.UDP, now=now, deliver=responses.append
    )
    assert isinstance(result, Later)
    (flight,) = service.flights_to_begin()
    asked: list[Ask] = []
    while not flight.done:
        asks = flight.asks_to_send()
        asked += asks
        for ask in asks:
            reply = data.draw(replies(ask.data))
            if reply is not None and not flight.reply_received(ask, reply, now) and data.draw(st.booleans()):
                flight.ask_failed(ask, now)
        if not asks:
            now = max(now, flight.timer)
            flight.handle_timer(now)
    assert now <= 100.0 + DEADLINE_SECONDS
    response = dns.message.from_wire(responses.pop())
    assert query.is_response(response)
    assert (response.edns >= 0) == (query.edns >= 0)
    made = [
        item
        for rrset in response.answer
        for item in rrset
        if rrset.rdtype.name == "AAAA"
        and rrset.rdclass.name == "IN"
        and PREFIX.supernet_of(IPv6Network(item.address))
    ]
    validates = query.flags & dns.flags.CD and query.ednsflags & dns.flags.DO
    if query.question[0].rdtype.name != "AAAA" or validates:
        assert not made
    if made:
        assert response.rcode() == dns.rcode.NOERROR
        assert query.edns < 0 or 29 in [option.code for option in response.options]
    if response.flags & dns.flags.AD:
        assert not made
        assert query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO
        assert any(ask.forwarder.validating for ask in asked)
    assert service.outstanding == 0
