"""A wall clock that jumps for one process tree and for nobody else: Debian's libfaketime, unpacked, not installed.

The monotonic clock goes on as it is, since it never jumps on a real host either.
"""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING, Final

from tests.lab.distribution_daemons import unpacked

if TYPE_CHECKING:
    from pathlib import Path

JUMPS: Final = ("+1h", "-2h", "+3d", "-40d", "+0")


class FakeClock:
    """The clock of the processes that are started with `environment`."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._file.write_text("+0\n")
        self._jumps = itertools.cycle(JUMPS)
        self.environment: dict[str, str] = {}
        try:
            root = unpacked("bookworm", ("base-files", "libfaketime"), "faketime")
        except (OSError, subprocess.CalledProcessError):
            return  # no mirror, no jumps: the report says so
        (library,) = root.glob("usr/lib/*/faketime/libfaketimeMT.so.1")
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self) -> str:
        """Jump, and tell it."""
        if not self.environment:
            return "no clock jumps: there is no libfaketime"
        to = next(self._jumps)
        self._file.write_text(f"{to}\n")
        return f"the clock jumps to {to}"
