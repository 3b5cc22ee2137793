"""Prefixes are found in addresses that are made by RFC 6052 from the well-known ones (RFC 7050)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

from dnslib import AAAA, QTYPE, RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.discovery import ipv4only
from nat64.discovery.resolver_query import name_servers, read_answer

WELL_KNOWN = [IPv4Address("192.0.0.170").packed, IPv4Address("192.0.0.171").packed]


@given(st.binary(min_size=16, max_size=16), st.sampled_from(LENGTHS), st.permutations(WELL_KNOWN))
def test_rfc7050_3_both_addresses_tell_the_prefix(some: bytes, length: int, order: list[bytes]) -> None:
    prefix = Pref64(IPv6Network((some, length), strict=False))
    # Unless its own octets look like a well-known address, which only the /96 that RFC 6052 discourages can have.
    if any(each[:3] in some for each in WELL_KNOWN):
        return
    assert ipv4only.prefixes_in([prefix.embed(each) for each in order]) == (prefix,)


def test_rfc7050_3_one_that_could_have_several_lengths_is_told_by_the_other() -> None:
    # 192.0.0.170 stands in bits 32 to 63, too, where a /32 would have it.
    prefix = Pref64(IPv6Network("2001:db8:c000:aa::/96"))
    both = [prefix.embed(each) for each in WELL_KNOWN]
    assert ipv4only.prefixes_in(both) == (prefix,)
    assert ipv4only.prefixes_in(both[:1]) == ()


def test_an_address_that_was_not_synthesized_tells_nothing() -> None:
    assert ipv4only.prefixes_in([IPv6Address("2001:db8::1").packed]) == ()


def test_several_prefixes_keep_their_order() -> None:
    prefixes = tuple(Pref64(IPv6Network(each)) for each in ("64:ff9b::/96", "2001:db8:64::/64"))
    answer = [prefix.embed(each) for each in WELL_KNOWN for prefix in prefixes]
    assert ipv4only.prefixes_in(answer) == prefixes


def reply(query: DNSRecord, name: str = "ipv4only.arpa") -> bytes:
    answer = query.reply()
    for ttl, each in ((300, "64:ff9b::c000:aa"), (200, "64:ff9b::c000:ab")):
        answer.add_answer(RR(name, QTYPE.AAAA, ttl=ttl, rdata=AAAA(each)))
    packed: bytes = answer.pack()
    return packed


def test_an_answer_tells_prefix_and_lifetime() -> None:
    query = DNSRecord.question("ipv4only.arpa", "AAAA")
    answer = read_answer(reply(query), query.header.id)
    assert answer is not None
    assert ([str(each) for each in answer.prefixes], answer.lifetime) == (["64:ff9b::/96"], 200.0)


def test_what_is_no_answer_to_the_question_is_none() -> None:
    query, other = DNSRecord.question("ipv4only.arpa", "AAAA"), DNSRecord.question("example.org", "AAAA")
    assert read_answer(reply(query), query.header.id ^ 1) is None
    assert read_answer(reply(other), other.header.id) is None
    assert read_answer(query.pack(), query.header.id) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_an_answer_or_none(message: bytes) -> None:
    answer = read_answer(message, 7)
    assert answer is None or not answer.prefixes


def test_the_first_three_name_servers_of_resolv_conf() -> None:
    text = "# nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver fe80::1%lan0\nnameserver gateway\nnameserver\n"
    assert name_servers(text) == ["2001:db8::1", "fe80::1%lan0"]
    assert len(name_servers("nameserver 192.0.2.1\n" * 5)) == 3
