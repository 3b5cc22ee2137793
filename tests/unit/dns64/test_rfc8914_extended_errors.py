"""RFC 8914: Extended DNS Errors of ours and of the forwarders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME = "v4.example."
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
REVERSE = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
SYNTHESIZED = 29  # IANA's registry of Extended DNS Error Codes


def error(code: int, text: str | None = None) -> dns.edns.EDEOption:
    return dns.edns.EDEOption(dns.edns.EDECode.make(code), text)


def v4_only(reply: Make, a: tuple[Any, ...] = (), aaaa: tuple[Any, ...] = ()) -> dict[tuple[str, str], Any]:
    return {
        (NAME, "AAAA"): reply(authority=(SOA,), options=aaaa),
        (NAME, "A"): reply(answer=(f"{NAME} 3600 IN A 192.0.2.33",), options=a),
    }


def codes(response: dns.message.Message) -> list[int]:
    return [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)]


def test_a_synthesized_answer_says_so_to_who_speaks_edns(lab: Make, reply: Make) -> None:
    dns64 = lab(v4_only(reply))
    assert codes(dns64.ask(NAME, use_edns=0)) == [SYNTHESIZED]
    without = dns64.ask(NAME)
    assert without.answer
    assert without.edns == -1


def test_a_synthesized_cname_says_so_too(lab: Make, reply: Make) -> None:
    target = "33.2.0.192.in-addr.arpa."
    dns64 = lab({(target, "PTR"): reply(answer=(f"{target} 60 IN PTR host.example.",))})
    assert codes(dns64.ask(REVERSE, "PTR", use_edns=0)) == [SYNTHESIZED]


@pytest.mark.parametrize("rdtype", ["AAAA", "A"])
def test_what_was_not_synthesized_does_not_say_so(lab: Make, reply: Make, rdtype: str) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(answer=(f"{NAME} 60 IN AAAA 2001:db8:1::1",))}
    assert not codes(lab(zone).ask(NAME, rdtype, use_edns=0))


def test_the_forwarders_errors_stand_beside_it_each_once(lab: Make, reply: Make) -> None:
    zone = v4_only(reply, a=(error(3), error(0)), aaaa=(error(3), error(22)))
    assert codes(lab(zone).ask(NAME, use_edns=0)) == [3, 0, 22, SYNTHESIZED]


def test_a_forwarders_error_is_handed_on_with_its_text(lab: Make, reply: Make) -> None:
    zone = v4_only(reply) | {(NAME, "TXT"): reply(rcode="SERVFAIL", options=(error(23, "no route"),))}
    response = lab(zone).ask(NAME, "TXT", use_edns=0)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert [(option.code, option.text) for option in response.options] == [(23, "no route")]


def test_rfc8914_2_a_long_text_does_not_truncate_the_answer(lab: Make, reply: Make) -> None:
    texts = tuple(f"{NAME} 60 IN TXT {'x' * 90}{index}" for index in range(4))
    zone = {(NAME, "TXT"): reply(answer=texts, options=(error(22, "y" * 300),))}
    response = lab(zone).ask(NAME, "TXT", use_edns=0, payload=512)
    assert len(response.answer[0]) == 4
    assert not response.flags & dns.flags.TC
    assert [(option.code, option.text) for option in response.options] == [(22, None)]


def test_rfc8914_2_a_truncated_answer_still_carries_the_code(lab: Make, reply: Make) -> None:
    texts = tuple(f"{NAME} 60 IN TXT {'x' * 90}{index}" for index in range(9))
    zone = {(NAME, "TXT"): reply(answer=texts, options=(error(22, "y" * 300),))}
    response = lab(zone).ask(NAME, "TXT", use_edns=0, payload=512)
    assert response.flags & dns.flags.TC
    assert codes(response) == [22]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\0", []),
        (b"\0\x16", [error(22)]),
        (b"\0\x16\xff\xfe", [error(22)]),
        (b"\0\x16caf\xc3", [error(22)]),
        ("\0\x16café".encode(), [error(22, "café")]),
    ],
)
def test_rfc8914_2_an_error_is_passed_on_as_far_as_a_client_can_read_it(
    lab: Make, reply: Make, data: bytes, expected: list[dns.edns.EDEOption]
) -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType.EDE, data)
    dns64 = lab({(NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",), options=(option,))})
    response = dns64.ask(NAME, "A", use_edns=0)
    assert response.answer
    assert list(response.options) == expected


def test_rfc8914_2_more_errors_than_a_message_holds_do_not_cost_the_answer(lab: Make, reply: Make) -> None:
    a, aaaa = (tuple(error(code, letter * 200) for code in range(100, 300)) for letter in "xy")
    long = (error(3, "z" * 40000),)
    response = lab(v4_only(reply, a=a, aaaa=aaaa)).ask(NAME, use_edns=0, tcp=True)
    assert response.answer
    assert SYNTHESIZED in codes(response)
    response = lab(v4_only(reply, a=long, aaaa=long)).ask(NAME, use_edns=0, tcp=True)
    assert response.answer
    assert codes(response) == [3, SYNTHESIZED]
