"""The fast path of nat64d as its config wants it: begun, followed, ended; or the reason why there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Final, Literal

from nat64.device.fast_path import attachment, availability, kept, pins, program
from nat64.device.fast_path.errors import FastPathError
from nat64.device.fast_path.layout import MEANINGS as OUTCOMES_MEAN
from nat64.device.fast_path.layout import Outcome
from nat64.device.fast_path.running import FastPath
from nat64.siit import counters

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap
    from nat64.config.nat_config import NatConfig
    from nat64.device.fast_path.kept import KeptLease
    from nat64.device.fast_path.program import Program
    from nat64.process.privileges import Identity
    from nat64.siit.settings import Settings

log = logging.getLogger(__name__)

OFF: Final = "fast-path off"


def _name(outcome: Outcome) -> str:
    return f"fast_path_{outcome.name.lower()}"


WITHOUT_PLACE: Final = "fast_path_without_place"
TRANSLATED: Final = {
    Outcome.TO_IPV4_TCP: (counters.TO_IPV4, counters.TO_IPV4_TCP),
    Outcome.TO_IPV4_UDP: (counters.TO_IPV4, counters.TO_IPV4_UDP),
    Outcome.TO_IPV4_ICMP: (counters.TO_IPV4, counters.TO_IPV4_ICMP),
    Outcome.TO_IPV6_TCP: (counters.TO_IPV6, counters.TO_IPV6_TCP),
    Outcome.TO_IPV6_UDP: (counters.TO_IPV6, counters.TO_IPV6_UDP),
    Outcome.TO_IPV6_ICMP: (counters.TO_IPV6, counters.TO_IPV6_ICMP),
    Outcome.TURNED_BACK: (counters.HAIRPINNED,),
    Outcome.ERROR_TO_IPV6: (counters.ERROR_TO_IPV6,),
}
"""Which of the translator's counters count what the kernel has translated, too."""
MEANINGS: Final = {
    **{_name(outcome): f"fast path: {meaning}" for outcome, meaning in OUTCOMES_MEAN.items()},
    WITHOUT_PLACE: "leases that found the fast path's maps full, so that all their packets go to the daemon",
}


class OwnFastPath:
    """The daemon's fast path. `problem` is why it does not run, None while it does."""

    def __init__(self, config: NatConfig, identity: Identity) -> None:
        self.problem: str | None = OFF
        self._device = config.tun_device
        self._pins = pins.directory(config.bpffs, config.tun_device)
        self._identity = identity
        self._kept: Program | None = None
        self._running: FastPath | None = None

    @property
    def state(self) -> Literal["live", "off", "missing"]:
        """Whether it translates, is not wanted, or is not to be had."""
        if self.problem is None:
            return "live"
        return "off" if self.problem == OFF else "missing"

    def kept_leases(self) -> list[KeptLease]:
        """Find what an earlier daemon left on the device, and return the leases in it."""
        try:
            self._kept = kept.find(self._device, self._pins)
            return list(kept.leases(self._kept.maps)) if self._kept is not None else []
        except (FastPathError, OSError) as error:
            log.info("an earlier fast path is not taken up", extra={"problem": str(error)})
            return []

    def begin(self, config: NatConfig, settings: Settings, address_map: AddressMap) -> None:
        """Begin as the config wants it. Raises `FastPathError` where it is required and cannot be."""
        if config.fast_path == "off":
            self._end(OFF)
            return
        try:
            self._begin(config, settings, address_map)
        except FastPathError as error:
            self._fail(error)
            if config.fast_path == "require":
                raise

    def follow(self, config: NatConfig, settings: Settings, address_map: AddressMap) -> None:
        """Go on by another config, settings or address map. What fails is logged, and Python goes on alone."""
        try:
            if config.fast_path == "off":
                self._end(OFF)
            elif self._running is None:
                self._begin(config, settings, address_map)
            else:
                self._running.linger = config.linger
                self._running.new_hosts = config.new_hosts
                self._running.follow(settings, address_map)
                self._running.beat()  # by another linger
        except FastPathError as error:
            self._fail(error)

    def beat(self) -> None:
        """Let it go on; to be called once a second."""
        if self._running is not None:
            try:
                self._running.beat()
            except FastPathError as error:
                self._fail(error)

    def leave(self, *, is_persistent: bool) -> None:
        """Leave it to the next daemon for as long as it lingers, or take it away with a device that goes, too."""
        if self._running is None:
            return
        try:
            if is_persistent:
                self._running.leave()
            else:
                self._running.stop()
        except FastPathError as error:
            log.log(logging.WARNING if is_persistent else logging.DEBUG, str(error))

    def add_to(self, counts: dict[str, int]) -> None:
        """Add what the kernel has translated to the translator's counters, and a number for each of `MEANINGS`.

        Those are left out while it does not run.
        """
        if self._running is None:
            return
        try:
            outcomes = self._running.outcomes()
        except FastPathError as error:
            self._fail(error)
            return
        for outcome, count in outcomes.items():
            counts[_name(outcome)] = count
            for name in TRANSLATED.get(outcome, ()):
                counts[name] += count
        counts[WITHOUT_PLACE] = self._running.without_place

    def _begin(self, config: NatConfig, settings: Settings, address_map: AddressMap) -> None:
        missing = availability.missing()
        if missing is not None:
            raise FastPathError(missing)
        if not os.geteuid():  # else --mktun made them
            make_pins(config, self._identity)
        there, self._kept = self._kept, None
        running = FastPath(self._device, self._pins, config.linger, time.monotonic)
        running.new_hosts = config.new_hosts
        self._running = running
        running.begin(settings, address_map, there)
        self.problem = None
        log.info("the fast path translates", extra={"device": self._device, "kept": there is not None})

    def _fail(self, error: FastPathError) -> None:
        is_known = self.problem == str(error)
        self._end(str(error))
        if not is_known:
            log.warning("no fast path, every packet is translated in Python", extra={"problem": str(error)})
        if error.log:
            log.debug("the kernel's verifier", extra={"log": error.log})

    def _end(self, problem: str) -> None:
        """Take away what is there, also that of an earlier daemon."""
        self.problem = problem
        running, self._running = self._running, None
        there, self._kept = self._kept, None
        if there is not None:
            there.close()
        try:
            if running is not None:
                running.stop()
            elif attachment.detach(self._device):
                program.unpin(self._pins)
        except FastPathError as error:
            log.debug(str(error))


def make_pins(config: NatConfig, identity: Identity) -> None:
    """Make the place where the fast path outlives the daemon, for whom the daemon becomes.

    Where that cannot be, the daemon says so when it starts.
    """
    if config.fast_path != "off":
        with contextlib.suppress(FastPathError):
            pins.make(pins.directory(config.bpffs, config.tun_device), identity.user, identity.group)


def remove_pins(config: NatConfig) -> None:
    """Remove that place. Raises `FastPathError`."""
    pins.remove(pins.directory(config.bpffs, config.tun_device))
