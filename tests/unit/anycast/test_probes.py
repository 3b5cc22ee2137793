"""What counts as an answer to a probe."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from dnslib import AAAA, QTYPE, RCODE, RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from nat64.anycast.probes import Echo, Query

TARGET = IPv6Address("64:ff9b::203.0.113.80")
QUERY = Query(IPv6Address("2001:db8:53::53"), "ipv4only.arpa", 7, (IPv6Network("64:ff9b::/96"),))


def _response(address: str = "64:ff9b::c000:aa", identifier: int = 7, rcode: str = "NOERROR") -> bytes:
    response = DNSRecord.parse(QUERY.request()).reply()
    response.header.id = identifier
    response.header.rcode = getattr(RCODE, rcode)
    response.add_answer(RR("ipv4only.arpa", QTYPE.AAAA, rdata=AAAA(address), ttl=60))
    packed: bytes = response.pack()
    return packed


def test_an_echo_is_answered_by_its_own_reply_alone() -> None:
    echo = Echo(TARGET, 0x1234, 9)
    reply = b"\x81\x00\xab\xcd" + echo.request()[4:]
    assert echo.is_answered_by(TARGET, reply)
    assert not echo.is_answered_by(TARGET, echo.request())
    assert not echo.is_answered_by(IPv6Address("64:ff9b::203.0.113.81"), reply)
    assert not Echo(TARGET, 0x1234, 10).is_answered_by(TARGET, reply)


def test_a_synthesized_answer_is_one() -> None:
    assert QUERY.is_answered_by(_response())


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(_response("2001:db8::1"), id="another prefix"),
        pytest.param(_response(identifier=8), id="another query's"),
        pytest.param(_response(rcode="SERVFAIL"), id="a failure"),
        pytest.param(QUERY.request(), id="the query itself"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_answer(message: bytes) -> None:
    assert not QUERY.is_answered_by(message)


@given(st.binary(max_size=64))
def test_whatever_comes_is_read_without_an_error(message: bytes) -> None:
    QUERY.is_answered_by(QUERY.request()[:2] + message)
