"""The short way leads where the whole way does: same replies in the same order, same response."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.totd import parse
from nat64.dns64.forwarders import QUESTIONS_BETWEEN_TRIALS
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport
from nat64.dns64.views import Surroundings

if TYPE_CHECKING:
    import pytest

    from nat64.dns64.exchange import Ask

NAME: Final = "Host.example."
SOA: Final = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
CONFIGS: Final = [
    parse(text + "\ncache-size 0", "f")
    for text in (
        "forwarder 192.0.2.1\nprefix 2001:db8:64::/96",
        "forwarder 192.0.2.1\nforwarder 192.0.2.2\nprefix 2001:db8:64::/96\nprefix 2001:db8:65::/96",
        "forwarder 127.0.0.1 port 5353 validating\nforwarder 192.0.2.2\nprefix 64:ff9b::/96\nunmapped 198.51.100.0/24",
        "forwarder 192.0.2.1\nforwarder 192.0.2.2\nprefix 2001:db8:64::/96\nexclude 3fff::/20\nrandomize-case yes",
        "forwarder 192.0.2.1",
    )
]
ANSWERS: Final = {
    "A": [
        *(
            (f"{NAME} 60 IN A {address}",)
            for address in ("192.0.2.1", "198.51.100.1", "127.0.0.1", "8.8.8.8")
        ),
        (f"{NAME} 60 IN A 192.0.2.1", f"{NAME} 60 IN A 198.51.100.2"),
        (f"{NAME} 60 IN A 192.0.2.1", f"{NAME} 70 IN A 192.0.2.2"),
        (f"{NAME} 60 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1"),
        (),
    ],
    "AAAA": [
        (),
        (),
        (),
        (f"{NAME} 60 IN AAAA 2001:db8::1",),
        (f"{NAME} 60 IN AAAA ::ffff:192.0.2.1",),
        (f"{NAME} 60 IN AAAA 3fff::1", f"{NAME} 60 IN AAAA 2001:db8::2"),
        (f"{NAME} 60 IN CNAME b.example.",),
    ],
}
FAILURES: Final = ["silence", "garbage", "refused"]


@st.composite
def told(draw: st.DrawFn, rdtype: str) -> dns.message.Message | str:
    """Draw what one forwarder does with a question of that type: a reply without a question, or a failure."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(FAILURES))
    reply = dns.message.Message(id=0)
    reply.flags = dns.flags.from_text(
        draw(st.sampled_from(["QR RD RA", "QR RD RA", "QR AA", "QR RA AD", "QR RA TC"]))
    )
    rcode = draw(st.sampled_from([0, 0, 0, 0, 2, 3]))
    reply.set_rcode(dns.rcode.Rcode.make(rcode))
    lines = draw(st.sampled_from(ANSWERS[rdtype])) if rcode == 0 else ()
    for section, texts in ((reply.answer, lines), (reply.authority, () if lines else (SOA,))):
        for line in texts:
            name, ttl, rdclass, kind, rdata = line.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), rdclass, kind, rdata))
    how = draw(st.sampled_from(["no", "bare", "bare", "error"]))
    if how != "no":
        error = dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "old")
        reply.use_edns(0, options=[error] if how == "error" else [])
    return reply


def response(
    config: int,
    query: dns.message.Message,
    says: dict[tuple[str, str], dns.message.Message | str],
    *,
    last_first: bool,
) -> dns.message.Message:
    """Return the response to a query when forwarders say what they say, in the order that they are asked, or the other."""
    ids = count(1)
    service = Service(random_id=lambda: next(ids) * 40503 % 65536)
    service.configure(CONFIGS[config])
    responses: list[bytes] = []
    now = 100.0
    service.message_received(
        query.to_wire(), "::1", transport=Transport.TCP, now=now, deliver=responses.append
    )
    (flight,) = service.flights_to_begin()

    def reply_to(ask: Ask) -> bytes | str:
        asked = dns.message.from_wire(ask.data)
        (question,) = asked.question
        said = says.get((str(ask.forwarder.endpoint.address), question.rdtype.name), "silence")
        if isinstance(said, str):
            return said
        said.id, said.question = asked.id, asked.question
        return said.to_wire()

    while not flight.done:
        asks = flight.asks_to_send()
        for ask in asks[:: -1 if last_first else 1]:
            data = reply_to(ask)
            now += 0.001
            if data == "refused":
                flight.ask_failed(ask, now)
            elif data == "garbage":
                assert not flight.reply_received(ask, ask.data[:2] + b"\xff" * 30, now)
            elif isinstance(data, bytes):
                flight.reply_received(ask, data, now)
        if not asks:
            now = max(now, flight.timer)
            flight.handle_timer(now)
    return dns.message.from_wire(responses[0])


