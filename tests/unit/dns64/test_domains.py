"""Domain lists: names that are never or always synthesized for, names with forwarders of their own."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import dns.name
import dns.rcode
import dns.reversename
import pytest
from dnslib import DNSLabel
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import Domain, Endpoint, Forwarder, Labels, Synthesis
from nat64.dns64.domains import Domains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Make = Callable[..., Any]

NAME = "www.corp.example."
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
NATIVE = f"{NAME} 60 IN AAAA 2001:db8:1::1"
MADE = "2001:db8:64::c000:221"
REVERSE = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."


def labels(name: str) -> Labels:
    return dns.name.from_text(name).labels[:-1]


def never(name: str) -> Domain:
    return Domain(labels(name), Synthesis.NEVER)


def always(name: str) -> Domain:
    return Domain(labels(name), Synthesis.ALWAYS)


def ask_at(name: str, *forwarders: str) -> Domain:
    return Domain(labels(name), None, tuple(map(forwarder, forwarders)))


def forwarder(address: str) -> Forwarder:
    return Forwarder(Endpoint(IPv4Address(address)))


def v4_only(reply: Make, name: str = NAME) -> dict[tuple[str, str], Any]:
    return {
        (name, "AAAA"): reply(authority=(SOA,)),
        (name, "A"): reply(answer=(f"{name} 3600 IN A 192.0.2.33",)),
    }


def addresses(response: Any) -> list[str]:  # noqa: ANN401 - dnspython's rdata have no common type
    return [item.address for rrset in response.answer if rrset.rdtype.name == "AAAA" for item in rrset]


@pytest.mark.parametrize("domain", ["corp.example.", "www.corp.example.", "example.", "."])
def test_never_holds_for_the_name_and_below_and_asks_no_a(
    lab: Make, reply: Make, config: Make, domain: str
) -> None:
    dns64 = lab(v4_only(reply), config(domains=(never(domain),)))
    response = dns64.ask("WWW.corp.EXAMPLE.")
    assert not response.answer
    assert response.authority[0].rdtype.name == "SOA"
    assert [rdtype for _, _, rdtype in dns64.asked] == ["AAAA"]


@pytest.mark.parametrize("domain", ["orp.example.", "x.www.corp.example.", "corp.example.net."])
def test_never_does_not_hold_beside_it(lab: Make, reply: Make, config: Make, domain: str) -> None:
    assert addresses(lab(v4_only(reply), config(domains=(never(domain),))).ask(NAME)) == [MADE]


def test_never_gives_excluded_addresses_as_they_are(lab: Make, reply: Make, config: Make) -> None:
    zone = {(NAME, "AAAA"): reply(answer=(f"{NAME} 60 IN AAAA ::ffff:192.0.2.1",))}
    assert addresses(lab(zone, config(domains=(never(NAME),))).ask(NAME)) == ["::ffff:192.0.2.1"]


def test_never_leaves_reverse_names_alone(lab: Make, reply: Make, config: Make) -> None:
    dns64 = lab({(REVERSE, "PTR"): reply(rcode="NXDOMAIN")}, config(domains=(never("ip6.arpa."),)))
    assert dns64.ask(REVERSE, "PTR").rcode() == dns.rcode.NXDOMAIN


def test_never_leaves_what_a_reverse_name_leads_to_to_the_forwarder(
    lab: Make, reply: Make, config: Make
) -> None:
    target = "170.0.0.192.in-addr.arpa."
    dns64 = lab({(target, "PTR"): reply(rcode="NXDOMAIN")}, config(domains=(never("in-addr.arpa."),)))
    response = dns64.ask(str(dns.reversename.from_address("2001:db8:64::192.0.0.170")), "PTR")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert [asked for _, asked, _ in dns64.asked] == [target]


def test_never_leaves_ipv4only_arpa_to_the_forwarder(lab: Make, reply: Make, config: Make) -> None:
    dns64 = lab({("ipv4only.arpa.", "AAAA"): reply()}, config(domains=(never("arpa."),)))
    assert not dns64.ask("ipv4only.arpa.").answer
    assert len(dns64.asked) == 1


def test_never_at_the_end_of_a_chain_counts_where_the_name_asked_says_nothing(
    lab: Make, reply: Make, config: Make
) -> None:
    chain = f"alias.example. 30 IN CNAME {NAME}"
    zone = {
        ("alias.example.", "AAAA"): reply(answer=(chain,), authority=(SOA,)),
        ("alias.example.", "A"): reply(answer=(chain, f"{NAME} 3600 IN A 192.0.2.33")),
    }
    assert not addresses(lab(zone, config(domains=(never("corp.example."),))).ask("alias.example."))
    both = (never("corp.example."), always("alias.example."))
    assert addresses(lab(zone, config(domains=both)).ask("alias.example.")) == [MADE]


def test_never_at_the_end_of_the_a_chain_counts_where_the_aaaa_reply_failed(
    lab: Make, reply: Make, config: Make
) -> None:
    chain = f"alias.example. 30 IN CNAME {NAME}"
    zone = {
        ("alias.example.", "AAAA"): reply(rcode="SERVFAIL"),
        ("alias.example.", "A"): reply(answer=(chain, f"{NAME} 3600 IN A 192.0.2.33")),
    }
    response = lab(zone, config(domains=(never("corp.example."),))).ask("alias.example.")
    assert response.rcode() == dns.rcode.SERVFAIL


def test_always_takes_aaaa_records_for_absent(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(answer=(NATIVE,))}
    assert addresses(lab(zone, config(domains=(always("example."),))).ask(NAME)) == [MADE]


def test_always_leaves_nxdomain_final(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="NXDOMAIN", authority=(SOA,))}
    assert lab(zone, config(domains=(always("example."),))).ask(NAME).rcode() == dns.rcode.NXDOMAIN


def test_always_without_an_a_record_is_an_empty_answer(lab: Make, reply: Make, config: Make) -> None:
    zone = {(NAME, "AAAA"): reply(answer=(NATIVE,)), (NAME, "A"): reply(authority=(SOA,))}
    response = lab(zone, config(domains=(always("example."),))).ask(NAME)
    assert not response.answer
    assert response.authority[0].rdtype.name == "SOA"


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_domains_the_longest_counts(lab: Make, reply: Make, config: Make, turned: bool) -> None:
    domains = (never("example."), always("corp.example."), never("www.corp.example."))
    zone = v4_only(reply) | v4_only(reply, "x.corp.example.") | v4_only(reply, "x.example.")
    dns64 = lab(zone, config(domains=domains[::-1] if turned else domains))
    given = [addresses(dns64.ask(name)) for name in (NAME, "x.corp.example.", "x.example.")]
    assert given == [[], [MADE], []]


def test_a_domain_has_forwarders_of_its_own_in_order(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | v4_only(reply, "x.example.")
    dns64 = lab(zone, config(domains=(ask_at("corp.example.", "198.51.100.1", "198.51.100.2"),)))
    dns64.dead.add("198.51.100.1")
    assert addresses(dns64.ask(NAME)) == [MADE]
    assert {whom for whom, _, _ in dns64.asked} == {"198.51.100.1", "198.51.100.2"}
    dns64.asked.clear()
    assert addresses(dns64.ask("x.example.")) == [MADE]
    assert {whom for whom, _, _ in dns64.asked} == {"192.0.2.53"}


def test_each_property_is_looked_up_by_itself(lab: Make, reply: Make, config: Make) -> None:
    domains = (never("example."), ask_at("corp.example.", "198.51.100.1"))
    dns64 = lab(v4_only(reply), config(domains=domains))
    assert not dns64.ask(NAME).answer
    assert dns64.asked == [("198.51.100.1", NAME, "AAAA")]


def test_the_health_of_a_domains_forwarder_is_the_views_too(lab: Make, reply: Make, config: Make) -> None:
    text = "forwarder 198.51.100.1\nforwarder 192.0.2.53\nallow-query ::/0"
    zone = {(NAME, "TXT"): reply(), ("x.example.", "TXT"): reply()}
    dns64 = lab(zone, config(text, domains=(ask_at("corp.example.", "198.51.100.1", "198.51.100.2"),)))
    dns64.dead.add("198.51.100.1")
    dns64.ask(NAME, "TXT")
    dns64.asked.clear()
    dns64.ask("x.example.", "TXT")
    assert [whom for whom, _, _ in dns64.asked] == ["192.0.2.53"]


def test_a_reverse_name_is_led_to_whom_the_ipv4_name_is_asked_from(
    lab: Make, reply: Make, config: Make
) -> None:
    target = "33.2.0.192.in-addr.arpa."
    zone = {(target, "PTR"): reply(answer=(f"{target} 60 IN PTR host.example.",))}
    dns64 = lab(zone, config(domains=(ask_at("2.0.192.in-addr.arpa.", "198.51.100.1"),)))
    assert len(dns64.ask(REVERSE, "PTR").answer) == 2
    assert dns64.asked == [("198.51.100.1", target, "PTR")]


LABEL = st.sampled_from((b"a", b"b", b"A", b"\x00", b"x.y"))
NAMES = st.lists(LABEL, max_size=4).map(tuple)


@given(listed=st.lists(NAMES, max_size=6), name=NAMES)
def test_the_longest_name_at_or_above_counts(listed: list[Labels], name: Labels) -> None:
    lowered = {tuple(label.lower() for label in each) for each in listed}
    domains = Domains(Domain(each, None, (forwarder(f"192.0.2.{len(each)}"),)) for each in lowered)
    above: Iterable[dns.name.Name] = (
        dns.name.Name((*each, b""))
        for each in lowered
        if dns.name.Name((*name, b"")).is_subdomain(dns.name.Name((*each, b"")))
    )
    longest = max((len(each.labels) - 1 for each in above), default=None)
    found = domains.forwarders(DNSLabel(list(name)))
    assert found == (None if longest is None else (forwarder(f"192.0.2.{longest}"),))
