"""The fast path of a running daemon: its maps hold what the address map has, and it goes by the daemon's heartbeat."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from nat64.device.fast_path import attachment, contents, program
from nat64.device.fast_path.contents import LeaseEntries
from nat64.device.fast_path.differences import COMPARED, differences
from nat64.device.fast_path.errors import FastPathError
from nat64.device.fast_path.maps import MapFullError
from nat64.device.fast_path.program import Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nat64.addressing.address_map import AddressMap
    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.device.fast_path.contents import Entry
    from nat64.device.fast_path.layout import Outcome
    from nat64.device.fast_path.maps import Maps
    from nat64.device.fast_path.program import Program
    from nat64.siit.settings import Settings

log = logging.getLogger(__name__)

SHORTEST_HEARTBEAT: Final = 5.0
"""Seconds for which a beat lets the program translate at least: a busy daemon is not a stopped one."""
MOST_HOSTS: Final = 1 << 20
"""Leases that find a place; those of larger pools may have to do without. Their tables take 48 MiB."""
_FOR_MORE_MAPS: Final = 1024
"""Fixed maps that a reload can add before the program's maps have to be made anew."""
_SETTLES: Final = 0.001
"""Seconds after which no packet is under way any more that the program took up before it was stopped."""


class FastPath:
    """The program on a device for as long as a daemon runs there: the `Carrier` of its leases.

    `pins` is where it outlives the daemon, `linger` for how many seconds it then goes on, and `clock` gives seconds of
    `time.monotonic`. When a method raises `FastPathError` the caller stops it. `new_hosts` is read by `begin` and `follow`.
    """

    def __init__(self, device: str, pins: Path, linger: float, clock: Callable[[], float]) -> None:
        self.linger = linger
        self.new_hosts = 0
        """How many packets a second of hosts that are not known go up to the daemon; 0: all."""
        self.without_place = 0
        """Leases that the daemon translates alone, because the maps had no place."""
        self._device = device
        self._pins = pins
        self._clock = clock
        self._program: Program | None = None
        self._leases: LeaseEntries | None = None
        self._carried: tuple[DynamicPool, ...] = ()
        self._failure: str | None = None

    def begin(self, settings: Settings, address_map: AddressMap, kept: Program | None) -> None:
        """Begin to translate, with the maps that an earlier daemon has `kept` if they serve, and without a gap.

        Raises `FastPathError`.
        """
        if kept is None or not self._take_up(kept, settings, address_map):
            self._replace(settings, address_map)
        if kept is not None:
            kept.close()
        self._carry(address_map)

    def follow(self, settings: Settings, address_map: AddressMap) -> None:
        """Translate by other settings or another address map; no packet sees a part of the change.

        Raises `FastPathError`.
        """
        before = self._program
        if before is None or not _serves(before, address_map) or not self._change(settings, address_map):
            self._replace(settings, address_map)
            if before is not None:
                before.close()
        self._carry(address_map)

    def beat(self) -> None:
        """Let it translate for some more seconds. Raises `FastPathError`, also for what failed since the last beat."""
        if self._failure is not None:
            raise FastPathError(self._failure)
        self._beat(max(self.linger, SHORTEST_HEARTBEAT))

    def leave(self) -> None:
        """Let it go on for as long as it is to linger, for the next daemon to take it up. Raises `FastPathError`."""
        self._beat(self.linger)

    def stop(self) -> None:
        """Take it away for good; the leases keep the times that it saw. Raises `FastPathError`."""
        for pool in self._carried:
            pool.carry_by(None)
        if self._program is not None:
            with contextlib.suppress(OSError):
                self._maps.beat(0)
        try:
            attachment.detach(self._device)
            program.unpin(self._pins)
        finally:
            if self._program is not None:
                self._program.close()

    def outcomes(self) -> dict[Outcome, int]:
        """Return the packets by what became of them. Raises `FastPathError`."""
        with _explained("read the fast path's counters"):
            return self._maps.outcomes()

    # As the `Carrier` of leases

    def started(self, lease: Lease) -> None:
        """Translate for a new lease from its next packet on."""
        self._maps.last_used.times[self._entries.slot(lease)] = contents.nanoseconds(lease.last_use)
        try:
            self._maps.put(self._entries.of(lease))
        except (OSError, MapFullError) as error:
            if not self.without_place:
                log.warning("a host has no place in the fast path", extra={"problem": str(error)})
            self.without_place += 1

    def ended(self, lease: Lease) -> None:
        """Translate for a lease no more."""
        try:
            self._maps.remove(self._entries.of(lease))
        except OSError as error:
            self._failure = f"the fast path cannot forget a lease: {error.strerror}; reload to try again"
            with contextlib.suppress(OSError):
                self._maps.beat(0)

    def last_use(self, lease: Lease) -> float:
        """Return when it saw a packet of a lease. May be called in any thread."""
        try:
            return float(self._maps.last_used.times[self._entries.slot(lease)]) * 1e-9
        except (ValueError, LookupError):  # the maps are being replaced just now
            return lease.last_use

    # The maps

    @property
    def _maps(self) -> Maps:
        assert self._program is not None  # noqa: S101 - for the type checker: it is there from `begin` on
        return self._program.maps

    @property
    def _entries(self) -> LeaseEntries:
        assert self._leases is not None  # noqa: S101 - as above
        return self._leases

    def _take_up(self, kept: Program, settings: Settings, address_map: AddressMap) -> bool:
        """Go on with maps that are there, and with this version's program; False if they do not serve."""
        if not _serves(kept, address_map):
            log.info("the fast path's maps are made anew, those that are there are for another config")
            return False
        maps = {name: one.descriptor for name, one in kept.maps.by_name.items()}
        loaded = program.load(_sizes(address_map), maps=maps)
        self._program, self._leases = loaded, LeaseEntries(address_map)
        if not self._change(settings, address_map):
            loaded.close()
            return False
        self._put_leases(address_map)
        self._put_on_device()
        return True

    def _replace(self, settings: Settings, address_map: AddressMap) -> None:
        """Fill new maps, and put a program that has them in the place of the one on the device."""
        loaded = program.load(_sizes(address_map))
        with contextlib.ExitStack() as undo, _explained("fill the fast path's maps"):
            undo.callback(loaded.close)
            loaded.maps.put(
                [self._settings_entry(settings, address_map), *contents.prefix_entries(address_map)]
            )
            loaded.maps.put(contents.map_entries(address_map))
            undo.pop_all()
        for pool in address_map.pools:
            pool.carry_by(None)  # the leases have their times from the maps that go now
        self._program, self._leases = loaded, LeaseEntries(address_map)
        self._put_leases(address_map)
        self._put_on_device()

    def _change(self, settings: Settings, address_map: AddressMap) -> bool:
        """Have the maps that are in use hold what is wanted now; False where the kernel does not let us read them."""
        maps = self._maps
        wanted = self._settings_entry(settings, address_map)
        try:
            present = {name: maps[name].items() for name in COMPARED}
            changes = differences(present, address_map, self._entries)
            is_changed = maps["settings"].lookup(wanted.key) != wanted.value
        except OSError as error:  # tries can be read from Linux 5.16 on
            log.info("the fast path's maps are made anew", extra={"problem": error.strerror})
            return False
        if changes.remove or changes.put or is_changed:
            with _explained("change the fast path's maps"):
                maps.beat(0)
                time.sleep(_SETTLES)
                maps.remove(changes.remove)
                maps.put([*changes.put, wanted])
            self.beat()
        return True

    def _put_leases(self, address_map: AddressMap) -> None:
        with _explained("write the leases into the fast path's maps"):
            times = self._maps.last_used.times
            leases = [lease for pool in address_map.pools for lease in pool]
            for lease in leases:
                times[self._entries.slot(lease)] = contents.nanoseconds(lease.used())
            try:
                self._maps.put_many(entry for lease in leases for entry in self._entries.of(lease))
            except MapFullError as full:
                log.warning("hosts have no place in the fast path", extra={"problem": str(full)})

    def _put_on_device(self) -> None:
        self.beat()
        assert self._program is not None  # noqa: S101 - for the type checker, as above
        attachment.attach(self._device, self._program.descriptor)
        try:
            self._program.pin(self._pins)
        except FastPathError as error:
            log.warning("a restart will lose what the fast path knows", extra={"problem": str(error)})

    def _carry(self, address_map: AddressMap) -> None:
        self._carried = address_map.pools
        for pool in self._carried:
            pool.carry_by(self)

    def _settings_entry(self, settings: Settings, address_map: AddressMap) -> Entry:
        bound = self.new_hosts if _all_have_place(address_map) else 0
        try:
            return contents.settings_entry(settings, address_map, bound)
        except ValueError as error:
            raise FastPathError(
                f"the fast path knows no {error}; use fewer of them, or set fast-path off"
            ) from None

    def _beat(self, seconds: float) -> None:
        with _explained("write the fast path's heartbeat"):
            self._maps.beat(contents.nanoseconds(self._clock() + seconds) if seconds else 0)


