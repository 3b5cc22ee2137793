"""RFC 6147 section 5.3.1: the reverse name of a synthesized address leads to the IPv4 address's own."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import dns.rrset
import pytest
from dnslib import DNSLabel
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import SynthesisPrefix
from nat64.dns64.reverse import in_addr_arpa

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

# RFC 6052 section 2.4: one line for each prefix length, with 192.0.2.33 embedded.
RFC6052_2_4 = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
]
TARGET = "33.2.0.192.in-addr.arpa."
ADDRESS = "2001:db8:64::c000:221"
SOA = "192.in-addr.arpa. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"


def name_of(address: str) -> str:
    return str(dns.reversename.from_address(address))


@pytest.mark.parametrize(("prefix", "address"), RFC6052_2_4)
def test_each_rfc6052_length_is_understood(lab: Make, reply: Make, prefix: str, address: str) -> None:
    zone = {(TARGET, "PTR"): reply(answer=(f"{TARGET} 60 IN PTR host.example.",))}
    config = f"forwarder 192.0.2.53\nallow-query ::/0\nprefix {prefix}"
    response = lab(zone, config).ask(name_of(address), "PTR")
    assert response.rcode() == dns.rcode.NOERROR
    cname, ptr = response.answer
    assert (str(cname.name), str(cname[0].target)) == (name_of(address), TARGET)
    assert (str(ptr.name), str(ptr[0].target)) == (TARGET, "host.example.")


def test_case_does_not_matter_and_is_kept(lab: Make, reply: Make) -> None:
    zone = {(TARGET, "PTR"): reply(answer=(f"{TARGET} 60 IN PTR host.example.",))}
    name = name_of("2001:db8:64::c000:221").upper()
    response = lab(zone).ask(name, "PTR")
    assert len(response.answer) == 2
    assert str(response.answer[0].name) == name


def test_the_ipv4_names_own_nxdomain_is_told(lab: Make, reply: Make) -> None:
    response = lab({(TARGET, "PTR"): reply(rcode="NXDOMAIN", authority=(SOA,))}).ask(name_of(ADDRESS), "PTR")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert [rrset.rdtype.name for rrset in response.answer] == ["CNAME"]
    assert response.authority


@pytest.mark.parametrize("rdtype", ["CNAME", "ANY"])
def test_rfc1034_3_6_2_who_asks_for_the_cname_itself_gets_just_that(lab: Make, rdtype: str) -> None:
    dns64 = lab({})
    response = dns64.ask(name_of(ADDRESS), rdtype)
    (cname,) = response.answer
    assert str(cname[0].target) == TARGET
    assert not dns64.asked


def test_silence_about_the_ipv4_name_is_servfail(lab: Make) -> None:
    response = lab({(TARGET, "PTR"): None}).ask(name_of(ADDRESS), "PTR")
    assert response.rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(
    "name",
    [
        name_of("2001:db8:65::1"),
        "4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "x." + name_of(ADDRESS),
        name_of(ADDRESS).replace("ip6.arpa", "ip6.int"),
        "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.g.ip6.arpa.",
    ],
)
def test_names_that_are_no_synthesized_address_are_forwarded(lab: Make, reply: Make, name: str) -> None:
    dns64 = lab({(name, "PTR"): reply(rcode="NXDOMAIN")})
    assert dns64.ask(name, "PTR").rcode() == dns.rcode.NXDOMAIN
    assert [asked for _, asked, _ in dns64.asked] == [name]


def test_a_client_that_validates_is_not_led_elsewhere(lab: Make, reply: Make) -> None:
    dns64 = lab({(name_of(ADDRESS), "PTR"): reply(rcode="NXDOMAIN")})
    query = dns.message.make_query(name_of(ADDRESS), "PTR", want_dnssec=True)
    query.flags |= dns.flags.CD
    assert dns.message.from_wire(dns64.send(query.to_wire())).rcode() == dns.rcode.NXDOMAIN


def test_stf_leads_the_reverse_names_of_6to4_addresses_too(lab: Make, reply: Make, config: Make) -> None:
    zone = {(TARGET, "PTR"): reply(answer=(f"{TARGET} 60 IN PTR host.example.",))}
    name = name_of("2002:c000:221:7::9").upper()
    for dns64 in (lab(zone, config(stf=True)), lab(zone, config(stf=True, prefixes=()))):
        cname, ptr = dns64.ask(name, "PTR").answer
        assert str(cname.name) == name
        assert str(cname[0].target) == TARGET
        assert str(ptr[0].target) == "host.example."


def test_without_stf_6to4_addresses_are_like_others(lab: Make, reply: Make) -> None:
    name = name_of("2002:c000:221:7::9")
    dns64 = lab({(name, "PTR"): reply(rcode="NXDOMAIN")})
    assert dns64.ask(name, "PTR").rcode() == dns.rcode.NXDOMAIN


def test_of_nested_prefixes_the_longest_counts(lab: Make, reply: Make, config: Make) -> None:
    zone = {(TARGET, "PTR"): reply(answer=(f"{TARGET} 60 IN PTR host.example.",))}
    prefixes = tuple(
        SynthesisPrefix(Pref64(ipaddress.IPv6Network(text))) for text in ("2001:db8::/32", "2001:db8:64::/96")
    )
    assert len(lab(zone, config(prefixes=prefixes)).ask(name_of(ADDRESS), "PTR").answer) == 2


def test_nothing_of_the_query_but_its_name_stands_in_the_answer(lab: Make) -> None:
    """What a client puts into a query beside its question must not come back as if it were told."""
    query = dns.message.make_query(name_of(ADDRESS), "ANY", use_edns=0)
    query.answer.append(dns.rrset.from_text("bank.example.", 60, "IN", "A", "203.0.113.66"))
    query.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.BLOCKED)])
    response = dns.message.from_wire(lab({}).send(query.to_wire()))
    assert [str(rrset.name) for rrset in response.answer] == [name_of(ADDRESS)]
    assert dns.edns.EDECode.BLOCKED not in [option.code for option in response.options]


@given(st.sampled_from(RFC6052_2_4), st.ip_addresses(v=4))
def test_every_embedded_address_leads_to_its_own_name(
    line: tuple[str, str], ipv4: ipaddress.IPv4Address
) -> None:
    prefix = Pref64(ipaddress.IPv6Network(line[0]))
    embedded = ipaddress.IPv6Address(prefix.embed(ipv4.packed))
    name = in_addr_arpa(DNSLabel(name_of(str(embedded))), [prefix])
    assert str(name) == str(dns.reversename.from_address(str(ipv4)))


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=40))
def test_any_name_is_a_reverse_name_or_not(labels: list[bytes]) -> None:
    name = DNSLabel([*labels, b"ip6", b"arpa"])
    assert in_addr_arpa(name, [Pref64(ipaddress.IPv6Network("::/32"))]) is None or len(labels) == 32
