"""RFC 7757: the explicit address mapping table."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.eamt import DuplicateEamError, Eam, Eamt


def eam(ipv4: str, ipv6: str) -> Eam:
    return Eam(IPv4Network(ipv4), IPv6Network(ipv6))


def test_rfc7757_3_2_hosts_and_networks_of_the_same_size() -> None:
    table = Eamt([eam("192.0.2.1/32", "2001:db8:aaaa::/128"), eam("198.51.100.0/24", "2001:db8:bb::/120")])
    assert table.to_ipv6(IPv4Address("192.0.2.1").packed) == IPv6Address("2001:db8:aaaa::").packed
    assert table.to_ipv6(IPv4Address("198.51.100.7").packed) == IPv6Address("2001:db8:bb::7").packed
    assert table.to_ipv4(IPv6Address("2001:db8:bb::ff").packed) == IPv4Address("198.51.100.255").packed
    assert table.to_ipv6(IPv4Address("192.0.2.2").packed) is None
    assert table.to_ipv4(IPv6Address("2001:db8:bb::100").packed) is None


def test_rfc7757_3_3_the_longest_match_counts_in_both_directions() -> None:
    table = Eamt([eam("198.51.100.0/24", "2001:db8::/120"), eam("198.51.100.7/32", "2001:db8::99/128")])
    assert table.to_ipv6(IPv4Address("198.51.100.7").packed) == IPv6Address("2001:db8::99").packed
    assert table.to_ipv4(IPv6Address("2001:db8::99").packed) == IPv4Address("198.51.100.7").packed
    assert table.to_ipv4(IPv6Address("2001:db8::98").packed) == IPv4Address("198.51.100.152").packed


@pytest.mark.parametrize(
    ("ipv4", "ipv6"),
    [
        ("192.0.2.1", "2001:db8:aaaa::"),
        ("192.0.2.2", "2001:db8:bbbb::b"),
        ("192.0.2.16", "2001:db8:cccc::"),
        ("192.0.2.24", "2001:db8:cccc::8"),
        ("192.0.2.31", "2001:db8:cccc::f"),
        ("192.0.2.128", "2001:db8:dddd::"),
        ("192.0.2.152", "2001:db8:dddd:0:6000::"),
        ("192.0.2.183", "2001:db8:dddd:0:dc00::"),
        ("192.0.2.191", "2001:db8:dddd:0:fc00::"),
        ("192.0.2.193", "2001:db8:eeee:8:8000::"),
        ("192.0.2.197", "2001:db8:eeee:a:8000::"),
        ("192.0.2.199", "2001:db8:eeee:b:8000::"),
        ("192.0.2.224", "64:ff9b::"),
        ("192.0.2.225", "64:ff9b::1"),
    ],
)
def test_rfc7757_3_3_the_rfcs_table(ipv4: str, ipv6: str) -> None:
    """The table of section 3.2, whose networks are partly of unequal size; the addresses are worked out by hand."""
    table = Eamt(
        [
            eam("192.0.2.1", "2001:db8:aaaa::"),
            eam("192.0.2.2/32", "2001:db8:bbbb::b/128"),
            eam("192.0.2.16/28", "2001:db8:cccc::/124"),
            eam("192.0.2.128/26", "2001:db8:dddd::/64"),
            eam("192.0.2.192/29", "2001:db8:eeee:8::/62"),
            eam("192.0.2.224/31", "64:ff9b::/127"),
        ]
    )
    assert table.to_ipv6(IPv4Address(ipv4).packed) == IPv6Address(ipv6).packed
    assert table.to_ipv4(IPv6Address(ipv6).packed) == IPv4Address(ipv4).packed


def test_rfc7757_3_3_what_stands_behind_the_ipv4_suffix_is_ignored() -> None:
    table = Eamt([eam("192.0.2.128/26", "2001:db8:dddd::/64"), eam("198.51.100.7/32", "2001:db8:7::/48")])
    assert (
        table.to_ipv4(IPv6Address("2001:db8:dddd::63ff:ffff:ffff:ffff").packed)
        == IPv4Address("192.0.2.152").packed
    )
    assert table.to_ipv4(IPv6Address("2001:db8:7:8:9:a:b:c").packed) == IPv4Address("198.51.100.7").packed
    assert table.to_ipv6(IPv4Address("198.51.100.7").packed) == IPv6Address("2001:db8:7::").packed


def test_rfc7757_3_2_the_ipv6_network_must_have_room_for_the_ipv4_suffix() -> None:
    with pytest.raises(ValueError, match=r"2001:db8::/121 is smaller than 192\.0\.2\.0/24"):
        eam("192.0.2.0/24", "2001:db8::/121")


@pytest.mark.parametrize(
    "second", [eam("192.0.2.1/32", "2001:db8::2/128"), eam("192.0.2.2/32", "2001:db8::1/128")]
)
def test_a_duplicate_on_either_side_names_the_earlier_one(second: Eam) -> None:
    first = eam("192.0.2.1/32", "2001:db8::1/128")
    with pytest.raises(DuplicateEamError) as raised:
        Eamt([first, second])
    assert raised.value.earlier is first
    assert raised.value.eam is second


@st.composite
def tables(draw: st.DrawFn) -> list[Eam]:
    """Networks drawn from a few bits, so that they often contain one another."""
    chosen: dict[IPv4Network, IPv6Network] = {}
    for _ in range(draw(st.integers(0, 12))):
        suffix = draw(st.integers(0, 6))
        ipv4 = IPv4Network((draw(st.integers(0, 63)) | 0xC0000200, 32 - suffix), strict=False)
        longer = draw(st.integers(0, 6 - suffix))
        ipv6 = IPv6Network((draw(st.integers(0, 63)) | 0x20010DB8 << 96, 128 - suffix - longer), strict=False)
        if ipv4 not in chosen and ipv6 not in chosen.values():
            chosen[ipv4] = ipv6
    return [Eam(ipv4, ipv6) for ipv4, ipv6 in chosen.items()]


def ratio(entry: Eam) -> int:
    """Return how many IPv6 addresses there are for each IPv4 address."""
    return entry.ipv6.num_addresses // entry.ipv4.num_addresses


@given(tables())
def test_lookups_agree_with_a_search_through_all_networks(eams: list[Eam]) -> None:
    table = Eamt(eams)
    assert len(table) == len(eams)
    assert sorted(map(str, table)) == sorted(map(str, eams))
    for number in range(64):
        ipv4 = IPv4Address(number | 0xC0000200)
        matches4 = [entry for entry in eams if ipv4 in entry.ipv4]
        best4 = max(matches4, key=lambda entry: entry.ipv4.prefixlen, default=None)
        expected6 = best4 and best4.ipv6[(int(ipv4) - int(best4.ipv4[0])) * ratio(best4)].packed
        assert table.to_ipv6(ipv4.packed) == expected6
        ipv6 = IPv6Address(number | 0x20010DB8 << 96)
        matches6 = [entry for entry in eams if ipv6 in entry.ipv6]
        best6 = max(matches6, key=lambda entry: entry.ipv6.prefixlen, default=None)
        expected4 = best6 and best6.ipv4[(int(ipv6) - int(best6.ipv6[0])) // ratio(best6)].packed
        assert table.to_ipv4(ipv6.packed) == expected4
