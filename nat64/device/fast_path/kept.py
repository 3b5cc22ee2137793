"""What an earlier daemon left on a device: its program and maps, by their pins, and the leases in them."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import TYPE_CHECKING, NamedTuple

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.device.fast_path import attachment, layout, program
from nat64.device.fast_path.errors import FastPathError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nat64.device.fast_path.maps import Maps
    from nat64.device.fast_path.program import Program


class KeptLease(NamedTuple):
    """A lease as the maps hold it; `last_use` is in seconds of `time.monotonic`."""

    host: bytes
    prefix: Pref64 | None
    address: bytes
    last_use: float


def find(device: str, pins: Path) -> Program | None:
    """Return the program on the device with its maps, None if there is none, or none that is pinned.

    Raises `FastPathError` when what is there is of another layout, or may not be taken over.
    """
    try:
        if not (pins / program.PROGRAM).exists():
            return None
    except PermissionError:
        raise FastPathError(f"may not read {pins}; make it anew: nat64d --mktun -u USER") from None
    there = attachment.attached(device)
    if there is None:
        return None
    found = program.adopt(pins)
    if program.number(found.descriptor) != there.program_id:  # the pins are of another device with this name
        found.close()
        return None
    if found.maps.layout() != layout.LAYOUT:
        found.close()
        raise FastPathError(f"the fast path pinned in {pins} is of another version; load it anew")
    return found


def leases(maps: Maps) -> Iterator[KeptLease]:
    """Yield the leases that the maps hold."""
    prefixes = _prefixes(maps)
    times = maps.last_used.times
    for address, value in maps["hosts4"].items():
        host, slot, of = layout.HOST4.unpack(value)
        if slot == layout.NOT_LEASED or of >= len(prefixes) or slot >= len(times):
            continue
        yield KeptLease(host, prefixes[of], address, times[slot] * 1e-9)


def _prefixes(maps: Maps) -> list[Pref64 | None]:
    """Return the prefixes by whose number the entries count."""
    found: list[Pref64 | None] = []
    for index in range(maps.prefixes()):
        value = maps["prefixes"].lookup(layout.INDEX.pack(index))
        address, _mask, length, *_ = layout.PREFIX.unpack(value or bytes(layout.PREFIX.size))
        found.append(Pref64(IPv6Network((address, length))) if length in LENGTHS else None)
    return found
