"""RFC 6147: when AAAA records are made, from what, and for how long. dnspython is the oracle."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME = "v4.example."
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
TTLS = st.integers(0, (1 << 31) - 1)


def addresses(response: dns.message.Message) -> list[str]:
    return [item.address for rrset in response.answer if rrset.rdtype.name == "AAAA" for item in rrset]


def v4_only(reply: Make, *a: str, authority: tuple[str, ...] = (SOA,)) -> dict[tuple[str, str], Any]:
    return {
        (NAME, "AAAA"): reply(authority=authority),
        (NAME, "A"): reply(answer=a or (f"{NAME} 3600 IN A 192.0.2.33",)),
    }


def test_rfc6147_5_1_aaaa_is_made_from_a_when_there_is_none(lab: Make, reply: Make) -> None:
    response = lab(v4_only(reply)).ask(NAME)
    assert response.rcode() == dns.rcode.NOERROR
    assert addresses(response) == ["2001:db8:64::c000:221"]


def test_a_and_aaaa_are_asked_at_the_same_time(lab: Make, reply: Make) -> None:
    dns64 = lab(v4_only(reply))
    before = dns64.now
    dns64.ask(NAME)
    assert sorted(rdtype for _, _, rdtype in dns64.asked) == ["A", "AAAA"]
    assert dns64.now == before


def test_rfc6147_5_1_1_a_real_aaaa_is_kept(lab: Make, reply: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(answer=(f"{NAME} 77 IN AAAA 2001:db8:1::1",))}
    response = lab(zone).ask(NAME)
    assert addresses(response) == ["2001:db8:1::1"]
    assert response.answer[0].ttl == 77


def test_a_real_aaaa_does_not_wait_for_a_slow_a(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "AAAA"): reply(answer=(f"{NAME} 77 IN AAAA 2001:db8:1::1",)), (NAME, "A"): None})
    before = dns64.now
    assert addresses(dns64.ask(NAME)) == ["2001:db8:1::1"]
    assert dns64.now == before


def test_rfc6147_5_1_2_nxdomain_is_final(lab: Make, reply: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="NXDOMAIN", authority=(SOA,))}
    response = lab(zone).ask(NAME)
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert not response.answer
    assert response.authority[0].rdtype.name == "SOA"


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP"])
def test_rfc6147_5_1_2_a_failed_aaaa_counts_as_empty(lab: Make, reply: Make, rcode: str) -> None:
    response = lab(v4_only(reply) | {(NAME, "AAAA"): reply(rcode=rcode)}).ask(NAME)
    assert addresses(response) == ["2001:db8:64::c000:221"]


def test_rfc6147_5_1_3_a_timeout_of_aaaa_counts_as_empty(lab: Make, reply: Make) -> None:
    dns64 = lab(v4_only(reply) | {(NAME, "AAAA"): None})
    before = dns64.now
    response = dns64.ask(NAME)
    assert addresses(response) == ["2001:db8:64::c000:221"]
    assert dns64.now - before < 5


def test_on_aaaa_failure_servfail_refuses_to_guess(lab: Make, reply: Make) -> None:
    config = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96\nallow-query ::/0\non-aaaa-failure servfail"
    response = lab(v4_only(reply) | {(NAME, "AAAA"): reply(rcode="SERVFAIL")}, config).ask(NAME)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert not response.answer


def test_rfc8914_a_bogus_aaaa_is_never_replaced(lab: Make, reply: Make) -> None:
    bogus = dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS)
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="SERVFAIL", options=(bogus,))}
    response = lab(zone).ask(NAME, use_edns=0)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert [option.otype for option in response.options] == [dns.edns.OptionType.EDE]


def test_rfc6147_5_1_4_mapped_addresses_count_as_absent(lab: Make, reply: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(answer=(f"{NAME} 60 IN AAAA ::ffff:192.0.2.1",))}
    assert addresses(lab(zone).ask(NAME)) == ["2001:db8:64::c000:221"]


def test_rfc6147_5_1_4_aaaa_records_beside_the_a_records_are_not_given(lab: Make, reply: Make) -> None:
    beside = (f"{NAME} 60 IN AAAA ::ffff:192.0.2.1", "other.example. 60 IN AAAA 2001:db8::1")
    zone = v4_only(reply, f"{NAME} 60 IN A 192.0.2.33", *beside)
    assert addresses(lab(zone).ask(NAME)) == ["2001:db8:64::c000:221"]


def test_rfc6147_5_1_4_only_the_excluded_addresses_are_dropped(lab: Make, reply: Make) -> None:
    zone = {
        (NAME, "AAAA"): reply(
            answer=(
                f"{NAME} 60 IN AAAA 3fff:bad::1",
                f"{NAME} 60 IN AAAA 2001:db8:1::1",
                f"{NAME} 60 IN AAAA ::ffff:192.0.2.1",
            )
        ),
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",)),
    }
    config = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96\nallow-query ::/0\nexclude 3fff:bad::/32"
    assert addresses(lab(zone, config).ask(NAME)) == ["2001:db8:1::1"]


def test_rfc6147_5_1_5_the_cname_chain_is_kept(lab: Make, reply: Make) -> None:
    chain = ("alias.example. 30 IN CNAME alias2.example.", "alias2.example. 40 IN CNAME v4.example.")
    zone = {
        ("alias.example.", "AAAA"): reply(answer=chain, authority=(SOA,)),
        ("alias.example.", "A"): reply(answer=(*chain, f"{NAME} 3600 IN A 192.0.2.33")),
    }
    response = lab(zone).ask("alias.example.")
    assert [(str(rrset.name), rrset.rdtype.name) for rrset in response.answer] == [
        ("alias.example.", "CNAME"),
        ("alias2.example.", "CNAME"),
        (NAME, "AAAA"),
    ]
    assert [rrset.ttl for rrset in response.answer] == [30, 40, 60]


def test_rfc6672_a_dname_chain_is_kept(lab: Make, reply: Make) -> None:
    chain = ("old.example. 30 IN DNAME new.example.", "www.old.example. 30 IN CNAME www.new.example.")
    zone = {
        ("www.old.example.", "AAAA"): reply(answer=chain, authority=(SOA,)),
        ("www.old.example.", "A"): reply(answer=(*chain, "www.new.example. 60 IN A 192.0.2.33")),
    }
    response = lab(zone).ask("www.old.example.")
    assert [rrset.rdtype.name for rrset in response.answer] == ["DNAME", "CNAME", "AAAA"]
    assert str(response.answer[0][0].target) == "new.example."
    assert addresses(response) == ["2001:db8:64::c000:221"]


def test_a_cname_loop_ends_without_synthesis(lab: Make, reply: Make) -> None:
    loop = ("one.example. 30 IN CNAME two.example.", "two.example. 30 IN CNAME one.example.")
    zone = {("one.example.", "AAAA"): reply(answer=loop), ("one.example.", "A"): reply(answer=loop)}
    response = lab(zone).ask("one.example.")
    assert addresses(response) == []
    assert {rrset.rdtype.name for rrset in response.answer} == {"CNAME"}


def test_a_records_of_other_owners_are_not_synthesized(lab: Make, reply: Make) -> None:
    zone = v4_only(reply, f"{NAME} 60 IN A 192.0.2.33", "bank.example. 60 IN A 203.0.113.66")
    assert addresses(lab(zone).ask(NAME)) == ["2001:db8:64::c000:221"]


def test_rfc6147_5_1_6_an_empty_a_gives_the_empty_answer(lab: Make, reply: Make) -> None:
    zone = {(NAME, "AAAA"): reply(authority=(SOA,)), (NAME, "A"): reply(authority=(SOA,))}
    response = lab(zone).ask(NAME)
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert response.authority[0].rdtype.name == "SOA"


def test_rfc6147_5_1_6_a_failed_a_gives_the_error(lab: Make, reply: Make) -> None:
    zone = {(NAME, "AAAA"): reply(authority=(SOA,)), (NAME, "A"): reply(rcode="SERVFAIL")}
    assert lab(zone).ask(NAME).rcode() == dns.rcode.SERVFAIL


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=TTLS, soa=TTLS, minimum=TTLS)
def test_rfc6147_5_1_7_ttl_is_the_least_of_a_soa_and_minimum(
    lab: Make, reply: Make, a: int, soa: int, minimum: int
) -> None:
    authority = f"example. {soa} IN SOA ns.example. root.example. 1 7200 3600 604800 {minimum}"
    zone = v4_only(reply, f"{NAME} {a} IN A 192.0.2.33", authority=(authority,))
    assert lab(zone).ask(NAME).answer[0].ttl == min(a, soa, minimum)


@pytest.mark.parametrize(("ttl", "expected"), [(3600, 600), (599, 599), (0, 0)])
def test_rfc6147_5_1_7_without_a_soa_600_seconds_bound_the_ttl(
    lab: Make, reply: Make, ttl: int, expected: int
) -> None:
    zone = v4_only(reply, f"{NAME} {ttl} IN A 192.0.2.33", authority=())
    assert lab(zone).ask(NAME).answer[0].ttl == expected


def test_rfc6147_5_4_authority_and_additional_are_those_of_the_a_reply(lab: Make, reply: Make) -> None:
    zone = {
        (NAME, "AAAA"): reply(authority=(SOA,)),
        (NAME, "A"): reply(
            answer=(f"{NAME} 60 IN A 192.0.2.33",),
            authority=("example. 60 IN NS ns.example.",),
            additional=("ns.example. 60 IN A 192.0.2.1",),
        ),
    }
    response = lab(zone).ask(NAME)
    assert response.authority[0].rdtype.name == "NS"
    assert response.additional[0].rdtype.name == "A"


def test_rfc6147_5_3_3_other_types_pass_unchanged(lab: Make, reply: Make) -> None:
    zone = {
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",)),
        (NAME, "MX"): reply(answer=(f"{NAME} 60 IN MX 10 mail.example.",)),
        (NAME, "ANY"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",)),
        (NAME, "HTTPS"): reply(answer=(f'{NAME} 60 IN HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.33',)),
    }
    dns64 = lab(zone)
    for rdtype in ("A", "MX", "ANY", "HTTPS"):
        response = dns64.ask(NAME, rdtype)
        _, ttl, rdclass, kind, rdata = zone[NAME, rdtype].answer[0].split(None, 4)
        expected = dns.rrset.from_text(NAME, int(ttl), rdclass, kind, rdata)
        assert response.answer == [expected]
        assert dns64.asked.pop()[2] == rdtype
        assert not dns64.asked


def test_rfc6147_5_5_a_client_that_validates_gets_no_synthesis(lab: Make, reply: Make) -> None:
    query = dns.message.make_query(NAME, "AAAA", want_dnssec=True)
    query.flags |= dns.flags.CD
    dns64 = lab(v4_only(reply))
    data = dns64.send(query.to_wire())
    assert not dns.message.from_wire(data).answer
    assert [rdtype for _, _, rdtype in dns64.asked] == ["AAAA"]


def test_ad_is_never_set_nor_echoed(lab: Make, reply: Make) -> None:
    zone = {
        (NAME, "AAAA"): reply(authority=(SOA,), flags="QR RD RA AD"),
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",), flags="QR RD RA AD"),
    }
    query = dns.message.make_query(NAME, "AAAA")
    query.flags |= dns.flags.AD
    response = dns.message.from_wire(lab(zone).send(query.to_wire()))
    assert addresses(response)
    assert not response.flags & dns.flags.AD


def test_signatures_over_a_are_not_passed_off_as_over_aaaa(lab: Make, reply: Make) -> None:
    signature = "A 13 2 60 20300101000000 20200101000000 1 example. AAAA"
    zone = v4_only(reply, f"{NAME} 60 IN A 192.0.2.33", f"{NAME} 60 IN RRSIG {signature}")
    response = lab(zone).ask(NAME, want_dnssec=True)
    assert [rrset.rdtype.name for rrset in response.answer] == ["AAAA"]


def test_rfc6052_3_1_non_global_addresses_are_not_put_in_the_well_known_prefix(
    lab: Make, reply: Make
) -> None:
    config = "forwarder 192.0.2.53\nprefix 64:ff9b::/96\nallow-query ::/0"
    zone = v4_only(reply, f"{NAME} 60 IN A 10.0.0.1", f"{NAME} 60 IN A 8.8.8.8")
    assert addresses(lab(zone, config).ask(NAME)) == ["64:ff9b::808:808"]
    response = lab(v4_only(reply, f"{NAME} 60 IN A 10.0.0.1"), config).ask(NAME)
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert response.authority[0].rdtype.name == "SOA"


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255"])  # noqa: S104 - an address to refuse
def test_addresses_that_no_translator_passes_are_not_synthesized(
    lab: Make, reply: Make, address: str
) -> None:
    assert not lab(v4_only(reply, f"{NAME} 60 IN A {address}")).ask(NAME).answer


def test_several_prefixes_serve_equally_often(lab: Make, reply: Make) -> None:
    prefixes = ["2001:db8:64::/96", "2001:db8:65::/96", "3fff:66::/32"]
    config = "forwarder 192.0.2.53\nallow-query ::/0\n" + "\n".join(f"prefix {prefix}" for prefix in prefixes)
    dns64 = lab(v4_only(reply), config)
    used = [addresses(dns64.ask(NAME))[0] for _ in range(6)]
    hits = [sum(IPv6Address(a) in IPv6Network(prefix) for a in used) for prefix in prefixes]
    assert hits == [2, 2, 2]


def test_without_a_prefix_nothing_is_synthesized(lab: Make, reply: Make) -> None:
    response = lab(v4_only(reply), "forwarder 192.0.2.53\nallow-query ::/0").ask(NAME)
    assert not response.answer


def test_chaos_class_is_not_synthesized(lab: Make, reply: Make) -> None:
    dns64 = lab(v4_only(reply))
    dns64.ask(NAME, rdclass="CH")
    assert [rdtype for _, _, rdtype in dns64.asked] == ["AAAA"]


@pytest.mark.parametrize("aaaa", ["excluded", "failed"])
def test_rfc2308_2_2_an_empty_answer_that_no_zone_gave_is_no_referral_and_is_not_kept(
    lab: Make, reply: Make, aaaa: str
) -> None:
    chain = f"alias.example. 30 IN CNAME {NAME}"
    referral = {
        "authority": ("example. 60 IN NS ns.example.",),
        "additional": ("ns.example. 60 IN A 192.0.2.1",),
    }
    excluded = reply(answer=(chain, f"{NAME} 60 IN AAAA ::ffff:192.0.2.1"), **referral)
    zone = {
        ("alias.example.", "AAAA"): excluded if aaaa == "excluded" else reply(rcode="SERVFAIL"),
        ("alias.example.", "A"): reply(answer=(chain, f"{NAME} 60 IN A 127.0.0.1"), **referral),
    }
    response = lab(zone).ask("alias.example.")
    assert response.rcode() == dns.rcode.NOERROR
    assert [rrset.rdtype.name for rrset in response.answer] == ["CNAME"]
    assert not response.authority
    assert not response.additional


def test_records_of_another_class_are_neither_excluded_nor_synthesized_from(lab: Make, reply: Make) -> None:
    other = (f"{NAME} 60 CH AAAA \\# 3 000000", f"{NAME} 60 CH A net.example. 11")
    zone = {
        (NAME, "AAAA"): reply(answer=other, authority=(SOA,)),
        (NAME, "A"): reply(answer=(*other, f"{NAME} 60 IN A 192.0.2.33")),
    }
    response = lab(zone).ask(NAME)
    assert [str(rrset) for rrset in response.answer if rrset.rdclass.name == "IN"] == [
        f"{NAME} 60 IN AAAA 2001:db8:64::c000:221"
    ]
    assert [rrset.rdtype.name for rrset in response.answer if rrset.rdclass.name == "CH"] == ["AAAA", "A"]


def test_rfc6147_5_3_2_the_additional_section_stays_as_it_is(lab: Make, reply: Make) -> None:
    additional = ("mail.example. 60 IN A 192.0.2.7", "mail.example. 60 IN AAAA 3fff::7")
    zone = {(NAME, "MX"): reply(answer=(f"{NAME} 60 IN MX 10 mail.example.",), additional=additional)}
    response = lab(zone).ask(NAME, "MX")
    assert [str(rrset) for rrset in response.additional] == list(additional)
