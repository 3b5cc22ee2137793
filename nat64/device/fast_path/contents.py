"""What the maps hold for a translator's settings and its address map: the same decisions, as keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.address_map import Hairpin
from nat64.addressing.lease import ACTIVE_SECONDS
from nat64.device.fast_path import layout
from nat64.device.fast_path.layout import SettingsFlag
from nat64.siit.settings import UdpZeroChecksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from nat64.addressing.address_map import AddressMap
    from nat64.addressing.eamt import Eam
    from nat64.addressing.lease import Lease
    from nat64.siit.settings import Settings

_NOWHERE: Final = (b"\xff\xff\xff\xff", bytes(4))
"""A network and a mask under which it never is."""
_HAIRPIN: Final = {
    Hairpin.OFF: SettingsFlag(0),
    Hairpin.SIMPLE: SettingsFlag.HAIRPIN_SIMPLE,
    Hairpin.INTRINSIC: SettingsFlag.HAIRPIN_INTRINSIC,
}
_UDP_ZERO: Final = {
    UdpZeroChecksum.DROP: SettingsFlag(0),
    UdpZeroChecksum.FORWARD: SettingsFlag.UDP_ZERO_FORWARD,
    UdpZeroChecksum.CALCULATE: SettingsFlag.UDP_ZERO_CALCULATE,
}


class Entry(NamedTuple):
    """One entry of the map with this name."""

    map_name: str
    key: bytes
    value: bytes


class Slots:
    """Where in `last_used` each pool address has its time: the addresses of one pool after those of the other.

    `size` is how many entries `last_used` needs. A slot stays the same while the pools do.
    """

    def __init__(self, address_map: AddressMap) -> None:
        self._pools: list[tuple[int, int, int]] = []  # the first address, the number of them, the first slot
        self.size = layout.NOT_LEASED + 1
        for pool in address_map.pools:
            count = pool.network.num_addresses
            self._pools.append((int(pool.network.network_address), count, self.size))
            self.size += count

    def of(self, ipv4: bytes) -> int:
        """Return the slot of a pool address. Raises `KeyError` for another address."""
        number = int.from_bytes(ipv4, "big")
        for first, count, slot in self._pools:
            if 0 <= number - first < count:
                return slot + number - first
        raise KeyError(ipv4)


def nanoseconds(seconds: float) -> int:
    """Return a time of `time.monotonic` as it stands in `last_used`."""
    return int(seconds * 1e9)


class LeaseEntries:
    """The entries of leases, by the prefixes and pools of one address map."""

    def __init__(self, address_map: AddressMap) -> None:
        self.slots = Slots(address_map)
        self._numbers = {of.prefix: number for number, of in enumerate(address_map.prefixes)}

    def slot(self, lease: Lease) -> int:
        """Return where in `last_used` a lease has its time. Raises `KeyError` for one of another address map."""
        return self.slots.of(lease.address)

    def of(self, lease: Lease) -> tuple[Entry, Entry]:
        """Return the entries of a lease. Raises `KeyError` as `slot`."""
        return lease_entries(lease.host, lease.address, self._numbers[lease.prefix], self.slot(lease))


def settings_entry(settings: Settings, address_map: AddressMap, new_hosts: int = 0) -> Entry:
    """Return what stands in `settings`. Raises `ValueError` for more prefixes than the program knows.

    `new_hosts` is how many packets with an unknown address may go up to the daemon each second; 0: all.
    """
    if len(address_map.prefixes) > layout.MOST_PREFIXES:
        raise ValueError(f"more than {layout.MOST_PREFIXES} prefixes")
    flags = _HAIRPIN[address_map.hairpin] | _UDP_ZERO[settings.udp_zero_checksum]
    for eam, _ in _eams(address_map):
        flags |= SettingsFlag.EXACT_MAPS if _is_exact(eam) else SettingsFlag.NETWORK_MAPS
    value = layout.SETTINGS.pack(
        layout.LAYOUT,
        flags,
        settings.mtu,
        min(settings.mtu, settings.offlink_mtu),
        0xFF if settings.tos_to_ipv4 is None else 0,
        settings.tos_to_ipv4 or 0,
        0xFF if settings.tos_to_ipv6 is None else 0,
        settings.tos_to_ipv6 or 0,
        settings.ipv4_addr,
        *_network(settings.rfc6791_pool.network if settings.rfc6791_pool is not None else None),
        len(address_map.prefixes),
        1_000_000_000 // new_hosts if new_hosts else 0,
        int(ACTIVE_SECONDS * 1e9),
        settings.ipv6_addr,
    )
    return Entry("settings", layout.INDEX.pack(0), value)


def prefix_entries(address_map: AddressMap) -> Iterator[Entry]:
    """Yield what stands in `prefixes`, in the order of the prefixes, which the other entries count by."""
    for index, of in enumerate(address_map.prefixes):
        network = of.prefix.network if of.prefix is not None else None
        value = layout.PREFIX.pack(
            network.network_address.packed if network is not None else bytes(16),
            network.netmask.packed if network is not None else bytes(16),
            network.prefixlen if network is not None else 0,
            of.is_global_only,
            *_network(of.pool.network if of.pool is not None else None),
        )
        yield Entry("prefixes", layout.INDEX.pack(index), value)


def map_entries(address_map: AddressMap) -> Iterator[Entry]:
    """Yield the fixed maps' entries; those of one map from IPv4 first, so that no reply finds less than its packet.

    From IPv6 a map is found for its prefix, and for any where the address is a far side: there the first of them counts.
    """
    of_any: set[IPv6Network] = set()
    for eam, of in _eams(address_map):
        numbers = (of,) if eam.ipv6 in of_any else (of, layout.ANY_PREFIX)
        of_any.add(eam.ipv6)
        yield from _exact_entries(eam, of, numbers) if _is_exact(eam) else _network_entries(eam, of, numbers)


def lease_entries(host: bytes, ipv4: bytes, of: int, slot: int) -> tuple[Entry, Entry]:
    """Return the two entries of a lease of `host` for the prefix with the number `of`.

    They are to be made in this order, and deleted in the other, so that no reply finds less than its packet.
    """
    return (
        Entry("hosts4", ipv4, layout.HOST4.pack(host, slot, of)),
        Entry("hosts6", layout.HOST6_KEY.pack(host, of), layout.HOST6.pack(ipv4, slot, of)),
    )


def fixed_maps(address_map: AddressMap) -> tuple[int, int]:
    """Return how many maps there are of one address to one, and how many of networks."""
    exact = sum(_is_exact(eam) for eam, _ in _eams(address_map))
    return exact, sum(len(of.eamt) for of in address_map.prefixes) - exact


def _eams(address_map: AddressMap) -> Iterator[tuple[Eam, int]]:
    for index, of in enumerate(address_map.prefixes):
        for eam in of.eamt:
            yield eam, index


def _is_exact(eam: Eam) -> bool:
    """Whether a map is of one address to one address."""
    return eam.ipv4.prefixlen == 32 and eam.ipv6.prefixlen == 128


def _exact_entries(eam: Eam, of: int, numbers: tuple[int, ...]) -> Iterator[Entry]:
    host, ipv4 = eam.ipv6.network_address.packed, eam.ipv4.network_address.packed
    yield Entry("hosts4", ipv4, layout.HOST4.pack(host, layout.NOT_LEASED, of))
    for number in numbers:
        key = layout.HOST6_KEY.pack(host, number)
        yield Entry("hosts6", key, layout.HOST6.pack(ipv4, layout.NOT_LEASED, of))


def _network_entries(eam: Eam, of: int, numbers: tuple[int, ...]) -> Iterator[Entry]:
    ipv6, ipv4 = eam.ipv6.network_address.packed, eam.ipv4.network_address.packed
    value = layout.NETWORK_MAP.pack(ipv6, ipv4, int(eam.ipv4.hostmask), eam.padding, of)
    yield Entry("maps4", layout.MAP4_KEY.pack(eam.ipv4.prefixlen, ipv4), value)
    for number in numbers:
        yield Entry("maps6", layout.MAP6_KEY.pack(32 + eam.ipv6.prefixlen, number, ipv6), value)


def _network(network: IPv4Network | None) -> tuple[bytes, bytes]:
    if network is None:
        return _NOWHERE
    return network.network_address.packed, network.netmask.packed
