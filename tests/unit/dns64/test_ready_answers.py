"""Responses that stand ready: whose bytes, until when, with which TTLs, and how many."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import dns.edns
import dns.message
import pytest

from nat64.dns64.ready_answers import AHEAD, ReadyAnswer, ReadyAnswers

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME: Final = "v4.example."
CLIENT: Final = bytes.fromhex("20010db800000000000000000000000c")


@pytest.fixture
def twice(lab: Make, reply: Make) -> Any:  # noqa: ANN401 - the service of conftest
    """Give a service that was asked twice for a name."""
    soa = "example. 300 IN SOA ns.example. root.example. 1 2 3 4 300"
    zone = {
        (NAME, "AAAA"): reply(authority=(soa,)),
        (NAME, "A"): reply(answer=(f"{NAME} 100 IN A 192.0.2.33", f"{NAME} 100 IN A 192.0.2.34")),
    }
    dns64 = lab(zone, caching=True)
    for _ in range(2):
        dns64.ask(NAME, use_edns=0)
    return dns64


def ready(dns64: Any, **options: Any) -> ReadyAnswer | None:  # noqa: ANN401 - as above
    query = dns.message.make_query(NAME, "AAAA", **{"use_edns": 0} | options)
    return dns64.service.client(CLIENT).find_ready(query.to_wire()[2:])  # type: ignore[no-any-return]


def test_an_answer_is_ready_that_is_the_response_but_for_the_id(twice: Any) -> None:  # noqa: ANN401
    answer = ready(twice)
    assert answer is not None
    in_memory = ctypes.string_at(answer.address, answer.size)
    response = dns.message.from_wire(b"\0\7" + in_memory)
    assert dns.message.make_query(NAME, "AAAA", id=7, use_edns=0).is_response(response)
    assert response.answer == twice.ask(NAME, use_edns=0).answer


@pytest.mark.parametrize("options", [{"use_edns": -1}, {"payload": 512}, {"want_dnssec": True}, {"flags": 0}])
def test_other_bytes_of_a_query_have_none(twice: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
    assert ready(twice, **options) is None


def test_a_query_with_options_is_never_answered_so(twice: Any) -> None:  # noqa: ANN401
    options = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))]
    for _ in range(3):
        twice.ask(NAME, use_edns=0, options=options)
    assert ready(twice, options=options) is None


def test_its_ttls_go_down_by_the_second_and_it_ends_before_the_last_tenth(twice: Any) -> None:  # noqa: ANN401
    answer = ready(twice)
    assert answer is not None
    second = int(twice.now)
    assert answer.until == second + 90
    for later in (1, 2, 40, 41, 60, 89):
        if answer.second < second + later:
            answer.turn_to(second + later, second + later + AHEAD)
        response = dns.message.from_wire(b"\0\7" + ctypes.string_at(answer.address, answer.size))
        assert 100 - later - AHEAD <= response.answer[0].ttl <= 100 - later


def test_a_flush_and_a_reload_leave_none(twice: Any) -> None:  # noqa: ANN401
    twice.service.flush(NAME)
    assert ready(twice) is None
    for _ in range(2):
        twice.ask(NAME, use_edns=0)
    assert ready(twice) is not None
    twice.reload(twice.service.config)
    assert ready(twice) is None


def test_the_table_is_bounded_and_the_oldest_go_first() -> None:
    table = ReadyAnswers(5000)
    for number in range(100):
        table.put(number.to_bytes(30, "big"), ReadyAnswer(bytearray(100), (), 0, 60))
        assert len(table) <= 9
    assert table.find(bytes(30)) is None
    assert table.find((99).to_bytes(30, "big")) is not None
    table.put(b"large", ReadyAnswer(bytearray(60000), (), 0, 60))
    assert table.find(b"large") is None
    table.clear()
    assert len(table) == 0


@pytest.mark.parametrize("options", [{"use_edns": -1}, {"use_edns": 0, "payload": 512}])
def test_rfc2181_9_ttls_of_additional_records_that_found_no_room_are_not_written(
    lab: Make, reply: Make, options: dict[str, Any]
) -> None:
    records = tuple(f"{NAME} 100 IN MX {number} mail{number}.example." for number in range(12))
    extra = tuple(f"mail{number}.example. 100 IN AAAA 2001:db8::1" for number in range(12))
    dns64 = lab({(NAME, "MX"): reply(answer=records, additional=extra)}, caching=True)
    for _ in range(2):
        response = dns64.ask(NAME, "MX", **options)
        assert (len(response.answer[0]), response.additional) == (12, [])
    query = dns.message.make_query(NAME, "MX", **options)
    answer = dns64.service.client(CLIENT).find_ready(query.to_wire()[2:])
    assert answer is not None
    for seconds in range(1, 80):
        answer.turn_to(int(dns64.now) + seconds, int(dns64.now) + seconds + AHEAD)
        turned = dns.message.from_wire(b"\0\7" + ctypes.string_at(answer.address, answer.size))
        assert 0 < turned.answer[0].ttl <= 100 - seconds
        assert turned.opt == response.opt


def test_a_flood_of_names_that_are_asked_once_displaces_nothing(lab: Make, reply: Make) -> None:
    names = [f"{number}.example." for number in range(3000)]
    zone = {(name, "TXT"): reply(answer=(f"{name} 100 IN TXT text",)) for name in (*names, NAME)}
    config = "forwarder 192.0.2.53\nallow-query 2001:db8::/32\ncache-size 1M"
    dns64 = lab(zone, config, caching=True)
    for name in (NAME, NAME, *names):
        dns64.ask(name, "TXT", use_edns=0)
    query = dns.message.make_query(NAME, "TXT", use_edns=0).to_wire()[2:]
    assert dns64.service.client(CLIENT).find_ready(query) is not None
    assert len(dns64.service.client(CLIENT).ready) < len(names)
