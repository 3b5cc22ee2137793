"""Explicit maps, prefixes and pools together."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.address_map import AddressMap, Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.lease import ACTIVE_SECONDS
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.addressing.unmappable import Unmappable, UnmappableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POOL = IPv4Network("192.168.240.0/24")
OTHER_POOL = IPv4Network("192.168.241.0/24")
PREFIX = Pref64(IPv6Network("2001:db8:64::/96"))
OTHER_PREFIX = Pref64(IPv6Network("2001:db8:65::/96"))
WELL_KNOWN = Pref64(IPv6Network("64:ff9b::/96"))
HOST = "2001:db8:1::5"


def v4(text: str) -> bytes:
    return IPv4Address(text).packed


def v6(text: str) -> bytes:
    return IPv6Address(text).packed


def eam(ipv4: str, ipv6: str) -> Eam:
    return Eam(IPv4Network(ipv4), IPv6Network(ipv6))


MAP = eam("192.168.240.9/32", "2001:db8:1::9/128")


def one_prefix(
    prefix: Pref64 | None = PREFIX,
    eams: Sequence[Eam] = (),
    pool: DynamicPool | None = None,
    *,
    wkpf_strict: bool = True,
) -> AddressMap:
    return AddressMap([PrefixMap(prefix, Eamt(eams), pool, wkpf_strict=wkpf_strict)])


def refuse(lookup: Callable[[], object], reason: Unmappable) -> None:
    with pytest.raises(UnmappableError) as raised:
        lookup()
    assert raised.value.reason is reason


@pytest.fixture
def address_map() -> AddressMap:
    return one_prefix(eams=[MAP], pool=DynamicPool(POOL, [MAP.ipv4]))


def to_ipv4(address_map: AddressMap, source: str, destination: str, now: float = 0.0) -> tuple[str, str]:
    """Return what a packet's source and destination become."""
    far = address_map.far_to_ipv4(v6(destination))
    near, _ = address_map.near_to_ipv4(v6(source), far.of, now)
    return str(IPv4Address(near)), str(IPv4Address(far.address))


def to_ipv6(address_map: AddressMap, source: str, destination: str, now: float = 0.0) -> tuple[str, str]:
    """Return what a packet's source and destination become."""
    near = address_map.near_to_ipv6(v4(destination), v4(source), now)
    far = address_map.far_to_ipv6(v4(source), near, now)
    return str(IPv6Address(far.address)), str(IPv6Address(near.address))


def test_a_map_goes_before_prefix_and_pool(address_map: AddressMap) -> None:
    outside = to_ipv4(address_map, "2001:db8:1::9", "2001:db8:64::203.0.113.80")
    assert outside == ("192.168.240.9", "203.0.113.80")
    inside = to_ipv6(address_map, "203.0.113.80", "192.168.240.9")
    assert inside == ("2001:db8:64::cb00:7150", "2001:db8:1::9")


def test_a_host_gets_a_lease_and_is_found_by_it(address_map: AddressMap) -> None:
    source, _ = to_ipv4(address_map, HOST, "2001:db8:64::203.0.113.80")
    assert IPv4Address(source) in POOL
    assert to_ipv6(address_map, "203.0.113.80", source) == ("2001:db8:64::cb00:7150", HOST)
    assert address_map.known_to_ipv4(v6(HOST), address_map.prefixes[0]) == v4(source)


def test_a_destination_makes_no_lease(address_map: AddressMap) -> None:
    refuse(lambda: address_map.far_to_ipv4(v6(HOST)), Unmappable.NO_MAPPING)
    refuse(lambda: address_map.known_to_ipv4(v6(HOST), address_map.prefixes[0]), Unmappable.NO_MAPPING)
    assert [len(pool) for pool in address_map.pools] == [0]


def test_a_pool_address_without_an_active_lease_has_no_host(address_map: AddressMap) -> None:
    source, _ = to_ipv4(address_map, HOST, "2001:db8:64::203.0.113.80")
    unused = next(str(other) for other in POOL.hosts() if str(other) != source)
    refuse(lambda: to_ipv6(address_map, "203.0.113.80", unused), Unmappable.NO_MAPPING)
    refuse(lambda: to_ipv6(address_map, "203.0.113.80", source, ACTIVE_SECONDS + 1), Unmappable.NO_MAPPING)


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "169.254.1.1", "0.0.0.1", "255.255.255.255"])
def test_addresses_that_are_never_translated(address_map: AddressMap, address: str) -> None:
    refuse(lambda: to_ipv6(address_map, "203.0.113.80", address), Unmappable.NEVER_TRANSLATED)
    refuse(lambda: to_ipv6(address_map, address, "192.168.240.9"), Unmappable.NEVER_TRANSLATED)
    refuse(lambda: address_map.far_to_ipv4(PREFIX.embed(v4(address))), Unmappable.NEVER_TRANSLATED)


