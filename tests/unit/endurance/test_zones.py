"""What the scripted forwarders of the endurance campaign say: dnspython reads it."""

from __future__ import annotations

import ipaddress
from random import Random

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.endurance import zones
from tests.endurance.good_clients import fault

RANDOM = Random(1)  # noqa: S311 - the same each time


def asked(name: str, rdtype: str, ident: int = 7) -> tuple[bytes, zones.Question]:
    query = dns.message.make_query(name, rdtype, id=ident).to_wire()
    question = zones.question_of(query)
    assert question is not None
    return query, question


def said(name: str, rdtype: str, *, tcp: bool = True) -> dns.message.Message:
    query, question = asked(name, rdtype)
    message = dns.message.from_wire(zones.truth(query, question, tcp=tcp))
    assert dns.message.from_wire(query).is_response(message)
    return message


def addresses(message: dns.message.Message) -> set[str]:
    return {
        record.address
        for rrset in message.answer
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
        for record in rrset
    }


def test_the_question_is_read_whatever_its_case() -> None:
    _, question = asked("K1.gOOd.Example.", "AAAA")
    assert (question.label, question.kind, question.rdtype) == ("k1", "good", zones.AAAA)


@pytest.mark.parametrize("name", [".", "example.", "a.b.c.example.", "k1.good.test."])
def test_a_name_of_no_zone_here_is_none_of_ours(name: str) -> None:
    assert zones.question_of(dns.message.make_query(name, "A").to_wire()) is None
    assert zones.question_of(b"\0" * 5) is None


@pytest.mark.parametrize("label", ["k1", "f12-3", "c250"])
def test_most_names_have_an_a_record_and_prove_that_there_is_no_aaaa_record(label: str) -> None:
    assert addresses(said(f"{label}.good.example.", "A")) == {str(zones.ipv4_of(label))}
    empty = said(f"{label}.good.example.", "AAAA")
    assert not addresses(empty)
    assert empty.authority[0].rdtype == dns.rdatatype.SOA
    assert str(empty.authority[0].name) == "example."


def test_an_alias_leads_to_the_name_that_has_the_address() -> None:
    message = said("c12.good.example.", "A")
    assert isinstance(message, dns.message.QueryMessage)
    assert message.canonical_name().to_text() == "k12.good.example."
    assert zones.ipv4_of("c12") == zones.ipv4_of("k12")


def test_many_records_are_truncated_over_udp_alone() -> None:
    assert len(addresses(said("m1.good.example.", "A"))) == zones.MANY
    assert said("m1.good.example.", "A", tcp=False).flags & dns.flags.TC


@pytest.mark.parametrize("label", ["k1", "b2", "c3", "m4", "f5"])
def test_the_good_clients_expect_what_a_dns64_makes_of_it(label: str) -> None:
    """RFC 6147: AAAA records as they are, else those made of the A records."""
    own = {ipaddress.IPv6Address(each) for each in addresses(said(f"{label}.good.example.", "AAAA"))}
    ipv4 = addresses(said(f"{label}.good.example.", "A"))
    made = {zones.PREFIX[int(ipaddress.IPv4Address(each))] for each in ipv4}
    assert zones.addresses_of(label) == (own or made)


def test_lies_have_another_id_and_an_address_that_no_truth_has() -> None:
    query, question = asked("k1.forged.example.", "A")
    for lie in zones.lies(query, question, RANDOM, 50):
        message = dns.message.from_wire(lie)
        assert message.id != 7
        assert addresses(message) == {str(zones.FORGED)}


def test_garbage_is_never_a_right_answer() -> None:
    query, question = asked("k1.good.example.", "AAAA")
    for _ in range(200):
        assert fault(zones.garbage(query, question, RANDOM), "k1.good.example.", "k1") is not None


def test_a_good_client_takes_the_right_answer_only() -> None:
    query = dns.message.make_query("k1.good.example.", "AAAA")
    right = dns.message.make_response(query)
    (address,) = zones.addresses_of("k1")
    right.answer.append(dns.rrset.from_text("k1.good.example.", 20, "IN", "AAAA", str(address)))
    assert fault(right.to_wire(), "k1.good.example.", "k1") is None
    assert "one to" in (fault(right.to_wire(), "k2.good.example.", "k2") or "")
    right.set_rcode(dns.rcode.SERVFAIL)
    assert "SERVFAIL" in (fault(right.to_wire(), "k1.good.example.", "k1") or "")
    assert "parsed" in (fault(b"junk", "k1.good.example.", "k1") or "")
