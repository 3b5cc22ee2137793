"""RFC 6147 section 5.5 and RFC 6840: DO, CD and AD, with forwarders that validate and with others."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.config.dns64_config import Endpoint, Forwarder

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME = "v4.example."
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
MADE = ["2001:db8:64::c000:221"]
VALIDATING = Forwarder(Endpoint(IPv4Address("127.0.0.1")), validating=True)
SECOND_VALIDATING = Forwarder(Endpoint(IPv4Address("127.0.0.2")), validating=True)
PLAIN = Forwarder(Endpoint(IPv4Address("192.0.2.53")))
AUTHENTIC = "QR RD RA AD"


def v4_only(reply: Make, flags: str = "QR RD RA") -> dict[tuple[str, str], Any]:
    return {
        (NAME, "AAAA"): reply(authority=(SOA,), flags=flags),
        (NAME, "A"): reply(answer=(f"{NAME} 3600 IN A 192.0.2.33",), flags=flags),
        (NAME, "TXT"): reply(answer=(f"{NAME} 60 IN TXT hello",), flags=flags),
    }


def addresses(response: dns.message.Message) -> list[str]:
    return [item.address for rrset in response.answer if rrset.rdtype.name == "AAAA" for item in rrset]


@pytest.mark.parametrize("forwarder", [VALIDATING, PLAIN])
@pytest.mark.parametrize(
    ("dnssec_ok", "flags", "synthesized"),
    [(False, "", True), (True, "", True), (False, "CD", True), (True, "CD", False)],
)
def test_rfc6147_5_5_only_do_with_cd_forbids_synthesis(
    lab: Make,
    reply: Make,
    config: Make,
    *,
    forwarder: Forwarder,
    dnssec_ok: bool,
    flags: str,
    synthesized: bool,
) -> None:
    dns64 = lab(v4_only(reply), config(forwarders=(forwarder,)))
    response = dns64.ask(NAME, want_dnssec=dnssec_ok, flags=flags)
    assert addresses(response) == (MADE if synthesized else [])
    assert response.rcode() == dns.rcode.NOERROR
    assert bool(response.flags & dns.flags.CD) == bool(flags)
    assert len(dns64.asked) == (2 if synthesized else 1)


def test_rfc6147_5_5_a_synthesized_answer_is_never_called_authentic(
    lab: Make, reply: Make, config: Make
) -> None:
    dns64 = lab(v4_only(reply, AUTHENTIC), config(forwarders=(VALIDATING,)))
    response = dns64.ask(NAME, want_dnssec=True, flags="AD")
    assert addresses(response) == MADE
    assert not response.flags & dns.flags.AD


@pytest.mark.parametrize(
    ("forwarder", "dnssec_ok", "flags", "expected"),
    [
        (VALIDATING, False, "", False),
        (VALIDATING, False, "AD", True),
        (VALIDATING, True, "", True),
        (PLAIN, True, "AD", False),
    ],
)
def test_rfc6840_5_8_ad_goes_from_a_validating_forwarder_to_who_understands_it(
    lab: Make, reply: Make, config: Make, *, forwarder: Forwarder, dnssec_ok: bool, flags: str, expected: bool
) -> None:
    dns64 = lab(v4_only(reply, AUTHENTIC), config(forwarders=(forwarder,)))
    response = dns64.ask(NAME, "TXT", want_dnssec=dnssec_ok, flags=flags)
    assert response.answer
    assert bool(response.flags & dns.flags.AD) == expected


def test_rfc6840_5_7_ad_is_never_the_clients_own(lab: Make, reply: Make, config: Make) -> None:
    dns64 = lab(v4_only(reply), config(forwarders=(VALIDATING,)))
    for name, rdtype in ((NAME, "TXT"), (NAME, "AAAA"), ("ipv4only.arpa.", "AAAA"), (NAME, "AXFR")):
        assert not dns64.ask(name, rdtype, want_dnssec=True, flags="AD").flags & dns.flags.AD


@pytest.mark.parametrize(("forwarder", "expected"), [(VALIDATING, True), (PLAIN, False)])
def test_rfc6840_5_7_a_validating_forwarder_is_asked_for_ad(
    lab: Make, config: Make, forwarder: Forwarder, expected: bool
) -> None:
    dns64 = lab({}, config(forwarders=(forwarder,)))
    query = dns.message.make_query(NAME, "TXT").to_wire()
    (ask,) = dns64.set_out(query).asks_to_send()
    assert bool(dns.message.from_wire(ask.data).flags & dns.flags.AD) == expected


def test_a_native_aaaa_keeps_ad_but_not_once_an_address_was_excluded(
    lab: Make, reply: Make, config: Make
) -> None:
    native = f"{NAME} 60 IN AAAA 2001:db8:1::1"
    zone = v4_only(reply, AUTHENTIC) | {(NAME, "AAAA"): reply(answer=(native,), flags=AUTHENTIC)}
    dns64 = lab(zone, config(forwarders=(VALIDATING,)))
    assert dns64.ask(NAME, want_dnssec=True).flags & dns.flags.AD
    mapped = f"{NAME} 60 IN AAAA ::ffff:192.0.2.1"
    dns64.zone[NAME, "AAAA"] = reply(answer=(native, mapped), flags=AUTHENTIC)
    response = dns64.ask(NAME, want_dnssec=True)
    assert addresses(response) == ["2001:db8:1::1"]
    assert not response.flags & dns.flags.AD


def test_rfc6840_5_8_that_there_is_no_a_record_says_nothing_authentic_of_excluded_addresses(
    lab: Make, reply: Make, config: Make
) -> None:
    zone = v4_only(reply, AUTHENTIC) | {(NAME, "A"): reply(authority=(SOA,), flags=AUTHENTIC)}
    dns64 = lab(zone, config(forwarders=(VALIDATING,)))
    assert dns64.ask(NAME, want_dnssec=True).flags & dns.flags.AD
    mapped = f"{NAME} 60 IN AAAA ::ffff:192.0.2.1"
    dns64.zone[NAME, "AAAA"] = reply(answer=(mapped,), flags=AUTHENTIC)
    assert not dns64.ask(NAME, want_dnssec=True).flags & dns.flags.AD


@pytest.mark.parametrize("dnssec_ok", [True, False])
def test_rfc6147_5_5_what_did_not_validate_is_never_synthesized_over(
    lab: Make, reply: Make, config: Make, dnssec_ok: bool
) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="SERVFAIL")}
    dns64 = lab(zone, config(forwarders=(VALIDATING,)))
    assert dns64.ask(NAME, want_dnssec=dnssec_ok).rcode() == dns.rcode.SERVFAIL
    assert addresses(dns64.ask(NAME, flags="CD")) == MADE


def test_rfc6147_5_5_an_answer_that_never_came_did_not_validate_either(
    lab: Make, reply: Make, config: Make
) -> None:
    dns64 = lab(v4_only(reply) | {(NAME, "AAAA"): None}, config(forwarders=(VALIDATING,)))
    assert dns64.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert addresses(dns64.ask(NAME, flags="CD")) == MADE


def test_rfc6147_5_1_2_a_validating_forwarder_that_refuses_says_nothing_of_validity(
    lab: Make, reply: Make, config: Make
) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="REFUSED")}
    assert addresses(lab(zone, config(forwarders=(VALIDATING,))).ask(NAME)) == MADE


def test_rfc6147_5_5_an_a_record_that_did_not_validate_is_not_synthesized_from(
    lab: Make, reply: Make, config: Make
) -> None:
    zone = v4_only(reply) | {(NAME, "A"): reply(rcode="SERVFAIL")}
    assert lab(zone, config(forwarders=(VALIDATING,))).ask(NAME).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("rdtype", ["AAAA", "TXT"])
@pytest.mark.parametrize("order", [(VALIDATING, PLAIN), (PLAIN, VALIDATING)])
def test_who_does_not_validate_cannot_overrule_a_validating_forwarders_servfail(
    lab: Make, reply: Make, config: Make, rdtype: str, order: tuple[Forwarder, ...]
) -> None:
    zone = v4_only(reply) | {(NAME, rdtype): reply(rcode="SERVFAIL")}
    dns64 = lab(zone, config(forwarders=order))
    if order[0] is VALIDATING:
        dns64.own[str(PLAIN.endpoint.address)] = v4_only(reply)
    response = dns64.ask(NAME, rdtype)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert not response.answer


def test_another_validating_forwarder_can_overrule_it(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="SERVFAIL")}
    dns64 = lab(zone, config(forwarders=(VALIDATING, PLAIN, SECOND_VALIDATING)))
    dns64.own[str(SECOND_VALIDATING.endpoint.address)] = v4_only(reply)
    assert addresses(dns64.ask(NAME)) == MADE
    assert str(PLAIN.endpoint.address) not in {whom for whom, _, rdtype in dns64.asked if rdtype == "AAAA"}


def test_a_late_answer_of_who_does_not_validate_does_not_overrule_it_either(
    lab: Make, reply: Make, config: Make
) -> None:
    dns64 = lab(v4_only(reply), config(forwarders=(PLAIN, VALIDATING)))
    query = dns.message.make_query(NAME, "TXT").to_wire()
    flight = dns64.set_out(query, now=0.0)
    (plain,) = flight.asks_to_send()
    dns64.service.health.answered(PLAIN, 0.5)  # it is slow for this name only
    flight.handle_timer(flight.timer)
    (validating,) = flight.asks_to_send()
    failure = reply(rcode="SERVFAIL").to_wire(validating.data)
    assert flight.reply_received(validating, failure, 1.1)
    assert not flight.reply_received(plain, v4_only(reply)[NAME, "TXT"].to_wire(plain.data), 1.2)
    assert flight.resolution.answer.rcode == dns.rcode.SERVFAIL


def test_who_does_not_validate_is_not_asked_while_another_validating_one_is_waited_for(
    lab: Make, reply: Make, config: Make
) -> None:
    dns64 = lab(v4_only(reply), config(forwarders=(SECOND_VALIDATING, VALIDATING, PLAIN)))
    query = dns.message.make_query(NAME, "TXT").to_wire()
    flight = dns64.set_out(query, now=100.0)
    flight.asks_to_send()
    dns64.service.health.answered(SECOND_VALIDATING, 100.5)  # it is slow for this name only
    flight.handle_timer(flight.timer)
    (validating,) = flight.asks_to_send()
    assert flight.reply_received(validating, reply(rcode="SERVFAIL").to_wire(validating.data), 101.1)
    whom = []
    while not flight.done:
        flight.handle_timer(flight.timer)
        whom += [ask.forwarder for ask in flight.asks_to_send()]
    assert PLAIN not in whom
    assert SECOND_VALIDATING in whom


def test_rfc8914_4_7_once_a_forwarder_says_bogus_nobody_who_does_not_validate_is_asked(
    lab: Make, reply: Make, config: Make
) -> None:
    bogus = reply(rcode="SERVFAIL", options=(dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS),))
    other = Forwarder(Endpoint(IPv4Address("192.0.2.54")))
    dns64 = lab(v4_only(reply), config(forwarders=(PLAIN, other)))
    dns64.own[str(PLAIN.endpoint.address)] = {(NAME, "AAAA"): bogus}
    assert dns64.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert addresses(dns64.ask(NAME, flags="CD")) == MADE
