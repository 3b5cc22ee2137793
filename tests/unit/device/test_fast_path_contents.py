"""What the fast path's maps hold for a translator's settings and addresses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from nat64.addressing.address_map import AddressMap, Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.device.fast_path import contents, layout
from nat64.device.fast_path.layout import SettingsFlag
from nat64.siit.settings import Settings, UdpZeroChecksum

HOST = IPv6Address("3fff:1::5").packed
LEASED = IPv4Address("192.168.240.10").packed
SETTINGS = Settings(ipv4_addr=bytes((192, 168, 240, 1)), ipv6_addr=IPv6Address("3fff:64::1").packed)


def _prefix(number: int, *maps: tuple[str, str], pool: str | None = None) -> PrefixMap:
    eamt = Eamt(Eam(IPv4Network(ipv4), IPv6Network(ipv6)) for ipv4, ipv6 in maps)
    prefix = Pref64(IPv6Network(f"3fff:64:{number:x}::/96"))
    return PrefixMap(prefix, eamt, DynamicPool(IPv4Network(pool)) if pool else None, wkpf_strict=True)


def _flags(address_map: AddressMap) -> SettingsFlag:
    return SettingsFlag(layout.SETTINGS.unpack(contents.settings_entry(SETTINGS, address_map).value)[1])


@pytest.mark.parametrize(
    ("mode", "flags"),
    [
        (UdpZeroChecksum.DROP, SettingsFlag(0)),
        (UdpZeroChecksum.FORWARD, SettingsFlag.UDP_ZERO_FORWARD),
        (UdpZeroChecksum.CALCULATE, SettingsFlag.UDP_ZERO_CALCULATE),
    ],
)
def test_rfc7915_4_5_what_becomes_of_udp_without_a_checksum_is_told(
    mode: UdpZeroChecksum, flags: SettingsFlag
) -> None:
    settings = replace(SETTINGS, udp_zero_checksum=mode)

    value = contents.settings_entry(settings, AddressMap([_prefix(0)], Hairpin.OFF)).value

    assert SettingsFlag(layout.SETTINGS.unpack(value)[1]) == flags


def test_a_lease_is_made_from_ipv4_first() -> None:
    to_ipv6, to_ipv4 = contents.lease_entries(HOST, LEASED, 2, 7)

    assert to_ipv6 == ("hosts4", LEASED, HOST + b"\7\0\0\0\2\0\0\0")
    assert to_ipv4 == ("hosts6", HOST + b"\2\0\0\0\0\0\0\0", LEASED + b"\7\0\0\0\2\0\0\0")


def test_a_host_mapped_in_two_prefixes_has_both_maps_and_the_first_as_a_far_side() -> None:
    address_map = AddressMap(
        [_prefix(0, ("192.0.2.9/32", "3fff:9::9/128")), _prefix(1, ("203.0.113.9/32", "3fff:9::9/128"))]
    )
    host = IPv6Address("3fff:9::9").packed

    found = {
        layout.HOST6_KEY.unpack(entry.key)[1]: layout.HOST6.unpack(entry.value)
        for entry in contents.map_entries(address_map)
        if entry.map_name == "hosts6" and entry.key.startswith(host)
    }

    first, second = bytes((192, 0, 2, 9)), bytes((203, 0, 113, 9))
    assert found == {0: (first, 0, 0), 1: (second, 0, 1), layout.ANY_PREFIX: (first, 0, 0)}


def test_the_same_holds_for_a_network() -> None:
    maps = ("192.0.2.0/28", "3fff:a::/124"), ("203.0.113.0/28", "3fff:a::/124")
    address_map = AddressMap([_prefix(number, one) for number, one in enumerate(maps)])

    found = {
        layout.MAP6_KEY.unpack(entry.key)[:2]: layout.NETWORK_MAP.unpack(entry.value)[4]
        for entry in contents.map_entries(address_map)
        if entry.map_name == "maps6"
    }

    assert found == {(32 + 124, 0): 0, (32 + 124, 1): 1, (32 + 124, layout.ANY_PREFIX): 0}


@pytest.mark.parametrize(
    ("maps", "flags"),
    [
        ((), SettingsFlag(0)),
        ((("192.0.2.9/32", "3fff:9::9/128"),), SettingsFlag.EXACT_MAPS),
        ((("192.0.2.9/32", "3fff:9::/64"),), SettingsFlag.NETWORK_MAPS),
        (
            (("192.0.2.9/32", "3fff:9::9/128"), ("192.0.2.16/28", "3fff:a::/124")),
            SettingsFlag.EXACT_MAPS | SettingsFlag.NETWORK_MAPS,
        ),
    ],
)
def test_maps_are_looked_for_only_where_there_are_any(
    maps: tuple[tuple[str, str], ...], flags: SettingsFlag
) -> None:
    assert _flags(AddressMap([_prefix(0, *maps)], Hairpin.OFF)) == flags


def test_more_prefixes_than_the_program_knows_are_refused() -> None:
    prefixes = [_prefix(number) for number in range(17)]
    contents.settings_entry(SETTINGS, AddressMap(prefixes[:16]))

    with pytest.raises(ValueError, match=r"^more than 16 prefixes$"):
        contents.settings_entry(SETTINGS, AddressMap(prefixes))


def test_addresses_of_several_pools_have_slots_of_their_own_and_none_is_that_of_a_fixed_map() -> None:
    pools = "192.168.240.0/28", "192.168.242.0/30"
    slots = contents.Slots(AddressMap([_prefix(number, pool=pool) for number, pool in enumerate(pools)]))

    numbers = [slots.of(address.packed) for pool in pools for address in IPv4Network(pool)]

    assert numbers == list(range(1, 21))
    assert slots.size == 21
    assert layout.NOT_LEASED not in numbers
    with pytest.raises(KeyError):
        slots.of(bytes((192, 168, 241, 1)))
