"""dns64d before real resolvers, Unbound and BIND, which validate what real servers, NSD and BIND, say. dnspython asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dns.flags
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from tests.lab.dns64_upstreams import ADDRESSES, SYNTHESIZED, Dns64, before_resolvers, data

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

V4: Final = SYNTHESIZED(33)


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dns64]]:
    with before_resolvers(tmp_path_factory.mktemp("resolvers")) as daemons:
        yield daemons


@pytest.fixture(params=ADDRESSES)
def dns64(request: pytest.FixtureRequest, daemons: dict[str, Dns64]) -> Dns64:
    return daemons[request.param]


class TestSynthesis:
    def test_rfc6147_5_1_a_name_with_a_alone_gets_aaaa(self, dns64: Dns64) -> None:
        response = dns64.ask("v4.example.")
        assert data(response) == [V4]
        assert response.flags & dns.flags.RA
        assert not response.flags & (dns.flags.AD | dns.flags.AA)

    def test_rfc6147_5_1_1_a_real_aaaa_is_kept(self, dns64: Dns64) -> None:
        assert data(dns64.ask("v6.example.")) == ["2001:db8:6::6"]
        assert data(dns64.ask("both.example.")) == ["2001:db8:6::7"]

    def test_rfc6147_5_1_2_nxdomain_is_final(self, dns64: Dns64) -> None:
        response = dns64.ask("none.example.")
        assert (response.rcode(), data(response)) == (dns.rcode.NXDOMAIN, [])
        assert response.authority[0].rdtype == dns.rdatatype.SOA

    def test_rfc6147_5_1_4_a_mapped_address_counts_as_none(self, dns64: Dns64) -> None:
        assert data(dns64.ask("mapped.example.")) == [SYNTHESIZED(36)]

    def test_rfc6147_5_1_6_a_name_with_neither_has_neither(self, dns64: Dns64) -> None:
        response = dns64.ask("text.example.")
        assert (response.rcode(), data(response)) == (dns.rcode.NOERROR, [])
        assert response.authority[0].rdtype == dns.rdatatype.SOA

    def test_rfc6147_5_1_7_the_ttl_is_that_of_the_soa_or_the_a_if_that_is_shorter(self, dns64: Dns64) -> None:
        # The resolvers count them down from the first question, which no other test asks.
        assert 30 < dns64.ask("lasting.example.").answer[0].ttl <= 60
        assert 0 < dns64.ask("brief.example.").answer[0].ttl <= 30

    def test_rfc6147_5_1_5_a_chain_through_two_servers_is_kept(self, dns64: Dns64) -> None:
        response = dns64.ask("alias.example.")
        assert data(response) == ["alias.example.net.", "v4.example.", V4]
        assert [str(rrset.name) for rrset in response.answer][1:] == ["alias.example.net.", "v4.example."]

    def test_rfc6672_3_1_a_dname_through_two_servers_is_kept(self, dns64: Dns64) -> None:
        response = dns64.ask("www.tree.example.")
        assert data(response) == ["tree.example.net.", "www.tree.example.net.", "v4.example.", V4]
        assert data(dns64.ask("v6.tree.example."))[-1] == "2001:db8:6::8"

    def test_a_loop_through_two_servers_ends(self, dns64: Dns64) -> None:
        response = dns64.ask("loop.example.")
        assert dns.rdatatype.AAAA not in [rrset.rdtype for rrset in response.answer]

    def test_rfc6147_5_3_1_a_reverse_name_leads_to_in_addr_arpa(self, dns64: Dns64) -> None:
        response = dns64.ask(str(dns.reversename.from_address(V4)), "PTR")
        assert data(response) == ["33.2.0.192.in-addr.arpa.", "v4.example."]
        none = dns64.ask(str(dns.reversename.from_address(SYNTHESIZED(99))), "PTR")
        assert (none.rcode(), data(none)) == (dns.rcode.NXDOMAIN, ["99.2.0.192.in-addr.arpa."])


class TestTransport:
    def test_rfc7766_5_what_does_not_fit_comes_over_tcp(self, dns64: Dns64) -> None:
        cut = dns64.ask("big.example.net.", use_edns=0, payload=1232)
        assert cut.flags & dns.flags.TC
        assert not data(cut)
        whole = dns64.ask("big.example.net.", tcp=True)
        assert len(data(whole)) == 200
        assert {address.rpartition(":")[0] for address in data(whole)} == {"2001:db8:64:ff9b::c633"}

    def test_an_answer_of_sixty_thousand_bytes_arrives_whole(self, dns64: Dns64) -> None:
        response = dns64.ask("huge.example.net.", "TXT", tcp=True)
        assert [text[1:4] for text in data(response)] == [f"{number:03}" for number in range(240)]
        assert len(response.to_wire()) > 60000

    @pytest.mark.parametrize(
        ("name", "rdtype", "expected"),
        [
            ("service.example.", "HTTPS", '1 . alpn="h2,h3" ipv4hint="192.0.2.33"'),
            ("text.example.", "TXT", '"hello"'),
            ("v4.example.", "A", "192.0.2.33"),
        ],
    )
    def test_rfc6147_5_3_2_other_types_are_relayed_as_they_are(
        self, dns64: Dns64, name: str, rdtype: str, expected: str
    ) -> None:
        assert data(dns64.ask(name, rdtype)) == [expected]


class TestDnssec:
    def test_rfc6147_5_5_signed_names_are_synthesized_for_who_does_not_validate(self, dns64: Dns64) -> None:
        assert data(dns64.ask("v4.signed.example.")) == [SYNTHESIZED(44)]

    def test_rfc6147_5_5_do_alone_is_synthesized_without_the_signatures_over_a(self, dns64: Dns64) -> None:
        response = dns64.ask("v4.signed.example.", want_dnssec=True)
        assert data(response) == [SYNTHESIZED(44)]
        assert response.ednsflags & dns.flags.DO
        assert not response.flags & dns.flags.AD

    def test_rfc6147_3_cd_and_do_get_the_proof_that_there_is_none(self, dns64: Dns64) -> None:
        flags = dns.flags.RD | dns.flags.CD
        response = dns64.ask("v4.signed.example.", want_dnssec=True, flags=flags)
        assert (response.rcode(), data(response)) == (dns.rcode.NOERROR, [])
        proofs = {rrset.rdtype for rrset in response.authority}
        assert {dns.rdatatype.NSEC, dns.rdatatype.RRSIG, dns.rdatatype.SOA} <= proofs
        real = dns64.ask("v6.signed.example.", want_dnssec=True, flags=flags)
        assert [rrset.rdtype for rrset in real.answer] == [dns.rdatatype.AAAA, dns.rdatatype.RRSIG]

    def test_rfc6147_5_5_a_real_aaaa_keeps_its_signature(self, dns64: Dns64) -> None:
        response = dns64.ask("v6.signed.example.", want_dnssec=True)
        assert [rrset.rdtype for rrset in response.answer] == [dns.rdatatype.AAAA, dns.rdatatype.RRSIG]

    @pytest.mark.parametrize("options", [{}, {"want_dnssec": True}])
    @pytest.mark.parametrize("name", ["v4.bogus.example.", "v6.bogus.example."])
    def test_rfc6147_5_5_a_bogus_zone_is_servfail_and_not_synthesized(
        self, dns64: Dns64, name: str, options: dict[str, Any]
    ) -> None:
        response = dns64.ask(name, **options)
        assert (response.rcode(), data(response)) == (dns.rcode.SERVFAIL, [])

    def test_rfc6147_5_5_cd_alone_has_the_bogus_zone_synthesized(self, dns64: Dns64) -> None:
        response = dns64.ask("v4.bogus.example.", flags=dns.flags.RD | dns.flags.CD)
        assert data(response) == [SYNTHESIZED(44)]

    def test_rfc8914_a_bogus_proof_of_no_aaaa_is_not_synthesized_over(
        self, daemons: dict[str, Dns64]
    ) -> None:
        # Debian's BIND does not tell by an EDE why it fails; Unbound does.
        dns64 = daemons["unbound"]
        response = dns64.ask("half.signed.example.", use_edns=0)
        assert (response.rcode(), data(response)) == (dns.rcode.SERVFAIL, [])
        assert response.options
        assert data(dns64.ask("half.signed.example.", "A")) == ["192.0.2.45"]
