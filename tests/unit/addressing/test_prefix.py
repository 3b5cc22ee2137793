"""RFC 6052: IPv4-embedded IPv6 addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import LENGTHS, Pref64

# RFC 6052 section 2.4, table 1 and 2, as printed there
TABLE = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
]
IPV4 = IPv4Address("192.0.2.33").packed


@pytest.mark.parametrize(("prefix", "address"), TABLE)
def test_rfc6052_2_4_examples(prefix: str, address: str) -> None:
    pref64 = Pref64(IPv6Network(prefix))
    assert pref64.embed(IPV4) == IPv6Address(address).packed
    assert pref64.extract(IPv6Address(address).packed) == IPV4


@pytest.mark.parametrize(("prefix", "address"), TABLE[:5])
def test_rfc6052_2_3_u_octet_and_suffix_are_ignored_on_input(prefix: str, address: str) -> None:
    packed = bytearray(IPv6Address(address).packed)
    packed[8] = 0xAB
    packed[14] = packed[15] = 0xCD
    assert Pref64(IPv6Network(prefix)).extract(bytes(packed)) == IPV4


@pytest.mark.parametrize("length", sorted(set(range(129)) - set(LENGTHS)))
def test_rfc6052_2_2_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"not {length}"):
        Pref64(IPv6Network(f"::/{length}"))


@given(st.sampled_from(LENGTHS), st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4))
def test_embedding_is_undone_by_extraction(length: int, network: bytes, ipv4: bytes) -> None:
    prefix = Pref64(IPv6Network((network, length), strict=False))
    embedded = prefix.embed(ipv4)
    assert IPv6Address(embedded) in prefix.network
    assert prefix.extract(embedded) == ipv4
    if length != 96:
        assert embedded[8] == 0


@given(st.sampled_from(LENGTHS), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_an_address_outside_the_prefix_has_nothing_to_extract(
    length: int, network: bytes, other: bytes
) -> None:
    prefix = Pref64(IPv6Network((network, length), strict=False))
    assert (prefix.extract(other) is not None) == (IPv6Address(other) in prefix.network)


def test_only_64_ff9b_96_is_well_known() -> None:
    assert Pref64(IPv6Network("64:ff9b::/96")).is_well_known
    assert not Pref64(IPv6Network("64:ff9b:1::/96")).is_well_known
    assert not Pref64(IPv6Network("64:ff9b::/64")).is_well_known


def test_rfc6052_2_2_a_prefix_with_bits_in_the_u_octet_is_told() -> None:
    assert Pref64(IPv6Network("2001:db8::/96")).has_u_octet_zero
    assert not Pref64(IPv6Network("2001:db8:0:0:100::/96")).has_u_octet_zero
