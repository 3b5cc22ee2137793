"""RFC 6147 section 5.3.1: the reverse name of a synthesized address leads to the IPv4 address's own."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import pytest
from dnslib import DNSLabel
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
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