@given(st.data(), st.integers(0, len(CONFIGS) - 1), st.sampled_from(["AAAA", "AAAA", "A"]), st.booleans())
def test_the_response_is_that_of_the_whole_way(
    data: st.DataObject, config: int, rdtype: str, last_first: bool
) -> None:
    query = dns.message.make_query(NAME, rdtype, use_edns=data.draw(st.sampled_from([-1, 0])), id=77)
    query.flags |= data.draw(st.sampled_from([0, int(dns.flags.AD)]))
    says = {
        (address, kind): data.draw(told(kind))
        for address in ("192.0.2.1", "192.0.2.2", "127.0.0.1")
        for kind in ("A", "AAAA")
    }
    short = response(config, query, says, last_first=last_first)
    plain_forwarder = Surroundings.plain_forwarder
    try:
        Surroundings.plain_forwarder = lambda *_: None  # type: ignore[method-assign]
        whole = response(config, query, says, last_first=last_first)
    finally:
        Surroundings.plain_forwarder = plain_forwarder  # type: ignore[method-assign]
    assert short.to_text() == whole.to_text()


def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nat64.dns64.plain_first.Resolution", None)
    a, aaaa = dns.message.Message(id=0), dns.message.Message(id=0)
    for reply in (a, aaaa):
        reply.flags = dns.flags.from_text("QR RD RA")
    a.answer.append(dns.rrset.from_text(NAME, 60, "IN", "A", "192.0.2.33"))
    name, ttl, rdclass, kind, rdata = SOA.split(None, 4)
    aaaa.authority.append(dns.rrset.from_text(name, int(ttl), rdclass, kind, rdata))
    says: dict[tuple[str, str], dns.message.Message | str] = {
        ("192.0.2.1", "A"): a,
        ("192.0.2.1", "AAAA"): aaaa,
    }
    query = dns.message.make_query(NAME, "AAAA", use_edns=0)
    made = response(0, query, says, last_first=False)
    assert [str(rdata) for rdata in made.answer[0]] == ["2001:db8:64::c000:221"]
    assert made.answer[0].ttl == 60
    assert [option.code for option in made.options if isinstance(option, dns.edns.EDEOption)] == [29]


def test_the_whole_way_goes_on_with_the_forwarder_that_was_asked_whoever_is_the_best_by_now() -> None:
    ids = count(1)
    service = Service(random_id=lambda: next(ids))
    forwarders = "\n".join(f"forwarder 192.0.2.{number}" for number in (1, 2, 3))
    config = parse(f"{forwarders}\nprefix 2001:db8:64::/96\ncache-size 0\nforwarder-order fastest", "f")
    service.configure(config)
    now = 100.0
    asked = set()
    for number in range(QUESTIONS_BETWEEN_TRIALS + 5):
        query = dns.message.make_query(f"{number}.example.", "AAAA")
        responses: list[bytes] = []
        service.message_received(
            query.to_wire(), "::1", transport=Transport.TCP, now=now, deliver=responses.append
        )
        (flight,) = service.flights_to_begin()
        asks = flight.asks_to_send()
        assert len(asks) == 2
        for ask in asks:
            reply = dns.message.make_response(dns.message.from_wire(ask.data))
            (question,) = reply.question
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", "b.example."))
            if question.rdtype.name == "A":
                reply.answer.append(dns.rrset.from_text("b.example.", 60, "IN", "A", "192.0.2.1"))
            else:
                name, ttl, rdclass, kind, rdata = SOA.split(None, 4)
                reply.authority.append(dns.rrset.from_text(name, int(ttl), rdclass, kind, rdata))
            now += 0.001
            assert flight.reply_received(ask, reply.to_wire(), now)
            asked.add(ask.forwarder)
        assert [rrset.rdtype.name for rrset in dns.message.from_wire(responses[0]).answer] == [
            "CNAME",
            "AAAA",
        ]
    assert len(asked) == 3
    assert all(service.health.round_trip(forwarder) is not None for forwarder in asked)
