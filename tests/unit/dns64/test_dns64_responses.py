"""What clients get: EDNS, truncation, refusals, and silence where silence is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nat64.dns64.flights import (
    JOSTLED_AFTER,
    MOST_FLIGHTS,
    MOST_FLIGHTS_OF_A_CLIENT,
    MOST_WAITING_OF_A_CLIENT,
    Later,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.flight import Flight

    Lab = Any

    Make = Callable[..., Any]

NAME = "big.example."


def texts(count: int) -> tuple[str, ...]:
    return tuple(f"{NAME} 60 IN TXT {'x' * 90}{index}" for index in range(count))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 40),
    additional=st.integers(0, 10),
    size=st.one_of(st.none(), st.integers(0, 65535)),
)
def test_rfc6891_6_2_responses_fit_the_client_and_are_whole_or_truncated(
    lab: Make, reply: Make, count: int, additional: int, size: int | None
) -> None:
    extra = tuple(f"ns{index}.example. 60 IN A 192.0.2.{index}" for index in range(additional))
    dns64 = lab({(NAME, "TXT"): reply(answer=texts(count), additional=extra)})
    query = dns.message.make_query(NAME, "TXT")
    if size is not None:
        query.use_edns(0, payload=size)
    data = dns64.send(query.to_wire())
    assert len(data) <= max(512, min(size or 512, 1232))
    response = dns.message.from_wire(data)
    assert response.question == query.question
    if response.flags & dns.flags.TC:
        assert not response.answer
    else:
        assert sum(map(len, response.answer)) == count


def test_over_tcp_nothing_is_truncated(lab: Make, reply: Make) -> None:
    response = lab({(NAME, "TXT"): reply(answer=texts(300))}).ask(NAME, "TXT", tcp=True)
    assert len(response.answer[0]) == 300


def test_rfc6891_6_1_1_an_opt_record_comes_only_if_asked_for(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply(answer=texts(1))})
    assert dns64.ask(NAME, "TXT").edns == -1
    response = dns64.ask(NAME, "TXT", use_edns=0, payload=4096, want_dnssec=True)
    assert (response.edns, response.payload) == (0, 1232)
    assert response.ednsflags & dns.flags.DO


def test_rfc6891_6_1_3_an_unknown_version_gets_badvers(lab: Make) -> None:
    dns64 = lab()
    response = dns64.ask(NAME, "TXT", use_edns=1)
    assert response.rcode() == dns.rcode.BADVERS
    assert response.edns == 0
    assert not dns64.asked


def test_rfc6891_6_1_2_unknown_options_are_ignored(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply(answer=texts(1))})
    option = dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"anything")
    response = dns64.ask(NAME, "TXT", use_edns=0, options=[option])
    assert response.answer
    assert not response.options


def test_do_and_cd_go_on_to_the_forwarder_and_rd_too(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply()})
    query = dns.message.make_query(NAME, "TXT", want_dnssec=True)
    query.flags = dns.flags.CD
    (ask,) = dns64.set_out(query.to_wire()).asks_to_send()
    upstream = dns.message.from_wire(ask.data)
    assert upstream.ednsflags & dns.flags.DO
    assert upstream.payload == 1232
    assert upstream.flags & (dns.flags.CD | dns.flags.RD) == dns.flags.CD


def test_the_question_comes_back_in_the_clients_own_case(lab: Make, reply: Make) -> None:
    response = lab({(NAME, "TXT"): reply(answer=texts(1))}).ask("BiG.eXaMpLe.", "TXT")
    assert response.question[0].name.labels[0] == b"BiG"


@pytest.mark.parametrize("host", ["2001:db9::1", "192.0.2.1", "fe80::1%eth0"])
def test_a_host_outside_allow_query_gets_refused_before_any_work(lab: Make, host: str) -> None:
    dns64 = lab()
    query = dns.message.make_query(NAME, "AAAA", use_edns=0)
    response = dns.message.from_wire(dns64.send(query.to_wire(), host))
    assert response.rcode() == dns.rcode.REFUSED
    assert query.is_response(response)
    assert not dns64.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "2001:db8:ffff::1"])
def test_loopback_and_allow_query_networks_are_answered(lab: Make, reply: Make, host: str) -> None:
    data = lab({(NAME, "A"): reply()}).send(dns.message.make_query(NAME, "A").to_wire(), host)
    assert dns.message.from_wire(data).rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize("host", ["2001:db8::c", "2001:db9::1"])
def test_responses_are_never_answered(lab: Make, host: str) -> None:
    response = dns.message.make_response(dns.message.make_query(NAME, "A"))
    assert lab().send(response.to_wire(), host) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_get_an_error_or_silence_and_never_raise(lab: Make, data: bytes, tcp: bool) -> None:
    dns64 = lab()
    result = dns64.put(data, lambda _: None, "::1", tcp=tcp)
    if isinstance(result, bytes):
        assert result[:2] == data[:2]
        assert result[2] & 0x80


def client(number: int) -> str:
    return f"2001:db8::{number:x}"


def numbered(number: int) -> bytes:
    return dns.message.make_query(f"{number}.{NAME}", "A").to_wire()


def fill(dns64: Lab) -> list[Flight]:
    """Have as many questions under way as there may be, from several clients."""
    return [
        dns64.set_out(numbered(number), client(number // MOST_FLIGHTS_OF_A_CLIENT))
        for number in range(MOST_FLIGHTS)
    ]


def rcode_of(data: bytes) -> dns.rcode.Rcode:
    return dns.message.from_wire(data).rcode()


def test_beyond_the_bound_of_questions_under_way_clients_get_servfail(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "A"): reply()})
    flights = fill(dns64)
    wire = dns.message.make_query(NAME, "A").to_wire()
    assert rcode_of(dns64.send(wire)) == dns.rcode.SERVFAIL
    flights[0].give_up(dns64.now)
    assert rcode_of(dns64.send(wire)) == dns.rcode.NOERROR


def test_the_oldest_question_makes_room_once_it_was_slow(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "A"): reply()})
    oldest, second, *_ = fill(dns64)
    dns64.now += JOSTLED_AFTER
    assert rcode_of(dns64.send(dns.message.make_query(NAME, "A").to_wire())) == dns.rcode.NOERROR
    assert (oldest.done, second.done) == (True, False)
    assert dns64.service.counters["jostled"] == 1


def test_one_client_cannot_take_all_there_is(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "A"): reply()})
    for number in range(MOST_FLIGHTS_OF_A_CLIENT):
        dns64.set_out(numbered(number))
    wire = dns.message.make_query(NAME, "A").to_wire()
    assert rcode_of(dns64.send(wire)) == dns.rcode.SERVFAIL
    assert rcode_of(dns64.send(wire, client(1))) == dns.rcode.NOERROR


def test_rfc5452_5_one_question_is_under_way_once(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.1",))})
    responses: list[bytes] = []
    queries = [
        dns.message.make_query(name, "A", use_edns=edns, id=number)
        for number, (name, edns) in enumerate([(NAME, -1), (NAME.upper(), 0), (NAME, 0)])
    ]
    for query in queries:
        assert isinstance(dns64.put(query.to_wire(), responses.append), Later)
    dns64.run()
    assert dns64.asked == [("192.0.2.53", NAME, "A")]
    for query, data in zip(queries, responses, strict=True):
        response = dns.message.from_wire(data)
        assert query.is_response(response)
        assert response.question[0].name.labels == query.question[0].name.labels
        assert response.edns == query.edns
        assert response.answer
    assert dns64.service.counters["joined"] == 2


@pytest.mark.parametrize("rdclass", ["CH", "HS", "ANY", "NONE"])
@pytest.mark.parametrize(
    "name", [NAME, "ipv4only.arpa.", "1.2.2.0.0.0.0.c" + ".0" * 12 + ".4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."]
)
def test_rfc6147_5_1_other_classes_are_only_handed_on(
    lab: Make, reply: Make, rdclass: str, name: str
) -> None:
    dns64 = lab({(name, "AAAA"): reply(rcode="REFUSED")})
    assert dns64.ask(name, rdclass=rdclass).rcode() == dns.rcode.REFUSED
    assert [rdtype for _, _, rdtype in dns64.asked] == ["AAAA"]


def test_one_client_cannot_take_all_places_to_wait(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "A"): reply()})
    slow = numbered(0)
    responses: list[bytes] = []
    for _ in range(MOST_WAITING_OF_A_CLIENT):
        assert isinstance(dns64.put(slow, responses.append), Later)
    (flight,) = dns64.service.flights_to_begin()
    assert rcode_of(dns64.put(slow, responses.append)) == dns.rcode.SERVFAIL
    assert isinstance(dns64.put(slow, responses.append, client(1)), Later)
    flight.give_up(dns64.now)
    assert len(responses) == MOST_WAITING_OF_A_CLIENT + 1
    assert dns64.service.waiting == 0
    assert isinstance(dns64.put(slow, responses.append), Later)


def test_a_question_that_fails_as_it_begins_gets_servfail(monkeypatch: pytest.MonkeyPatch, lab: Make) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("nat64.dns64.plain_first.PlainFirst.start", fail)
    dns64 = lab()
    assert rcode_of(dns64.send(numbered(0))) == dns.rcode.SERVFAIL
    assert (dns64.service.waiting, dns64.service.outstanding) == (0, 0)
