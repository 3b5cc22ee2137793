"""The leases' life on disk: loaded at the start, saved when they change, and now and then for their times of use."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from nat64.addressing import dynamic_map
from nat64.device.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.addressing.prefix import Pref64
    from nat64.device.state_file import StateDirectory

log = logging.getLogger(__name__)

SAVE_CHANGES_EVERY: Final = 5.0
"""Seconds from one save to the next while leases come and go."""

SAVE_TIMES_EVERY: Final = 600.0
"""Seconds from one save to the next while only the times of last use change."""

_CLOCK_STEP: Final = 60.0
"""Seconds by which the clock of the saved times may drift before they are saved anew."""

_SKIPPED_LINES_TOLD: Final = 10


class LeaseFile:
    """`dynamic.map` in a state directory."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self._saved: list[tuple[DynamicPool, int]] | None = None  # which pools in which revisions
        self._saved_at = float("-inf")
        self._clock_ahead = 0.0  # of Unix time before the leases' clock, at the last save

    def load(
        self,
        pools: Mapping[Pref64 | None, DynamicPool | None],
        now: float,
        only: Container[Pref64 | None] | None = None,
    ) -> None:
        """Put the saved leases into the pools, which stand by their prefixes, the first prefix first.

        `only` names the prefixes whose leases are wanted, if not all. Lines that cannot be used are logged and left
        out; then the file as it was is kept beside the one that the next save writes. Raises `DeviceError` when the file
        is there and cannot be read: saving would lose it.
        """
        try:
            text = self._directory.read(dynamic_map.FILE_NAME)
        except OSError as error:
            raise DeviceError(
                f"cannot read the saved leases in {self._path}: {error.strerror}; mend its owner and mode, or move it away"
            ) from None
        if text is None:
            return
        skipped = dynamic_map.restore(text, pools, now, time.time(), only)
        for line in skipped[:_SKIPPED_LINES_TOLD]:
            log.warning(
                "saved lease skipped", extra={"place": f"{self._path}:{line.line}", "problem": line.problem}
            )
        if len(skipped) > _SKIPPED_LINES_TOLD:
            log.warning("more saved leases skipped", extra={"lines": len(skipped) - _SKIPPED_LINES_TOLD})
        if skipped:
            self._keep_copy(text)
        held = sum(len(pool) for pool in pools.values() if pool is not None)
        log.info("leases loaded", extra={"leases": held, "file": self._path})

    def _keep_copy(self, text: str) -> None:
        name = f"{dynamic_map.FILE_NAME}.skipped"
        try:
            self._directory.write(name, text)
        except OSError as error:
            log.warning(
                "cannot keep a copy of the lines skipped", extra={"file": name, "error": error.strerror}
            )
            return
        log.warning(
            "the file with the skipped lines is kept", extra={"file": str(self._directory.path / name)}
        )

    def is_due(self, pools: Sequence[DynamicPool], now: float) -> bool:
        """Whether it is time to save.

        A machine without a clock of its own starts in 1970; once it learns the time, leases saved with that date
        would be taken for forgotten ones.
        """
        age = now - self._saved_at
        clock_stepped = abs(time.time() - now - self._clock_ahead) > _CLOCK_STEP
        if clock_stepped or _revisions(pools) != self._saved:
            return age >= SAVE_CHANGES_EVERY
        return age >= SAVE_TIMES_EVERY

    def begin(self, pools: Sequence[DynamicPool], now: float) -> list[Lease]:
        """Take down which leases a save will hold. The save itself may then run beside the packets."""
        self._saved = _revisions(pools)
        self._saved_at = now
        self._clock_ahead = time.time() - now
        return [lease for pool in pools for lease in pool]

    def save(self, leases: Iterable[Lease], first_prefix: Pref64 | None, now: float) -> None:
        """Write the leases to disk. A failure is logged; the next save tries again."""
        try:
            self._directory.write(
                dynamic_map.FILE_NAME, dynamic_map.write(leases, first_prefix, now, time.time())
            )
        except OSError as error:
            self._saved = None
            log.error("cannot save the leases", extra={"file": self._path, "error": error.strerror})  # noqa: TRY400 - the reason is in the line, a traceback adds nothing

    @property
    def _path(self) -> str:
        return str(self._directory.path / dynamic_map.FILE_NAME)


def _revisions(pools: Iterable[DynamicPool]) -> list[tuple[DynamicPool, int]]:
    return [(pool, pool.revision) for pool in pools]
