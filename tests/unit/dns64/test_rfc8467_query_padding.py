"""RFC 8467 section 4.1: queries that go out encrypted are padded to blocks. dnspython reads them."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.padding import QUERY_BLOCK as BLOCK
from nat64.dns64.query_padding import padded

OPTION = dns.edns.OptionType.make(65001)
NAMES = st.lists(st.binary(min_size=1, max_size=63), max_size=3).map(
    lambda labels: dns.name.Name([*labels, b""])
)


@given(
    NAMES,
    st.sampled_from(["A", "AAAA", "HTTPS"]),
    st.booleans(),
    st.lists(st.binary(max_size=40).map(lambda data: dns.edns.GenericOption(OPTION, data)), max_size=2),
)
def test_a_padded_query_says_the_same_and_has_a_length_of_whole_blocks(
    name: dns.name.Name, rdtype: str, dnssec_ok: bool, options: list[dns.edns.Option]
) -> None:
    query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=dnssec_ok, options=options)
    wire = padded(query.to_wire())
    assert len(wire) % BLOCK == 0
    read = dns.message.from_wire(wire)
    *before, padding = read.options
    assert padding.otype == dns.edns.OptionType.PADDING
    assert set(padding.to_wire() or b"\0") == {0}
    assert before == list(query.options)
    assert (read.id, read.flags, read.question) == (query.id, query.flags, query.question)
    assert (read.ednsflags, read.payload) == (query.ednsflags, query.payload)
    assert len(wire) - len(query.to_wire()) < BLOCK + 4


def test_a_query_without_an_opt_record_stays_as_it_is() -> None:
    wire = dns.message.make_query("a.example.", "A", use_edns=False).to_wire()
    assert padded(wire) == wire


@given(st.binary(max_size=60), st.integers(0, 60))
def test_what_is_no_query_stays_as_it_is(data: bytes, cut: int) -> None:
    assert padded(data[:11]) == data[:11]
    wire = dns.message.make_query("a.example.", "A", use_edns=0).to_wire()
    assert padded(wire[:cut][: len(wire) - 1]) == wire[:cut][: len(wire) - 1]
    assert padded(wire + b"\0") == wire + b"\0"


@pytest.mark.parametrize("rdtype", [dns.rdatatype.TXT, dns.rdatatype.SOA])
def test_another_record_in_its_place_stays_as_it_is(rdtype: int) -> None:
    wire = bytearray(dns.message.make_query(".", "A", use_edns=0).to_wire())
    wire[18:20] = rdtype.to_bytes(2, "big")
    assert padded(bytes(wire)) == bytes(wire)
