"""What is to be changed in maps that are in use, so that they hold what an address map asks for. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.device.fast_path import contents, layout
from nat64.device.fast_path.contents import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nat64.addressing.address_map import AddressMap
    from nat64.device.fast_path.contents import LeaseEntries

COMPARED: Final = ("hosts4", "hosts6", "maps4", "maps6")
"""The maps that hold fixed maps and leases; an entry from IPv4 comes before that from IPv6."""


class Differences(NamedTuple):
    """Entries to delete, and fixed maps' entries to make or replace. Leases that are missing are not among them."""

    remove: list[Entry]
    put: list[Entry]


def differences(
    present: Mapping[str, Iterable[tuple[bytes, bytes]]], address_map: AddressMap, leases: LeaseEntries
) -> Differences:
    """Compare what is `present` in each of the maps `COMPARED`, as keys and values, with what is wanted.

    A lease is wanted when its pool has it; `leases` tells its entries.
    """
    missing = {(entry.map_name, entry.key): entry for entry in contents.map_entries(address_map)}
    fixed = frozenset(missing)
    remove: list[Entry] = []
    for name in COMPARED:
        for key, value in present[name]:
            if (name, key) in fixed:
                if missing[name, key].value == value:
                    del missing[name, key]
            elif not _is_lease(Entry(name, key, value), address_map, leases):
                remove.append(Entry(name, key, value))
    return Differences(remove, list(missing.values()))


def _is_lease(entry: Entry, address_map: AddressMap, leases: LeaseEntries) -> bool:
    """Whether an entry is that of a lease which a pool has now."""
    if entry.map_name == "hosts4":
        host, _slot, number = layout.HOST4.unpack(entry.value)
    elif entry.map_name == "hosts6":
        host, number = layout.HOST6_KEY.unpack(entry.key)
    else:
        return False
    if number >= len(address_map.prefixes):
        return False
    of = address_map.prefixes[number]
    lease = of.pool.of_host(host, of.prefix) if of.pool is not None else None
    return lease is not None and entry in leases.of(lease)
