"""RFC 6147 section 5.1.5: CNAME and DNAME chains that forwarders leave unfinished are followed to their end."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.config.dns64_config import Domain, Endpoint, Forwarder
from nat64.dns64.lookup import MOST_FURTHER_QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

FIRST, LAST = "alias.example.", "v4.example.net."
LINK = f"{FIRST} 30 IN CNAME {LAST}"
NATIVE = f"{LAST} 60 IN AAAA 2001:db8:1::1"
SOA = "example.net. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
MADE = "2001:db8:64::c000:221"


def unfinished(reply: Make, *, flags: str = "QR RD RA") -> dict[tuple[str, str], Any]:
    """Return a zone whose A and AAAA answers for `FIRST` end in a CNAME, and an IPv4-only `LAST`."""
    return {
        (FIRST, "AAAA"): reply(answer=(LINK,), flags=flags),
        (FIRST, "A"): reply(answer=(LINK,), flags=flags),
        (LAST, "AAAA"): reply(authority=(SOA,), flags=flags),
        (LAST, "A"): reply(answer=(f"{LAST} 3600 IN A 192.0.2.33",), flags=flags),
    }


def shape(response: dns.message.Message) -> list[tuple[str, str, int]]:
    return [(str(rrset.name), rrset.rdtype.name, rrset.ttl) for rrset in response.answer]


def test_a_chain_without_a_terminating_aaaa_is_synthesized_at_its_end(lab: Make, reply: Make) -> None:
    dns64 = lab(unfinished(reply))
    response = dns64.ask(FIRST)
    assert shape(response) == [(FIRST, "CNAME", 30), (LAST, "AAAA", 60)]
    assert response.answer[1][0].address == MADE
    assert sorted(asked[1:] for asked in dns64.asked) == [
        (FIRST, "A"),
        (FIRST, "AAAA"),
        (LAST, "A"),
        (LAST, "AAAA"),
    ]


def test_rfc6147_5_1_1_a_native_aaaa_at_the_end_is_kept(lab: Make, reply: Make) -> None:
    response = lab(unfinished(reply) | {(LAST, "AAAA"): reply(answer=(NATIVE,))}).ask(FIRST)
    assert shape(response) == [(FIRST, "CNAME", 30), (LAST, "AAAA", 60)]
    assert response.answer[1][0].address == "2001:db8:1::1"


def test_rfc6147_5_1_2_nxdomain_at_the_end_is_final_and_the_chain_stands(lab: Make, reply: Make) -> None:
    response = lab(unfinished(reply) | {(LAST, "AAAA"): reply(rcode="NXDOMAIN", authority=(SOA,))}).ask(FIRST)
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert shape(response) == [(FIRST, "CNAME", 30)]
    assert response.authority


def test_rfc6147_5_1_4_exclusion_counts_at_the_end(lab: Make, reply: Make) -> None:
    mapped = f"{LAST} 60 IN AAAA ::ffff:192.0.2.1"
    response = lab(unfinished(reply) | {(LAST, "AAAA"): reply(answer=(mapped,))}).ask(FIRST)
    assert response.answer[1][0].address == MADE


@pytest.mark.parametrize("how", ["silence", "SERVFAIL"])
def test_rfc6147_5_1_2_a_failure_at_the_end_counts_as_empty(lab: Make, reply: Make, how: str) -> None:
    failure = None if how == "silence" else reply(rcode=how)
    dns64 = lab(unfinished(reply) | {(LAST, "AAAA"): failure})
    before = dns64.now
    assert shape(dns64.ask(FIRST))[-1][:2] == (LAST, "AAAA")
    assert dns64.now - before < 5


def test_a_failure_at_the_end_of_both_is_servfail_by_the_deadline(lab: Make, reply: Make) -> None:
    dns64 = lab(unfinished(reply) | {(LAST, "AAAA"): None, (LAST, "A"): None})
    before = dns64.now
    assert dns64.ask(FIRST).rcode() == dns.rcode.SERVFAIL
    assert dns64.now - before < 5


@pytest.mark.parametrize(("soa", "minimum", "expected"), [(40, 50, 40), (50, 40, 40), (4000, 5000, 3600)])
def test_rfc6147_5_1_7_the_soa_of_the_end_bounds_the_ttl(
    lab: Make, reply: Make, soa: int, minimum: int, expected: int
) -> None:
    authority = f"example.net. {soa} IN SOA ns.example. root.example. 1 7200 3600 604800 {minimum}"
    response = lab(unfinished(reply) | {(LAST, "AAAA"): reply(authority=(authority,))}).ask(FIRST)
    assert shape(response)[-1] == (LAST, "AAAA", expected)


def test_rfc6147_5_1_7_without_a_soa_600_seconds_bound_the_ttl(lab: Make, reply: Make) -> None:
    response = lab(unfinished(reply) | {(LAST, "AAAA"): reply()}).ask(FIRST)
    assert shape(response)[-1] == (LAST, "AAAA", 600)


def test_rfc2308_2_2_a_soa_says_that_nothing_follows(lab: Make, reply: Make) -> None:
    zone = {(FIRST, "TXT"): reply(answer=(LINK,), authority=(SOA,))}
    dns64 = lab(zone)
    assert shape(dns64.ask(FIRST, "TXT")) == [(FIRST, "CNAME", 30)]
    assert len(dns64.asked) == 1


def test_other_types_are_followed_too_and_the_cname_itself_is_not(lab: Make, reply: Make) -> None:
    zone = {
        (FIRST, "TXT"): reply(answer=(LINK,)),
        (FIRST, "CNAME"): reply(answer=(LINK,)),
        (FIRST, "ANY"): reply(answer=(LINK,)),
        (LAST, "TXT"): reply(answer=(f"{LAST} 60 IN TXT hello",)),
    }
    dns64 = lab(zone)
    assert shape(dns64.ask(FIRST, "TXT")) == [(FIRST, "CNAME", 30), (LAST, "TXT", 60)]
    dns64.asked.clear()
    for rdtype in ("CNAME", "ANY"):
        assert shape(dns64.ask(FIRST, rdtype)) == [(FIRST, "CNAME", 30)]
    assert len(dns64.asked) == 2


def test_rfc6672_3_1_a_dname_is_kept_and_the_cname_beside_it_followed(lab: Make, reply: Make) -> None:
    links = ("old.example. 30 IN DNAME example.net.", f"v4.old.example. 30 IN CNAME {LAST}")
    zone = unfinished(reply)
    for rdtype in ("A", "AAAA"):
        zone["v4.old.example.", rdtype] = reply(answer=links)
    assert [kind for _, kind, _ in shape(lab(zone).ask("v4.old.example."))] == ["DNAME", "CNAME", "AAAA"]


def test_a_client_that_wants_no_recursion_gets_what_there_is(lab: Make, reply: Make) -> None:
    query = dns.message.make_query(FIRST, "TXT")
    query.flags &= ~dns.flags.RD
    dns64 = lab({(FIRST, "TXT"): reply(answer=(LINK,), flags="QR RA")})
    assert shape(dns.message.from_wire(dns64.send(query.to_wire()))) == [(FIRST, "CNAME", 30)]


def hop(number: int) -> str:
    return f"hop{number}.example."


def chain(reply: Make, links: int) -> dict[tuple[str, str], Any]:
    """Return a zone with a CNAME an answer, and an address at the end."""
    zone = {
        (hop(number), rdtype): reply(answer=(f"{hop(number)} 30 IN CNAME {hop(number + 1)}",))
        for number in range(links)
        for rdtype in ("A", "AAAA")
    }
    zone[hop(links), "AAAA"] = reply(authority=(SOA,))
    zone[hop(links), "A"] = reply(answer=(f"{hop(links)} 60 IN A 192.0.2.33",))
    return zone


def test_a_long_chain_costs_a_bounded_number_of_questions(lab: Make, reply: Make) -> None:
    longest = MOST_FURTHER_QUESTIONS
    response = lab(chain(reply, longest)).ask(hop(0))
    assert [kind for _, kind, _ in shape(response)] == ["CNAME"] * longest + ["AAAA"]
    dns64 = lab(chain(reply, longest + 1))
    response = dns64.ask(hop(0))
    assert [kind for _, kind, _ in shape(response)] == ["CNAME"] * (longest + 1)
    assert len(dns64.asked) == 2 * (longest + 1)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_loop_ends(lab: Make, reply: Make, length: int) -> None:
    zone = {
        (hop(number), rdtype): reply(
            answer=(f"{hop(number)} 30 IN CNAME {hop((number + 1) % length).upper()}",)
        )
        for number in range(length)
        for rdtype in ("A", "AAAA")
    }
    dns64 = lab(zone)
    assert {kind for _, kind, _ in shape(dns64.ask(hop(0)))} == {"CNAME"}
    assert len(dns64.asked) == 2 * length


def test_the_target_is_asked_from_its_own_forwarders(lab: Make, reply: Make, config: Make) -> None:
    own = Domain((b"example", b"net"), None, (Forwarder(Endpoint(IPv4Address("198.51.100.1"))),))
    dns64 = lab(unfinished(reply), config(domains=(own,)))
    assert shape(dns64.ask(FIRST))
    assert {(whom, name) for whom, name, _ in dns64.asked} == {("192.0.2.53", FIRST), ("198.51.100.1", LAST)}


def test_a_reverse_names_target_is_followed(lab: Make, reply: Make) -> None:
    """RFC 2317: a delegated block's reverse names are aliases themselves."""
    reverse = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
    target, block = "33.2.0.192.in-addr.arpa.", "33.32/27.2.0.192.in-addr.arpa."
    zone = {
        (target, "PTR"): reply(answer=(f"{target} 30 IN CNAME {block}",)),
        (block, "PTR"): reply(answer=(f"{block} 60 IN PTR host.example.",)),
    }
    assert [kind for _, kind, _ in shape(lab(zone).ask(reverse, "PTR"))] == ["CNAME", "CNAME", "PTR"]


@pytest.mark.parametrize(("last", "expected"), [("QR RD RA AD", True), ("QR RD RA", False)])
def test_a_chain_is_authentic_if_all_its_parts_are(
    lab: Make, reply: Make, config: Make, last: str, expected: bool
) -> None:
    validating = Forwarder(Endpoint(IPv4Address("127.0.0.1")), validating=True)
    zone = unfinished(reply, flags="QR RD RA AD") | {(LAST, "AAAA"): reply(answer=(NATIVE,), flags=last)}
    response = lab(zone, config(forwarders=(validating,))).ask(FIRST, want_dnssec=True)
    assert len(response.answer) == 2
    assert bool(response.flags & dns.flags.AD) == expected


def test_rfc8914_the_errors_of_all_parts_are_told(lab: Make, reply: Make) -> None:
    stale = dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER)
    zone = {
        (FIRST, "TXT"): reply(answer=(LINK,), options=(stale,)),
        (LAST, "TXT"): reply(answer=(f"{LAST} 60 IN TXT hello",)),
    }
    response = lab(zone).ask(FIRST, "TXT", use_edns=0)
    assert [option.code for option in response.options] == [dns.edns.EDECode.STALE_ANSWER]
    assert response.payload == 1232