def test_rfc6052_3_1_the_well_known_prefix_refuses_non_global_addresses() -> None:
    strict = one_prefix(WELL_KNOWN, [MAP])
    refuse(lambda: to_ipv6(strict, "10.1.2.3", "192.168.240.9"), Unmappable.NOT_GLOBAL)
    refuse(lambda: strict.far_to_ipv4(v6("64:ff9b::10.1.2.3")), Unmappable.NOT_GLOBAL)
    assert strict.far_to_ipv4(v6("64:ff9b::8.8.8.8")).address == v4("8.8.8.8")
    lax = one_prefix(WELL_KNOWN, wkpf_strict=False)
    assert lax.far_to_ipv4(v6("64:ff9b::10.1.2.3")).address == v4("10.1.2.3")


def test_rfc8215_the_local_use_prefix_is_not_restricted() -> None:
    local = one_prefix(Pref64(IPv6Network("64:ff9b:1::/96")))
    assert local.far_to_ipv4(v6("64:ff9b:1::10.1.2.3")).address == v4("10.1.2.3")


def test_an_exhausted_pool_is_told_apart_from_a_missing_one() -> None:
    small = one_prefix(pool=DynamicPool(IPv4Network("192.168.240.0/31")))
    to_ipv4(small, "2001:db8:1::1", "2001:db8:64::203.0.113.80")
    refuse(lambda: to_ipv4(small, "2001:db8:1::2", "2001:db8:64::203.0.113.80"), Unmappable.POOL_EXHAUSTED)
    none = one_prefix()
    refuse(lambda: to_ipv4(none, "2001:db8:1::2", "2001:db8:64::203.0.113.80"), Unmappable.NO_MAPPING)


# Several prefixes


@pytest.fixture
def two() -> AddressMap:
    """Two prefixes, each with a pool and a map; one host has a map for either."""
    return AddressMap(
        [
            PrefixMap(PREFIX, Eamt([eam("192.0.2.9", "2001:db8:1::9")]), DynamicPool(POOL), wkpf_strict=True),
            PrefixMap(
                OTHER_PREFIX,
                Eamt([eam("198.51.100.9", "2001:db8:1::9"), eam("198.51.100.8", "2001:db8:1::8")]),
                DynamicPool(OTHER_POOL),
                wkpf_strict=True,
            ),
        ]
    )


def test_the_prefix_of_the_destination_decides_which_lease_the_source_gets(two: AddressMap) -> None:
    first, _ = to_ipv4(two, HOST, "2001:db8:64::203.0.113.80")
    other, _ = to_ipv4(two, HOST, "2001:db8:65::203.0.113.80")
    assert IPv4Address(first) in POOL
    assert IPv4Address(other) in OTHER_POOL
    assert [len(pool) for pool in two.pools] == [1, 1]


def test_an_answer_to_a_lease_comes_from_the_leases_prefix(two: AddressMap) -> None:
    for prefix in ("2001:db8:64::", "2001:db8:65::"):
        source, _ = to_ipv4(two, HOST, f"{prefix}203.0.113.80")
        assert to_ipv6(two, "203.0.113.80", source) == (f"{prefix}cb00:7150", HOST)


def test_a_map_counts_for_its_own_prefix_only(two: AddressMap) -> None:
    assert to_ipv4(two, "2001:db8:1::9", "2001:db8:64::203.0.113.80")[0] == "192.0.2.9"
    assert to_ipv4(two, "2001:db8:1::9", "2001:db8:65::203.0.113.80")[0] == "198.51.100.9"
    assert to_ipv4(two, "2001:db8:1::8", "2001:db8:65::203.0.113.80")[0] == "198.51.100.8"
    through_the_first, _ = to_ipv4(two, "2001:db8:1::8", "2001:db8:64::203.0.113.80")
    assert IPv4Address(through_the_first) in POOL


def test_a_packet_to_a_maps_address_comes_from_the_maps_prefix(two: AddressMap) -> None:
    assert to_ipv6(two, "203.0.113.80", "192.0.2.9") == ("2001:db8:64::cb00:7150", "2001:db8:1::9")
    assert to_ipv6(two, "203.0.113.80", "198.51.100.9") == ("2001:db8:65::cb00:7150", "2001:db8:1::9")


def test_what_is_no_prefixs_own_is_the_firsts(two: AddressMap) -> None:
    assert to_ipv6(two, "203.0.113.80", "203.0.113.81") == (
        "2001:db8:64::cb00:7150",
        "2001:db8:64::cb00:7151",
    )


