"""Explicit maps, prefix and pool together."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from nat64.addressing.address_map import AddressMap, UnmappableError
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.lease import ACTIVE_SECONDS
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.unmappable import Unmappable

POOL = IPv4Network("192.168.240.0/24")
PREFIX = Pref64(IPv6Network("2001:db8:64::/96"))
WELL_KNOWN = Pref64(IPv6Network("64:ff9b::/96"))
MAP = Eam(IPv4Network("192.168.240.9/32"), IPv6Network("2001:db8:1::9/128"))


def v4(text: str) -> bytes:
    return IPv4Address(text).packed


def v6(text: str) -> bytes:
    return IPv6Address(text).packed


@pytest.fixture
def address_map() -> AddressMap:
    return AddressMap(PREFIX, Eamt([MAP]), DynamicPool(POOL, [MAP.ipv4]), wkpf_strict=True)


def test_a_map_goes_before_prefix_and_pool(address_map: AddressMap) -> None:
    assert address_map.source_to_ipv4(v6("2001:db8:1::9"), 0) == (v4("192.168.240.9"), None)
    assert address_map.to_ipv6(v4("192.168.240.9"), 0) == (v6("2001:db8:1::9"), None)


def test_the_prefix_carries_what_no_map_does(address_map: AddressMap) -> None:
    assert address_map.to_ipv4(v6("2001:db8:64::203.0.113.80")) == (v4("203.0.113.80"), None)
    assert address_map.to_ipv6(v4("203.0.113.80"), 0) == (v6("2001:db8:64::203.0.113.80"), None)


def test_a_host_gets_a_lease_and_is_found_by_it(address_map: AddressMap) -> None:
    address, lease = address_map.source_to_ipv4(v6("2001:db8:1::5"), 0)
    assert IPv4Address(address) in POOL
    assert address_map.to_ipv6(address, 0) == (v6("2001:db8:1::5"), lease)
    assert address_map.to_ipv4(v6("2001:db8:1::5")) == (address, lease)


def test_a_destination_makes_no_lease(address_map: AddressMap) -> None:
    with pytest.raises(UnmappableError) as raised:
        address_map.to_ipv4(v6("2001:db8:1::5"))
    assert raised.value.reason is Unmappable.NO_MAPPING
    assert address_map.pool is not None
    assert len(address_map.pool) == 0


def test_a_pool_address_without_an_active_lease_has_no_host(address_map: AddressMap) -> None:
    address, _ = address_map.source_to_ipv4(v6("2001:db8:1::5"), 0)
    unused = next(other.packed for other in POOL.hosts() if other.packed != address)
    for without_host, now in ((unused, 0.0), (address, ACTIVE_SECONDS + 1)):
        with pytest.raises(UnmappableError) as raised:
            address_map.to_ipv6(without_host, now)
        assert raised.value.reason is Unmappable.NO_MAPPING


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "169.254.1.1", "0.0.0.1", "255.255.255.255"])
def test_addresses_that_are_never_translated(address_map: AddressMap, address: str) -> None:
    with pytest.raises(UnmappableError) as raised:
        address_map.to_ipv6(v4(address), 0)
    assert raised.value.reason is Unmappable.NEVER_TRANSLATED
    with pytest.raises(UnmappableError) as raised:
        address_map.to_ipv4(PREFIX.embed(v4(address)))
    assert raised.value.reason is Unmappable.NEVER_TRANSLATED


def test_rfc6052_3_1_the_well_known_prefix_refuses_non_global_addresses() -> None:
    strict = AddressMap(WELL_KNOWN, Eamt(), None, wkpf_strict=True)
    with pytest.raises(UnmappableError) as raised:
        strict.to_ipv6(v4("10.1.2.3"), 0)
    assert raised.value.reason is Unmappable.NOT_GLOBAL
    with pytest.raises(UnmappableError) as raised:
        strict.to_ipv4(v6("64:ff9b::10.1.2.3"))
    assert raised.value.reason is Unmappable.NOT_GLOBAL
    assert strict.to_ipv4(v6("64:ff9b::8.8.8.8")) == (v4("8.8.8.8"), None)
    lax = AddressMap(WELL_KNOWN, Eamt(), None, wkpf_strict=False)
    assert lax.to_ipv4(v6("64:ff9b::10.1.2.3")) == (v4("10.1.2.3"), None)


def test_rfc8215_the_local_use_prefix_is_not_restricted() -> None:
    local = AddressMap(Pref64(IPv6Network("64:ff9b:1::/96")), Eamt(), None, wkpf_strict=True)
    assert local.to_ipv4(v6("64:ff9b:1::10.1.2.3")) == (v4("10.1.2.3"), None)


def test_an_exhausted_pool_is_told_apart_from_a_missing_one() -> None:
    small = AddressMap(PREFIX, Eamt(), DynamicPool(IPv4Network("192.168.240.0/31")), wkpf_strict=True)
    small.source_to_ipv4(v6("2001:db8:1::1"), 0)
    with pytest.raises(UnmappableError) as raised:
        small.source_to_ipv4(v6("2001:db8:1::2"), 0)
    assert raised.value.reason is Unmappable.POOL_EXHAUSTED
    none = AddressMap(PREFIX, Eamt(), None, wkpf_strict=True)
    with pytest.raises(UnmappableError) as raised:
        none.source_to_ipv4(v6("2001:db8:1::2"), 0)
    assert raised.value.reason is Unmappable.NO_MAPPING