def _sizes(address_map: AddressMap, more: int = _FOR_MORE_MAPS) -> Sizes:
    """Return how many entries an address map needs, and `more` for fixed maps."""
    exact, networks = contents.fixed_maps(address_map)
    return Sizes(
        hosts=min(MOST_HOSTS, _leases(address_map)) + exact + more,
        maps=networks + more,
        last_used=contents.Slots(address_map).size,
    )


def _serves(there: Program, address_map: AddressMap) -> bool:
    """Whether maps that are there count prefixes and leases as the address map does, and have room for what it has."""
    try:
        return (
            there.has_room(_sizes(address_map, more=0))
            and there.maps.prefixes() == len(address_map.prefixes)
            and all(
                there.maps[entry.map_name].lookup(entry.key) == entry.value
                for entry in contents.prefix_entries(address_map)
            )
        )
    except OSError:
        return False


def _all_have_place(address_map: AddressMap) -> bool:
    """Whether the maps hold every lease that there can be, so that a host which they do not hold is a new one."""
    return _leases(address_map) <= MOST_HOSTS


def _leases(address_map: AddressMap) -> int:
    """Return how many leases there can be."""
    return sum(pool.network.num_addresses for pool in address_map.pools)


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Raise what the kernel refuses as a `FastPathError`."""
    try:
        yield
    except OSError as error:
        raise FastPathError(f"cannot {doing}: {error.strerror}; see the kernel's log (dmesg)") from None
    except MapFullError as error:
        raise FastPathError(str(error)) from None