def test_a_mapped_ipv4_source_decides_where_the_destination_has_no_map(two: AddressMap) -> None:
    assert to_ipv6(two, "198.51.100.8", "203.0.113.81") == ("2001:db8:1::8", "2001:db8:65::cb00:7151")


def test_the_longest_match_counts_over_all_prefixes() -> None:
    address_map = AddressMap(
        [
            PrefixMap(PREFIX, Eamt([eam("192.0.2.0/24", "2001:db8:1::/64")]), None, wkpf_strict=True),
            PrefixMap(OTHER_PREFIX, Eamt([eam("192.0.2.7", "2001:db8:1::7")]), None, wkpf_strict=True),
        ]
    )
    assert to_ipv6(address_map, "203.0.113.80", "192.0.2.7") == ("2001:db8:65::cb00:7150", "2001:db8:1::7")
    assert to_ipv6(address_map, "203.0.113.80", "192.0.2.8")[0] == "2001:db8:64::cb00:7150"
    assert address_map.far_to_ipv4(v6("2001:db8:1::7")).address == v4("192.0.2.7")
    assert address_map.far_to_ipv4(v6("2001:db8:1:0:800::")).address == v4("192.0.2.8")


def test_wkpf_strict_holds_for_the_well_known_prefix_among_several() -> None:
    address_map = AddressMap(
        [
            PrefixMap(PREFIX, Eamt(), DynamicPool(POOL), wkpf_strict=True),
            PrefixMap(WELL_KNOWN, Eamt(), DynamicPool(OTHER_POOL), wkpf_strict=True),
        ]
    )
    assert to_ipv4(address_map, HOST, "2001:db8:64::10.1.2.3")[1] == "10.1.2.3"
    refuse(lambda: to_ipv4(address_map, HOST, "64:ff9b::10.1.2.3"), Unmappable.NOT_GLOBAL)
    source, _ = to_ipv4(address_map, HOST, "64:ff9b::8.8.8.8")
    refuse(lambda: to_ipv6(address_map, "10.1.2.3", source), Unmappable.NOT_GLOBAL)
    assert to_ipv6(address_map, "8.8.8.8", source)[0] == "64:ff9b::808:808"


def test_a_prefix_without_a_pool_serves_only_what_is_mapped() -> None:
    address_map = AddressMap(
        [
            PrefixMap(PREFIX, Eamt(), DynamicPool(POOL), wkpf_strict=True),
            PrefixMap(OTHER_PREFIX, Eamt([MAP]), None, wkpf_strict=True),
        ]
    )
    assert to_ipv4(address_map, "2001:db8:1::9", "2001:db8:65::203.0.113.80")[0] == "192.168.240.9"
    refuse(lambda: to_ipv4(address_map, HOST, "2001:db8:65::203.0.113.80"), Unmappable.NO_MAPPING)


# Hairpinning


def test_rfc7757_4_2_1_only_simple_hairpinning_sees_a_mapped_source_through_the_prefix(
    two: AddressMap,
) -> None:
    for hairpin, source in (
        (Hairpin.OFF, "2001:db8:1::8"),
        (Hairpin.SIMPLE, "2001:db8:64::c633:6408"),
        (Hairpin.INTRINSIC, "2001:db8:1::8"),
    ):
        two.hairpin = hairpin
        assert to_ipv6(two, "198.51.100.8", "192.0.2.9") == (source, "2001:db8:1::9")


def test_rfc7757_4_2_2_only_intrinsic_hairpinning_turns_back_what_comes_through_a_prefix(
    two: AddressMap,
) -> None:
    far = two.far_to_ipv4(v6("2001:db8:64::198.51.100.8"))
    lease = two.prefixes[1].lease_to(v6(HOST), 0.0)
    leased = two.far_to_ipv4(PREFIX.embed(lease.address))
    for hairpin, back in (
        (Hairpin.OFF, None),
        (Hairpin.SIMPLE, None),
        (Hairpin.INTRINSIC, (v6("2001:db8:1::8"), OTHER_PREFIX)),
    ):
        two.hairpin = hairpin
        found = two.turned_back(far, 0.0)
        assert (found and (found.address, found.of.prefix)) == back
        host = two.turned_back(leased, 0.0)
        assert (host and host.lease) == (back and lease)
    assert two.turned_back(leased, ACTIVE_SECONDS + 1) is None
    assert two.turned_back(two.far_to_ipv4(v6("2001:db8:64::203.0.113.80")), 0.0) is None
    assert two.turned_back(two.far_to_ipv4(v6("2001:db8:1::8")), 0.0) is None
